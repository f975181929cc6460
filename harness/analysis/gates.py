"""Limits on how B may differ from A: what `--fail-if` means, and whether a limit is kept. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from harness.model.errors import UsageError

if TYPE_CHECKING:
    from harness.model.summaries import Ratio

Metric = Literal["throughput", "p50", "p90", "p95", "p99", "cpu", "memory", "ready", "errors"]
"""The figures that can have a gate.

`throughput` is right answers per second, `p50` to `p99` are response times, `cpu` is CPU time per request, `memory` is
the peak PSS, `ready` is the start-up time, `errors` is the share of requests without a right answer.
"""

METRICS: tuple[Metric, ...] = get_args(Metric)
ON_DEMAND: frozenset[Metric] = frozenset({"p90", "p95"})
"""Compared only where a gate asks: the more figures, the more of them differ by chance."""

GateResult = Literal["met", "missed", "not clear", "not checked"]
"""How the interval lies to the limit: within it, wholly beyond it, on both sides; `not checked` without an interval."""

EXPECTED = f"expected METRIC<-5% or METRIC>10%, separated by commas, where METRIC is one of {', '.join(METRICS)}"
_FORM = re.compile(rf"({'|'.join(METRICS)})\s*([<>])\s*([+-]?\d{{1,9}}(?:\.\d{{1,9}})?)\s*%", re.ASCII)


@dataclass(frozen=True)
class Gate:
    """A limit on how far B may differ from A."""

    text: str
    """The gate as the user wrote it, `throughput<-5%`."""
    metric: Metric
    above: bool
    """Is the gate missed above the limit (True) or below it (False)?"""
    limit: float
    """The limit as a ratio B ÷ A: −5 % is 0.95. Of `errors`, 1 and the difference of the shares: 0.1 % is 1.001."""

    def judge(self, ratio: Ratio) -> GateResult:
        """Compare a ratio with the limit; the gate is missed only if the whole interval is beyond it."""
        if self.above:
            return "missed" if ratio.low > self.limit else "met" if ratio.high <= self.limit else "not clear"
        return "missed" if ratio.high < self.limit else "met" if ratio.low >= self.limit else "not clear"


def parse_gates(text: str) -> tuple[Gate, ...]:
    """Read gates separated by commas; none from an empty text. Raises `UsageError` for anything else."""
    return tuple(_parse_gate(part.strip()) for part in text.split(",")) if text.strip() else ()


def _parse_gate(text: str) -> Gate:
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"--fail-if: {EXPECTED}; found {text or 'nothing between two commas'}")
    limit = 1 + float(found[3]) / 100
    if limit <= 0:
        raise UsageError(f"--fail-if: expected a limit above -100%, since no figure can fall further; found {text}")
    metric = next(each for each in METRICS if each == found[1])
    if metric == "errors" and (found[2] != ">" or limit < 1):
        raise UsageError(f"--fail-if: expected errors>N% with N of 0 or more, found {text}")
    return Gate(text, metric, found[2] == ">", limit)
