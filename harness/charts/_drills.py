"""The chart of `harness drill`: a panel for each drill, with what each server lost, or the numbers that were found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._bars import axis_end, draw_across, label_in, outline
from harness.charts._colours import INK, QUIET
from harness.charts._looks import look
from harness.charts._style import STYLE, TICKS, frame, settle, title_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.charts._style import Picture

COLUMNS = 2
BAR_IN, GAP_IN, FRAME_IN = 0.19, 0.13, 0.75
"""Height of a bar, space between servers, and title and axis of a panel."""
LONGEST = 20
"""An axis ends at this multiple of the smallest of its servers' longest bars; a longer bar is cut."""


@dataclass(frozen=True)
class Bar:
    """A number with the least and the greatest of its repetitions."""

    value: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Row:
    """One server in a panel, the first of several bars an outline; without bars, it has its note in their place."""

    server: str
    bars: tuple[Bar, ...]
    note: str = ""

    @property
    def longest(self) -> float:
        return max((bar.high for bar in self.bars), default=0.0)


@dataclass(frozen=True)
class Panel:
    """One drill."""

    title: str
    unit: str
    rows: tuple[Row, ...]

    @property
    def height_in(self) -> float:
        return FRAME_IN + sum(BAR_IN * max(1, len(row.bars)) + GAP_IN for row in self.rows)


@rc_context(STYLE)
def draw(title: str, caption: str, foot: Sequence[str], panels: Sequence[Panel]) -> Picture | None:
    """Two panels side by side; None if there is nothing to draw."""
    panels = [panel for panel in panels if any(row.bars for row in panel.rows)]
    if not panels:
        return None
    columns = min(COLUMNS, len(panels))
    heights = [
        max(panel.height_in for panel in panels[start : start + columns]) for start in range(0, len(panels), columns)
    ]
    figure, cells = frame(title, caption, foot, (len(panels), columns), heights)
    for number, (axes, panel) in enumerate(zip(cells, panels, strict=True)):
        _fill(axes, panel, heights[number // columns])
    return settle(figure, map(_describe, panels))


def _describe(panel: Panel) -> str:
    found = (f"{row.server} {', '.join(bar.label for bar in row.bars) or row.note}" for row in panel.rows)
    return f"{panel.title}: {'; '.join(found)}."


def _fill(axes: Axes, panel: Panel, height_in: float) -> None:
    """Draw one panel, the first server on top; the axis is in inches downwards."""
    longest = [row.longest for row in panel.rows if row.longest]
    end = LONGEST * min(longest, default=1.0)
    labels, middles, top = [], [], 0.0
    for row in panel.rows:
        middles.append(top + BAR_IN * max(1, len(row.bars)) / 2)
        if not row.bars:
            _write(axes, row.note, 0, top + BAR_IN / 2, QUIET, "italic")
            labels.append((0.0, label_in(row.note)))
        for number, bar in enumerate(row.bars):
            place = top + BAR_IN * (number + 0.5)
            colour = look(row.server).colour
            style = outline(colour) if number == 0 < len(row.bars) - 1 else {"color": colour}
            axes.barh(place, min(bar.value, end), height=0.82 * BAR_IN, **style)
            if bar.low < bar.high and bar.value < end:
                draw_across(axes, bar.low, min(bar.high, end), place)
            reach = min(max(bar.value, bar.high), end)
            cut = "…  " if bar.value > end else ""
            _write(axes, f"{cut}{bar.label}", reach, place, INK, "normal")
            labels.append((reach, label_in(f"{cut}{bar.label}")))
        top += BAR_IN * max(1, len(row.bars)) + GAP_IN
    names = [row.server for row in panel.rows]
    axes.set_xlim(0, axis_end(axes, names, labels))
    axes.set_ylim(max(top, height_in - FRAME_IN), -0.1)
    axes.set_yticks(middles, names)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=2)
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(TICKS)
    axes.grid(axis="x")
    axes.set_xlabel(panel.unit)
    title_panel(axes, panel.title)


def _write(axes: Axes, text: str, start: float, place: float, colour: str, style: str) -> None:
    axes.annotate(
        text, (start, place), (5, 0), textcoords="offset points", va="center", fontsize=7.5, color=colour, style=style,
    )  # fmt: skip
