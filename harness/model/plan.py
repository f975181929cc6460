"""What a run was asked to measure, under which conditions, and in which order it will."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.model.loads import SATURATE, Capacity, Load, Rate, Sweep
from harness.model.protocols import PROTOCOLS, TLS_PROTOCOLS, Protocol
from harness.model.targets import App, Scenario, Server


@dataclass(frozen=True)
class Conditions:
    """How hard, how long and how often a run measures, the same for all candidates."""

    load: Load = SATURATE
    users: int = 32
    """Requests in flight at once."""
    streams: int = 1
    """Users that share one connection, on HTTP/2 and 3."""
    workers: tuple[int, ...] = (1,)
    """Worker processes of each server; each number is measured."""
    rounds: int = 5
    """How often each case is measured at least; with a `precision`, up to `max_rounds`."""
    precision: float | None = None
    """Half the width that the intervals of the ratios to the baseline must not exceed: 0.05 is ±5 %."""
    max_rounds: int = 20
    warmup_s: float = 0.5
    duration_s: float = 2.0
    """Length of each window."""
    seed: int = 0
    """Fixes every random choice of the run."""
    load_processes: int = 1
    control: bool = False
    """Is the baseline measured a second time, as a server of its own?"""

    def __str__(self) -> str:
        """In words: `closed loop, 32 users, 1 worker, 5 rounds × 2 s, seed 7`."""
        streams = f" ({self.streams} streams a connection on HTTP/2)" if self.streams > 1 else ""
        workers = "1 worker" if self.workers == (1,) else f"{_join(self.workers)} workers"
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        if self.precision is not None:
            rounds = f"{self.rounds} to {self.max_rounds} rounds"
        loop = _describe_load(self.load)
        return f"{loop}, {self.users} users{streams}, {workers}, {rounds} × {self.duration_s:g} s, seed {self.seed}"


@dataclass(frozen=True, order=True)
class Candidate:
    """What a comparison compares: a server and the app under it, or the control."""

    server: str
    app: str
    control: bool = False
    """Is it the baseline, measured a second time?"""


@dataclass(frozen=True)
class Comparison:
    """What candidates are measured against each other on."""

    scenario: str
    protocol: Protocol
    load: Load
    users: int
    streams: int
    workers: int

    @property
    def place(self) -> tuple[str, int, float, str, int, int, int]:
        """Orders comparisons by scenario, protocol, offered rate, load, users, streams and workers."""
        rps = self.load.rps if isinstance(self.load, Rate) else 0.0
        protocol = PROTOCOLS.index(self.protocol)
        return self.scenario, protocol, rps, self.load.text, self.users, self.streams, self.workers

    @property
    def sweep(self) -> Comparison:
        """The sweep that this comparison, at one rate or in a closed loop, is a part of."""
        return replace(self, load=Sweep())


@dataclass(frozen=True)
class ServerConfig:
    """How a server is started: trials that agree in it can share one start."""

    server: str
    app: str
    workers: int
    tls: bool
    control: bool = False
    """Is it the control, which is started beside the baseline itself?"""


@dataclass(frozen=True)
class Case:
    """One candidate in one comparison: one row of the answer."""

    server: str
    app: str
    scenario: str
    protocol: Protocol
    load: Load = Conditions.load
    users: int = Conditions.users
    streams: int = Conditions.streams
    workers: int = 1
    control: bool = False
    """Is it the control: the baseline, measured a second time?"""

    @property
    def label(self) -> str:
        """Names the server in `summary.json` and on command lines: `uvicorn`, `uvicorn-control`."""
        return f"{self.server}-control" if self.control else self.server

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.server, self.app, self.control)

    @property
    def comparison(self) -> Comparison:
        return Comparison(self.scenario, self.protocol, self.load, self.users, self.streams, self.workers)

    @property
    def config(self) -> ServerConfig:
        return ServerConfig(self.server, self.app, self.workers, self.protocol in TLS_PROTOCOLS, self.control)


@dataclass(frozen=True)
class Selection:
    """What was asked for, complete and checked: names are looked up, and every option has its value."""

    servers: tuple[Server, ...]
    apps: tuple[App, ...]
    scenarios: tuple[Scenario, ...]
    protocols: tuple[Protocol, ...]
    conditions: Conditions
    baseline: Candidate
    """What the other candidates are compared with."""
    ready_within_s: float = 15.0
    """How long a server may take until its first right answer."""
    python: str = "python"
    """Interpreter that runs the servers, except those with an environment of their own."""
    not_installed: Mapping[str, str] = field(default_factory=dict)
    """Name of a server or an app to a sentence that says what is missing and how to install it."""


@dataclass(frozen=True)
class PlannedStart:
    """One start of a server, and the cases that are measured while it runs, in their order."""

    config: ServerConfig
    cases: tuple[Case, ...]


Round = tuple[PlannedStart, ...]
"""Every server configuration once, in the order in which they are started."""


@dataclass(frozen=True)
class Exclusion:
    """A case that was asked for and cannot be measured, and why."""

    case: Case
    reason: str


@dataclass(frozen=True)
class Plan:
    """Everything that will be done, decided before the first process starts."""

    rounds: tuple[Round, ...]
    exclusions: tuple[Exclusion, ...]
    estimate_s: float
    further: tuple[Round, ...] = ()
    """Rounds to be added while a precision is not reached."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """Each once, in the order in which they first come."""
        return tuple(dict.fromkeys(case for starts in self.rounds for start in starts for case in start.cases))

    @property
    def trial_count(self) -> int:
        return sum(len(start.cases) for starts in self.rounds for start in starts)


def _describe_load(load: Load) -> str:
    match load:
        case Rate():
            return f"open loop at {load.text.removeprefix('rate=')} requests/s"
        case Capacity():
            return f"search for the highest rate with {load.level}"
        case Sweep():
            return "open loops at shares of each server's own rate and at rates that all share"
    return "closed loop"


def _join(numbers: tuple[int, ...]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
