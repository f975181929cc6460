"""What a run measures, under which conditions and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from harness.model.blocks import MAX_BODY_BYTES
from harness.model.link import NEAR, Distance
from harness.model.load_workers import WantedWorkers
from harness.model.loads import SATURATE, Capacity, Load, Rate, Sweep
from harness.model.protocols import PROTOCOLS, TLS_PROTOCOLS, Protocol
from harness.model.targets import App, Scenario, Server

Compression = Literal["off", "gzip", "br"]
Preference = Literal["throughput", "p99", "cpu", "memory"]
"""The figure by which candidates are ranked."""
PREFERENCES: tuple[Preference, ...] = get_args(Preference)
TOGETHER = 6
"""So many candidates run at the same time, at most, unless the options say otherwise."""


@dataclass(frozen=True)
class Conditions:
    """How hard, how long and how often a run measures, the same for all candidates."""

    load: Load = SATURATE
    users: tuple[int, ...] = (32,)
    """The numbers of users, each with one request in flight; each number is measured."""
    streams: int = 1
    """The number of users that share one connection, on HTTP/2 and HTTP/3."""
    workers: tuple[int, ...] = (1,)
    """The numbers of worker processes of each server; each number is measured."""
    rounds: int = 5
    """The number of rounds; with a `precision`, the least number."""
    precision: float | None = None
    """Rounds are added until the intervals of the ratios to the baseline are as narrow as this: 0.05 is ±5 %."""
    max_rounds: int = 20
    warmup_s: float = 0.2
    """Load on each candidate before each measurement; it also shows how long answers take."""
    duration_s: float = 2.0
    """Counted time of each case in a round, over all its slices."""
    slice_s: float | None = None
    """Counted time of each slice; None to choose it from the service times in the warm-up."""
    together: int | None = None
    """The most candidates that run at the same time and take turns; None for `TOGETHER`."""
    request_timeout_s: float = 30.0
    """A request without an answer after this time is unanswered."""
    max_body_bytes: int = MAX_BODY_BYTES
    """A longer body of an answer, or message of a WebSocket, is an error."""
    load_memory_bytes: int = 2 << 30
    """A load process that uses more memory is ended."""
    compression: Compression = "off"
    """The content coding that requests ask for (RFC 9110, 12.5.3)."""
    seed: int = 0
    """The seed of every random choice in the run."""
    load_processes: int = 1
    remote_load: bool = False
    """Are these processes load workers on other hosts?"""
    control: bool = True
    """Is the baseline measured a second time, as a control?"""
    netns: bool = False
    """Do servers run in a network namespace of their own?"""
    rtt_s: tuple[float, ...] = (NEAR.rtt_s,)
    """The round-trip times that are added to the link; each is measured."""
    loss: float = NEAR.loss
    """The share of packets that the link loses in each direction, at every round-trip time."""

    @property
    def distances(self) -> tuple[Distance, ...]:
        """How far apart load and servers are made, one after the other."""
        return tuple(Distance(rtt_s, self.loss) for rtt_s in self.rtt_s)

    def __str__(self) -> str:
        """Describe the conditions: `closed loop, 32 users, 1 worker, 5 rounds × 2 s, seed 7`."""
        streams = f" ({self.streams} streams a connection on HTTP/2)" if self.streams > 1 else ""
        workers = "1 worker" if self.workers == (1,) else f"{_join(self.workers)} workers"
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        if self.precision is not None:
            rounds = f"{self.rounds} to {self.max_rounds} rounds"
        loop = _describe_load(self.load)
        users = f"{_join(self.users)} user{'s' if self.users != (1,) else ''}"
        return f"{loop}, {users}{streams}, {workers}{self._far()}, {rounds} × {self.duration_s:g} s, seed {self.seed}"

    def _far(self) -> str:
        """The distances, if there is one."""
        if self.distances == (NEAR,):
            return ""
        loss = f" and {100 * self.loss:g} % loss" if self.loss else ""
        return f", {_join(f'{1000 * each:g}' for each in self.rtt_s)} ms RTT{loss}"


@dataclass(frozen=True, order=True)
class Candidate:
    """A server with the app under it, or the control."""

    server: str
    app: str
    control: bool = False
    """Is it the control: the baseline, measured a second time?"""

    @property
    def original(self) -> Candidate:
        """The candidate that a control is a second entry of; any other is its own."""
        return replace(self, control=False)


@dataclass(frozen=True)
class Comparison:
    """The scenario, protocol, load and workers under which candidates are compared."""

    scenario: str
    protocol: Protocol
    load: Load
    users: int
    streams: int
    workers: int
    distance: Distance = NEAR

    @property
    def place(self) -> tuple[str, int, float, str, int, int, int, float, float]:
        """The sort key of comparisons: scenario, protocol, offered rate, load, users, streams, workers and distance."""
        rps = self.load.rps if isinstance(self.load, Rate) else 0.0
        protocol = PROTOCOLS.index(self.protocol)
        far = self.distance
        return (
            *(self.scenario, protocol, rps, self.load.text),
            *(self.users, self.streams, self.workers, far.rtt_s, far.loss),
        )

    @property
    def sweep(self) -> Comparison:
        """The sweep of which this comparison, at one rate or in a closed loop, is a part."""
        return replace(self, load=Sweep())


@dataclass(frozen=True)
class ServerConfig:
    """How a server is started; cases with equal configurations share one server start in each round."""

    server: str
    app: str
    workers: int
    tls: bool
    control: bool = False
    """Is it the control, which is started separately from the baseline?"""


REFERENCE_APP = "reference-app"
"""The name of the app that does next to nothing, where it is measured beside others. No module has such a name."""


@dataclass(frozen=True)
class Case:
    """One candidate in one comparison: one row of the results."""

    server: str
    app: str
    scenario: str
    protocol: Protocol
    load: Load = Conditions.load
    users: int = Conditions.users[0]
    streams: int = Conditions.streams
    workers: int = 1
    control: bool = False
    """Is it the control: the baseline, measured a second time?"""
    aside: bool = field(default=False, repr=False)
    """Is it measured only to tell how much the server matters? It is in no ranking. (A seed is made of the `repr`.)"""
    rtt_s: float = field(default=NEAR.rtt_s, repr=False)
    """The round-trip time that is added to the link."""
    loss: float = field(default=NEAR.loss, repr=False)
    """The share of packets that the link loses in each direction."""

    @property
    def label(self) -> str:
        """The name of the server in `summary.json` and on command lines: `uvicorn`, `uvicorn-control`."""
        return f"{self.server}-control" if self.control else self.server

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.server, self.app, self.control)

    @property
    def comparison(self) -> Comparison:
        parts = self.scenario, self.protocol, self.load, self.users, self.streams, self.workers
        return Comparison(*parts, self.distance)

    @property
    def distance(self) -> Distance:
        return Distance(self.rtt_s, self.loss)

    @property
    def config(self) -> ServerConfig:
        return ServerConfig(self.server, self.app, self.workers, self.protocol in TLS_PROTOCOLS, self.control)


@dataclass(frozen=True)
class Reference:
    """The app that does next to nothing, measured beside others to tell how much of their CPU time is the server's."""

    app: App
    scenarios: tuple[Scenario, ...]
    """The first that supports a protocol is measured over it."""
    always: bool = False
    """Is it measured however long that takes?"""


