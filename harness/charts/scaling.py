"""Throughput by number of workers: medians, 95 % intervals. Dashed: in proportion to what the fewest workers reach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from matplotlib import rc_context

from harness.analysis.naming import Levels
from harness.charts._lines import (
    DECADE,
    Across,
    End,
    draw_line,
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
    across = Across(sorted({each.case.workers for each in group}), logarithmic=logarithmic)
    ends = []
    for number, line in enumerate(lines):
        places = across.places((point.workers for point in line.points), number, len(lines))
        _draw_ideal(axes, line, places, colour[line.name])
        rates = [point.rps for point in line.points]
        draw_line(axes, places, rates, [point.valid for point in line.points], colour[line.name])
        ends.append(End(line.name, colour[line.name], (places[-1], rates[-1].median)))
    frame(axes, title, "workers", "requests/s")
    across.show(axes)
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


def _draw_ideal(axes: Axes, line: Line, places: Sequence[float], colour: str) -> None:
    """Draw what a candidate would reach in proportion to its first valid point, as far as its last."""
    if line.ideal_rps:
        valid = [(place, point) for place, point in zip(places, line.points, strict=True) if point.valid]
        (start, first), (end, _) = valid[0], valid[-1]
        axes.plot([start, end], [first.rps.median, line.ideal_rps], color=colour, linewidth=0.9, linestyle="--")
