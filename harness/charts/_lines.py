"""Lines with their names beside them, and their vertical scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from harness.charts._style import QUIET, TICKS, title_panel
from harness.model.summaries import Ratio
from harness.text.numbers import TOO_FEW, is_telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from harness.model.summaries import Estimate

LABEL_GAP_IN = 0.13
"""The least distance between two names, in inches."""
NO_INTERVAL = f"no interval: {TOO_FEW}"
DECADE = 10
"""Values that span more than this factor get a logarithmic scale."""
ASIDE, ASIDE_AT_MOST = 0.008, 0.06
"""How far each candidate, and all of them at most, are moved aside to keep intervals apart; shares of the width."""
MARGIN = 0.06
"""The space before the first point and after the last, as a share of the panel's width."""
LEADER: dict[str, Any] = {
    "arrowstyle": "-", "color": QUIET, "linewidth": 0.4, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 0,
}  # fmt: skip
"""The stroke from a line to its name: thin, grey and below the lines, so that it does not look like data."""


class End(NamedTuple):
    """The end of a line, and the name to be written beside it."""

    name: str
    colour: str
    point: tuple[float, float]


@dataclass(frozen=True)
class Across:
    """The horizontal scale of some numbers of users or workers, in ascending order."""

    counts: Sequence[int]
    logarithmic: bool

    def at(self, count: int, aside: float) -> float:
        """The place of a number, moved `aside` by a share of the panel's width."""
        first, last = self.counts[0], self.counts[-1]
        if self.logarithmic:
            return float(count * (last / first) ** aside)
        return count + aside * (last - first)

    def places(self, counts: Iterable[int], number: int, of: int) -> list[float]:
        """The places of one line's points; line `number` of `of` is moved aside to keep its intervals apart."""
        aside = (number - (of - 1) / 2) * min(ASIDE, ASIDE_AT_MOST / of)
        return [self.at(count, aside) for count in counts]

    def show(self, axes: Axes) -> None:
        """Set the scale of a panel."""
        if self.logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(self.counts, [str(count) for count in self.counts])
        axes.set_xlim(self.at(self.counts[0], -MARGIN), self.at(self.counts[-1], MARGIN))


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places between 0 and 1 in the order of the `wanted` ones, at least `gap` apart and as close to them as possible.

    With each place lowered by its rank × gap this is isotonic regression: neighbours in the wrong order move to their
    common mean (pool adjacent violators).
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


def scale(axes: Axes, low: float, high: float, *, logarithmic: bool) -> None:
    """The vertical scale for values from `low` to `high`; a linear one begins at 0."""
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.2)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < DECADE**2 * low else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, high * 1.1)
        axes.locator_params(axis="y", nbins=5)
    axes.yaxis.set_major_formatter(TICKS)


def frame(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Title, labels and grid of a panel with lines."""
    title_panel(axes, title)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.tick_params(length=2)
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    axes.grid(visible=True)


def draw_interval(axes: Axes, place: float, bounds: Estimate | Ratio, colour: str, unit: float = 1) -> None:
    """Draw an interval as a vertical line, in units of `unit`, unless it is too wide to say anything."""
    if is_telling(bounds.low, bounds.high):
        axes.vlines(place, bounds.low / unit, bounds.high / unit, colour, linewidth=1)


def middle(bounds: Estimate | Ratio) -> float:
    """The point of an interval that is drawn."""
    return bounds.value if isinstance(bounds, Ratio) else bounds.median


def draw_line(
    axes: Axes, places: Sequence[float], bounds: Sequence[Estimate | Ratio], valid: Sequence[bool], colour: str
) -> None:
    """Draw one candidate's points with their intervals, and the line through the valid ones; the others are hollow."""
    values = [middle(each) for each in bounds]
    axes.plot(places, [value if good else math.nan for value, good in zip(values, valid, strict=True)], color=colour)
    for place, value, each, good in zip(places, values, bounds, valid, strict=True):
        draw_interval(axes, place, each, colour)
        fill = colour if good else "white"
        axes.plot(place, value, "o", markersize=5, markeredgecolor=colour, markerfacecolor=fill)


def note_intervals(axes: Axes, every: Iterable[Estimate | Ratio | None]) -> None:
    """Say in the panel that intervals are missing, if one is."""
    if not all(is_telling(each.low, each.high) for each in every if each is not None):
        axes.text(
            0.98, 0.03, NO_INTERVAL, transform=axes.transAxes, ha="right", fontsize=7, color=QUIET, style="italic",
        )  # fmt: skip


def plot_height_in(least_in: float, names: int) -> float:
    """The height that a panel needs for this many names beside it, in inches."""
    return max(least_in, LABEL_GAP_IN * (names + 1))


def name_lines(axes: Axes, ends: Sequence[End], plot_in: float) -> None:
    """Write each line's name to the right of the panel, at the height of its end, apart where names would touch.

    `plot_in` is the height of the panel in inches. The scales must be set before.
    """
    beside = axes.transAxes + ScaledTranslation(0.14, 0, axes.figure.dpi_scale_trans)
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform(end.point)[1]) for end in ends]
    for end, place in zip(ends, spread(heights, LABEL_GAP_IN / plot_in), strict=True):
        axes.annotate(
            end.name, end.point, (1, place), textcoords=beside, va="center", fontsize=7.5,
            color=end.colour, arrowprops=LEADER, zorder=1.5,
        )  # fmt: skip
