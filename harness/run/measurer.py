"""Measures one trial: drives the load beside the sampler, judges what came, and makes the record of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.analysis import verdict, windows
from harness.host import logs, sampler
from harness.model.errors import LoadError
from harness.model.results import Record
from harness.run import trial
from harness.run.journal import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.machine import Placement
    from harness.model.plan import Case, Selection
    from harness.model.results import LoadResult, RunInfo, Sample, Verdict
    from harness.model.targets import Tls
    from harness.run.journal import Journal
    from harness.run.launcher import Started


class Measurer:
    """Makes records of trials, all under the same conditions."""

    def __init__(
        self, selection: Selection, info: RunInfo, placement: Placement, token: str, tls: Tls, journal: Journal
    ) -> None:
        self._scenarios = {entry.name: entry for entry in selection.scenarios}
        self._conditions = selection.conditions
        self._info = info
        self._placement = placement
        self._token = token
        self._tls = tls
        self._journal = journal

    def measure(self, started: Started, case: Case, number: int, driven: Case, window_s: float) -> Record:
        """One trial of a case in round `number`.

        `driven` is the case that the generator is given; while a rate is searched for, it differs in its load.
        """
        order = self._order(started, number, driven, window_s)
        argv = order.argv(Path("result.json"))
        running = started.running
        started_at = now()
        try:
            with sampler.Sampler(running.pid, self._placement.server) as sampling:
                result = trial.run(order)
        except LoadError as error:
            ended = f"the server ended with {running.ended}" if running.ended is not None else None
            reasons = (*filter(None, [ended]), str(error))
            tail = f"{error.log_tail}\n{logs.tail(running.log)}".strip()
            return self.record(case, number, "failed", reasons, started_at=started_at, load_argv=argv, log_tail=tail)
        around = self._surroundings(case, result, sampling.samples)
        judgement, reasons = verdict.judge(case, result, around)
        if running.ended is not None:
            judgement, reasons = "failed", (f"the server ended with {running.ended}", *reasons)
        return self.record(
            case,
            number,
            judgement,
            reasons,
            started_at=started_at,
            result=result,
            samples=sampling.samples,
            steal_ratio=around.steal_ratio,
            other_cpu_ratio=around.other_cpu_ratio,
            overloaded=verdict.is_overloaded(case, result, around),
            disturbed=verdict.is_disturbed(result, around),
            load_argv=argv,
            log_tail="" if judgement == "valid" else logs.tail(running.log),
        )

    def record(self, case: Case, number: int, judgement: Verdict, reasons: tuple[str, ...], **seen: Any) -> Record:
        """The record of a trial, or of one that could not take place, in its place in the order of the run."""
        return Record(case, number, len(self._journal.records), judgement, reasons, **{"started_at": now(), **seen})

    def _surroundings(self, case: Case, result: LoadResult, samples: Sequence[Sample]) -> verdict.Surroundings:
        window = result.window_start_ns, result.window_end_ns
        placement = self._placement
        return verdict.Surroundings(
            server_cpu_s=windows.cpu_between(samples, *window),
            server_cpus=len(placement.server),
            steal_ratio=windows.steal_between(samples, *window),
            # On shared CPUs the generator itself would be among the other processes.
            other_cpu_ratio=windows.other_cpu_between(samples, *window) if placement.disjoint else None,
            ceiling_rps=self._info.ceilings.get(case.protocol),
            disjoint=placement.disjoint,
        )

    def _order(self, started: Started, number: int, case: Case, window_s: float) -> trial.Order:
        name = f"{len(self._journal.records):04}-{case.label}-{case.scenario}-{case.protocol}-load.log"
        return trial.Order(
            case,
            self._scenarios[case.scenario].path,
            started.url,
            self._tls.authority if started.config.tls else None,
            self._conditions.warmup_s,
            window_s,
            self._placement.load,
            self._journal.directory.logs / name,
            self._conditions.seed + number,
            self._conditions.load_processes,
            self._token,
        )
