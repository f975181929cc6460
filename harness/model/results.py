"""Results, records, and the run and environment that they come from. Units are in the names, as in `harness.model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.histogram import Histogram
from harness.model.link import Link
from harness.model.load_workers import LoadWorker
from harness.model.machine import Machine
from harness.model.plan import Candidate, Case, Conditions, Preference, ServerConfig
from harness.model.protocols import Protocol

SCHEMA = 2
"""The version of `run.json` and `starts.jsonl`; it goes up on an incompatible change."""
TRIAL_SCHEMA = 3
"""The version of the lines of `trials.jsonl`; it goes up on an incompatible change."""
SUMMARY_SCHEMA = 1
"""The version of `summary.json`, which other programs read; it goes up on an incompatible change."""

Verdict = Literal["valid", "client-limited", "network-limited", "invalid", "unsupported", "failed"]
"""How far a number can be trusted.

`valid`: it can be used. `client-limited`: it measures the load generator. `network-limited`: it measures the link.
`invalid`: it cannot be used. `unsupported`: the case cannot be measured. `failed`: there is no number, since the server
or the generator ended.
"""
USABLE: frozenset[Verdict] = frozenset({"valid", "client-limited", "network-limited"})
"""Verdicts of numbers that are right, if only as the least that the server can do."""

Role = Literal["load", "server"]
"""What a machine does in a run of several."""
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
    """The connections of a case's own users."""

    opened: int = 0
    """Those that they began with, and those that were opened in their slices."""
    reopened: int = 0
    """Connections opened again after the server closed one, which it may, or after a failure."""
    resent: int = 0
    """Requests sent again, because they met a connection that the server had closed before, or a GOAWAY said so."""
    negotiated: str = ""
    """The negotiated protocol: `http/1.1`, `h2`, `h2c`, `websocket`; over TLS after its version: `TLSv1.3 h2`."""
    resumed: int = 0
    """Connections whose TLS handshake took up the session of an earlier one."""
    idle: int | None = None
    """Connections that carried nothing beside those of the users, and were open at the end; None if there were none."""


@dataclass(frozen=True)
class Slice:
    """One turn of a case in one cycle. Times are in ns of the monotonic clock.

    From `opened_ns` on its users send; what they send counts from `start_ns` (the end of the lead-in) to `end_ns`; at
    `drained_ns` nothing was in flight any more, and the next candidate's turn began.
    """

    cycle: int
    opened_ns: int
    start_ns: int
    end_ns: int
    drained_ns: int
    answers: float
    """Right answers in the counted stretch, each by the share of its time that lies in it."""
    requests: int
    """Right answers to requests that began in the counted stretch."""
    finished: int
    """Right answers from `opened_ns` to `drained_ns`."""
    in_flight: float = 0.0
    """Requests in flight, on average over the counted stretch; only those that had a right answer."""
    users: int | None = None
    """Users that ran at its end; None in a run of an earlier version."""
    p99_us: int | None = None
    """The time that 99 % of the responses to requests that began in the counted stretch did not exceed.

    None without any, where several load processes have a part of them, and in a run of an earlier version.
    """

    @property
    def counted_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


def name_request(method: str, name: str) -> str:
    """`GET /items`, with the method once even if the name begins with it."""
    return name if name.startswith(f"{method} ") else f"{method} {name}".strip()


@dataclass(frozen=True)
class StreamResult:
    """The events of answers that were read as they came."""

    events: int
    first_event: Histogram
    """From the intended time to the first event."""
    gap: Histogram
    """From each event of an answer to its next one."""

    @staticmethod
    def merge(results: Iterable[StreamResult | None]) -> StreamResult | None:
        """The sum; None if there is none."""
        own = [each for each in results if each is not None]
        if not own:
            return None
        return StreamResult(
            sum(each.events for each in own),
            Histogram.merge(each.first_event for each in own),
            Histogram.merge(each.gap for each in own),
        )


