"""Lines with their names beside them, and their vertical scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from harness.charts._colours import GROUND, INK, MUTED, QUIET
from harness.charts._looks import looks
from harness.charts._style import FEW, TICKS, compared, title_panel
from harness.model.summaries import Ratio
from harness.text.numbers import TOO_FEW, is_telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from harness.charts._looks import Look
    from harness.model.summaries import ComparisonSummary, Estimate

LABEL_GAP_IN = 0.13
"""The least distance between two names, in inches."""
NO_INTERVAL = f"no interval: {TOO_FEW}"
MOST_IN_COLOUR = 8
"""Of more lines, so many that lead are in colour, and the others in grey."""
STRETCH = 1.4
"""Intervals stretch a scale beyond its points by this factor at most; a longer one is cut, and ends in an arrow."""
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
    look: Look
    point: tuple[float, float]


@dataclass(frozen=True)
class Across:
    """The horizontal scale of some numbers, of users or workers or milliseconds, in ascending order."""

    counts: Sequence[float]
    logarithmic: bool

    def at(self, count: float, aside: float) -> float:
        """The place of a number, moved `aside` by a share of the panel's width."""
        first, last = self.counts[0], self.counts[-1]
        if self.logarithmic:
            return float(count * (last / first) ** aside)
        return count + aside * (last - first)

    def places(self, counts: Iterable[float], number: int, of: int) -> list[float]:
        """The places of one line's points; line `number` of `of` is moved aside to keep its intervals apart."""
        aside = (number - (of - 1) / 2) * min(ASIDE, ASIDE_AT_MOST / of)
        return [self.at(count, aside) for count in counts]

    def show(self, axes: Axes) -> None:
        """Set the scale of a panel."""
        if self.logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(self.counts, [f"{count:.12g}" for count in self.counts])
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
        axes.set_ylim(0, high * 1.1 or 1)
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


def line_looks(comparisons: Sequence[ComparisonSummary]) -> dict[str, Look]:
    """The look of each candidate's lines; of many, only the reference and those with the best places are in colour."""
    places: dict[str, list[float]] = {}
    for each in comparisons:
        for place, one in enumerate(compared(each), start=1):
            own = places.setdefault(one.name, [])
            if one.measured:
                own.append(0 if one.case.candidate == each.reference else place)
    means = {name: fmean(own) if own else math.inf for name, own in places.items()}
    leading = sorted(means, key=lambda name: (means[name], name))[:MOST_IN_COLOUR]
    return {
        name: own if name in leading else replace(own, colour=MUTED, muted=True)
        for name, own in looks(sorted(places)).items()
    }


def reach(every: Iterable[Estimate | Ratio], *others: float) -> tuple[float, float]:
    """What a scale must hold: all points, the `others`, and of the intervals as much as does not squeeze the points."""
    shown = list(every)
    points = [*map(middle, shown), *others]
    telling = [each for each in shown if is_telling(each.low, each.high)]
    low, high = min(points), max(points)
    return (
        max(low / STRETCH, min([low, *(each.low for each in telling)])),
        min(high * STRETCH, max([high, *(each.high for each in telling)])),
    )


def draw_interval(axes: Axes, place: float, bounds: Estimate | Ratio, look: Look, unit: float = 1) -> None:
    """Draw an interval as a vertical line, in units of `unit`, unless it is too wide to say anything.

    The scale must be set before: what lies beyond it is cut, and ends in an arrow.
    """
    if not is_telling(bounds.low, bounds.high):
        return
    bottom, top = axes.get_ylim()
    low, high = bounds.low / unit, bounds.high / unit
    axes.vlines(place, max(low, bottom), min(high, top), look.colour, linewidth=look.weight)
    for mark, at, cut in (("v", bottom, low < bottom), ("^", top, high > top)):
        if cut:
            axes.plot(place, at, mark, markersize=4, color=INK, clip_on=False)


def middle(bounds: Estimate | Ratio) -> float:
    """The point of an interval that is drawn."""
    return bounds.value if isinstance(bounds, Ratio) else bounds.median


def draw_line(
    axes: Axes, places: Sequence[float], bounds: Sequence[Estimate | Ratio], valid: Sequence[bool], look: Look
) -> None:
    """Draw one candidate's points with their intervals, and the line through the valid ones; the others are hollow."""
    values = [middle(each) for each in bounds]
    joined = [value if good else math.nan for value, good in zip(values, valid, strict=True)]
    draw_curve(axes, places, joined, look)
    for place, value, each, good in zip(places, values, bounds, valid, strict=True):
        draw_interval(axes, place, each, look)
        draw_mark(axes, place, value, look, hollow=not good)


def draw_curve(axes: Axes, places: Sequence[float], values: Sequence[float], look: Look, width: float = 1.5) -> None:
    """Draw a candidate's line, with a gap where a value is NaN."""
    axes.plot(
        places, values, color=look.colour, linestyle=look.dashes, linewidth=width * look.weight, zorder=look.depth
    )  # fmt: skip


def draw_mark(axes: Axes, place: float, value: float, look: Look, *, hollow: bool, size: float = 5) -> None:
    """Draw a candidate's marker, hollow for what is not valid."""
    axes.plot(
        place, value, look.marker, markersize=size * look.weight, markeredgecolor=look.colour,
        markerfacecolor=GROUND if hollow else look.colour, zorder=look.depth,
    )  # fmt: skip


def note_intervals(axes: Axes, every: Iterable[Estimate | Ratio | None]) -> None:
    """Say in the panel that intervals are missing, if one is."""
    if not all(is_telling(each.low, each.high) for each in every if each is not None):
        axes.text(
            0.98, 0.03, NO_INTERVAL, transform=axes.transAxes, ha="right", fontsize=7, color=QUIET, style="italic",
        )  # fmt: skip


def note_missing(axes: Axes, figure: str, names: Sequence[str]) -> None:
    """Say above the panel whose figure is missing."""
    if names:
        who = ", ".join(names) if len(names) <= FEW else f"{len(names)} candidates"
        axes.text(
            1, 1.02, f"no {figure}: {who}", transform=axes.transAxes, ha="right", va="bottom", fontsize=7, color=QUIET,
            style="italic",
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
            color=QUIET if end.look.muted else end.look.colour, arrowprops=LEADER, zorder=1.5,
        )  # fmt: skip
