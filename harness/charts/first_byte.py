"""Median time to the first byte of a body and to its last one, where bodies do not come at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._bars import PAIR_ROW_IN, fill_pairs
from harness.charts._style import STYLE, columns_for, compared, first_line, grid, panels, settle
from harness.charts._words import list_best
from harness.text.numbers import significant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary

TITLE = "First byte"
ORDER = 4.5
_AT_ONCE = 0.95
"""Where no candidate's first byte comes before this share of the whole time, there is nothing to see."""
Times = tuple[str, float, float]
"""A candidate, and its medians in ms: to the first byte, and to the end."""


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """A panel for each comparison whose bodies come in parts, two bars for each candidate with a valid number."""
    known = {title: _list_times(compared(each)) for title, each in panels(comparisons).items()}
    groups = {title: times for title, times in known.items() if any(first < _AT_ONCE * end for _, first, end in times)}
    if not groups:
        return None
    names = {name for times in groups.values() for name, _, _ in times}
    height_in = 0.8 + PAIR_ROW_IN * max(map(len, groups.values()))
    figure, cells = grid(TITLE, first_line(__doc__), run, (len(groups), columns_for(len(groups), names)), height_in)
    for axes, (title, times) in zip(cells, groups.items(), strict=True):
        fill_pairs(axes, title, times, ("first byte", "end"), "ms")
    return settle(figure, (_describe(title, times) for title, times in groups.items()))


def _list_times(summaries: Iterable[CaseSummary]) -> list[Times]:
    """Those of each candidate that has both, the first one to begin first."""
    found = []
    for each in summaries:
        first, end = each.first_byte_us.p50 if each.first_byte_us else None, each.latency_us.p50
        if each.verdict == "valid" and first is not None and end is not None:
            found.append((each.name, first.median / 1000, end.median / 1000))
    return sorted(found, key=lambda times: times[1])


def _describe(title: str, times: Sequence[Times]) -> str:
    figures = [(name, f"{significant(first)}, end {significant(end)}") for name, first, end in times]
    return list_best(title, figures, "median time to the first byte in ms")
