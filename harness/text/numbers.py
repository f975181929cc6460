"""How numbers are written, in tables, charts, sentences and on the terminal.

One rule holds for all that is measured: three significant digits, and every digit before the decimal point (12,345 ·
412 · 3.41). Rounding 12,345 to 12,300 would save no room, and could make two servers look the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOTHING = "–"
"""Takes the place of a number that there is not."""
DISTURBED = "~"
"""The sign before an absolute number that was disturbed."""
_DIGITS = 3
WIDEST = 3
"""An interval whose ends differ by more than this factor is not shown: it only says that there were too few rounds."""
TOO_FEW = "too few rounds"
"""Takes the place of such an interval."""
_WHOLE_PERCENT = 9.95
"""From here on a percentage is written without a tenth."""


def count(value: float) -> str:
    """A number of things, or a rate that was given: 12,345."""
    return f"{value:,.0f}"


def significant(value: float) -> str:
    """A measured number, at least 0: 12,345 · 412 · 3.41 · 0.0520."""
    whole = count(value)
    return whole if len(whole) >= _DIGITS or value == 0 else f"{value:#.{_DIGITS}g}"


def percent(share: float) -> str:
    """A share of 1: 0.4 % · 7.1 % · 5 % · 43 %."""
    hundredths = 100 * share
    return f"{hundredths:.0f} %" if hundredths >= _WHOLE_PERCENT else f"{hundredths:.1f}".removesuffix(".0") + " %"


def tolerance(share: float) -> str:
    """A precision that was asked for, with the digits it was given: ±5 % · ±0.25 %."""
    return f"±{100 * share:g} %"


def is_telling(low: float, high: float) -> bool:
    """Is an interval narrow enough to be shown?"""
    return low == high or 0 < low <= high <= WIDEST * low


def interval(low: float, high: float, form: Callable[[float], str]) -> str:
    """`low – high`, or why it is not shown; empty after a single round, which has no interval."""
    if low == high:
        return ""
    return f"{form(low)} – {form(high)}" if is_telling(low, high) else TOO_FEW


def half_width(share: float) -> str:
    """Half the width of an interval, relative: ±1.2 %."""
    return f"±{percent(share)}" if (1 + share) ** 2 <= WIDEST else TOO_FEW


def plural(number: int, noun: str) -> str:
    """`1 round`, `5 rounds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(numbers: Sequence[int]) -> str:
    """The least and the greatest of several: `6 to 9`, or `6` where all are equal."""
    least, greatest = min(numbers), max(numbers)
    return f"{least} to {greatest}" if least < greatest else f"{least}"


def join(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
