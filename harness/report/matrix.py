"""All candidates in all comparisons at a glance: each figure as a ratio to that of the best. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model.loads import Saturate, Sweep
from harness.model.plan import PREFERENCES
from harness.report.cells import factor
from harness.report.columns import valid_rank
from harness.report.decisions import ratio_of
from harness.text.numbers import DISTURBED, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.plan import Preference
    from harness.model.records import Verdict
    from harness.model.summaries import CaseSummary
    from harness.report.sections import Section

MEASURES: Mapping[Preference, tuple[str, str, float]] = {
    "throughput": ("Throughput", "/s", 1),
    "p99": ("p99", " ms", 1e3),
    "cpu": ("CPU", " µs", 1),
    "memory": ("Memory", " MB", 1e6),
}
"""The name of each figure, what follows its value, and how many of the model's units make one of that."""


@dataclass(frozen=True)
class Entry:
    """A candidate in a comparison."""

    text: str
    """Its ratio to the best, in brackets if its place is shared; else its verdict."""
    detail: str
    """The figure itself."""
    share: float | None
    """From 1, the best, towards 0; None without a figure that can be compared."""
    is_best: bool
    """Has it the first place, alone or not?"""
    verdict: Verdict | None
    """None if it was not a candidate there."""


@dataclass(frozen=True)
class Line:
    """A candidate in all comparisons."""

    name: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Matrix:
    """One figure; a column for each comparison, the candidates that are best on the whole first."""

    measure: Preference
    title: str
    sections: tuple[Section, ...]
    lines: tuple[Line, ...]


def make_matrices(sections: Sequence[Section]) -> list[Matrix]:
    """A matrix for each figure that is known; none of a single candidate."""
    names = dict.fromkeys(each.name for section in sections for each in _compared(section))
    if len(names) <= 1:
        return []
    return [found for measure in PREFERENCES if (found := _make(measure, sections, list(names)))]


def _make(measure: Preference, sections: Sequence[Section], names: Sequence[str]) -> Matrix | None:
    columns = [_column(measure, section) for section in sections]
    lines = [Line(name, tuple(column.get(name, _NO_CANDIDATE) for column in columns)) for name in names]
    if not any(each.share is not None for line in lines for each in line.entries):
        return None
    return Matrix(measure, MEASURES[measure][0], tuple(sections), tuple(sorted(lines, key=_place)))


_NO_CANDIDATE = Entry("", "", None, False, None)


def _place(line: Line) -> float:
    """Minus the geometric mean of its shares; candidates without any come last."""
    shares = [each.share for each in line.entries if each.share]
    return -math.exp(sum(map(math.log, shares)) / len(shares)) if shares else 0.0


def _compared(section: Section) -> list[CaseSummary]:
    """One case for each candidate; in a sweep, that in a closed loop."""
    swept = isinstance(section.summary.comparison.load, Sweep)
    return [each for each in section.summary.candidates if not swept or isinstance(each.case.load, Saturate)]


def _column(measure: Preference, section: Section) -> dict[str, Entry]:
    """The entry of each candidate. The best is who has the first place, or without places the best number."""
    cases = _compared(section)
    sound = [each for each in cases if each.verdict == "valid" and _value(each, measure)]
    best = min(
        sound, key=lambda each: (_rank(each, measure, section) or math.inf, _badness(each, measure)), default=None
    )
    ranks = [_rank(each, measure, section) for each in sound]
    return {each.name: _entry(each, measure, best if each in sound else None, section, ranks) for each in cases}


def _entry(
    case: CaseSummary, measure: Preference, best: CaseSummary | None, section: Section, ranks: Sequence[int | None]
) -> Entry:
    _, unit, size = MEASURES[measure]
    value = _value(case, measure)
    sign = DISTURBED if case.disturbed and measure != "memory" else ""
    detail = "" if value is None else f"{sign}{significant(value / size)}{unit}"
    if best is None or value is None:
        return Entry("–" if case.verdict == "valid" else case.verdict, detail, None, False, case.verdict)
    ratio = _ratio(case, best, measure)
    rank = _rank(case, measure, section)
    text = f"{factor(ratio)}×"
    shared = rank is not None and ranks.count(rank) > 1
    share = min(ratio, 1 / ratio) if ratio > 0 else 0.0
    return Entry(f"[{text}]" if shared else text, detail, share, rank == 1 or case is best, case.verdict)


def _ratio(case: CaseSummary, best: CaseSummary, measure: Preference) -> float:
    """From the ratios to the reference, which other processes blur less, or from the figures themselves."""
    ours, theirs = ratio_of(case, measure), ratio_of(best, measure)
    if ours is not None and theirs is not None and theirs.value > 0:
        return ours.value / theirs.value
    return (_value(case, measure) or 0.0) / (_value(best, measure) or 1.0)


def _rank(case: CaseSummary, measure: Preference, section: Section) -> int | None:
    usual = valid_rank(case) if measure == section.summary.ranked_by else None
    return case.ranks.get(measure, usual)


def _badness(case: CaseSummary, measure: Preference) -> float:
    value = _value(case, measure) or 0.0
    return -value if measure == "throughput" else value


def _value(case: CaseSummary, measure: Preference) -> float | None:
    found = case.find_figure(measure)
    return None if found is None else found.median
