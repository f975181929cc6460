"""Throughput by number of workers: medians, 95 % intervals. Dashed: in proportion to what the fewest workers reach."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from matplotlib import rc_context
from matplotlib.ticker import NullLocator

from harness.analysis.naming import Levels
from harness.charts._lines import (
    DECADE,
    End,
    draw_interval,
    frame,
    name_lines,
    note_intervals,
    plot_height_in,
    scale,
)
from harness.charts._style import (
    STYLE,
    by_protocol,
    colours,
    columns_for,
    compared,
    first_line,
    grid,
    panel_title,
    settle,
)
from harness.model.loads import Rate
from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate

TITLE = "Scaling with workers"
ORDER = 3
PLOT_IN = 2.0
ASIDE, ASIDE_AT_MOST = 0.008, 0.06
"""How far each candidate, and all of them at most, are moved aside to keep intervals apart; shares of the width."""
MARGIN = 0.05
"""The space before the first point and after the last, as a share of the panel's width."""
HOLLOW = "Hollow points, off the line, are not valid."


class Point(NamedTuple):
    """The throughput of a number of workers, and whether it is valid."""

    workers: int
    rps: Estimate
    valid: bool


@dataclass(frozen=True)
class Line:
    """One candidate's points, from the fewest workers to the most."""

    name: str
    points: Sequence[Point]

    @property
    def ideal_rps(self) -> float:
        """What the most workers would reach in proportion to the fewest, of the valid points; 0 without two of them."""
        valid = [point for point in self.points if point.valid]
        if len(valid) < 2:  # noqa: PLR2004 - one point is no line
            return 0.0
        return valid[0].rps.median * valid[-1].workers / valid[0].workers


@dataclass(frozen=True)
class Across:
    """The horizontal scale."""

    first: int
    last: int
    logarithmic: bool

    def at(self, workers: int, aside: float) -> float:
        """The place of a worker count, moved `aside` by a share of the panel's width."""
        if self.logarithmic:
            return float(workers * (self.last / self.first) ** aside)
        return workers + aside * (self.last - self.first)


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """A panel for each scenario, protocol and number of users, a line for each candidate.

    Points that are not valid are hollow.
    """
    groups: dict[str, list[CaseSummary]] = {}
    levels = replace(Levels.of(each.comparison for each in comparisons), workers=False)
    for each in by_protocol(comparisons):
        title = panel_title(each.comparison, levels)
        measured = (one for one in compared(each) if one.measured and not isinstance(one.case.load, Rate))
        groups.setdefault(title, []).extend(measured)
    groups = {title: group for title, group in groups.items() if len({each.case.workers for each in group}) > 1}
    if not groups:
        return None
    colour = colours(each.name for comparison in comparisons for each in comparison.summaries)
    shape = len(groups), columns_for(len(groups), colour)
    plot_in = plot_height_in(PLOT_IN, max(len({each.name for each in group}) for group in groups.values()))
    figure, cells = grid(TITLE, f"{first_line(__doc__)} {HOLLOW}{_limit(run)}", run, shape, plot_in + 0.85)
    for axes, (title, group) in zip(cells, groups.items(), strict=True):
        _fill(axes, title, group, colour, plot_in)
    return settle(figure)


def _limit(run: RunInfo) -> str:
    cpus = len(run.environment.server_cpus)
    return f" The servers had {plural(cpus, 'CPU')}: beyond that nothing can scale." if cpus else ""


def _fill(axes: Axes, title: str, group: Sequence[CaseSummary], colour: Mapping[str, str], plot_in: float) -> None:
    """Draw one panel.

    Where slow candidates would be squeezed at the bottom, both scales are logarithmic, so that ideals stay straight.
    A long interval is cut, as all else would look flat beside it.
    """
    lines = [_line(name, group) for name in sorted({each.name for each in group})]
    medians = [point.rps.median for line in lines for point in line.points]
    low, high = min(medians), max(*medians, *(line.ideal_rps for line in lines))
    logarithmic = high > DECADE * low > 0
    counts = sorted({each.case.workers for each in group})
    across = Across(counts[0], counts[-1], logarithmic=logarithmic)
    step = min(ASIDE, ASIDE_AT_MOST / len(lines))
    ends = []
    for number, line in enumerate(lines):
        places = [across.at(point.workers, (number - (len(lines) - 1) / 2) * step) for point in line.points]
        _draw(axes, line, places, colour[line.name])
        ends.append(End(line.name, colour[line.name], (places[-1], line.points[-1].rps.median)))
    frame(axes, title, "workers", "requests/s")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlim(across.at(counts[0], -MARGIN), across.at(counts[-1], MARGIN))
    scale(axes, low, high, logarithmic=logarithmic)
    note_intervals(axes, [point.rps for line in lines for point in line.points])
    name_lines(axes, ends, plot_in)


def _line(name: str, group: Sequence[CaseSummary]) -> Line:
    points = [
        Point(each.case.workers, each.throughput_rps, valid=each.verdict == "valid")
        for each in group
        if each.name == name and each.throughput_rps
    ]
    return Line(name, sorted(points, key=lambda point: point.workers))


def _draw(axes: Axes, line: Line, places: Sequence[float], colour: str) -> None:
    """Draw one candidate's points, the line through the valid ones, and its ideal."""
    points = line.points
    axes.plot(places, [point.rps.median if point.valid else math.nan for point in points], color=colour)
    valid = [(place, point) for place, point in zip(places, points, strict=True) if point.valid]
    if line.ideal_rps:
        (start, first), (end, _) = valid[0], valid[-1]
        axes.plot([start, end], [first.rps.median, line.ideal_rps], color=colour, linewidth=0.9, linestyle="--")
    for place, point in zip(places, points, strict=True):
        draw_interval(axes, place, point.rps, colour)
        fill = colour if point.valid else "white"
        axes.plot(place, point.rps.median, "o", markersize=5, markeredgecolor=colour, markerfacecolor=fill)
