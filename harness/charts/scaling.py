"""Throughput by number of workers: medians, 95 % intervals (arrow: longer). Dotted: what the CPUs would allow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from matplotlib import rc_context

from harness.analysis.naming import Levels
from harness.analysis.scaling import allowed_growth
from harness.charts._lines import (
    DECADE,
    Across,
    End,
    draw_line,
    frame,
    line_looks,
    name_lines,
    note_intervals,
    plot_height_in,
    reach,
    scale,
)
from harness.charts._style import (
    STYLE,
    by_protocol,
    columns_for,
    compared,
    first_line,
    grid,
    panel_title,
    settle,
)
from harness.charts._words import list_best
from harness.model.loads import Rate
from harness.text.numbers import plural, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.charts._looks import Look
    from harness.model.run_info import RunInfo
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
    cpus: int
    """The CPUs that its server may use; 0 if they are not known."""

    @property
    def ideals_rps(self) -> list[float]:
        """What each number of workers would reach if each CPU brought as much; from the fewest valid workers on.

        Empty without two valid points.
        """
        valid = [point for point in self.points if point.valid]
        if len(valid) < 2:  # noqa: PLR2004 - one point is no line
            return []
        first, last = valid[0], valid[-1]
        return [
            first.rps.median * allowed_growth(first.workers, each.workers, self.cpus)
            for each in self.points
            if first.workers <= each.workers <= last.workers
        ]


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
    look = line_looks(comparisons)
    shape = len(groups), columns_for(len(groups), look)
    cpus = len(run.environment.server_cpus)
    plot_in = plot_height_in(PLOT_IN, max(len({each.name for each in group}) for group in groups.values()))
    figure, cells = grid(TITLE, f"{first_line(__doc__)} {HOLLOW}{_limit(run)}", run, shape, plot_in + 0.85)
    for axes, (title, group) in zip(cells, groups.items(), strict=True):
        _fill(axes, title, _lines(group, cpus), look, plot_in)
    return settle(figure, (_describe(title, _lines(group, cpus), cpus) for title, group in groups.items()))


def _limit(run: RunInfo) -> str:
    cpus = len(run.environment.server_cpus)
    return f" The servers had {plural(cpus, 'CPU')}: beyond that nothing can scale." if cpus else ""


def _describe(title: str, lines: Sequence[Line], cpus: int) -> str:
    """How much more the most workers answer than the fewest, and how much the CPUs allow."""
    grown = []
    for line in lines:
        valid = [point for point in line.points if point.valid]
        if len(valid) > 1:
            grown.append((valid[-1].rps.median / valid[0].rps.median, line.name, valid[0].workers, valid[-1].workers))
    found = []
    for growth, name, least, most in sorted(grown, reverse=True):
        allowed = significant(allowed_growth(least, most, cpus))
        found.append((name, f"{significant(growth)}× with {most} instead of {least} (the CPUs allow {allowed}×)"))
    return list_best(title, found, "workers")


def _fill(axes: Axes, title: str, lines: Sequence[Line], look: Mapping[str, Look], plot_in: float) -> None:
    """Draw one panel.

    Where slow candidates would be squeezed at the bottom, both scales are logarithmic, so that ideals stay straight.
    """
    rates = [point.rps for line in lines for point in line.points]
    low, high = reach(rates, *(rps for line in lines for rps in line.ideals_rps))
    logarithmic = high > DECADE * low > 0
    across = Across(sorted({point.workers for line in lines for point in line.points}), logarithmic=logarithmic)
    frame(axes, title, "workers", "requests/s")
    across.show(axes)
    scale(axes, low, high, logarithmic=logarithmic)
    ends = []
    for number, line in enumerate(lines):
        places = across.places((point.workers for point in line.points), number, len(lines))
        if not look[line.name].muted:
            _draw_ideal(axes, line, places, look[line.name])
        valid = [point.valid for point in line.points]
        draw_line(axes, places, [point.rps for point in line.points], valid, look[line.name])
        ends.append(End(line.name, look[line.name], (places[-1], line.points[-1].rps.median)))
    note_intervals(axes, rates)
    name_lines(axes, ends, plot_in)


def _lines(group: Sequence[CaseSummary], cpus: int) -> list[Line]:
    points: dict[str, list[Point]] = {}
    for each in sorted(group, key=lambda each: (each.name, each.case.workers)):
        if each.throughput_rps:
            point = Point(each.case.workers, each.throughput_rps, valid=each.verdict == "valid")
            points.setdefault(each.name, []).append(point)
    return [Line(name, own, cpus) for name, own in points.items()]


def _draw_ideal(axes: Axes, line: Line, places: Sequence[float], look: Look) -> None:
    """Draw what the CPUs would allow a candidate, from its first valid point to its last."""
    if ideals := line.ideals_rps:
        start = next(number for number, point in enumerate(line.points) if point.valid)
        across = places[start : start + len(ideals)]
        axes.plot(across, ideals, color=look.colour, linewidth=0.9, linestyle=":", zorder=look.depth)