@dataclass(frozen=True)
class RequestResult:
    """What the load generator measured of the requests with one method and name."""

    method: str
    name: str
    answers: tuple[float, ...]
    """Right answers in each slice, as `Slice.answers` counts them."""
    requests: int
    """Right answers to requests that began in a counted stretch."""
    response: Histogram
    """Response times, of which those without an answer within the time limit are a part."""
    errors: int = 0
    unanswered: int = 0
    stream: StreamResult | None = None
    """None unless answers were read as they came."""

    @property
    def label(self) -> str:
        return name_request(self.method, self.name)

    @staticmethod
    def merge(results: Iterable[RequestResult]) -> tuple[RequestResult, ...]:
        """One of each method and name, from those of the same slices in all load processes."""
        several: dict[tuple[str, str], list[RequestResult]] = {}
        for each in results:
            several.setdefault((each.method, each.name), []).append(each)
        return tuple(
            RequestResult(
                method,
                name,
                answers=tuple(map(sum, zip(*(each.answers for each in own), strict=True))),
                requests=sum(each.requests for each in own),
                response=Histogram.merge(each.response for each in own),
                errors=sum(each.errors for each in own),
                unanswered=sum(each.unanswered for each in own),
                stream=StreamResult.merge(each.stream for each in own),
            )
            for (method, name), own in several.items()
        )


@dataclass(frozen=True)
class LoadResult:
    """What the load generator measured of a case in one round.

    Every request that began in a counted stretch is in the histograms, however long it took; one without an answer is
    there with the time that it was waited for, and among the errors. Over all slices, `started` = `finished` +
    `abandoned`.
    """

    slices: tuple[Slice, ...]
    started: int
    finished: int
    """Requests that ended: with a right answer, or as an error."""
    abandoned: int
    """Requests whose users were killed while they waited."""
    errors: Errors
    response: Histogram
    """From the intended time to the complete answer; in a closed loop the same as `service`."""
    service: Histogram
    """From the write to the complete answer."""
    send_lag: Histogram
    """Time from the intended time to writing the request."""
    connections: Connections
    cpu_ratio: float
    """CPU seconds of the busiest generator process ÷ seconds of the counted stretches: 1.0 is one busy core."""
    unanswered: int = 0
    """Requests without an answer within the time limit; they are among the errors."""
    paused_ratio: float = 0.0
    """Share of the counted stretches for which a CPU quota paused a generator process, at most, of any."""
    memory_bytes: int = 0
    """The largest resident set size that a load process had."""
    checked: bool = True
    """Was the verification pass right?"""
    queued: int = 0
    """In an open loop, requests that were due when no user was free."""
    dropped: int = 0
    """In an open loop, requests that were due when the queue was full, and were not sent."""
    pushes: int = 0
    """Messages that a WebSocket server sent unasked, as the scenario says; they are no answers."""
    stopped_users: int = 0
    """Users that ended before the last slice did: they stopped themselves, or an exception ended them."""
    users_ready_s: float = 0.0
    """How long the users took to start: to connect, and to end their `on_start`. Counting began after it."""
    by_request: tuple[RequestResult, ...] = ()
    """The same by method and name; none in a run of an earlier version."""
    first_byte: Histogram | None = None
    """From the intended time to the first byte of the body; where there is no body, to the end of the answer.

    None where custom Locust users drove the trial, which report only the end, and in a run of an earlier version.
    """
    verified: bool = True
    """False where custom Locust users drove the trial: responses were checked only as far as their file checks them."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """For each request whose body was not the one that the app gave before the run: the first change."""
    load_workers: Mapping[str, float] = field(default_factory=dict)
    """The load workers on other hosts that took part, by name, with the `cpu_ratio` of each; none if load came from
    this host."""

    @property
    def requests(self) -> int:
        """Right answers to requests that began in a counted stretch."""
        return sum(each.requests for each in self.slices)

    @property
    def answers(self) -> float:
        """Right answers in the counted stretches, each by the share of its time that lies in them."""
        return sum(each.answers for each in self.slices)

    @property
    def counted_s(self) -> float:
        return sum(each.counted_s for each in self.slices)

    @property
    def throughput_rps(self) -> float:
        return self.answers / self.counted_s if self.counted_s > 0 else 0.0

    @property
    def in_flight(self) -> float:
        """Requests in flight, on average over the counted stretches; only those that had a right answer."""
        weighted = sum(each.in_flight * each.counted_s for each in self.slices)
        return weighted / self.counted_s if self.counted_s > 0 else 0.0


@dataclass(frozen=True)
class MachineTime:
    """CPU seconds of the machine since it started, in hundredths of a second."""

    total_s: float
    """CPU time of all CPUs, used or idle."""
    stolen_s: float
    """The part of `total_s` that the host gave to other virtual machines."""
    server_s: float
    """CPU time of the CPUs that the server may use, used or idle."""
    used_s: float
    """The part of `server_s` that processes used, including interrupts that the kernel counts as theirs."""
    paused_s: float = 0.0
    """For how long CPU quotas of the harness's control groups paused them, on each CPU."""


