"""Lines with their names beside them, and their vertical scale."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from harness.charts._style import QUIET, TICKS, title_panel
from harness.text.numbers import TOO_FEW, is_telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from harness.model.summaries import Estimate, Ratio

LABEL_GAP_IN = 0.13
"""The least distance between two names, in inches."""
NO_INTERVAL = f"no interval: {TOO_FEW}"
DECADE = 10
"""Values that span more than this factor get a logarithmic scale."""
LEADER: dict[str, Any] = {
    "arrowstyle": "-", "color": QUIET, "linewidth": 0.4, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 0,
}  # fmt: skip
"""The stroke from a line to its name: thin, grey and below the lines, so that it does not look like data."""


class End(NamedTuple):
    """The end of a line, and the name to be written beside it."""

    name: str
    colour: str
    point: tuple[float, float]


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