@dataclass(frozen=True)
class Selection:
    """What options and settings file ask for: every name is looked up and every option has a value."""

    servers: tuple[Server, ...]
    apps: tuple[App, ...]
    scenarios: tuple[Scenario, ...]
    protocols: tuple[Protocol, ...]
    conditions: Conditions
    baseline: Candidate
    """The candidate that the others are compared with."""
    ready_within_s: float = 15.0
    """The longest start-up time that a server may have."""
    python: str = "python"
    """The interpreter that runs the servers, except those with a virtual environment of their own."""
    not_installed: Mapping[str, str] = field(default_factory=dict)
    """For the name of a server or an app: what is missing and how to install it."""
    reference: Reference | None = None
    """What is measured beside the apps to tell how much the server matters; None for nothing."""
    prefer: Preference | None = None
    """The figure by which candidates are ranked; None for the usual one of the load."""
    load_workers: WantedWorkers | None = None
    """The load workers on other hosts; None if load comes from this one."""

    @property
    def every_app(self) -> tuple[App, ...]:
        """The apps, and the reference beside them."""
        return (*self.apps, *([self.reference.app] if self.reference else []))

    @property
    def every_scenario(self) -> tuple[Scenario, ...]:
        """The scenarios, and those of the reference beside them."""
        return (*self.scenarios, *(self.reference.scenarios if self.reference else ()))

    def levels(self, scenario: Scenario) -> tuple[int, ...]:
        """The numbers of users that a scenario is measured with."""
        return self.conditions.users if scenario.users is None else (scenario.users,)


