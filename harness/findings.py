"""What a run finds: results, records, and the summaries that reports are made from.

Units stand in the names, as in `harness.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.histogram import Histogram
from harness.model import SCHEMA, Case, Life, Protocol, Verdict


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
class Sample:
    """One look at a process tree: CPU seconds since it started, user and system, the dead included."""

    at_ns: int
    cpu_s: float
    processes: int
    pss_bytes: int | None = None
    """Proportional set size of the tree; None where it was not looked at."""


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
    """Share of the machine's CPU time that its host gave to others."""
    load_argv: tuple[str, ...] = ()
    log_tail: str = ""
    schema: int = SCHEMA


@dataclass(frozen=True)
class LifeRecord:
    """One life of a server: how it was started, and how it came and went."""

    life: Life
    round: int
    argv: tuple[str, ...]
    ready_s: float | None = None
    """From exec to the first right answer; None when none came."""
    stop_s: float | None = None
    """From SIGTERM to the end of the last process."""
    killed: bool = False
    """Did it have to be killed after the grace period?"""
    idle_pss_bytes: int | None = None
    log: str = ""
    """The log's name under `logs/`."""
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
    workers: int
    ceilings: Mapping[Protocol, float] = field(default_factory=dict)
    """Protocol to the highest rate in requests per second that the generator reached against the null server."""
    schema: int = SCHEMA

    @property
    def conditions(self) -> str:
        """How hard, how long and how often, in words: `closed loop, 32 users, 1 worker, 5 rounds × 2 s, seed 7`."""
        kind, _, value = self.load.partition("=")
        loop = {
            "saturate": "closed loop",
            "rate": f"open loop at {value} requests/s",
            "capacity": f"search for the highest rate with {value}",
        }.get(kind, self.load)
        streams = f" ({self.streams} streams a connection on HTTP/2)" if self.streams > 1 else ""
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{loop}, {self.users} users{streams}, {workers}, {rounds} × {self.duration_s:g} s, seed {self.seed}"


@dataclass(frozen=True)
class Estimate:
    """A median over rounds with its 95 % interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratio:
    """A case ÷ the baseline's, paired by round, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratios:
    """Of what a case is compared by; None where one of the two has no figure."""

    throughput: Ratio
    cpu: Ratio | None
    p99: Ratio | None


@dataclass(frozen=True)
class Latency:
    """Percentiles of merged histograms; the intervals resample rounds. None: too few requests to carry it."""

    p50: Estimate | None = None
    p90: Estimate | None = None
    p99: Estimate | None = None
    p99_9: Estimate | None = None
    max: Estimate | None = None


@dataclass(frozen=True)
class Memory:
    """Proportional set size of the process tree in bytes: before the first request, and the most that was seen."""

    idle: int | None
    peak: int | None


@dataclass(frozen=True)
class CaseSummary:
    """All rounds of one case: one row of the answer, and of `summary.json`."""

    case: Case
    verdict: Verdict
    reasons: tuple[str, ...]
    rounds: int
    """Rounds that count."""
    requests: int
    errors: Errors
    throughput_rps: Estimate | None = None
    throughput_by_round_rps: tuple[float, ...] = ()
    latency_us: Latency = Latency()
    service_us: Latency = Latency()
    send_lag_us: Latency = Latency()
    response: Histogram = field(default_factory=Histogram)
    """All rounds merged: what the percentile curve is drawn from."""
    cpu_us_per_request: Estimate | None = None
    cpu_us_per_request_by_round: tuple[float, ...] = ()
    memory_pss_bytes: Memory = Memory(None, None)
    ready_s: Estimate | None = None
    stop_s: Estimate | None = None
    connections: int = 0
    offered_rps: float | None = None
    achieved_ratio: float | None = None
    rank: int | None = None
    """1 is the fastest of its scenario and protocol; servers whose intervals do not separate share a rank."""
    ratio_to_baseline: Ratios | None = None

    @property
    def measured(self) -> bool:
        return self.throughput_rps is not None
