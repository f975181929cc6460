"""p99 by offered rate, with its 95 % interval (arrow: longer); thin: p50. Hollow points, off the line: not valid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter

from harness.charts._colours import QUIET
from harness.charts._lines import (
    DECADE,
    NO_INTERVAL,
    End,
    draw_curve,
    draw_interval,
    draw_mark,
    frame,
    line_looks,
    name_lines,
    plot_height_in,
    reach,
    scale,
)
from harness.charts._style import STYLE, TICKS, first_line, grid, panels, settle
from harness.charts._words import list_best
from harness.model.summaries import Latency
from harness.text.numbers import count, is_telling, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.charts._looks import Look
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate

TITLE = "Latency against rate"
ORDER = 1
CAPTION = "A cross at the top is a rate that was not kept; latency there would only say how long it was measured."
PLOT_IN = 2.3
CROSSES_AT = 0.95
"""The height of the crosses, as a share of the panel's."""


@dataclass(frozen=True)
class Line:
    """One candidate's rates in ascending order: those that overload it, and those that have a p50 and a p99."""

    name: str
    look: Look
    rates: Sequence[CaseSummary]

    @property
    def points(self) -> list[CaseSummary]:
        return [each for each in self.rates if not each.overloaded]

    @property
    def estimates(self) -> list[Estimate]:
        """What is drawn."""
        found = (one for each in self.points for one in (each.latency_us.p99, each.latency_us.p50))
        return [each for each in found if each is not None]

    @property
    def lacks_interval(self) -> bool:
        tails = (each.latency_us.p99 for each in self.points)
        return any(not is_telling(each.low, each.high) for each in tails if each is not None)


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """Two panels for each comparison of a sweep: by requests per second, and by share of each candidate's own rate."""
    look = line_looks(comparisons)
    rates = {
        title: [each for each in comparison.summaries if each.own_share is not None and each.offered_rps]
        for title, comparison in panels(comparisons).items()
    }
    lines = {title: _lines(group, look) for title, group in rates.items() if group}
    groups = {title: group for title, group in lines.items() if any(line.points for line in group)}
    if not groups:
        return None
    caption = f"{first_line(__doc__)} {CAPTION}"
    plot_in = plot_height_in(PLOT_IN, max(map(len, groups.values())))
    figure, cells = grid(TITLE, caption, run, (2 * len(groups), 2), plot_in + 0.85)
    for number, (title, group) in enumerate(groups.items()):
        by_rate, by_share = cells[2 * number : 2 * number + 2]
        frame(by_rate, title, "offered requests/s", "response time, ms")
        _fill(by_rate, group, _rate)
        _by_rate(by_rate, [_rate(each) for line in group for each in line.rates])
        share = "of the rate that it reached in a closed loop"
        frame(by_share, f"{title} · by share of its own rate", share, "response time, ms")
        _fill(by_share, group, _share)
        _by_share(by_share)
        for axes, place in ((by_rate, _rate), (by_share, _share)):
            ends = [(line, line.points[-1]) for line in group if line.points]
            points = [End(line.name, line.look, (place(last), _ms(last.latency_us.p99))) for line, last in ends]
            name_lines(axes, points, plot_in)
    return settle(figure, (_describe(title, group) for title, group in groups.items()))


def _describe(title: str, lines: Sequence[Line]) -> str:
    """The highest valid rate of each candidate and the p99 there, the highest first."""
    valid = {line.name: [each for each in line.points if each.verdict == "valid"] for line in lines}
    best = [(name, max(own, key=_rate)) for name, own in valid.items() if own]
    best.sort(key=lambda each: -_rate(each[1]))
    found = [(name, f"{count(_rate(each))} (p99 {significant(_ms(each.latency_us.p99))} ms)") for name, each in best]
    return list_best(title, found, "highest requests/s that were kept")


def _lines(group: Sequence[CaseSummary], look: Mapping[str, Look]) -> list[Line]:
    lines = []
    for name in sorted({each.name for each in group}):
        own = sorted((each for each in group if each.name == name), key=_rate)
        shown = [each for each in own if each.overloaded or (each.latency_us.p99 and each.latency_us.p50)]
        lines.append(Line(name, look[name], shown))
    return lines


def _ms(estimate: Estimate | None) -> float:
    """NaN without an estimate, so that a line has a gap there."""
    return estimate.median / 1000 if estimate else math.nan


def _rate(summary: CaseSummary) -> float:
    return summary.offered_rps or 0.0


def _share(summary: CaseSummary) -> float:
    return summary.own_share or 0.0


def _fill(axes: Axes, lines: Sequence[Line], place: Callable[[CaseSummary], float]) -> None:
    """Draw one panel, without its horizontal scale."""
    low, high = (us / 1000 for us in reach(each for line in lines for each in line.estimates))
    logarithmic = high > DECADE * low > 0
    room = (1.7 if logarithmic else 1.12) if any(each.overloaded for line in lines for each in line.rates) else 1
    scale(axes, low, high * room, logarithmic=logarithmic)
    for line in lines:
        _draw(axes, line, place)
    missing = [f"{line.name}: no p99, too few requests" for line in lines if not line.points]
    missing += [NO_INTERVAL] if any(line.lacks_interval for line in lines) else []
    axes.text(0.02, 0.04, "\n".join(missing), transform=axes.transAxes, fontsize=7, color=QUIET, style="italic")


def _draw(axes: Axes, line: Line, place: Callable[[CaseSummary], float]) -> None:
    """Draw one candidate's p99 and p50: a mark for every point, and a line through the valid ones."""
    across = [place(each) for each in line.rates]
    valid = [each.latency_us if each.verdict == "valid" else Latency() for each in line.rates]
    for figure, width in (("p99", 1.6), ("p50", 0.7)):
        draw_curve(axes, across, [_ms(getattr(each, figure)) for each in valid], line.look, width)
    for at, each in zip(across, line.rates, strict=True):
        if each.overloaded:
            axes.plot(
                at, CROSSES_AT, "x", transform=axes.get_xaxis_transform(), color=line.look.colour, markersize=6,
                markeredgewidth=1.6,
            )  # fmt: skip
        elif each.latency_us.p99:
            draw_interval(axes, at, each.latency_us.p99, line.look, 1000)
            for estimate, size in ((each.latency_us.p99, 5.0), (each.latency_us.p50, 2.8)):
                draw_mark(axes, at, _ms(estimate), line.look, hollow=each.verdict != "valid", size=size)


def _by_rate(axes: Axes, rates: Sequence[float]) -> None:
    if max(rates) > DECADE * min(rates):
        axes.set_xscale("log")
        axes.set_xlim(min(rates) / 1.15, max(rates) * 1.15)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(0, max(rates) * 1.05)
    axes.xaxis.set_major_formatter(TICKS)


def _by_share(axes: Axes) -> None:
    axes.set_xlim(0, 1.1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
