"""Throughput ÷ the baseline's, and CPU per request, by number of users: medians, 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.analysis.naming import Levels
from harness.charts._lines import (
    DECADE,
    Across,
    End,
    draw_line,
    frame,
    middle,
    name_lines,
    note_intervals,
    plot_height_in,
    scale,
)
from harness.charts._style import QUIET, STYLE, by_protocol, colours, compared, first_line, grid, panel_title, settle
from harness.model.loads import Rate
from harness.text.numbers import is_telling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate, Ratio

TITLE = "Number of users"
ORDER = 2.5
HOLLOW = "Hollow points, off the line, are not valid. The answer of one number of users need not be that of another."
PLOT_IN = 2.0


@dataclass(frozen=True)
class Line:
    """One candidate's cases that have the figure, from the fewest users to the most."""

    name: str
    cases: Sequence[CaseSummary]


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """Two panels for each scenario, protocol and number of workers, a line for each candidate."""
    levels = replace(Levels.of(each.comparison for each in comparisons), users=False)
    groups: dict[str, list[CaseSummary]] = {}
    divisors: dict[str, set[str]] = {}
    for each in by_protocol(comparisons):
        title = panel_title(each.comparison, levels)
        # A control is divided by its original, so it belongs here only where the others are divided by that too.
        own = (one for one in compared(each) if not one.case.control or one.case.candidate.original == each.reference)
        measured = (one for one in own if one.measured and not isinstance(one.case.load, Rate))
        groups.setdefault(title, []).extend(measured)
        named = (one.name for one in each.summaries if one.case.candidate == each.reference)
        divisors.setdefault(title, set()).update(named)
    groups = {title: group for title, group in groups.items() if len({each.case.users for each in group}) > 1}
    if not groups:
        return None
    colour = colours(each.name for comparison in comparisons for each in comparison.summaries)
    plot_in = plot_height_in(PLOT_IN, max(len({each.name for each in group}) for group in groups.values()))
    figure, cells = grid(TITLE, f"{first_line(__doc__)} {HOLLOW}", run, (2 * len(groups), 2), plot_in + 0.85)
    for number, (title, group) in enumerate(groups.items()):
        by_rate, by_cost = cells[2 * number : 2 * number + 2]
        divisor = " or ".join(sorted(divisors[title])) or "baseline"
        frame(by_rate, title, "users", f"throughput ÷ {divisor}")
        _fill(by_rate, group, _ratio, colour, plot_in)
        by_rate.axhline(1, color=QUIET, linewidth=0.8, linestyle="--", zorder=0.5)
        frame(by_cost, f"{title} · CPU", "users", "CPU µs per request")
        _fill(by_cost, group, _cost, colour, plot_in)
    return settle(figure)


def _ratio(summary: CaseSummary) -> Ratio | None:
    return summary.ratio_to_baseline.throughput if summary.ratio_to_baseline else None


def _cost(summary: CaseSummary) -> Estimate | None:
    return summary.cpu_us_per_request


def _fill(
    axes: Axes,
    group: Sequence[CaseSummary],
    figure: Callable[[CaseSummary], Estimate | Ratio | None],
    colour: Mapping[str, str],
    plot_in: float,
) -> None:
    """Draw one panel; without the figure for any case it is empty."""
    lines = [line for name in sorted({each.name for each in group}) if (line := _line(name, group, figure)).cases]
    across = Across(sorted({each.case.users for each in group}), logarithmic=True)
    ends, shown = [], []
    for number, line in enumerate(lines):
        places = across.places((each.case.users for each in line.cases), number, len(lines))
        bounds = [each for each in map(figure, line.cases) if each is not None]
        draw_line(axes, places, bounds, [each.verdict == "valid" for each in line.cases], colour[line.name])
        shown += bounds
        ends.append(End(line.name, colour[line.name], (places[-1], middle(bounds[-1]))))
    across.show(axes)
    values = [middle(each) for each in shown] or [1.0]
    highest = max([*values, *(each.high for each in shown if is_telling(each.low, each.high))])
    scale(axes, min(values), highest, logarithmic=highest > DECADE * min(values) > 0)
    note_intervals(axes, shown)
    name_lines(axes, ends, plot_in)


def _line(name: str, group: Sequence[CaseSummary], figure: Callable[[CaseSummary], Estimate | Ratio | None]) -> Line:
    own = [each for each in group if each.name == name and figure(each) is not None]
    return Line(name, sorted(own, key=lambda each: each.case.users))
