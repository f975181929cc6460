"""Bar charts: a bar is a median, with its interval as a line and every round as a dot."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.charts._colours import FAINT, GROUND, INK, QUIET
from harness.charts._looks import look
from harness.charts._style import (
    DISTURBED_CAPTION,
    FEW,
    TICKS,
    WIDTH_IN,
    columns_for,
    compared,
    grid,
    panels,
    settle,
    title_panel,
)
from harness.charts._words import list_best, write_estimate
from harness.text.numbers import DISTURBED, TOO_FEW, is_telling, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matplotlib.axes import Axes

    from harness.charts._style import Picture
    from harness.model.protocols import Protocol
    from harness.model.records import Verdict
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate

ROW_IN = 0.32
PAIR_ROW_IN = 0.5
"""The height of a row with two bars."""
LETTER_IN = 0.068
"""The mean width of a letter, in inches."""
STRETCH = 1.4
"""An interval longer than this multiple of all bars and dots is cut, and ends in an arrow."""


@dataclass(frozen=True)
class Bar:
    """One candidate's row in a panel. Without an estimate, it has its verdict in place of the bar."""

    name: str
    colour: str
    verdict: Verdict
    estimate: Estimate | None
    rounds: Sequence[float]
    disturbed: bool = False

    @property
    def label(self) -> str:
        if self.estimate is None:
            return self.verdict
        value = DISTURBED + significant(self.estimate.median) if self.disturbed else significant(self.estimate.median)
        notes = [*([] if self.verdict == "valid" else [self.verdict]), *([] if self.has_interval else [TOO_FEW])]
        return "\n".join([value, *notes])

    @property
    def has_interval(self) -> bool:
        """Is its interval narrow enough to be drawn?"""
        return self.estimate is not None and is_telling(self.estimate.low, self.estimate.high)

    @property
    def label_in(self) -> float:
        return label_in(self.label)

    @property
    def measured(self) -> float:
        """The largest number that was measured."""
        return max((self.estimate.median, *self.rounds)) if self.estimate else 0.0

    def reach(self, end: float) -> float:
        """The right end of the bar, its dots and its interval, which is cut at `end`."""
        return (
            max(self.measured, min(self.estimate.high, end)) if self.estimate and self.has_interval else self.measured
        )


@dataclass(frozen=True)
class Measure:
    """What a bar chart shows: its texts, its unit, its numbers, and which of them are good."""

    title: str
    caption: str
    unit: str
    estimate: Callable[[CaseSummary], Estimate | None]
    rounds: Callable[[CaseSummary], Sequence[float]]
    lower_is_better: bool = False
    ceilings: Mapping[Protocol, float] = field(default_factory=dict)
    """The highest rates of the load generator, with the most users; empty if the chart shows no rates."""

    def order(self, bar: Bar) -> float:
        if bar.estimate is None:
            return math.inf
        return bar.estimate.median if self.lower_is_better else -bar.estimate.median


def label_in(label: str) -> float:
    """The width of a label beside a bar, in inches, with the space before it."""
    return 0.12 + LETTER_IN * max(map(len, label.split("\n")))


def axis_end(axes: Axes, names: Iterable[str], labels: Iterable[tuple[float, float]]) -> float:
    """Where an axis from 0 must end to have every label inside; `labels` are (start, length in inches)."""
    columns = axes.get_gridspec().ncols  # type: ignore[union-attr]  # made by subplots, so it has one
    names_in = LETTER_IN * max(map(len, names))
    room_in = max(1.6, WIDTH_IN / columns - names_in - 0.3)
    return max(start / (1 - length_in / room_in) for start, length_in in labels) or 1


