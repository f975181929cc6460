"""Throughput ÷ the baseline's, and CPU per request, by number of users: medians, 95 % intervals (arrow: longer)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.analysis.naming import Levels
from harness.charts._colours import QUIET
from harness.charts._lines import (
    DECADE,
    Across,
    End,
    draw_line,
    frame,
    line_looks,
    middle,
    name_lines,
    note_intervals,
    plot_height_in,
    reach,
    scale,
)
from harness.charts._style import STYLE, by_protocol, compared, first_line, grid, panel_title, settle
from harness.charts._words import list_best
from harness.model.loads import Rate
from harness.text.numbers import significant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.charts._looks import Look
    from harness.model.run_info import RunInfo
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
    look = line_looks(comparisons)
    plot_in = plot_height_in(PLOT_IN, max(len({each.name for each in group}) for group in groups.values()))
    figure, cells = grid(TITLE, f"{first_line(__doc__)} {HOLLOW}", run, (2 * len(groups), 2), plot_in + 0.85)
    words = []
    for number, (title, group) in enumerate(groups.items()):
        by_rate, by_cost = cells[2 * number : 2 * number + 2]
        divisor = " or ".join(sorted(divisors[title])) or "baseline"
        words.append(_describe(title, group, divisor))
        frame(by_rate, title, "users", f"throughput ÷ {divisor}")
        _fill(by_rate, group, _ratio, look, plot_in)
        by_rate.axhline(1, color=QUIET, linewidth=0.8, linestyle=":", zorder=0.5)
        frame(by_cost, f"{title} · CPU", "users", "CPU µs per request")
        _fill(by_cost, group, _cost, look, plot_in)
    return settle(figure, words)


def _describe(title: str, group: Sequence[CaseSummary], divisor: str) -> str:
    """The ratios of each candidate with all numbers of users, the best with the most users first."""
    lines = [_line(name, [each for each in group if each.verdict == "valid"], _ratio) for name in _names(group)]
    found = [(line.name, [(each.case.users, _ratio(each)) for each in line.cases]) for line in lines if line.cases]
    found = [(name, ratios) for name, ratios in found if name != divisor]
    found.sort(key=lambda each: -max((ratio.value for _, ratio in each[1] if ratio), default=0.0))
    said = [
        (name, " · ".join(f"{significant(ratio.value)} with {users}" for users, ratio in ratios if ratio))
        for name, ratios in found
    ]
    return list_best(title, said, f"throughput ÷ {divisor} by users")


def _names(group: Sequence[CaseSummary]) -> list[str]:
    return sorted({each.name for each in group})


def _ratio(summary: CaseSummary) -> Ratio | None:
    return summary.ratio_to_baseline.throughput if summary.ratio_to_baseline else None


def _cost(summary: CaseSummary) -> Estimate | None:
    return summary.cpu_us_per_request


def _fill(
    axes: Axes,
    group: Sequence[CaseSummary],
    figure: Callable[[CaseSummary], Estimate | Ratio | None],
    look: Mapping[str, Look],
    plot_in: float,
) -> None:
    """Draw one panel; without the figure for any case it is empty."""
    lines = [line for name in _names(group) if (line := _line(name, group, figure)).cases]
    bounds = {line.name: [each for each in map(figure, line.cases) if each is not None] for line in lines}
    shown = [each for own in bounds.values() for each in own]
    across = Across(sorted({each.case.users for each in group}), logarithmic=True)
    across.show(axes)
    low, high = reach(shown) if shown else (1.0, 1.0)
    scale(axes, low, high, logarithmic=high > DECADE * low > 0)
    ends = []
    for number, line in enumerate(lines):
        places = across.places((each.case.users for each in line.cases), number, len(lines))
        valid = [each.verdict == "valid" for each in line.cases]
        draw_line(axes, places, bounds[line.name], valid, look[line.name])
        ends.append(End(line.name, look[line.name], (places[-1], middle(bounds[line.name][-1]))))
    note_intervals(axes, shown)
    name_lines(axes, ends, plot_in)


def _line(name: str, group: Sequence[CaseSummary], figure: Callable[[CaseSummary], Estimate | Ratio | None]) -> Line:
    own = [each for each in group if each.name == name and figure(each) is not None]
    return Line(name, sorted(own, key=lambda each: each.case.users))
