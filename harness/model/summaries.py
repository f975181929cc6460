"""What the rounds of a run amount to: what reports, charts and other programs read.

Units stand in the names, as in `harness.model`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.model.histogram import Histogram
from harness.model.plan import Case, Comparison
from harness.model.results import Errors, Verdict


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
    first_request_s: Estimate | None = None
    stop_s: Estimate | None = None
    connections: int = 0
    offered_rps: float | None = None
    achieved_ratio: float | None = None
    rank: int | None = None
    """1 is the fastest of its scenario and protocol; servers whose intervals do not separate share a rank."""
    ratio_to_baseline: Ratios | None = None
    precision: float | None = None
    """Half the width of the widest interval of its ratios, or without a baseline of its own: 0.05 is ±5 %."""
    name: str = ""
    """What it is called in this run: its server, its app, or both, whichever there are several of."""
    own_share: float | None = None
    """In a sweep: the offered rate ÷ the rate that this server reached in a closed loop."""
    overloaded: bool = False
    """Was more offered than the server answers? Not so where the machine or the generator may have been the reason."""
    context_switches_per_request: Estimate | None = None
    frequency_mhz: Estimate | None = None
    """Mean frequency of the server's CPUs, where the kernel tells."""

    @property
    def measured(self) -> bool:
        return self.throughput_rps is not None


@dataclass(frozen=True)
class ComparisonSummary:
    """Every case of one comparison; of a sweep, the closed loops and all rates together."""

    comparison: Comparison
    summaries: tuple[CaseSummary, ...]
    """The best rank first; in a sweep candidate by candidate, each in its closed loop and then by rate."""

    @property
    def candidates(self) -> tuple[CaseSummary, ...]:
        """The summaries without those of the control, which is compared with the baseline alone."""
        return tuple(each for each in self.summaries if not each.case.control)

    @property
    def controls(self) -> tuple[CaseSummary, ...]:
        """Those of the control: one, or in a sweep one for each rate; none in a run without a control."""
        return tuple(each for each in self.summaries if each.case.control)
