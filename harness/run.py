"""The order of the stages: the only file that knows it.

For each round, for each server in shuffled order: start it, then for each of its cases a trial (one unmeasured pass,
warm-up, window) beside the sampler, the record written at once; stop it. Reports come later, from the files.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import trustme

from harness import guard, sample, server, stats, verdict
from harness.calibrate import Generator, ceilings
from harness.findings import LifeRecord, Record, RunInfo
from harness.load import trial
from harness.model import (
    TLS_PROTOCOLS,
    App,
    Case,
    Launch,
    Life,
    LoadError,
    Plan,
    Scenario,
    Selection,
    Server,
    ServerError,
    Stint,
    Tls,
    Verdict,
)

if TYPE_CHECKING:
    from harness.cpus import Placement
    from harness.record import RunDirectory

HOST = "127.0.0.1"
CEILING_TRIES = 3


@dataclass(frozen=True)
class Progress:
    """How far a run is; what the command shows."""

    done: int
    total: int
    round: int
    rounds: int
    left_s: float
    record: Record | None
    """The trial that has just ended; None before the first."""


Watcher = Callable[[Progress], None]


def measure(
    selection: Selection,
    plan: Plan,
    info: RunInfo,
    directory: RunDirectory,
    python: str,
    placement: Placement,
    watch: Watcher,
) -> None:
    """Find the generator's ceilings, then do what the plan says, and write every record the moment it is known.

    A server or a generator that fails costs its trials a number, not the run its others.
    """
    with guard.guard() as token, certificates() as tls:
        generator = Generator(
            python, placement, tls, token, selection.users, selection.streams, selection.load_processes
        )
        spoken = dict.fromkeys(case.protocol for stints in plan.rounds[:1] for stint in stints for case in stint.cases)
        own = next((scenario for scenario in selection.scenarios if not scenario.ours), None)
        highest = ceilings(generator, list(spoken), min(CEILING_TRIES, selection.rounds), own)
        info = replace(info, ceilings=highest)
        directory.write_info(info)
        bench = _Bench(selection, plan, info, directory, python, placement, token, tls, watch)
        bench.exclude()
        for number, stints in enumerate(plan.rounds):
            for stint in stints:
                bench.live(number, stint)


@contextmanager
def certificates() -> Iterator[Tls]:
    """A certificate for the loopback, made for the run and gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="harness-"))
    try:
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST, "localhost")
        tls = Tls(folder / "server.pem", folder / "server.key", folder / "authority.pem")
        authority.cert_pem.write_to_path(str(tls.authority))
        certificate.private_key_pem.write_to_path(str(tls.key))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(tls.certificate), append=True)
        yield tls
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Bench:
    """What stays the same while a plan is carried out, and how far it is."""

    selection: Selection
    plan: Plan
    info: RunInfo
    directory: RunDirectory
    python: str
    placement: Placement
    token: str
    tls: Tls
    watch: Watcher
    began_s: float = field(default_factory=monotonic)
    done: int = 0

    def __post_init__(self) -> None:
        self.servers: Mapping[str, Server] = {entry.name: entry for entry in self.selection.servers}
        self.apps: Mapping[str, App] = {entry.name: entry for entry in self.selection.apps}
        self.scenarios: Mapping[str, Scenario] = {entry.name: entry for entry in self.selection.scenarios}

    def exclude(self) -> None:
        """Write down what was asked for and cannot be measured."""
        for exclusion in self.plan.exclusions:
            self.directory.append(Record(exclusion.case, 0, -1, "unsupported", (exclusion.reason,), _now()))
        self.tell(0, None)

    def live(self, number: int, stint: Stint) -> None:
        """One life of one server, or more if it dies in between, until every case has had its trial."""
        cases = list(stint.cases)
        while cases:
            try:
                cases = self._live_once(number, stint.life, cases)
            except ServerError as error:
                for case in cases:
                    self._write(case, number, "failed", (str(error),), log_tail=error.log_tail)
                return

    def _live_once(self, number: int, life: Life, cases: list[Case]) -> list[Case]:
        """Trials until the cases or the server come to an end; the cases that are left."""
        entry, app = self.servers[life.server], self.apps[life.app]
        tls = self.tls if life.tls else None
        launch = Launch(HOST, server.free_port(HOST), app.target, life.workers, tls, self.python)
        transport = "tls" if life.tls else "clear"
        log = self.directory.logs / f"{self.done:04}-{life.server}-{transport}.log"
        running = server.start(entry, app, launch, cpus=self.placement.server, log=log, token=self.token)
        left = list(cases)
        try:
            idle_pss_bytes = sample.idle_pss(running.pid)
            while left and running.ended is None:
                self._try(number, left.pop(0), launch, running)
        finally:
            stopped = running.stop()
        came_and_went = (running.ready_s, stopped.stop_s, stopped.killed, idle_pss_bytes, log.name)
        self.directory.append(LifeRecord(life, number, running.argv, *came_and_went))
        if len(left) == len(cases):
            # It would come and go for ever.
            tail = server.log_tail(running.log)
            raise ServerError(f"{entry.name}: expected it to stay, found that it ended with {running.ended}", tail)
        return left

    def _try(self, number: int, case: Case, launch: Launch, running: server.Running) -> None:
        """One trial."""
        order = self._order(number, case, launch)
        started_at, before = _now(), sample.machine_time()
        try:
            with sample.Sampler(running.pid) as sampler:
                result = trial.run(order)
        except LoadError as error:
            reasons: tuple[str, ...] = (str(error),)
            if running.ended is not None:
                reasons = (f"the server ended with {running.ended}", *reasons)
            tail = f"{error.log_tail}\n{server.log_tail(running.log)}".strip()
            self._write(
                case,
                number,
                "failed",
                reasons,
                started_at=started_at,
                load_argv=order.argv(Path("result.json")),
                log_tail=tail,
            )
            return
        steal_ratio = sample.steal_ratio(before, sample.machine_time())
        judgement, reasons = verdict.judge(
            case,
            result,
            server_cpu_s=stats.cpu_between(sampler.samples, result.window_start_ns, result.window_end_ns),
            server_cpus=len(self.placement.server),
            steal_ratio=steal_ratio,
            ceiling_rps=self.info.ceilings.get(case.protocol),
            disjoint=self.placement.disjoint,
        )
        self._write(
            case,
            number,
            judgement,
            reasons,
            started_at=started_at,
            result=result,
            samples=sampler.samples,
            steal_ratio=steal_ratio,
            load_argv=order.argv(Path("result.json")),
            log_tail="" if judgement == "valid" else server.log_tail(running.log),
        )

    def _order(self, number: int, case: Case, launch: Launch) -> trial.Order:
        scheme = "https" if case.protocol in TLS_PROTOCOLS else "http"
        return trial.Order(
            case,
            self.scenarios[case.scenario].path,
            f"{scheme}://{launch.address}",
            self.tls.authority if scheme == "https" else None,
            self.selection.warmup_s,
            self.selection.duration_s,
            self.placement.load,
            self.directory.logs / f"{self.done:04}-{case.server}-{case.scenario}-{case.protocol}-load.log",
            self.selection.seed + number,
            self.selection.load_processes,
            self.token,
        )

    def _write(self, case: Case, number: int, judgement: Verdict, reasons: tuple[str, ...], **seen: Any) -> None:
        """The record of a trial, on the disk before anything else happens."""
        record = Record(case, number, self.done, judgement, reasons, **{"started_at": _now(), **seen})
        self.directory.append(record)
        self.done += 1
        self.tell(number, record)

    def tell(self, number: int, record: Record | None) -> None:
        """Say how far the run is; the time left is what it has taken so far, per trial, or at first the estimate."""
        total = self.plan.trial_count
        per_trial_s = (monotonic() - self.began_s) / self.done if self.done else self.plan.estimate_s / max(total, 1)
        self.watch(
            Progress(self.done, total, number + 1, len(self.plan.rounds), per_trial_s * (total - self.done), record)
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
