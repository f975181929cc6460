"""Summaries of all rounds, for reports, charts and other programs. Units are in the names, as in `harness.model`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.histogram import Histogram
from harness.model.plan import Candidate, Case, Comparison, Preference, usual_preference
from harness.model.records import Verdict
from harness.model.results import Errors, name_request

SUMMARY_SCHEMA = 1
"""The version of `summary.json`, which other programs read; it goes up on an incompatible change."""


class Interval:
    """What has a 95 % interval."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Relative, on a logarithmic scale: 0.02 for ±2 %. Not for an interval that reaches 0."""
        return math.sqrt(self.high / self.low) - 1


@dataclass(frozen=True)
class Estimate(Interval):
    """The median of a figure over rounds, with its 95 % interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratio(Interval):
    """A figure of a case ÷ that of the baseline, paired by cycle and round, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratios:
    """Ratios of a case to the baseline or what took its place; None if one of the two does not have the figure."""

    throughput: Ratio
    cpu: Ratio | None
    p99: Ratio | None


@dataclass(frozen=True)
class Latency:
    """Percentiles of the merged histograms in µs, with intervals from resampled rounds; None with too few requests."""

    p50: Estimate | None = None
    p90: Estimate | None = None
    p99: Estimate | None = None
    p99_9: Estimate | None = None
    max: Estimate | None = None


@dataclass(frozen=True)
class RequestSummary:
    """All rounds of a case's requests with one method and name; the server's CPU time is known for the whole only."""

    method: str
    name: str
    requests: int
    errors: int
    """Those of all rounds, whether they count or not."""
    unanswered: int
    """Requests without an answer within the time limit, in rounds that count; they are in the percentiles."""
    throughput_rps: Estimate | None
    latency_us: Latency
    ratio_to_baseline: Ratios | None
    events_per_s: Estimate | None = None
    """Events of all answers that were read as they came; None, as the next two, if there were none."""
    first_event_us: Latency | None = None
    """How long it takes from the intended time to the first event."""
    gap_us: Latency | None = None
    """How long it takes from an event to the next one of the same answer."""

    @property
    def label(self) -> str:
        return name_request(self.method, self.name)


@dataclass(frozen=True)
class Memory:
    """Memory of the process tree in bytes: before the first request, and the largest in any sample."""

    idle: int | None
    peak: int | None
    by_round: Estimate | None = None
    """The largest of each round; candidates are compared by it, since `peak` grows with the number of rounds."""


@dataclass(frozen=True)
class Stretch:
    """What a case did in one measurement, in which cases take turns; seconds count from the first of their slices."""

    measurement: int
    """Its place in the run."""
    round: int
    length_s: float
    """Of the whole measurement, all of its cases together."""
    rates_rps: tuple[tuple[float, float], ...]
    """For each second in which it had a turn: where its slices lie, and their rate."""
    tails_us: tuple[tuple[float, float], ...]
    """Where each slice with enough requests lies, and its p99; without any, the p99 of the whole measurement."""
    disturbed: bool


