"""Response time by percentile: each step to the right is ten times rarer. Drawn as far as there are enough requests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._colours import QUIET
from harness.charts._lines import End, draw_curve, draw_mark, frame, line_looks, name_lines, plot_height_in, scale
from harness.charts._style import FEW, STYLE, columns_for, compared, first_line, grid, panels, settle
from harness.charts._words import list_best, write_estimate
from harness.model.histogram import bucket_range
from harness.model.summaries import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.charts._looks import Look
    from harness.model.histogram import Histogram
    from harness.model.records import Verdict
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary

TITLE = "Latency"
ORDER = 4
BEYOND = 10
"""A percentile is drawn if at least this many requests lie beyond it."""
LEAST = 10 * BEYOND
"""With fewer requests there is no curve: it would not reach the 90th percentile."""
POINTS = 150
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
NEAR = 0.1
"""A percentile this close to the end of a curve has no mark of its own."""
Curve = list[tuple[float, float]]
"""Places on the percentile axis, and milliseconds."""
FASTEST_TENTH = -math.log10(0.9)
"""The vertical scale ignores what is left of this: the fastest answers would take half of it."""


@dataclass(frozen=True)
class Line:
    """One candidate's percentile curve in a panel; empty if there were too few requests."""

    name: str
    look: Look
    verdict: Verdict
    curve: Curve

    @property
    def note(self) -> str | None:
        """Why the line is missing or hollow."""
        if self.verdict != "valid":
            return f"{self.name} {self.verdict}{' (hollow)' if self.curve else ''}"
        return None if self.curve else f"{self.name}: too few requests"


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """A panel for each comparison, a line for each candidate.

    Of those that are not valid, lines are thin and marks hollow.
    """
    shown = {title: compared(comparison) for title, comparison in panels(comparisons).items()}
    curves = {each.case: tail(each.response) for group in shown.values() for each in group}
    groups = {title: group for title, group in shown.items() if any(curves[each.case] for each in group)}
    if not groups:
        return None
    look = line_looks(comparisons)
    ranges_ms = [_range_ms(curves[each.case] for each in group) for group in groups.values()]
    logarithmic = any(high > 10 * low for low, high in ranges_ms)
    shape = len(groups), columns_for(len(groups), look)
    plot_in = plot_height_in(1.7, max(map(len, groups.values())))
    figure, cells = grid(TITLE, first_line(__doc__), run, shape, plot_in + 0.85)
    for axes, (title, group) in zip(cells, groups.items(), strict=True):
        lines = [Line(each.name, look[each.name], each.verdict, curves[each.case]) for each in group]
        _fill(axes, title, lines, plot_in, logarithmic=logarithmic)
    return settle(figure, (_describe(title, group) for title, group in groups.items()))


def _describe(title: str, group: Sequence[CaseSummary]) -> str:
    tails = {each.name: each.latency_us.p99 for each in group if each.verdict == "valid"}
    known = sorted((tail.median, name, tail) for name, tail in tails.items() if tail)
    in_ms = ((name, Estimate(tail.median / 1000, tail.low / 1000, tail.high / 1000)) for _, name, tail in known)
    return list_best(title, [(name, write_estimate(tail)) for name, tail in in_ms], "p99 in ms")


def tail(histogram: Histogram) -> Curve:
    """The percentile curve: (−log10(1 − p), latency in ms) from p = 0 to where ten requests lie beyond.

    The axis is HdrHistogram's (https://hdrhistogram.github.io/HdrHistogram/plotFiles.html): 0 is the fastest request,
    1 the 90th percentile, 2 the 99th.
    """
    count = histogram.count
    if count < LEAST:
        return []
    end = math.log10(count / BEYOND)
    steps = list(histogram.cumulative())
    curve, step = [], 0
    for point in range(POINTS + 1):
        at = end * point / POINTS
        rank = max(1.0, count * (1 - 10**-at))
        while steps[step][1] < rank - 1e-6:
            step += 1
        curve.append((at, max(1, min(bucket_range(steps[step][0])[1], histogram.max_us)) / 1000))
    return curve


def _fill(axes: Axes, title: str, lines: Sequence[Line], plot_in: float, *, logarithmic: bool) -> None:
    """Draw one panel: curves, axes, names beside the lines, and notes on missing and dashed lines."""
    drawn = [line for line in lines if line.curve]
    frame(axes, title, "percentile of requests", "response time, ms")
    end = max(line.curve[-1][0] for line in drawn)
    places = {-math.log10(1 - percent / 100): f"{percent:g}" for percent in PERCENTILES}
    axes.set_xticks([place for place in places if place <= end], [places[place] for place in places if place <= end])
    axes.set_xlim(0, 1.01 * end)  # room for half a mark
    scale(axes, *_range_ms(line.curve for line in drawn), logarithmic=logarithmic)
    for line in drawn:
        _draw(axes, line, places)
    notes = [line.note for line in lines if line.note and line.verdict != "unsupported"]
    unsupported = [line.note for line in lines if line.note and line.verdict == "unsupported"]
    notes += unsupported if len(unsupported) <= FEW else [f"{len(unsupported)} others unsupported"]
    axes.text(
        0.98, 0.04, "\n".join(notes), transform=axes.transAxes, ha="right", fontsize=7, color=QUIET, style="italic"
    )
    name_lines(axes, [End(line.name, line.look, line.curve[-1]) for line in drawn], plot_in)


def _draw(axes: Axes, line: Line, percentiles: Iterable[float]) -> None:
    """Draw one curve, with a mark at each of the percentiles and at its end."""
    across, latencies_ms = zip(*line.curve, strict=True)
    valid = line.verdict == "valid"
    draw_curve(axes, across, latencies_ms, line.look, 1.5 if valid else 0.8)
    for place in (*(each for each in percentiles if each < across[-1] - NEAR), across[-1]):
        at = min(range(len(across)), key=lambda index: abs(across[index] - place))
        draw_mark(axes, across[at], latencies_ms[at], line.look, hollow=not valid, size=4)


def _range_ms(curves: Iterable[Curve]) -> tuple[float, float]:
    """The range of some curves, without what the vertical scale ignores."""
    values = [y for curve in curves for x, y in curve if x >= FASTEST_TENTH]
    return min(values), max(values)
