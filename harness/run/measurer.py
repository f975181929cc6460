"""Measures cases that take turns: drives the load beside the samplers, judges what came, and makes the records."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.analysis import cpu_time, verdict
from harness.analysis.link import LinkUse, measure_use
from harness.host import logs
from harness.host.sampler import Sampler
from harness.model.blocks import BlockOrder, Turn
from harness.model.errors import LoadError, WorkersLostError
from harness.model.loads import Rate
from harness.model.results import Record
from harness.model.targets import RunsAt
from harness.run import trial
from harness.run.journal import now
from harness.text.secrets import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.hosts.link import LinkSampler, LiveLink
    from harness.hosts.server_host import RunningServer
    from harness.model.loads import Load
    from harness.model.machine import Placement
    from harness.model.plan import Case, Compression, Selection, ServerConfig
    from harness.model.results import LoadResult, RunInfo, Sample, Slice, Verdict
    from harness.model.targets import Tls
    from harness.run.journal import Journal
    from harness.run.launcher import Started
    from harness.run.load_hosts import LoadHosts
    from harness.run.load_process import ForkServer


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
        argv = _hide_headers(order).argv(Path("result.json"))
        started_at = now()
        running = {config: started.running for config, started in servers.items()}
        carried = here = None
        try:
            with ExitStack() as stack:
                if self._link is not None:
                    carried = stack.enter_context(self._link.carry(cases[0].distance))
                if self._placement.apart:
                    here = stack.enter_context(Sampler(tuple, self._placement.load))
                samplers = {config: stack.enter_context(each.sample()) for config, each in running.items()}
                results = trial.run(order)
        except LoadError as error:
            return [self._fail(case, turn, running[case.config], error, started_at, argv) for case in cases]
        samples = {config: each.samples for config, each in samplers.items()}
        machine = self._observe_machine(samples, results, here.samples if here else ())
        found = []
        for case, result in zip(cases, results, strict=True):
            ended, own = running[case.config].ended, samples[case.config]
            others = _list_other_slices(case, cases, results, running)
            # A server that runs already is its own control, and neighbouring slices of both share their CPU time.
            shared = case.control and isinstance(running[case.config].watched, RunsAt)
            known = own[0].processes > 0 and not shared
            slice_cpu_s = cpu_time.cpu_by_slice(own, result.slices, others) if known else (None,) * len(result.slices)
            around = self._surroundings(case, slice_cpu_s, result, machine)
            if carried is not None:
                around = replace(around, link=self._use_of(carried, result))
            if ended is None:
                watched = samplers[case.config]
                around = replace(around, ended_workers=watched.ended_workers, new_workers=watched.new_workers)
            judgement, reasons = verdict.judge(turn.drive(case), result, around)
            if ended is not None:
                judgement, reasons = "failed", (f"the server ended with {ended}", *reasons)
            if judgement != "valid" and result.errors.total:
                reasons = (*reasons, *filter(None, [logs.quote_exception(running[case.config].log)]))
            found.append(
                self.record(
                    case,
                    turn,
                    judgement,
                    reasons,
                    started_at=started_at,
                    result=result,
                    samples=_thin(own),
                    slice_cpu_s=slice_cpu_s,
                    cpu_s_by_program=cpu_time.cpu_by_program(own, result.slices, others) if known else {},
                    idle_cpu_ratio=cpu_time.idle_cpu_ratio(own, result.slices, others)
                    if known and len(servers) > 1
                    else None,
                    steal_ratio=machine.steal_ratio,
                    other_cpu_ratio=machine.other_cpu_ratio,
                    overloaded=verdict.is_overloaded(turn.drive(case), result, around),
                    disturbed=verdict.is_disturbed(around),
                    load_argv=argv,
                    log_tail="" if judgement == "valid" else logs.tail(running[case.config].log),
                )
            )
        return found

    def record(self, case: Case, turn: TurnOf, judgement: Verdict, reasons: tuple[str, ...], **seen: Any) -> Record:
        """The record of a case that was measured, or could not be."""
        values = {"started_at": now(), "block": turn.block, **seen}
        return Record(case, turn.round, len(self._journal.records), judgement, reasons, **values)

    def _fail(
        self, case: Case, turn: TurnOf, running: RunningServer, error: LoadError, started_at: str, argv: tuple[str, ...]
    ) -> Record:
        ended = f"the server ended with {running.ended}" if running.ended is not None else None
        reasons = (*filter(None, [ended]), str(error))
        tail = f"{error.log_tail}\n{logs.tail(running.log)}".strip()
        judgement: Verdict = "invalid" if isinstance(error, WorkersLostError) and ended is None else "failed"
        return self.record(case, turn, judgement, reasons, started_at=started_at, load_argv=argv, log_tail=tail)

    def _observe_machine(
        self, samples: Mapping[ServerConfig, Sequence[Sample]], results: Sequence[LoadResult], here: Sequence[Sample]
    ) -> _MachineShares:
        """What others took from the first slice of a measurement to the last.

        `here` are samples of the machine of the load, where that is another one than that of the servers.
        """
        slices = [each for result in results for each in result.slices]
        if not slices:
            return _MachineShares(None, None, 1.0)
        between = min(each.opened_ns for each in slices), max(each.drained_ns for each in slices)
        # What a server uses whose processes are unknown would be among the other processes.
        used = [cpu_time.cpu_between(each, *between) if each[0].processes else None for each in samples.values()]
        own_cpu_s = None if None in used else sum(filter(None, used))
        seen = next(iter(samples.values()))
        other = cpu_time.other_cpu_between(seen, own_cpu_s, *between)
        # On shared CPUs the generator itself would be among the other processes.
        stolen = (cpu_time.steal_between(each, *between) for each in (seen, here))
        steal = max((each for each in stolen if each is not None), default=None)
        return _MachineShares(steal, other if self._placement.disjoint else None, (between[1] - between[0]) / 1e9)

    def _surroundings(
        self, case: Case, used: Sequence[float | None], result: LoadResult, machine: _MachineShares
    ) -> verdict.Surroundings:
        known = [each for each in used if each is not None]
        busy_s = sum((each.drained_ns - each.opened_ns) / 1e9 for each in result.slices)
        return verdict.Surroundings(
            server_cpu_ratio=sum(known) / busy_s if len(known) == len(used) and busy_s else None,
            server_cpus=len(self._placement.server),
            steal_ratio=machine.steal_ratio,
            other_cpu_ratio=machine.other_cpu_ratio,
            ceiling_rps=self._find_ceiling_rps(case, result),
            disjoint=self._placement.disjoint or self._load_hosts is not None,
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


def _list_other_slices(
    case: Case, cases: Sequence[Case], results: Sequence[LoadResult], running: Mapping[ServerConfig, RunningServer]
) -> list[Slice]:
    """When the server of this case had its turn in other cases, such as those of more users.

    A server that runs already is its own control.
    """
    own = running[case.config].watched
    pairs = zip(cases, results, strict=True)
    same = (result for other, result in pairs if other != case and running[other.config].watched == own)
    return [each for result in same for each in result.slices]


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


class _MachineShares(NamedTuple):
    """What others took of the machine."""

    steal_ratio: float | None
    other_cpu_ratio: float | None
    observed_s: float


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
