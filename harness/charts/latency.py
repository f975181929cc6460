"""Response time by percentile: each step to the right is ten times rarer. Drawn as far as the requests carry it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from harness.charts._style import QUIET, STYLE, TICKS, colours, columns_for, first_line, grid, panels, settle
from harness.histogram import bucket_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.findings import CaseSummary, RunInfo
    from harness.histogram import Histogram
    from harness.model import Verdict

TITLE = "Latency"
ORDER = 2
BEYOND = 10
"""Requests that must lie beyond a percentile for it to be drawn."""
LEAST = 10 * BEYOND
"""Requests without which there is no curve: it would not reach the 90th percentile."""
POINTS = 150
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
Curve = list[tuple[float, float]]
"""Places on the percentile axis, and milliseconds."""
FASTEST_TENTH = -math.log10(0.9)
"""Where the vertical scale begins to count: the fastest answers would take half of it."""
LABEL_GAP_IN = 0.13


@dataclass(frozen=True)
class Line:
    """One server's percentile curve in a panel; empty when too few requests came back."""

    server: str
    colour: str
    verdict: Verdict
    curve: Curve

    @property
    def note(self) -> str | None:
        """Why its line is missing, or dashed."""
        if self.verdict != "valid":
            return f"{self.server} {self.verdict}{' (dashed)' if self.curve else ''}"
        return None if self.curve else f"{self.server}: too few requests"


@rc_context(STYLE)
def draw(summaries: Sequence[CaseSummary], run: RunInfo) -> Figure | None:
    """A panel for each scenario and protocol, a line for each server; dashed where the number does not hold."""
    curves = {each.case: tail(each.response) for each in summaries}
    groups = {title: group for title, group in panels(summaries).items() if any(curves[each.case] for each in group)}
    if not groups:
        return None
    colour = colours(each.case.server for each in summaries)
    ranges_ms = [_range_ms(curves[each.case] for each in group) for group in groups.values()]
    logarithmic = any(high > 10 * low for low, high in ranges_ms)
    shape = len(groups), columns_for(len(groups), colour)
    plot_in = max(1.3, 0.2 * max(map(len, groups.values())))
    figure, cells = grid(TITLE, first_line(__doc__), run, shape, plot_in + 0.85)
    for axes, (title, group) in zip(cells, groups.items(), strict=True):
        lines = [Line(each.case.server, colour[each.case.server], each.verdict, curves[each.case]) for each in group]
        _fill(axes, title, lines, plot_in, logarithmic=logarithmic)
    return settle(figure)


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


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places between 0 and 1 in the order of the `wanted` ones, at least `gap` apart, and as near to them as can be.

    Once each is lowered by its rank × gap, what is left is isotonic regression: neighbours in the wrong order move to
    their common mean (pool adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([wanted[index] - rank * gap])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    top = max(0.0, 1 - gap * (len(wanted) - 1))
    levels = [min(max(0.0, fmean(pool)), top) for pool in pools for _ in pool]
    places = {index: levels[rank] + rank * gap for rank, index in enumerate(order)}
    return [places[index] for index in range(len(wanted))]


def _fill(axes: Axes, title: str, lines: Sequence[Line], plot_in: float, *, logarithmic: bool) -> None:
    """One panel: curves, axes with their units, names beside the lines, and a note of who has none and why."""
    drawn = [line for line in lines if line.curve]
    for line in drawn:
        axes.plot(*zip(*line.curve, strict=True), color=line.colour, linestyle="-" if line.verdict == "valid" else "--")
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
    axes.set_xlabel("percentile of requests")
    axes.set_ylabel("response time, ms")
    axes.tick_params(length=2)
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    axes.grid(visible=True)
    end = max(line.curve[-1][0] for line in drawn)
    places = {-math.log10(1 - percent / 100): f"{percent:g}" for percent in PERCENTILES}
    axes.set_xticks([place for place in places if place <= end], [places[place] for place in places if place <= end])
    axes.set_xlim(0, end)
    _scale(axes, *_range_ms(line.curve for line in drawn), logarithmic=logarithmic)
    notes = [line.note for line in lines if line.note]
    axes.text(
        0.98, 0.04, "\n".join(notes), transform=axes.transAxes, ha="right", fontsize=7, color=QUIET, style="italic"
    )
    _name_lines(axes, drawn, plot_in)


def _range_ms(curves: Iterable[Curve]) -> tuple[float, float]:
    """Least and most of some curves, from where the vertical scale begins to count."""
    values = [y for curve in curves for x, y in curve if x >= FASTEST_TENTH]
    return min(values), max(values)


def _scale(axes: Axes, low: float, high: float, *, logarithmic: bool) -> None:
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.2)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, high * 1.1)
        axes.locator_params(axis="y", nbins=5)
    axes.yaxis.set_major_formatter(TICKS)


def _name_lines(axes: Axes, lines: Sequence[Line], plot_in: float) -> None:
    """Each line's name to the right of the panel, at the height of its end, moved apart where they would touch."""
    beside = axes.transAxes + ScaledTranslation(0.14, 0, axes.figure.dpi_scale_trans)
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform(line.curve[-1])[1]) for line in lines]
    for line, place in zip(lines, spread(heights, LABEL_GAP_IN / plot_in), strict=True):
        leader = {"arrowstyle": "-", "color": line.colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 0}
        axes.annotate(
            line.server, line.curve[-1], (1, place), textcoords=beside, va="center", fontsize=7.5,
            color=line.colour, arrowprops=leader,
        )  # fmt: skip
