"""Throughput against p99: best is at the bottom right. The larger a mark, the more memory; lines are 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._colours import GROUND
from harness.charts._lines import (
    End,
    draw_interval,
    frame,
    line_looks,
    name_lines,
    note_missing,
    plot_height_in,
    reach,
    scale,
)
from harness.charts._style import STYLE, TICKS, columns_for, compared, first_line, grid, panels, settle
from harness.charts._words import list_best
from harness.model.loads import Rate
from harness.model.summaries import Estimate
from harness.text.numbers import is_telling, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.charts._looks import Look
    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary

TITLE = "Trade-off"
ORDER = 1
LARGEST, USUAL = 170, 45
"""The area of the mark of the candidate that takes the most memory, and of one whose memory is unknown, in points²."""
DECADE = 10


@dataclass(frozen=True)
class Point:
    """A candidate in a panel."""

    name: str
    look: Look
    rate_rps: Estimate
    p99_ms: Estimate
    peak_bytes: int | None
    valid: bool


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """A panel for each comparison with two candidates or more. Of an offered rate there is none: all answer as many.

    Marks of candidates that are not valid are hollow.
    """
    if isinstance(run.conditions.load, Rate):
        return None
    look = line_looks(comparisons)
    shown = panels(comparisons)
    groups = {title: _points(comparison, look) for title, comparison in shown.items()}
    groups = {title: group for title, group in groups.items() if len(group) > 1}
    if not groups:
        return None
    shape = len(groups), columns_for(len(groups), look)
    plot_in = plot_height_in(1.9, max(map(len, groups.values())))
    figure, cells = grid(TITLE, first_line(__doc__), run, shape, plot_in + 0.85)
    for axes, (title, group) in zip(cells, groups.items(), strict=True):
        _fill(axes, title, group, plot_in)
        drawn = {each.name for each in group}
        measured = (each for each in compared(shown[title]) if each.throughput_rps and not each.case.control)
        note_missing(axes, "p99", [each.name for each in measured if each.name not in drawn])
    return settle(figure, (_describe(title, group) for title, group in groups.items()))


def _points(comparison: ComparisonSummary, look: dict[str, Look]) -> list[Point]:
    found = []
    for each in compared(comparison):
        rate, p99 = each.throughput_rps, each.latency_us.p99
        if rate is not None and rate.median > 0 and p99 is not None and not each.case.control:
            in_ms = Estimate(p99.median / 1000, p99.low / 1000, p99.high / 1000)
            peak, valid = each.memory_pss_bytes.peak, each.verdict == "valid"
            found.append(Point(each.name, look[each.name], rate, in_ms, peak, valid))
    return found


def _fill(axes: Axes, title: str, group: Sequence[Point], plot_in: float) -> None:
    """Draw one panel; those that lead come last, and small marks after large ones, so that none is hidden."""
    frame(axes, title, "requests/s", "p99, ms")
    low, high = reach(each.p99_ms for each in group)
    scale(axes, low, high, logarithmic=high > DECADE * low)
    _, right = reach(each.rate_rps for each in group)
    axes.set_xlim(0, 1.05 * right)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(TICKS)
    most = max((each.peak_bytes or 0 for each in group), default=0)
    for each in sorted(group, key=lambda each: (not each.look.muted, -(each.peak_bytes or 0))):
        draw_interval(axes, each.rate_rps.median, each.p99_ms, each.look)
        if is_telling(each.rate_rps.low, each.rate_rps.high):
            left, end = each.rate_rps.low, min(each.rate_rps.high, 1.05 * right)
            axes.hlines(each.p99_ms.median, left, end, each.look.colour, linewidth=each.look.weight)
        area = LARGEST * each.peak_bytes / most if each.peak_bytes and most else USUAL
        axes.scatter(
            each.rate_rps.median, each.p99_ms.median, s=area, marker=each.look.marker, edgecolors=each.look.colour,
            facecolors=each.look.colour if each.valid else GROUND, linewidths=1, zorder=each.look.depth + 1,
        )  # fmt: skip
    name_lines(axes, [End(each.name, each.look, (each.rate_rps.median, each.p99_ms.median)) for each in group], plot_in)


def _describe(title: str, group: Sequence[Point]) -> str:
    best = sorted((each for each in group if each.valid), key=lambda each: -each.rate_rps.median)
    figures = [
        (each.name, f"{significant(each.rate_rps.median)} at {significant(each.p99_ms.median)}") for each in best
    ]
    return list_best(title, figures, "requests/s at p99 in ms")
