"""What stands in a table's cell: numbers in few digits, with their intervals in smaller letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.summaries import Estimate, Ratio

NOTHING = "–"
DIGITS = 3


@dataclass(frozen=True)
class Cell:
    """What a cell says, and in smaller letters what belongs to it: an interval, a version, a reason."""

    value: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.detail})" if self.detail else self.value


def count(value: float) -> str:
    """A whole number, thousands with commas: 12,345."""
    return f"{value:,.0f}"


def significant(value: float) -> str:
    """Three significant digits, thousands with commas: 1,234 · 412 · 3.41 · 0.0520."""
    whole = count(value)
    return whole if len(whole) >= DIGITS or value == 0 else f"{value:#.{DIGITS}g}"


def percent(share: float) -> str:
    """A share in hundredths, whole: 80 %."""
    return f"{100 * share:.0f} %"


def short_percent(share: float) -> str:
    """A small share in hundredths, with a tenth as long as it matters: 0.4 % · 7.1 % · 43 %."""
    return f"{100 * share:.{0 if round(100 * share, 1) >= 10 else 1}f} %"  # noqa: PLR2004 - two digits are enough


def join(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def estimated(estimate: Estimate | None, form: Callable[[float], str], unit: float = 1) -> Cell:
    """The median in units of `unit`, with its interval."""
    if estimate is None:
        return Cell(NOTHING)
    return Cell(form(estimate.median / unit), interval(estimate, lambda value: form(value / unit)))


def interval(bounds: Estimate | Ratio, form: Callable[[float], str]) -> str:
    """Nothing where one round leaves no interval to speak of."""
    return f"{form(bounds.low)} – {form(bounds.high)}" if bounds.low < bounds.high else ""


def milliseconds(estimate: Estimate | None) -> Cell:
    """The median of microseconds."""
    return Cell(significant(estimate.median / 1000) if estimate else NOTHING)


def megabytes(size_bytes: int | None) -> Cell:
    """A size in millions of bytes."""
    return Cell(significant(size_bytes / 1e6) if size_bytes else NOTHING)
