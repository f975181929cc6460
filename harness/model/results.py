"""What a run finds: results, records, and where they come from.

Units stand in the names, as in `harness.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.histogram import Histogram
from harness.model.machine import Machine
from harness.model.plan import Candidate, Case, Conditions, ServerConfig
from harness.model.protocols import Protocol

SCHEMA = 2
"""Version of `run.json`, `trials.jsonl` and `starts.jsonl`; it goes up on an incompatible change."""
SUMMARY_SCHEMA = 1
"""Version of `summary.json`, which other programs read; it goes up on an incompatible change."""

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
    other_cpu_ratio: float | None = None
    """Share of the server's CPUs in the window that processes other than its own used."""
    overloaded: bool = False
    """Was the given rate more than the server answers? Not so where anything else may have been the reason."""
    disturbed: bool = False
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
class ServerStart:
    """One start of a server: its command, how long it took, and how it ended."""

    config: ServerConfig
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
    machine: Machine
    packages: Mapping[str, str]
    """Packages of the harness's own environment, with their versions."""
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    git_commit: str | None = None
    """Commit of the harness, where its files are under git."""
    server_versions: Mapping[str, str] = field(default_factory=dict)
    """Server name to the version of its distribution, the first of `Server.requires`."""
    app_versions: Mapping[str, str] = field(default_factory=dict)
    """App name to the version of its framework, the first of `App.requires`."""
    other_packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Server name to the packages of its environment, where it does not run in the harness's."""
    interpreters: Mapping[str, str] = field(default_factory=dict)
    """Server name to the version and build of the Python that runs it."""
    app_commit: str | None = None
    """Commit of a user app, where its files are under git."""

    @property
    def cpu_model(self) -> str:
        return self.machine.processor.model or "unknown"

    @property
    def cpu_count(self) -> int:
        return len(self.machine.processor.cpus) or len(self.machine.limits.affinity) or 1

    @property
    def memory_bytes(self) -> int:
        return self.machine.ram.total_bytes or 0

    @property
    def kernel(self) -> str:
        return self.machine.system.kernel or "unknown"

    @property
    def system(self) -> str:
        return self.machine.system.os or "unknown"

    @property
    def python(self) -> str:
        """Of the harness: `CPython 3.11.7`."""
        return f"{self.machine.python.implementation} {self.machine.python.version}"


@dataclass(frozen=True)
class RunInfo:
    """The run as a whole; `run.json`, written before the first trial."""

    id: str
    started_at: str
    """ISO 8601, UTC."""
    argv: tuple[str, ...]
    environment: Environment
    baseline: Candidate
    conditions: Conditions
    ceilings: Mapping[Protocol, float] = field(default_factory=dict)
    """Protocol to the highest rate in requests per second that the generator reached against the null server."""
    planned: tuple[Case, ...] = ()
    """What was to be measured in each round; of a sweep, in its first."""
    complete: bool | None = None
    """Has the run come to its end? None where an earlier version did not record it."""
    schema: int = SCHEMA