@dataclass(frozen=True)
class Block:
    """Servers that run at the same time, and what is measured meanwhile."""

    configs: tuple[ServerConfig, ...]
    """In the order in which they are started."""
    measurements: tuple[tuple[Case, ...], ...]
    """Each is a set of cases that take turns: they agree in scenario, protocol, streams and distance."""
    duration_s: float
    """Counted time of each case, over all its slices."""

    @property
    def case_count(self) -> int:
        return sum(map(len, self.measurements))


Round = tuple[Block, ...]
"""Everything once: each case at least once, those that every block holds more often."""


@dataclass(frozen=True)
class Exclusion:
    """A case that was selected and cannot be measured, with the reason."""

    case: Case
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a run will do, decided before the first process starts."""

    rounds: tuple[Round, ...]
    exclusions: tuple[Exclusion, ...]
    estimate_s: float
    further: tuple[Round, ...] = ()
    """Rounds that are added while the precision is not reached."""
    at_half_rate: tuple[Case, ...] = ()
    """Cases that are measured at half of the slowest server's rate too, when the rates are known."""
    half_rate_rounds: int = 0
    """In so many rounds, which come last."""
    aside_s: float = 0.0
    """How long everything takes that tells how much the server matters, whether it is measured or would take too long.

    Where it is measured, `estimate_s` includes it.
    """

    @property
    def cases(self) -> tuple[Case, ...]:
        """Each case once, in the order in which they are first measured."""
        blocks = (block for each in self.rounds for block in each)
        return tuple(dict.fromkeys(case for block in blocks for cases in block.measurements for case in cases))

    @property
    def case_count(self) -> int:
        """How many cases are measured in all rounds; a case counts once for each block of a round that holds it."""
        return sum(block.case_count for each in self.rounds for block in each)

    @property
    def most_connections(self) -> int:
        """The most connections that may be open at once: one for each user of each candidate of a measurement."""
        measurements = (cases for each in self.rounds for block in each for cases in block.measurements)
        return max(
            (len({case.config for case in cases}) * max(case.users for case in cases) for cases in measurements),
            default=0,
        )


def usual_preference(load: Load) -> Preference:
    """What candidates are ranked by unless told otherwise: at a given rate all answer as many, so it is p99."""
    return "p99" if isinstance(load, Rate) else "throughput"


def _describe_load(load: Load) -> str:
    match load:
        case Rate():
            return f"open loop at {load.text.removeprefix('rate=')} requests/s"
        case Capacity():
            return f"search for the highest rate with {load.level}"
        case Sweep():
            return "open loops at shares of each server's own rate and at rates that all share"
    return "closed loop"


def _join(numbers: Iterable[object]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
