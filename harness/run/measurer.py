"""Measures cases that take turns: drives the load beside the samplers, judges what came, and makes the records."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analysis import verdict
from harness.analysis.link import LinkUse, measure_use
from harness.host import logs
from harness.host.sampler import Sampler
from harness.model.blocks import BlockOrder, Turn
from harness.model.errors import LoadError, WorkersLostError
from harness.model.loads import Rate
from harness.model.records import Record
from harness.run import trial
from harness.run.journal import now
from harness.run.observation import Observation, count_cpu, count_others
from harness.text.secrets import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.hosts.link import LinkSampler, LiveLink
    from harness.hosts.server_host import RunningServer
    from harness.model.loads import Load
    from harness.model.machine import Placement
    from harness.model.plan import Case, Compression, Selection, ServerConfig
    from harness.model.records import Sample, Verdict
    from harness.model.results import LoadResult
    from harness.model.run_info import RunInfo
    from harness.model.targets import Tls
    from harness.run.journal import Journal
    from harness.run.launcher import Started
    from harness.run.load_hosts import LoadHosts
    from harness.run.load_process import ForkServer
    from harness.run.observation import MachineShares


class Measurer:
    """Makes the records of measurements, all under the same conditions."""

    def __init__(
        self,
        selection: Selection,
        info: RunInfo,
        placement: Placement,
        fork_server: ForkServer,
        tls: Tls,
        journal: Journal,
        load_hosts: LoadHosts | None = None,
        link: LiveLink | None = None,
    ) -> None:
        self._scenarios = {entry.name: entry for entry in selection.every_scenario}
        self._conditions = selection.conditions
        self._info = info
        self._placement = placement
        self._fork_server = fork_server
        self._tls = tls
        self._journal = journal
        self._link = link
        self._load_hosts = load_hosts

    def measure(self, servers: Mapping[ServerConfig, Started], cases: Sequence[Case], turn: TurnOf) -> list[Record]:
        """One measurement, in which these cases take turns: a record of each, in their order.

        `servers` are all that run, of which those of other cases are idle meanwhile.
        """
        order = self._order(servers, cases, turn)
        given = {"started_at": now(), "load_argv": _hide_headers(order).argv(Path("result.json"))}
        try:
            seen = self._observe(order, cases, servers)
        except LoadError as error:
            return _say_once([self._fail(case, turn, servers[case.config].running, error, **given) for case in cases])
        machine = count_others(seen, disjoint=self._placement.disjoint)
        return _say_once([self._judge(case, turn, seen, machine, **given) for case in cases])

    def record(self, case: Case, turn: TurnOf, judgement: Verdict, reasons: tuple[str, ...], **seen: Any) -> Record:
        """The record of a case that was measured, or could not be."""
        values = {"started_at": now(), "block": turn.block, **seen}
        return Record(case, turn.round, len(self._journal.records), judgement, reasons, **values)

    def _observe(
        self, order: trial.Order, cases: Sequence[Case], servers: Mapping[ServerConfig, Started]
    ) -> Observation:
        """Drive the load beside the samplers; raises `LoadError` if it gives no result."""
        carried = here = None
        running = {config: started.running for config, started in servers.items()}
        with ExitStack() as stack:
            if self._link is not None:
                ports = {servers[case.config].launch.port for case in cases}
                carried = stack.enter_context(self._link.carry(cases[0].distance, ports))
            if self._placement.apart:
                here = stack.enter_context(Sampler(tuple, self._placement.load))
            sampled = {config: stack.enter_context(each.sample()) for config, each in running.items()}
            results = trial.run(order)
        by_case = dict(zip(cases, results, strict=True))
        return Observation(by_case, running, sampled, carried, here.samples if here else ())

    def _judge(self, case: Case, turn: TurnOf, seen: Observation, machine: MachineShares, **given: Any) -> Record:
        """The record of a case that had its turns."""
        running, sampled, result = seen.running[case.config], seen.sampled[case.config], seen.results[case]
        cpu, driven, ended = count_cpu(seen, case), turn.drive(case), running.ended
        around = self._surroundings(case, cpu.by_slice_s, result, machine)
        if seen.carried is not None:
            around = replace(around, link=self._use_of(seen.carried, result))
        if ended is None:
            around = replace(around, ended_workers=sampled.ended_workers, new_workers=sampled.new_workers)
        judgement, reasons = verdict.judge(driven, result, around)
        if ended is not None:
            judgement, reasons = "failed", (f"the server ended with {ended}", *reasons)
        if judgement != "valid" and result.errors.total:
            reasons = (*reasons, *filter(None, [logs.quote_exception(running.log)]))
        return self.record(
            case,
            turn,
            judgement,
            reasons,
            result=result,
            samples=_thin(sampled.samples),
            slice_cpu_s=cpu.by_slice_s,
            cpu_s_by_program=cpu.by_program_s,
            idle_cpu_ratio=cpu.idle_ratio,
            steal_ratio=machine.steal_ratio,
            other_cpu_ratio=machine.other_cpu_ratio,
            paused_ratio=machine.paused_ratio,
            overloaded=verdict.is_overloaded(driven, result, around),
            disturbed=verdict.is_disturbed(around),
            log_tail="" if judgement == "valid" else logs.tail(running.log),
            **given,
        )

    def _fail(self, case: Case, turn: TurnOf, running: RunningServer, error: LoadError, **given: Any) -> Record:
        """The record of a case whose measurement has no result."""
        ended = f"the server ended with {running.ended}" if running.ended is not None else None
        reasons = (*filter(None, [ended]), str(error))
        tail = f"{error.log_tail}\n{logs.tail(running.log)}".strip()
        judgement: Verdict = "invalid" if isinstance(error, WorkersLostError) and ended is None else "failed"
        return self.record(case, turn, judgement, reasons, log_tail=tail, **given)

    def _surroundings(
        self, case: Case, used: Sequence[float | None], result: LoadResult, machine: MachineShares
    ) -> verdict.Surroundings:
        known = [each for each in used if each is not None]
        busy_s = sum((each.drained_ns - each.opened_ns) / 1e9 for each in result.slices)
        return verdict.Surroundings(
            server_cpu_ratio=sum(known) / busy_s if len(known) == len(used) and busy_s else None,
            server_cpus=len(self._placement.server),
            steal_ratio=machine.steal_ratio,
            other_cpu_ratio=machine.other_cpu_ratio,
            paused_ratio=machine.paused_ratio,
            ceiling_rps=self._find_ceiling_rps(case, result),
            disjoint=self._placement.disjoint,
            observed_s=machine.observed_s,
            load_workers=self._load_hosts.wanted.count if self._load_hosts else 0,
            missing_workers=self._load_hosts.missing if self._load_hosts else (),
        )

    def _use_of(self, carried: LinkSampler, result: LoadResult) -> LinkUse:
        has_cpu = len(self._placement.load) > self._conditions.load_processes
        return measure_use(carried.samples, result.slices, self._info.link, line_has_cpu=has_cpu)

    def _find_ceiling_rps(self, case: Case, result: LoadResult) -> float | None:
        """The generator's ceiling: with fewer load workers than it was measured with, so much of it as they are."""
        ceiling_rps = self._info.ceilings.get(case.protocol)
        if ceiling_rps is None or self._load_hosts is None:
            return ceiling_rps
        return ceiling_rps * len(result.load_workers) / self._load_hosts.wanted.count

    def _order(self, servers: Mapping[ServerConfig, Started], cases: Sequence[Case], turn: TurnOf) -> trial.Order:
        configs = list(dict.fromkeys(case.config for case in cases))
        first = cases[0]
        scenario = self._scenarios[first.scenario]
        names = first.label if len(configs) == 1 else f"{len(configs)}-candidates"
        name = f"{len(self._journal.records):04}-{names}-{first.scenario}-{first.protocol}-load.log"
        conditions = self._conditions
        block = BlockOrder(
            hosts=tuple(servers[config].url for config in configs),
            turns=tuple(_make_turn(configs.index(case.config), turn.drive(case)) for case in cases),
            warmup_s=conditions.warmup_s,
            duration_s=turn.duration_s,
            slice_s=turn.slice_s if turn.slice_s is not None else conditions.slice_s,
            request_timeout_s=conditions.request_timeout_s,
            max_body_bytes=conditions.max_body_bytes,
            headers=(*self._scenarios[first.scenario].headers, *_ask_for(conditions.compression)),
            seed=conditions.seed + 1_000 * turn.round + len(self._journal.records),
        )
        return trial.Order(
            block,
            scenario.path,
            first.protocol,
            first.streams,
            self._tls.authority if first.config.tls else None,
            self._placement.load,
            self._journal.directory.logs / name,
            conditions.load_processes,
            self._fork_server,
            scenario.environment,
            scenario.tags,
            scenario.excluded_tags,
            conditions.load_memory_bytes,
            self._load_hosts,
        )