def bar_chart(measure: Measure, comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Picture | None:
    """A panel for each comparison, the best candidate first; numbers that are not valid are hatched."""
    groups = {title: compared(comparison) for title, comparison in panels(comparisons).items()}
    summaries = [each for group in groups.values() for each in group]
    if not any(measure.estimate(summary) for summary in summaries):
        return None
    rows = {title: _rows(group, measure) for title, group in groups.items()}
    shape = len(groups), columns_for(len(groups), (summary.name for summary in summaries))
    most = max(map(len, rows.values()))
    height_in = 0.8 + ROW_IN * most
    disturbed = any(each.disturbed for each in summaries if measure.estimate(each))
    caption = f"{measure.caption} {DISTURBED_CAPTION}" if disturbed else measure.caption
    figure, cells = grid(measure.title, caption, run, shape, height_in)
    for axes, (title, group) in zip(cells, groups.items(), strict=True):
        fill(axes, title, rows[title], measure.unit, most)
        case = group[0].case
        if case.users == max(run.conditions.users):  # the number with which the ceilings were measured
            _show_ceiling(axes, measure.ceilings.get(case.protocol))
    return settle(figure, (describe_bars(title, bars, measure.unit) for title, bars in rows.items()))


def outline(colour: str) -> dict[str, Any]:
    """A bar of which only the outline is drawn, as its number is the lesser one of two, or not valid."""
    return {"facecolor": "none", "edgecolor": colour, "linewidth": 1}


def draw_across(axes: Axes, low: float, high: float, place: float) -> None:
    """Draw an interval along a bar, with an edge that keeps it apart from the bar on light and dark pages."""
    for colour, width in ((GROUND, 3.4), (INK, 1.5)):
        axes.plot([low, high], [place, place], color=colour, linewidth=width, solid_capstyle="butt")


def describe_bars(title: str, bars: Sequence[Bar], unit: str) -> str:
    """The best of them in words."""
    found = [(bar.name, write_estimate(bar.estimate)) for bar in bars if bar.estimate and bar.verdict == "valid"]
    return list_best(title, found, unit)


def _rows(group: Sequence[CaseSummary], measure: Measure) -> list[Bar]:
    """The bars of a panel, the best first; if many are unsupported, they share a row."""
    bars = [
        Bar(
            each.name,
            look(each.name).colour,
            each.verdict,
            measure.estimate(each),
            measure.rounds(each),
            disturbed=each.disturbed,
        )
        for each in group
    ]
    unsupported = [bar for bar in bars if bar.verdict == "unsupported"]
    if len(unsupported) > FEW:
        bars = [bar for bar in bars if bar.verdict != "unsupported"]
        bars.append(Bar(f"{len(unsupported)} others", QUIET, "unsupported", None, ()))
    return sorted(bars, key=measure.order)


def fill(axes: Axes, title: str, bars: Sequence[Bar], unit: str, most: int) -> None:
    """Draw one panel, the first bar on top, with room for `most` bars; its axis starts at 0 and has room for labels."""
    end = STRETCH * max(bar.measured for bar in bars)
    for row, bar in enumerate(bars):
        _draw_bar(axes, row, bar, end)
    labels = [(bar.reach(end), bar.label_in) for bar in bars]
    axes.set_xlim(0, axis_end(axes, [bar.name for bar in bars], labels))
    axes.set_ylim(most - 0.4, -0.6)
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=2)
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(TICKS)
    axes.grid(axis="x")
    axes.spines["left"].set_color(FAINT)
    axes.set_xlabel(unit)
    title_panel(axes, title)


def _show_ceiling(axes: Axes, ceiling: float | None) -> None:
    """Name the ceiling, and mark it if it lies on the axis. A longer axis would make all bars small."""
    if ceiling is None:
        return
    sign = ""
    if ceiling < axes.get_xlim()[1]:
        sign = "\u25be\u00a0"
        # A line down the panel would cross the numbers beside the bars.
        axes.plot(ceiling, 1, "v", transform=axes.get_xaxis_transform(), color=QUIET, markersize=5, clip_on=False)
    axes.set_xlabel(f"{axes.get_xlabel()} ({sign}generator's ceiling: {significant(ceiling)})")


def _draw_bar(axes: Axes, row: int, bar: Bar, end: float) -> None:
    if bar.estimate is None:
        axes.annotate(bar.label, (0, row), (4, 0), textcoords="offset points", va="center", color=QUIET, style="italic")
        return
    middle = bar.estimate.median
    if bar.verdict == "valid":
        axes.barh(row, middle, height=0.62, color=bar.colour)
    else:
        axes.barh(row, middle, height=0.62, hatch="////", **outline(bar.colour))
    if bar.has_interval:
        high = min(bar.estimate.high, end)
        draw_across(axes, min(bar.estimate.low, high), high, row - 0.1)
        if high < bar.estimate.high:
            axes.plot(high, row - 0.1, ">", markersize=4, color=INK)
    axes.plot(
        bar.rounds, [row + 0.14] * len(bar.rounds), "o", markersize=3.4, markerfacecolor=GROUND,
        markeredgecolor=INK, markeredgewidth=0.7,
    )  # fmt: skip
    axes.annotate(
        bar.label, (bar.reach(end), row), (6, 0), textcoords="offset points", va="center", fontsize=8,
        color=INK if bar.verdict == "valid" else QUIET, linespacing=1.0,
    )  # fmt: skip


def fill_pairs(
    axes: Axes, title: str, rows: Sequence[tuple[str, float | None, float]], moments: tuple[str, str], unit: str
) -> None:
    """Draw a panel of two bars for each candidate: the first one as an outline, if it is known, and the second one."""
    labels = []
    for row, (name, first, second) in enumerate(rows):
        colour = look(name).colour
        looks = (outline(colour), {"color": colour})
        for moment, value, shift, style in zip(moments, (first, second), (-0.2, 0.2), looks, strict=True):
            if value is None:
                continue
            axes.barh(row + shift, value, height=0.36, **style)
            label = f"{significant(value)} {unit} {moment}"
            labels.append((value, label_in(label)))
            axes.annotate(
                label, (value, row + shift), (5, 0),
                textcoords="offset points", va="center", fontsize=8, color=INK,
            )  # fmt: skip
    names = [name for name, _, _ in rows]
    axes.set_xlim(0, axis_end(axes, names, labels))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel(unit)
    title_panel(axes, title)