@dataclass(frozen=True)
class Sample:
    """One reading of a process tree; its CPU seconds are user and system time, with those of processes that ended."""

    at_ns: int
    cpu_s: float
    processes: int
    memory_bytes: int | None = None
    """Proportional set size of the tree; None if it was not read in this sample."""
    switches: int | None = None
    """Context switches since the start, voluntary or not; of threads that ended, those of the last sample before."""
    frequency_mhz: float | None = None
    """Mean frequency of the server's CPUs; None if it was not read in this sample or the kernel does not say."""
    machine: MachineTime | None = None
    """CPU time of the machine; None if it was not read in this sample."""
    cpu_s_by_program: Mapping[str, float] = field(default_factory=dict)
    """The parts of `cpu_s`; the children of a process that were never seen are its own. Not kept in records."""


@dataclass(frozen=True)
class Probe:
    """One trial of a search for a capacity."""

    rate_rps: float
    step: Step
    met: bool
    final: bool = False
    """Is this the trial whose number counts for the round?"""
    shortfall: str = ""
    """Why the service level was not met."""


@dataclass(frozen=True)
class Record:
    """Everything that was observed about one trial, with its verdict; it is written as soon as the trial ends."""

    case: Case
    round: int
    position: int
    """Position of its measurement in the order of the run, from 0; −1 for an exclusion."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    started_at: str = ""
    """ISO 8601, UTC."""
    result: LoadResult | None = None
    samples: tuple[Sample, ...] = ()
    steal_ratio: float | None = None
    """Share of the machine's CPU time during the measurement that the host gave to other virtual machines."""
    other_cpu_ratio: float | None = None
    """Share of the server's CPUs during the measurement that neither servers nor load processes used."""
    paused_ratio: float | None = None
    """Share of the measurement for which a CPU quota paused the servers' container, or that of the harness."""
    block: int = 0
    """Number of the block within its round: cases of one block took turns, those of others did not."""
    slice_cpu_s: tuple[float | None, ...] = ()
    """CPU seconds of the server's processes in each slice of the result, lead-in and end included; None: not known."""
    cpu_s_by_program: Mapping[str, float] = field(default_factory=dict)
    """The parts of the sum of `slice_cpu_s`, where the server's processes run several programs."""
    idle_cpu_ratio: float | None = None
    """CPU seconds of the server's processes ÷ seconds while it was not its turn: 0.01 is 1 % of a core."""
    overloaded: bool = False
    """Was the offered rate more than the server can answer? False if anything else may be the reason."""
    disturbed: bool = False
    """Was there so much steal, or CPU time of other processes, that absolute numbers are too low?"""
    load_argv: tuple[str, ...] = ()
    """The command line of Locust; of the cases of a measurement, which share it, only the first has it."""
    log_tail: str = ""
    probe: Probe | None = None
    """The step of the search, if the case is a search for a capacity."""
    schema: int = TRIAL_SCHEMA

    @property
    def counts(self) -> bool:
        """Does its number count for its round? Not if it is a step of a search before the final one."""
        return self.probe is None or self.probe.final


@dataclass(frozen=True)
class Active:
    """What a server actually runs its app with, as seen from inside the app."""

    loop: str | None = None
    """The class of the running event loop, `uvloop.Loop`."""
    modules: tuple[str, ...] = ()
    """The loaded top-level modules that are not part of Python."""


@dataclass(frozen=True)
class ServerStart:
    """Everything that was observed about one server start: its command, its times, and how the server ended."""

    config: ServerConfig
    round: int
    argv: tuple[str, ...]
    ready_s: float | None = None
    """Start-up time: from exec to the first right answer; None if there was none."""
    first_request_s: float | None = None
    """The time from connecting to the end of that first answer."""
    active: Active | None = None
    """None if the app does not report it."""
    stop_s: float | None = None
    """Stop time: from SIGTERM to the end of the last process."""
    killed: bool = False
    """Did it have to be killed after the grace period?"""
    idle_memory_bytes: int | None = None
    log: str = ""
    """The name of the log file in `logs/`."""
    ended: str | None = None
    """How the server ended by itself, `SIGKILL`; None if it ran until it was stopped, or never became ready."""
    schema: int = SCHEMA


