"""Requests/s, p50 and p99 of each server by round-trip time, a line for each protocol: medians, 95 % intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.analysis.distance import BESIDE, list_distances
from harness.analysis.naming import Levels
from harness.charts._colours import COLOURS, QUIET
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
    reach,
    scale,
)
from harness.charts._looks import DASHES, MARKERS, SOLID, Look
from harness.charts._style import STYLE, by_protocol, first_line, grid, settle
from harness.charts._words import NO_NUMBERS
from harness.model.loads import Rate
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS
from harness.model.summaries import Estimate
from harness.text.numbers import significant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.model.protocols import Protocol
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary

TITLE = "Distance"
ORDER = 2.6
MORE = "No answer comes sooner than the dotted line, one round trip. Hollow points, off the line, are not valid."
PLOT_IN = 2.0


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """Two panels for each scenario and server: how many answers, and how long they take."""
    groups: dict[str, list[CaseSummary]] = {}
    levels = replace(Levels.of(each.comparison for each in comparisons), distances=False)
    for each in by_protocol(comparisons):
        for one in each.candidates:
            if one.measured and not isinstance(one.case.load, Rate):
                title = " · ".join([each.comparison.scenario, one.name, *levels.names(each.comparison)])
                groups.setdefault(title, []).append(one)
    groups = {title: group for title, group in groups.items() if len(list_distances(group)) > 1}
    if not groups:
        return None
    most = max(len({each.case.protocol for each in group}) for group in groups.values())
    plot_in = plot_height_in(PLOT_IN, 2 * most)
    figure, cells = grid(TITLE, f"{first_line(__doc__)} {MORE}", run, (2 * len(groups), 2), plot_in + 0.85)
    for number, (title, group) in enumerate(groups.items()):
        by_rate, by_time = cells[2 * number : 2 * number + 2]
        frame(by_rate, title, "RTT ms", "requests/s")
        _fill(by_rate, group, {"": _rate}, plot_in)
        frame(by_time, f"{title} · response time", "RTT ms", "ms")
        _fill(by_time, group, {" p50": _p50_ms, " p99": _p99_ms}, plot_in)
        # A logarithmic scale has no 0.
        far_ms = [1000 * each for each in list_distances(group) if each > 0]
        by_time.plot(far_ms, far_ms, color=QUIET, linewidth=0.8, linestyle=":", zorder=0.5)
    return settle(figure, (_describe(title, group) for title, group in groups.items()))


def _describe(title: str, group: Sequence[CaseSummary]) -> str:
    """How many more requests a protocol answers than HTTP/1.1 at each distance."""
    rates = {(each.case.protocol, each.case.rtt_s): middle(rate) for each in group if (rate := _valid_rate(each))}
    found = []
    for protocol, other in BESIDE.items():
        pairs = [
            f"{significant(rates[protocol, rtt_s] / rates[other, rtt_s])}× at {1000 * rtt_s:g} ms"
            for rtt_s in list_distances(group)
            if {(protocol, rtt_s), (other, rtt_s)} <= rates.keys()
        ]
        if pairs:
            found.append(f"{PROTOCOL_NAMES[protocol]} ÷ {PROTOCOL_NAMES[other]} {' · '.join(pairs)}")
    return f"{title}, requests/s by RTT: {', '.join(found) or NO_NUMBERS}."


def _valid_rate(summary: CaseSummary) -> Estimate | None:
    return _rate(summary) if summary.verdict == "valid" else None


def _rate(summary: CaseSummary) -> Estimate | None:
    return summary.throughput_rps


def _p50_ms(summary: CaseSummary) -> Estimate | None:
    return _to_ms(summary.latency_us.p50)


def _p99_ms(summary: CaseSummary) -> Estimate | None:
    return _to_ms(summary.latency_us.p99)


def _to_ms(us: Estimate | None) -> Estimate | None:
    return None if us is None else Estimate(us.median / 1000, us.low / 1000, us.high / 1000)


def _look(protocol: Protocol, number: int) -> Look:
    """A colour and a marker for each protocol, and dashes for each figure."""
    place = PROTOCOLS.index(protocol)
    return Look(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)], DASHES[number - 1] if number else SOLID)


def _fill(
    axes: Axes,
    group: Sequence[CaseSummary],
    figures: dict[str, Callable[[CaseSummary], Estimate | None]],
    plot_in: float,
) -> None:
    """Draw one panel, a line for each protocol and figure."""
    lines = []
    for protocol in dict.fromkeys(each.case.protocol for each in group):
        own = sorted((each for each in group if each.case.protocol == protocol), key=lambda each: each.case.rtt_s)
        for number, (suffix, read) in enumerate(figures.items()):
            points = [(each, found) for each in own if (found := read(each)) is not None]
            if points:
                lines.append((f"{PROTOCOL_NAMES[protocol]}{suffix}", _look(protocol, number), points))
    shown = [found for _, _, points in lines for _, found in points]
    across = Across([1000 * each for each in list_distances(group)], logarithmic=False)
    across.show(axes)
    low, high = reach(shown) if shown else (1.0, 1.0)
    scale(axes, low, high, logarithmic=high > DECADE * low > 0)
    ends = []
    for number, (name, look, points) in enumerate(lines):
        places = across.places((1000 * each.case.rtt_s for each, _ in points), number, len(lines))
        draw_line(axes, places, [found for _, found in points], [each.verdict == "valid" for each, _ in points], look)
        ends.append(End(name, look, (places[-1], middle(points[-1][1]))))
    note_intervals(axes, shown)
    name_lines(axes, ends, plot_in)
