"""Figures of candidates from run to run, or from release to release: panels side by side, a line for each candidate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._colours import INK, MUTED, QUIET
from harness.charts._lines import (
    MOST_IN_COLOUR,
    Across,
    End,
    draw_line,
    frame,
    middle,
    name_lines,
    note_intervals,
    plot_height_in,
    reach,
    scale,
)
from harness.charts._looks import looks
from harness.charts._style import STYLE, TICKS, settle
from harness.charts._style import frame as make_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from harness.charts._looks import Look
    from harness.charts._style import Picture
    from harness.model.summaries import Estimate, Ratio

PLOT_IN = 1.9
_LABELS = 8
"""So many places of a panel are named, the first and the last among them."""
_LEAST_SPAN = 0.05
"""The scale spans at least this share of its highest value, so that noise does not fill the panel."""
_MARGIN = 0.08
_WIDE = 3
"""Values that span more than this factor get a logarithmic scale, on which equal changes are equally large."""


@dataclass(frozen=True)
class Mark:
    """A figure at one place, with its interval."""

    place: int
    bounds: Estimate | Ratio
    valid: bool = True
    step: bool = False
    """Is it ringed, as one where the figure changed?"""
    begins: bool = False
    """Is it not joined to the one before?"""


@dataclass(frozen=True)
class Line:
    """One candidate's figures, in the order of their places."""

    name: str
    marks: Sequence[Mark]

    @property
    def parts(self) -> list[list[Mark]]:
        """The marks that are joined."""
        found: list[list[Mark]] = []
        for mark in self.marks:
            if mark.begins or not found:
                found.append([])
            found[-1].append(mark)
        return found


@dataclass(frozen=True)
class Panel:
    """One figure."""

    title: str
    unit: str
    lines: Sequence[Line]
    even: bool = False
    """Is there a line at 1, where a candidate is as good as what it is divided by?"""


@rc_context(STYLE)
def draw_course(
    title: str,
    caption: str,
    foot: Sequence[str],
    places: tuple[str, Sequence[str]],
    panels: Sequence[Panel],
    words: Iterable[str],
) -> Picture:
    """Two panels in a row; `places` are what they are, and the label of each. Every panel has a line."""
    kind, labels = places
    own_looks = _choose_looks(panels)
    plot_in = plot_height_in(PLOT_IN, max(len(panel.lines) for panel in panels))
    columns = min(2, len(panels))
    heights = [plot_in + 0.85] * -(-len(panels) // columns)
    figure, cells = make_frame(title, caption, foot, (len(panels), columns), heights)
    for axes, panel in zip(cells, panels, strict=True):
        frame(axes, panel.title, kind, panel.unit)
        _fill(axes, panel, labels, own_looks, plot_in)
    return settle(figure, words)


def _choose_looks(panels: Sequence[Panel]) -> dict[str, Look]:
    """Of many lines only the first are in colour."""
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    return {
        name: own if name in names[:MOST_IN_COLOUR] else replace(own, colour=MUTED, muted=True)
        for name, own in looks(names).items()
    }


def _fill(axes: Axes, panel: Panel, labels: Sequence[str], own_looks: dict[str, Look], plot_in: float) -> None:
    bounds = [mark.bounds for line in panel.lines for mark in line.marks]
    across = Across(range(len(labels)), logarithmic=False)
    across.show(axes)
    every = max(1, -(-(len(labels) - 1) // (_LABELS - 1)))
    named = sorted({*range(0, len(labels) - every, every), len(labels) - 1})
    axes.set_xticks(named, [labels[place] for place in named])
    low, high = reach(bounds)
    if high > _WIDE * low > 0:
        scale(axes, low, high, logarithmic=True)
    else:
        span = max(high - low, _LEAST_SPAN * high)
        centre = (low + high) / 2
        axes.set_ylim(centre - (0.5 + _MARGIN) * span, centre + (0.5 + _MARGIN) * span)
        axes.locator_params(axis="y", nbins=6)
        axes.yaxis.set_major_formatter(TICKS)
    if panel.even:
        axes.axhline(1, color=QUIET, linewidth=0.8, linestyle=":", zorder=0.5)
    ends = []
    for number, line in enumerate(panel.lines):
        look = own_looks[line.name]
        for part in line.parts:
            places = across.places([mark.place for mark in part], number, len(panel.lines))
            draw_line(axes, places, [mark.bounds for mark in part], [mark.valid for mark in part], look)
            for place, mark in zip(places, part, strict=True):
                if mark.step:
                    axes.plot(place, middle(mark.bounds), "o", markersize=11, mfc="none", mec=INK, mew=1.2, zorder=3)
        ends.append(End(line.name, look, (places[-1], middle(line.marks[-1].bounds))))
    note_intervals(axes, bounds)
    name_lines(axes, ends, plot_in)