@dataclass(frozen=True)
class CaseSummary:
    """All rounds of one case: one row of the results and one element of `summary.json`."""

    case: Case
    verdict: Verdict
    reasons: tuple[str, ...]
    rounds: int
    """Rounds that count."""
    requests: int
    errors: Errors
    throughput_rps: Estimate | None = None
    throughput_by_round_rps: tuple[float, ...] = ()
    throughput_rounds: tuple[int, ...] = ()
    """The round of each of those, from 1; a round stands twice where the case was in two of its blocks."""
    latency_us: Latency = Latency()
    service_us: Latency = Latency()
    first_byte_us: Latency | None = None
    """From the intended time to the first byte of the body; where there is no body, to the end of the answer.

    None where custom Locust users drove the load, which report only the end, and in a run of an earlier version.
    """
    send_lag_us: Latency = Latency()
    response: Histogram = field(default_factory=Histogram)
    """The response times of all rounds, for the percentile curve."""
    cpu_us_per_request: Estimate | None = None
    cpu_us_per_request_by_round: tuple[float, ...] = ()
    cpu_rounds: tuple[int, ...] = ()
    """The round of each of those."""
    cpu_us_by_program: Mapping[str, Estimate] = field(default_factory=dict)
    """The parts of `cpu_us_per_request`, where the server's processes run several programs: nginx, uvicorn."""
    memory_pss_bytes: Memory = Memory(None, None)
    ready_s: Estimate | None = None
    first_request_s: Estimate | None = None
    stop_s: Estimate | None = None
    connections: int = 0
    resumed: int = 0
    """Those of them whose TLS handshake took up the session of an earlier one."""
    idle_connections: int | None = None
    """Connections that carried nothing beside those of the users, and were open to the end; None if there were none."""
    offered_rps: float | None = None
    achieved_ratio: float | None = None
    rank: int | None = None
    """The place within the comparison, from 1; candidates without a difference seen share a rank."""
    ranks: Mapping[Preference, int] = field(default_factory=dict)
    """The place by each figure, where it is known; `rank` is one of them."""
    ratio_to_baseline: Ratios | None = None
    precision: float | None = None
    """Half the width of the widest interval of its ratios, or without ratios, of its figures: 0.05 is ±5 %."""
    name: str = ""
    """The name of the candidate in reports: its server, its app, or both, whichever there are several of."""
    own_share: float | None = None
    """In a sweep, the offered rate ÷ the rate that this candidate reached in a closed loop."""
    overloaded: bool = False
    """Was the offered rate more than the server can answer? False if machine or generator may be the reason."""
    context_switches_per_request: Estimate | None = None
    frequency_mhz: Estimate | None = None
    """Mean frequency of the server's CPUs, if the kernel reports it."""
    disturbed: bool = False
    """Did the host, other processes or a CPU quota take so much CPU time in half of its rounds or more
    that absolute numbers are too
    low? Ratios hold."""
    disturbed_rounds: int = 0
    """In how many of its rounds they did."""
    unanswered: int = 0
    """Requests without an answer within the time limit; they are among the errors."""
    reopened: int = 0
    """Connections that were opened again, because the server had closed them or after a failure."""
    resent: int = 0
    """Requests that were sent again on a new connection."""
    pushes: int = 0
    """Messages that the server sent unasked, over WebSocket; they are no answers."""
    warming: Ratio | None = None
    """Throughput of later cycles ÷ that of the first one after each start."""
    idle_cpu_ratio: float | None = None
    """The most that the server used while it was not its turn, in cores."""
    slice_s: float | None = None
    """Counted time of a slice."""
    users_ready_s: Estimate | None = None
    """How long the users took to start, before anything counted: to connect, and to end their `on_start`."""
    by_name: tuple[RequestSummary, ...] = ()
    """The same for each method and name of its requests; none in a run of an earlier version."""
    start_spread: float | None = None
    """How much its rate varies from one start to the next: the standard deviation, 0.03 for 3 %."""

    timeline: tuple[Stretch, ...] = ()
    """All its measurements in order, valid or not; it is not in `summary.json`."""

    @property
    def measured(self) -> bool:
        return self.throughput_rps is not None

    def find_figure(self, by: Preference) -> Estimate | None:
        """The figure that candidates are ranked by: requests/s, µs, µs a request or bytes; None where it is unknown."""
        match by:
            case "throughput":
                return self.throughput_rps
            case "p99":
                return self.latency_us.p99
            case "cpu":
                return self.cpu_us_per_request
            case "memory":
                return self.memory_pss_bytes.by_round


@dataclass(frozen=True)
class ComparisonSummary:
    """All cases of one comparison; in a sweep, the closed loops and all rates together."""

    comparison: Comparison
    summaries: tuple[CaseSummary, ...]
    """The summaries by rank; in a sweep by candidate, each in its closed loop and then by rate."""
    reference: Candidate | None = None
    """What the ratios are ratios to: the baseline, or where it does not speak the protocol the fastest that does.

    None where there are no ratios.
    """
    prefer: Preference | None = None
    """The figure by which candidates are ranked; None for the usual one of the load."""

    @property
    def ranked_by(self) -> Preference:
        """The figure that `rank` is a place by."""
        return self.prefer or usual_preference(self.comparison.load)

    @property
    def candidates(self) -> tuple[CaseSummary, ...]:
        """The summaries without those of the control, which is compared with the baseline only."""
        return tuple(each for each in self.summaries if not each.case.control)

    @property
    def controls(self) -> tuple[CaseSummary, ...]:
        """The summaries of the control: one, in a sweep one for each rate, none in a run without a control."""
        return tuple(each for each in self.summaries if each.case.control)
