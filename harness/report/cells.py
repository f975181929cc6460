"""The cells of a report's tables: a value, and in smaller letters what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.text import numbers
from harness.text.numbers import DISTURBED, NOTHING, significant

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.model.summaries import Estimate, Ratio


@dataclass(frozen=True)
class Cell:
    """A value with its detail: an interval, a version or a reason."""

    value: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.detail})" if self.detail else self.value

    def mark_disturbed(self) -> Cell:
        """The cell with the sign of a disturbed number; one without a number stays as it is."""
        return self if self.value == NOTHING else Cell(DISTURBED + self.value, self.detail)


def estimated(estimate: Estimate | None, form: Callable[[float], str] = significant, unit: float = 1) -> Cell:
    """The median in units of `unit`, with its interval."""
    if estimate is None:
        return Cell(NOTHING)
    return Cell(form(estimate.median / unit), interval(estimate, lambda value: form(value / unit)))


def interval(bounds: Estimate | Ratio, form: Callable[[float], str]) -> str:
    """`low – high`; empty after a single round, and `too few rounds` if it is too wide to be shown."""
    return numbers.interval(bounds.low, bounds.high, form)


def factor(value: float) -> str:
    """A ratio as it is written in tables and sentences: 1.04."""
    return f"{value:.2f}"


def milliseconds(estimate: Estimate | None) -> Cell:
    """The median of microseconds, with its interval."""
    return estimated(estimate, unit=1000)


def megabytes(size_bytes: int | None) -> Cell:
    """A size in millions of bytes."""
    return Cell(significant(size_bytes / 1e6) if size_bytes else NOTHING)
