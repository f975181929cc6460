"""Memory of a server and all its processes, whatever runs beside it: idle before the load, peak under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from matplotlib import rc_context

from harness.charts._bars import PAIR_ROW_IN, fill_pairs
from harness.charts._style import STYLE, columns_for, compared, first_line, grid, settle
from harness.charts._words import list_best
from harness.model.records import USABLE
from harness.text.numbers import plural, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary

TITLE = "Memory"
ORDER = 6


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """A panel for each worker count, two bars for each candidate: the most that any of its cases used."""
    summaries = [each for comparison in comparisons for each in compared(comparison)]
    used = [each for each in summaries if each.verdict in USABLE and each.memory_pss_bytes.peak]
    if not used:
        return None
    counts = sorted({each.case.workers for each in used})
    groups = {count: [each for each in used if each.case.workers == count] for count in counts}
    rows = max(len({each.name for each in group}) for group in groups.values())
    shape = len(groups), columns_for(len(groups), (each.name for each in summaries))
    figure, cells = grid(TITLE, first_line(__doc__), run, shape, 0.8 + PAIR_ROW_IN * rows)
    for axes, (count, group) in zip(cells, groups.items(), strict=True):
        _fill(axes, plural(count, "worker") if len(groups) > 1 else "", group)
    return settle(figure, (_describe(count, group) for count, group in groups.items()))


def _describe(workers: int, group: Sequence[CaseSummary]) -> str:
    peak = _most(group, "peak")
    found = [(name, significant(peak[name])) for name in sorted(peak, key=lambda name: peak[name])]
    return list_best(f"Peak with {plural(workers, 'worker')}", found, "MB")


def _fill(axes: Axes, title: str, group: Sequence[CaseSummary]) -> None:
    idle, peak = _most(group, "idle"), _most(group, "peak")
    names = sorted(peak, key=lambda name: peak[name])
    fill_pairs(axes, title, [(name, idle.get(name), peak[name]) for name in names], ("idle", "peak"), "MB")


def _most(group: Sequence[CaseSummary], moment: Literal["idle", "peak"]) -> dict[str, float]:
    """The most MB that each candidate used at that moment, over its cases."""
    most: dict[str, float] = {}
    for each in group:
        used = getattr(each.memory_pss_bytes, moment)
        if used is not None:
            most[each.name] = max(most.get(each.name, 0.0), used / 1e6)
    return most