def _hide_headers(order: trial.Order) -> trial.Order:
    """The order as it may be recorded."""
    return replace(order, block=replace(order.block, headers=tuple((name, MASK) for name, _ in order.block.headers)))


def _ask_for(compression: Compression) -> tuple[tuple[str, str], ...]:
    return () if compression == "off" else (("accept-encoding", compression),)


@dataclass(frozen=True)
class TurnOf:
    """Where in the run a measurement stands, and how long it is."""

    round: int
    block: int
    duration_s: float
    """Counted time of each case."""
    slice_s: float | None = None
    """Length of its slices, where it is not that of the run."""
    loads: Mapping[Case, Load] = field(default_factory=dict)
    """The load that the generator is given, where it is not the case's: a rate that its search tries."""

    def drive(self, case: Case) -> Case:
        """The case as the generator is given it."""
        return replace(case, load=self.loads.get(case, case.load))


def _make_turn(candidate: int, case: Case) -> Turn:
    rate = case.load if isinstance(case.load, Rate) else None
    return Turn(candidate, case.users, rate.rps if rate else None, rate.arrivals if rate else "uniform")


def _thin(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The first and the last sample, and those that hold more than CPU time; records have that of programs in sum."""
    ends = {0, len(samples) - 1}
    return tuple(
        replace(each, cpu_s_by_program={})
        for number, each in enumerate(samples)
        if number in ends or each.memory_bytes is not None or each.switches is not None
    )


def _say_once(records: Sequence[Record]) -> list[Record]:
    """The records of a measurement, of which the first has the command line that they share."""
    return [*records[:1], *(replace(each, load_argv=()) for each in records[1:])]