@dataclass(frozen=True)
class Environment:
    """Everything about the machine and its software that the numbers depend on."""

    host: str
    machine: Machine
    packages: Mapping[str, str]
    """Packages of the harness's own environment, with their versions."""
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    git_commit: str | None = None
    """The commit of the harness, if its files are under git."""
    server_versions: Mapping[str, str] = field(default_factory=dict)
    """The version of each server's distribution, the first of `Server.requires`, by the name of the server."""
    app_versions: Mapping[str, str] = field(default_factory=dict)
    """The version of each app's framework, the first of `App.requires`, or its commit, by the name of the app."""
    other_packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The packages of each server that runs in another environment than the harness, by the name of the server; and of
    two revisions of an app, by theirs, where they have different environments."""
    interpreters: Mapping[str, str] = field(default_factory=dict)
    """The version and build of the Python that runs each server, by the name of the server."""
    app_commit: str | None = None
    """The commit of the user app, if its files are under git."""
    server_args: Mapping[str, str] = field(default_factory=dict)
    """What the options say of command lines, by the name of the server: a command of one's own with its placeholders,
    the URL of a server that runs already, what `--server-args` adds."""
    kept_out: tuple[str, ...] = ()
    """Names of variables and files that would have configured servers or Locust, and had no effect."""

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
        """The Python that runs the harness: `CPython 3.11.7`."""
        return str(self.machine.python)


@dataclass(frozen=True)
class Host:
    """One of several machines that took part in a run."""

    role: Role
    name: str
    machine: Machine
    version: str
    """Of the harness."""
    python: str
    """That runs the harness there: `CPython 3.11.7`."""
    address: str | None = None
    """That servers listen on."""
    clock_error_us: int | None = None
    """How exactly its clock is known here: half of the shortest round trip over ssh."""
    shares_machine: bool = False
    """Is it a network namespace or a container on the machine of the load?"""


@dataclass(frozen=True)
class RunInfo:
    """What is recorded about a run as a whole, in `run.json`, before its first trial."""

    id: str
    started_at: str
    """The time in ISO 8601, in UTC."""
    argv: tuple[str, ...]
    environment: Environment
    baseline: Candidate
    conditions: Conditions
    ceilings: Mapping[Protocol, float] = field(default_factory=dict)
    """The ceiling of the load generator with the most users, in requests per second, for each protocol where it is
    known: not where the null server does not speak it or was the limit."""
    planned: tuple[Case, ...] = ()
    """The cases that each round measures; in a sweep, those of the rounds in a closed loop."""
    complete: bool | None = None
    """Has the run measured everything? None if an earlier version did not record it."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Digests of what may be edited before a run is resumed: the harness, the apps and the scenarios, by name."""
    workloads: Mapping[str, str] = field(default_factory=dict)
    """A digest of what the users of each scenario send, by its name; none in a run of an earlier version."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Salted digests of the values of `--env` and `--header`, by option and name; the values are not recorded."""
    prefer: Preference | None = None
    """The figure by which candidates are ranked; None for the usual one of the load."""
    hosts: tuple[Host, ...] = ()
    """The machines, where load and servers were not all on one."""
    link: Link | None = None
    """The link between load and servers; None where that is the loopback."""
    load_workers: tuple[LoadWorker, ...] = ()
    """The load workers on other hosts that came before the run; none if load comes from this one."""
    part: tuple[str, ...] = ()
    """What was chosen of a run of which only a part is shown: `users 32, of 8, 32 and 128`."""
    schema: int = SCHEMA

    @property
    def shares_cpus(self) -> bool:
        """Did load and servers share CPUs?"""
        apart = any(each.role == "server" and not each.shares_machine for each in self.hosts)
        return (
            not apart
            and not self.conditions.remote_load
            and bool(set(self.environment.server_cpus) & set(self.environment.load_cpus))
        )

    @property
    def ranked_cases(self) -> tuple[Case, ...]:
        """The planned cases without those that only tell how much the server matters."""
        return tuple(case for case in self.planned if not case.aside)
