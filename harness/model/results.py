"""What a run finds: results, records, and where they come from.

Units stand in the names, as in `harness.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.histogram import Histogram
from harness.model.loads import Capacity, Rate, Saturate, Sweep, load_of
from harness.model.machine import Machine
from harness.model.plan import Case, Life
from harness.model.protocols import Protocol

SCHEMA = 1
"""Version of `summary.json`, `run.json`, `trials.jsonl` and `lives.jsonl`; goes up on an incompatible change."""

Verdict = Literal["valid", "client-limited", "invalid", "unsupported", "failed"]
"""May a number be believed: yes · it measures the generator · no · there is none to be had · none came."""

Step = Literal["doubling", "bisection", "confirmation"]
"""Why a search for a capacity tries a rate."""


@dataclass(frozen=True)
class Errors:
    """Requests without a right answer: how many of each kind, and the first example of each."""

    total: int = 0
    by_kind: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Connections:
    """What happened to the connections of a trial, from the first to the last request."""

    opened: int = 0
    reopened: int = 0
    """Opened again after the server had closed one, within its rights, or after a failure."""
    resent: int = 0
    """Requests sent again on a new connection because the server had not begun to answer them."""
    negotiated: str = ""
    """What the peers agreed on: `http/1.1`, `h2`, `h2c`, `websocket`, with `TLSv1.3` before it where there is TLS."""


@dataclass(frozen=True)
class LoadResult:
    """What the load generator measured in one trial.

    Only requests whose response time lies wholly inside the window are in the histograms and in `requests`; `answers`
    are all right answers that came inside the window, which is what throughput counts.
    Over the generator's whole life, `started` = `finished` + `abandoned`.
    """

    window_start_ns: int
    window_end_ns: int
    answers: int
    requests: int
    started: int
    finished: int
    abandoned: int
    """In flight when the window closed, and given up; or their users were killed while they waited."""
    errors: Errors
    response: Histogram
    """From the intended time to the whole answer; in a closed loop the same as `service`."""
    service: Histogram
    """From the write to the whole answer."""
    send_lag: Histogram
    """From the intended time to the write."""
    by_name: Mapping[str, Histogram]
    """Response time by the name of the request."""
    connections: Connections
    cpu_ratio: float
    """CPU seconds of the busiest generator process ÷ seconds of the window: 1.0 is one core, busy all the time."""
    memory_bytes: int = 0
    """Largest resident set of a generator process, from its start."""
    checked: bool = True
    """Did the unmeasured pass before the window come back right?"""
    queued: int = 0
    """Open loop: requests that were due when no user was free."""
    dropped: int = 0
    """Open loop: requests that found the queue full and were never sent."""
    verified: bool = True
    """False where users of a Locust file of one's own drove the trial: what they did not check, nobody did."""

    @property
    def window_s(self) -> float:
        return (self.window_end_ns - self.window_start_ns) / 1e9

    @property
    def throughput_rps(self) -> float:
        return self.answers / self.window_s if self.window_s > 0 else 0.0


@dataclass(frozen=True)
class MachineTime:
    """CPU seconds of the machine since it started; the kernel counts them in hundredths."""

    total_s: float
    """Of all CPUs."""
    stolen_s: float
    """Of these, what its host gave to others."""
    server_s: float
    """Of the CPUs that the server may run on."""
    used_s: float
    """Of these, what processes used, with all that is counted as theirs."""


@dataclass(frozen=True)
class Sample:
    """One look at a process tree: CPU seconds since it started, user and system, the dead included."""

    at_ns: int
    cpu_s: float
    processes: int
    pss_bytes: int | None = None
    """Proportional set size of the tree; None where it was not looked at."""
    switches: int | None = None
    """Context switches since it started, voluntary or not; of threads that ended, as far as they had been seen."""
    frequency_mhz: float | None = None
    """Mean of the server's CPUs; None where it was not looked at, or the kernel does not tell."""
    machine: MachineTime | None = None
    """None where it was not looked at."""


@dataclass(frozen=True)
class Probe:
    """One trial of a search for a capacity."""

    rate_rps: float
    step: Step
    met: bool
    final: bool = False
    """Is this the trial whose number stands for the round?"""
    shortfall: str = ""
    """Why the level was not met."""


