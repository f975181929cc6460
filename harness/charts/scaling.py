"""Throughput by number of workers: medians, 95 % intervals. Dashed: as many times what the fewest workers reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._lines import End, name_lines, scale
from harness.charts._style import QUIET, STYLE, colours, columns_for, compared, first_line, grid, panels, settle
from harness.loads import rate_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.findings import RunInfo
    from harness.summaries import CaseSummary

TITLE = "Scaling with workers"
ORDER = 3
PLOT_IN = 2.0
ASIDE = 0.008
"""How far contestants stand beside each other, of the panel's width, so that no interval hides another."""
HOLLOW = "Hollow where the number does not hold."


@rc_context(STYLE)
def draw(summaries: Sequence[CaseSummary], run: RunInfo) -> Figure | None:
    """A panel for each scenario and protocol, a line for each contestant; hollow where the number does not hold."""
    shown = [each for each in compared(summaries, run) if each.measured and rate_of(each.case.load) is None]
    groups = {
        title: group
        for title, group in panels(shown, by_workers=False).items()
        if len({each.case.workers for each in group}) > 1
    }
    if not groups:
        return None
    colour = colours(each.name for each in summaries)
    shape = len(groups), columns_for(len(groups), colour)
    figure, cells = grid(TITLE, f"{first_line(__doc__)} {HOLLOW}{_limit(run)}", run, shape, PLOT_IN + 0.85)
    for axes, (title, group) in zip(cells, groups.items(), strict=True):
        _fill(axes, title, group, colour)
    return settle(figure)


def _limit(run: RunInfo) -> str:
    cpus = len(run.environment.server_cpus)
    return f" The servers had {cpus} CPU{'s' if cpus > 1 else ''}: beyond that nothing can scale." if cpus else ""


def _fill(axes: Axes, title: str, group: Sequence[CaseSummary], colour: Mapping[str, str]) -> None:
    counts = sorted({each.case.workers for each in group})
    names = sorted({each.name for each in group})
    ends, top = [], 0.0
    for number, name in enumerate(names):
        own = sorted((each for each in group if each.name == name), key=lambda each: each.case.workers)
        aside = (number - (len(names) - 1) / 2) * ASIDE * (counts[-1] - counts[0])
        end, ideal = _draw(axes, own, colour[name], aside)
        top = max(top, ideal, *(each.throughput_rps.median for each in own if each.throughput_rps))
        ends.append(End(name, colour[name], end))
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
    axes.set_xlabel("workers")
    axes.set_ylabel("requests/s")
    axes.set_xticks(counts, [str(count) for count in counts])
    margin = 0.05 * (counts[-1] - counts[0])
    axes.set_xlim(counts[0] - margin, counts[-1] + margin)
    axes.tick_params(length=2)
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    axes.grid(visible=True)
    # Of two or three rounds an interval may be so long that all else would lie flat: it runs out of the picture.
    scale(axes, 0, top, logarithmic=False)
    name_lines(axes, ends, PLOT_IN)


def _draw(axes: Axes, own: Sequence[CaseSummary], colour: str, aside: float) -> tuple[tuple[float, float], float]:
    """One contestant's line and its ideal; where the one ends, and how high the other."""
    rates = [(each.case.workers, each.throughput_rps, each.verdict) for each in own if each.throughput_rps]
    places = [workers + aside for workers, _, _ in rates]
    medians = [rate.median for _, rate, _ in rates]
    ideal = medians[0] * rates[-1][0] / rates[0][0]
    axes.plot(places, medians, color=colour)
    axes.plot([places[0], places[-1]], [medians[0], ideal], color=colour, linewidth=0.9, linestyle="--")
    axes.vlines(places, [rate.low for _, rate, _ in rates], [rate.high for _, rate, _ in rates], colour, linewidth=1)
    for place, (_, rate, verdict) in zip(places, rates, strict=True):
        fill = colour if verdict == "valid" else "white"
        axes.plot(place, rate.median, "o", markersize=5, markeredgecolor=colour, markerfacecolor=fill)
    return (places[-1], medians[-1]), ideal
