"""How much of a request is the server's work and how much the app's. Units are in the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.model.plan import Comparison
from harness.model.records import Verdict
from harness.model.summaries import Estimate, Latency, Ratio

Limit = Literal["cpu", "waiting", "unknown"]
"""What sets the rate of an app in a closed loop: the CPU time of its requests, what they wait for, or nobody knows."""


@dataclass(frozen=True)
class HalfRate:
    """What an app takes under a server at half of the rate that it reaches under the slowest."""

    verdict: Verdict
    reasons: tuple[str, ...]
    offered_rps: float
    throughput_rps: Estimate | None
    latency_us: Latency
    cpu_us_per_request: Estimate | None


@dataclass(frozen=True)
class ServerPart:
    """One server: the app under it, and the reference app, which does next to nothing."""

    server: str
    verdict: Verdict
    throughput_rps: Estimate | None
    cpu_us_per_request: Estimate | None
    """Of the app and the server together."""
    reference_cpu_us_per_request: Estimate | None
    """Of the server with the reference app: the server's own part, as far as it can be seen."""
    share: Ratio | None
    """The second ÷ the first, paired by round."""
    cpus_used: float | None
    """In the closed loop, CPU seconds a second."""
    reason: str
    """Why there is no number of the reference app; empty if there is one, or it was not measured."""
    at_half_rate: HalfRate | None


@dataclass(frozen=True)
class Spread:
    """The rate of the app under the server with the highest ÷ under that with the lowest."""

    fastest: str
    slowest: str
    ratio: Ratio


@dataclass(frozen=True)
class ServerShare:
    """How much the server matters for an app in one comparison."""

    app: str
    comparison: Comparison
    parts: tuple[ServerPart, ...]
    limit: Limit
    gain_by_cpu: float | None
    """By at most so much would a server that costs nothing raise the rate, 0.04 for 4 %, if CPU time sets it.

    From the upper ends of the intervals; infinity where the server may be nearly all of it, None where it is unknown.
    """
    spread: Spread | None
    """None with a single valid server."""

    @property
    def most_change(self) -> float | None:
        """By at most so much does choosing another server change the rate; None where no interval says so.

        It is what was measured, and if CPU time sets the rate, not less than what follows from that.
        """
        measured = None if self.spread is None else self.spread.ratio.high - 1
        if self.limit != "cpu" or self.gain_by_cpu is None:
            return measured
        return max(self.gain_by_cpu, measured or 0.0)
