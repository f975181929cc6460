"""Each measurement of the run, second by second: rates on the left, p99 on the right. Shaded: disturbed."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.ticker import NullFormatter

from harness.charts._colours import FAINT, QUIET
from harness.charts._lines import (
    DECADE,
    End,
    draw_curve,
    draw_mark,
    frame,
    line_looks,
    name_lines,
    note_missing,
    plot_height_in,
    scale,
)
from harness.charts._style import STYLE, compared, first_line, grid, panels, settle
from harness.model.summaries import Stretch
from harness.text.numbers import duration, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.charts._looks import Look
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary

TITLE = "Time-line"
ORDER = 8
CAPTION = "Time between measurements is left out. A p99 is that of a slice, or of a measurement with few requests."
PLOT_IN = 1.6
LEAST_S = 3
"""In less time there is no course to be seen."""
MOST_ROUNDS_NAMED = 12
Values = Callable[[Stretch], list[tuple[float, float]]]
"""The figure of a panel: seconds from the beginning of a measurement, and values."""
Places = dict[int, float]
"""Where each measurement begins, in seconds; the time between is left out."""


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """Two panels for each comparison, a line for each candidate; of a sweep, the closed loop."""
    groups = {title: [each for each in compared(own) if each.timeline] for title, own in panels(comparisons).items()}
    groups = {title: group for title, group in groups.items() if sum(_lengths(group).values()) >= LEAST_S}
    if not groups:
        return None
    look = line_looks(comparisons)
    plot_in = plot_height_in(PLOT_IN, max(map(len, groups.values())))
    caption = f"{first_line(__doc__)} {CAPTION}"
    figure, cells = grid(TITLE, caption, run, (2 * len(groups), 2), plot_in + 0.85)
    for number, (title, group) in enumerate(groups.items()):
        for axes, values, unit in zip(cells[2 * number :], (_rates, _tails), ("requests/s", "p99, ms"), strict=False):
            frame(axes, title, "", unit)
            missing = _fill(axes, group, values, look, plot_in)
            note_missing(axes, unit.partition(",")[0], missing)
    return settle(figure, (_describe(title, group) for title, group in groups.items()))


def _describe(title: str, group: Sequence[CaseSummary]) -> str:
    lengths, disturbed = _lengths(group), _disturbed(group)
    rounds = len({stretch.round for each in group for stretch in each.timeline})
    where = f"{len(disturbed)} of {plural(len(lengths), 'measurement')} disturbed"
    return f"{title}: {plural(rounds, 'round')}, {duration(sum(lengths.values()))}, {where}."


def _lengths(group: Sequence[CaseSummary]) -> dict[int, float]:
    """How long each measurement took, in seconds, in the order of the run."""
    return dict(sorted((each.measurement, each.length_s) for one in group for each in one.timeline))


def _disturbed(group: Sequence[CaseSummary]) -> set[int]:
    return {each.measurement for one in group for each in one.timeline if each.disturbed}


def _rates(stretch: Stretch) -> list[tuple[float, float]]:
    return list(stretch.rates_rps)


def _tails(stretch: Stretch) -> list[tuple[float, float]]:
    """The p99 in ms."""
    return [(at, p99_us / 1000) for at, p99_us in stretch.tails_us]


def _fill(
    axes: Axes, group: Sequence[CaseSummary], values: Values, look: Mapping[str, Look], plot_in: float
) -> list[str]:
    """Draw one panel, and return who has no value; without any it has only its scale."""
    lengths, disturbed = _lengths(group), _disturbed(group)
    ends_s = list(accumulate(lengths.values()))
    places = dict(zip(lengths, [0.0, *ends_s], strict=False))
    for number in disturbed:
        axes.axvspan(places[number], places[number] + lengths[number], color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    _show_rounds(axes, group, places, ends_s[-1])
    lines = {each.name: line for each in group if (line := _trace(each, values, places))}
    found = [value for line in lines.values() for _, value in line if not math.isnan(value)]
    missing = [each.name for each in group if each.name not in lines]
    if not found:
        return missing
    low, high = min(found), max(found)
    scale(axes, low, high, logarithmic=high > DECADE * low > 0)
    ends = []
    for name, line in lines.items():
        points = [point for point in line if not math.isnan(point[1])]
        draw_curve(axes, [at for at, _ in line], [value for _, value in line], look[name], 1.2)
        for place, value in points if len(points) == len(line) else sorted({*_list_alone(line), points[-1]}):
            draw_mark(axes, place, value, look[name], hollow=False, size=4)
        ends.append(End(name, look[name], points[-1]))
    name_lines(axes, ends, plot_in)
    return missing


def _list_alone(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points between two gaps, which no line shows."""
    around = [math.nan, *(value for _, value in line), math.nan]
    return [
        point
        for number, point in enumerate(line)
        if not math.isnan(point[1]) and math.isnan(around[number]) and math.isnan(around[number + 2])
    ]


def _trace(summary: CaseSummary, values: Values, places: Places) -> list[tuple[float, float]]:
    """The points of one line, with gaps (NaN) between measurements unless each has one point only."""
    stretches = [(places[each.measurement], each.length_s, values(each)) for each in summary.timeline]
    joined = all(len(points) <= 1 for _, _, points in stretches)
    found: list[tuple[float, float]] = []
    for start, length, points in stretches:
        found += [(start + at, value) for at, value in points]
        if points and not joined:
            found.append((start + length, math.nan))
    return found


def _show_rounds(axes: Axes, group: Sequence[CaseSummary], places: Places, end: float) -> None:
    """A line where each round begins, and its number below."""
    starts: dict[int, float] = {}
    for number, place in places.items():
        of = next(each.round for one in group for each in one.timeline if each.measurement == number)
        starts.setdefault(of, place)
    axes.set_xlim(0, end)
    axes.grid(visible=False, axis="x")
    for start in list(starts.values())[1:]:
        axes.axvline(start, color=FAINT, linewidth=0.8, zorder=0.5)
    every = -(-len(starts) // MOST_ROUNDS_NAMED)
    middles = [(start + after) / 2 for start, after in pairwise([*starts.values(), end])]
    axes.set_xticks(middles[::every], [str(of + 1) for of in starts][::every])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", length=0, labelcolor=QUIET)
    axes.set_xlabel(f"round, {duration(end)} in all")
