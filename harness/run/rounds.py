"""Carries rounds out: for each life of a server its trials, each beside the sampler, each record written at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING, Any

from harness.analysis import verdict, windows
from harness.host import logs, process, sampler
from harness.model.errors import LoadError, ServerError
from harness.model.loads import SEARCH_FIRST_RPS, Rate, level_of
from harness.model.protocols import TLS_PROTOCOLS
from harness.model.results import LifeRecord, Probe, Record
from harness.model.targets import HOST, App, Launch, Scenario, Server, Tls
from harness.plan.schedule import only
from harness.run import search, trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.loads import Capacity
    from harness.model.machine import Placement
    from harness.model.plan import Case, Exclusion, Life, Selection, Stint
    from harness.model.results import RunInfo, Verdict
    from harness.run.directory import RunDirectory


@dataclass(frozen=True)
class Progress:
    """How far a run is; what the command shows."""

    done: int
    total: int
    """Known so far: a precision to reach, or a sweep, adds to it."""
    round: int
    left_s: float
    record: Record | None
    """The trial that has just ended; None before the first."""


Watcher = Callable[[Progress], None]


@dataclass
class Bench:
    """What stays the same while rounds are carried out, and what they have found."""

    selection: Selection
    info: RunInfo
    directory: RunDirectory
    placement: Placement
    token: str
    tls: Tls
    watch: Watcher
    total: int
    estimate_s: float
    began_s: float = field(default_factory=monotonic)
    done: int = 0
    """Cases measured, each once for each round."""
    measured: int = 0
    """Of these, those that were not found already."""
    lives: int = 0
    """Servers started."""
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.servers: Mapping[str, Server] = {entry.name: entry for entry in self.selection.servers}
        self.apps: Mapping[str, App] = {entry.name: entry for entry in self.selection.apps}
        self.scenarios: Mapping[str, Scenario] = {entry.name: entry for entry in self.selection.scenarios}

    def begin(self, exclusions: Iterable[Exclusion]) -> None:
        """Write down what was asked for and cannot be measured, or take up what an interrupted run has found."""
        found = self.directory.trials()
        for exclusion in exclusions if not found else ():
            self.directory.append(Record(exclusion.case, 0, -1, "unsupported", (exclusion.reason,), _now()))
        self.records = [record for record in found if record.position >= 0]
        self.lives = len(self.directory.lives())
        self._tell(0, None)

    def round(self, number: int, stints: Sequence[Stint]) -> None:
        """One round: every life once, for the cases that have no number of this round yet."""
        done = {record.case for record in self.records if record.round == number and record.counts}
        self.done += len(done)
        asked = {case for stint in stints for case in stint.cases}
        for stint in only(stints, asked - done):
            self._live(number, stint)

    def _live(self, number: int, stint: Stint) -> None:
        """One life of one server, or more if it dies in between, until every case has had its trial."""
        cases = list(stint.cases)
        while cases:
            try:
                cases = self._live_once(number, stint.life, cases)
            except ServerError as error:
                for case in cases:
                    self._write(self._record(case, number, "failed", (str(error),), log_tail=error.log_tail))
                return

    def _live_once(self, number: int, life: Life, cases: list[Case]) -> list[Case]:
        """Trials until the cases or the server come to an end; the cases that are left."""
        entry, app = self.servers[life.server], self.apps[life.app]
        tls = self.tls if life.tls else None
        python = entry.python or self.selection.python
        target = entry.target(app)
        assert target is not None  # noqa: S101 - else the plan has excluded it
        launch = Launch(HOST, process.free_port(HOST), target, life.workers, tls, python)
        transport = "tls" if life.tls else "clear"
        log = self.directory.logs / f"{self.lives:04}-{life.server}-{transport}.log"
        self.lives += 1
        lived = LifeRecord(life, number, tuple(entry.command(launch)), log=log.name)
        try:
            running = process.start(
                entry,
                app,
                launch,
                cpus=self.placement.server,
                log=log,
                token=self.token,
                deadline_s=self.selection.ready_within_s,
            )
        except ServerError:
            self.directory.append(lived)
            raise
        left = list(cases)
        idle_pss_bytes = None
        try:
            idle_pss_bytes = sampler.idle_pss(running.pid)
            while left and running.ended is None:
                self._take(number, left.pop(0), launch, running)
        finally:
            ended, stopped = running.ended, running.stop()
            self.directory.append(
                replace(
                    lived,
                    ready_s=running.ready_s,
                    first_request_s=running.first_request_s,
                    active=running.active,
                    stop_s=stopped.stop_s,
                    killed=stopped.killed,
                    idle_pss_bytes=idle_pss_bytes,
                    ended=ended,
                )
            )
        if len(left) == len(cases):
            # It would come and go for ever.
            found = f"found that it ended with {ended}{logs.said(running.log)}"
            raise ServerError(f"{entry.name}: expected it to stay, {found}", logs.tail(running.log))
        return left

    def _take(self, number: int, case: Case, launch: Launch, running: process.Running) -> None:
        """Measure a case once: by one trial, by a second where the machine spoiled that, or by a search of several."""
        level = level_of(case.load)
        if level is None:
            record = self._trial(number, case, case, launch, running, self.selection.duration_s)
            if record.spoiled and running.ended is None:
                self._write(replace(record, repeated=True))
                record = self._trial(number, case, case, launch, running, self.selection.duration_s)
            self._write(record)
        else:
            self._search(number, case, level, launch, running)

    def _search(self, number: int, case: Case, level: Capacity, launch: Launch, running: process.Running) -> None:
        """The highest rate that meets the level; from the second round on the search starts near the earlier ones."""
        before = [each.probe.rate_rps for each in self.records if each.case == case and each.probe and each.probe.final]
        least_rps = search.least_rps(level)
        first_rps = max(median(before) / 2 if before else SEARCH_FIRST_RPS, least_rps)
        seen: list[Probe] = []
        while (attempt := search.next_try(seen, first_rps, least_rps)) is not None:
            trial = self._attempt(number, case, level, attempt, launch, running)
            record, probe = search.weighed(trial, attempt, level, seen)
            if trial.verdict in search.MAYBE_ACCIDENTS and not probe.met:
                # Once may be an accident of the machine's, or of the generator's; twice is not.
                self._write(replace(record, probe=replace(probe, final=False)))
                trial = self._attempt(number, case, level, attempt, launch, running)
                record, probe = search.weighed(trial, attempt, level, seen)
            self._write(record)
            if probe.final:
                return
            seen.append(probe)

    def _attempt(
        self,
        number: int,
        case: Case,
        level: Capacity,
        attempt: search.Try,
        launch: Launch,
        running: process.Running,
    ) -> Record:
        driven = replace(case, load=str(Rate(attempt.rate_rps)))
        window_s = search.window_s(level, attempt.rate_rps, self.selection.duration_s)
        return self._trial(number, case, driven, launch, running, window_s)

    def _trial(
        self, number: int, case: Case, driven: Case, launch: Launch, running: process.Running, window_s: float
    ) -> Record:
        """One trial of a case; `driven` is what the generator is told, which differs while a rate is searched for."""
        order = self._order(number, driven, launch, window_s)
        argv = order.argv(Path("result.json"))
        started_at = _now()
        try:
            with sampler.Sampler(running.pid, self.placement.server) as sampling:
                result = trial.run(order)
        except LoadError as error:
            ended = f"the server ended with {running.ended}" if running.ended is not None else None
            reasons = (*filter(None, [ended]), str(error))
            tail = f"{error.log_tail}\n{logs.tail(running.log)}".strip()
            return self._record(case, number, "failed", reasons, started_at=started_at, load_argv=argv, log_tail=tail)
        window = result.window_start_ns, result.window_end_ns
        steal_ratio = windows.steal_between(sampling.samples, *window)
        foreign_ratio = windows.foreign_between(sampling.samples, *window)
        around = verdict.Surroundings(
            windows.cpu_between(sampling.samples, *window),
            len(self.placement.server),
            steal_ratio,
            foreign_ratio if self.placement.disjoint else None,
            self.info.ceilings.get(case.protocol),
            self.placement.disjoint,
        )
        judgement, reasons = verdict.judge(case, result, around)
        if running.ended is not None:
            judgement, reasons = "failed", (f"the server ended with {running.ended}", *reasons)
        return self._record(
            case,
            number,
            judgement,
            reasons,
            started_at=started_at,
            result=result,
            samples=sampling.samples,
            steal_ratio=steal_ratio,
            foreign_ratio=foreign_ratio,
            overloaded=verdict.overloaded(case, result, around),
            spoiled=verdict.spoiled(result, around),
            load_argv=argv,
            log_tail="" if judgement == "valid" else logs.tail(running.log),
        )

    def _order(self, number: int, case: Case, launch: Launch, window_s: float) -> trial.Order:
        scheme = "https" if case.protocol in TLS_PROTOCOLS else "http"
        name = f"{len(self.records):04}-{case.server}-{case.scenario}-{case.protocol}-load.log"
        return trial.Order(
            case,
            self.scenarios[case.scenario].path,
            f"{scheme}://{launch.address}",
            self.tls.authority if scheme == "https" else None,
            self.selection.warmup_s,
            window_s,
            self.placement.load,
            self.directory.logs / name,
            self.selection.seed + number,
            self.selection.load_processes,
            self.token,
        )

    def _record(self, case: Case, number: int, judgement: Verdict, reasons: tuple[str, ...], **seen: Any) -> Record:
        return Record(case, number, len(self.records), judgement, reasons, **{"started_at": _now(), **seen})

    def _write(self, record: Record) -> None:
        """Put the record of a trial on the disk before anything else happens."""
        self.directory.append(record)
        self.records.append(record)
        self.done += record.counts
        self.measured += record.counts
        self._tell(record.round, record)

    def _tell(self, number: int, record: Record | None) -> None:
        """Say how far the run is; the time left is what it has taken so far, per case, or at first the estimate."""
        took_s = monotonic() - self.began_s
        per_case_s = took_s / self.measured if self.measured else self.estimate_s / max(self.total, 1)
        self.watch(Progress(self.done, self.total, number + 1, per_case_s * (self.total - self.done), record))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
