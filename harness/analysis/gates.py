"""Limits on how far a figure may move from one run to another: what `--fail-if` means, and whether it holds. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from harness.model.errors import UsageError

if TYPE_CHECKING:
    from harness.model.summaries import Ratio

Metric = Literal["throughput", "p50", "p99", "cpu", "memory", "ready"]
"""Answers a second · response time · CPU time per request · peak memory · time from start to first answer."""

METRICS: tuple[Metric, ...] = get_args(Metric)

GateResult = Literal["met", "missed", "not clear", "not checked"]
"""The interval lies on the right side of the limit · wholly beyond it · on both sides · there is none."""

EXPECTED = f"expected METRIC<-5% or METRIC>10%, with commas between several, METRIC being {', '.join(METRICS)}"
_FORM = re.compile(rf"({'|'.join(METRICS)})\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*%")


@dataclass(frozen=True)
class Gate:
    """A change of B against A that is not to be."""

    text: str
    """As it was asked for, `throughput<-5%`."""
    metric: Metric
    above: bool
    """Is it missed above the limit, or below?"""
    limit: float
    """As a ratio of B to A: −5 % is 0.95."""

    def judge(self, ratio: Ratio) -> GateResult:
        """Whether a ratio with its interval keeps to the limit; missed only when the whole interval lies beyond."""
        if self.above:
            return "missed" if ratio.low > self.limit else "met" if ratio.high <= self.limit else "not clear"
        return "missed" if ratio.high < self.limit else "met" if ratio.low >= self.limit else "not clear"


def gates_of(text: str) -> tuple[Gate, ...]:
    """The gates that a text names; none for an empty text. Raises `UsageError` for anything else."""
    return tuple(_gate(part.strip()) for part in text.split(",")) if text.strip() else ()


def _gate(text: str) -> Gate:
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"--fail-if: {EXPECTED}; found {text or 'nothing between two commas'}")
    limit = 1 + float(found[3]) / 100
    if limit <= 0:
        raise UsageError(f"--fail-if: expected a limit above -100%, for no figure falls further; found {text}")
    metric = next(each for each in METRICS if each == found[1])
    return Gate(text, metric, found[2] == ">", limit)