@dataclass(frozen=True)
class Record:
    """One trial, as it is written the moment it ends: all that was seen, and whether it may be believed."""

    case: Case
    round: int
    position: int
    """Place in the order of the whole run, from 0; −1 for an exclusion."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    started_at: str = ""
    """ISO 8601, UTC."""
    result: LoadResult | None = None
    samples: tuple[Sample, ...] = ()
    steal_ratio: float | None = None
    """Share of the machine's CPU time in the window that its host gave to others."""
    foreign_ratio: float | None = None
    """Share of the server's CPUs in the window that processes other than its own used."""
    overloaded: bool = False
    """Was the given rate more than the server answers? Not so where anything else may have been the reason."""
    spoiled: bool = False
    """Did its host take more of the machine, or other processes more of the server's CPUs, than can be borne?"""
    load_argv: tuple[str, ...] = ()
    log_tail: str = ""
    probe: Probe | None = None
    """Where the case is a search for a capacity, which part of it this trial was."""
    repeated: bool = False
    """Was it tried again in its round, as it was spoiled? Then another stands for the round."""
    schema: int = SCHEMA

    @property
    def counts(self) -> bool:
        """Does its number stand for its round? Not if it was repeated, nor as a step of a search on the way."""
        return not self.repeated and (self.probe is None or self.probe.final)


@dataclass(frozen=True)
class Active:
    """What a server really runs its app with, as the app sees it from within."""

    loop: str | None = None
    """Class of the running event loop, `uvloop.Loop`."""
    modules: tuple[str, ...] = ()
    """Top-level modules that are loaded and do not belong to Python."""


@dataclass(frozen=True)
class LifeRecord:
    """One life of a server: how it was started, and how it came and went."""

    life: Life
    round: int
    argv: tuple[str, ...]
    ready_s: float | None = None
    """From exec to the first right answer; None when none came."""
    first_request_s: float | None = None
    """How long that first answer took, from connecting."""
    active: Active | None = None
    """None for an app that does not tell."""
    stop_s: float | None = None
    """From SIGTERM to the end of the last process."""
    killed: bool = False
    """Did it have to be killed after the grace period?"""
    idle_pss_bytes: int | None = None
    log: str = ""
    """The log's name under `logs/`."""
    ended: str | None = None
    """How it ended by itself; None where it ran until it was told to stop, and where it never came to an answer."""
    schema: int = SCHEMA


@dataclass(frozen=True)
class Environment:
    """Where the numbers come from."""

    host: str
    cpu_model: str
    cpu_count: int
    memory_bytes: int
    kernel: str
    system: str
    python: str
    packages: Mapping[str, str]
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    git_commit: str | None = None
    server_versions: Mapping[str, str] = field(default_factory=dict)
    """Server name to the version of its own distribution, the first of `Server.requires`."""
    app_versions: Mapping[str, str] = field(default_factory=dict)
    """App name to the version of its framework, the first of `App.requires`."""
    other_packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Server name to the packages of its own environment, where it has one."""
    interpreters: Mapping[str, str] = field(default_factory=dict)
    """Server name to the version and build of the Python that runs it; `python` is that of the harness."""
    app_commit: str | None = None
    """Commit of an app of one's own, where its files are under git."""
    machine: Machine | None = None


@dataclass(frozen=True)
class RunInfo:
    """The run as a whole; `run.json`, written before the first trial."""

    id: str
    started_at: str
    seed: int
    argv: tuple[str, ...]
    environment: Environment
    baseline: str
    rounds: int
    warmup_s: float
    duration_s: float
    load: str
    users: int
    streams: int
    workers: tuple[int, ...]
    ceilings: Mapping[Protocol, float] = field(default_factory=dict)
    """Protocol to the highest rate in requests per second that the generator reached against the null server."""
    baseline_app: str = ""
    """App under the baseline; with one app, that one."""
    precision: float | None = None
    """What half the width of the intervals was to come below."""
    max_rounds: int | None = None
    twin: str | None = None
    """The name under which the baseline ran a second time."""
    load_processes: int = 1
    planned: tuple[Case, ...] = ()
    """What was to be measured in each round; of a sweep, in its first."""
    complete: bool | None = None
    """Has the run come to its end? None where an earlier version did not say."""
    schema: int = SCHEMA

    @property
    def conditions(self) -> str:
        """How hard, how long and how often, in words: `closed loop, 32 users, 1 worker, 5 rounds × 2 s, seed 7`."""
        streams = f" ({self.streams} streams a connection on HTTP/2)" if self.streams > 1 else ""
        workers = "1 worker" if self.workers == (1,) else f"{_and(self.workers)} workers"
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        if self.precision is not None:
            rounds = f"{self.rounds} to {self.max_rounds} rounds"
        loop = _loop(self.load)
        return f"{loop}, {self.users} users{streams}, {workers}, {rounds} × {self.duration_s:g} s, seed {self.seed}"


def _loop(text: str) -> str:
    match load_of(text):
        case Saturate():
            return "closed loop"
        case Rate():
            return f"open loop at {text.removeprefix('rate=')} requests/s"
        case Capacity():
            return f"search for the highest rate with {text.removeprefix('capacity=')}"
        case Sweep():
            return "open loops at shares of each one's own rate and at rates that all share"


def _and(numbers: tuple[int, ...]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
