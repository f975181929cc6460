"""Releases of a server, the oldest first: throughput and CPU ÷ the baseline's, with 95 % intervals (arrow: longer)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from harness.charts._course import Line, Mark, Panel, draw_course
from harness.charts._lines import middle
from harness.charts._style import compared, first_line, footer, panels
from harness.text.numbers import interval, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate, Ratio, Ratios

TITLE = "Releases"
ORDER = 1.5
_LEAST = 2
_READ: Mapping[str, Callable[[Ratios], Ratio | None]] = {
    "throughput": lambda ratios: ratios.throughput,
    "CPU per request": lambda ratios: ratios.cpu,
}
_NAME = re.compile(r"(?P<server>[^@]+)@(?P<version>.+)")


def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """Two panels for each comparison, if one server was measured in several releases."""
    releases = _list_releases(comparisons)
    shown = _make_panels(comparisons, releases)
    if not shown:
        return None
    labels = list(releases.values())
    title = f"{TITLE} of {next(iter(releases)).partition('@')[0]}"
    return draw_course(title, first_line(__doc__), footer(run), ("release", labels), shown, tell(comparisons))


def tell(comparisons: Sequence[ComparisonSummary]) -> list[str]:
    """What the chart shows, a sentence for each panel."""
    releases = _list_releases(comparisons)
    labels = list(releases.values())
    return [_describe(panel, line, labels) for panel in _make_panels(comparisons, releases) for line in panel.lines]


def _make_panels(comparisons: Sequence[ComparisonSummary], releases: Mapping[str, str]) -> list[Panel]:
    """Throughput and CPU of each comparison, a line for each app and for the control, where a release has them."""
    found = []
    for title, comparison in panels(comparisons).items():
        measured = [each for each in compared(comparison) if each.case.server in releases]
        own = [each for each in measured if not each.case.control]
        divisor = next((each.name for each in own if each.case.candidate == comparison.reference), "the baseline")
        for figure, read in _READ.items():
            apps = dict.fromkeys(each.case.app for each in own)
            by_app = [[each for each in own if each.case.app == app] for app in apps]
            alone = [[each] for each in measured if each.case.control]
            lines = [line for each in (*by_app, *alone) if (line := _make_line(each, releases, read)).marks]
            if lines:
                found.append(Panel(title, f"{figure} ÷ {divisor}", lines, even=True))
    return found


def _make_line(own: Sequence[CaseSummary], releases: Mapping[str, str], read: Callable[[Ratios], Ratio | None]) -> Line:
    by_server = {each.case.server: each for each in own}
    name = own[0].name.replace(own[0].case.server, own[0].case.server.partition("@")[0])
    marks = [
        Mark(place, ratio, valid=summary.verdict == "valid")
        for place, server in enumerate(releases)
        if (summary := by_server.get(server)) and (ratios := summary.ratio_to_baseline) and (ratio := read(ratios))
    ]
    return Line(name, marks)


def _list_releases(comparisons: Sequence[ComparisonSummary]) -> dict[str, str]:
    """The releases of the one server that there are most of, by the names of the candidates, the oldest first."""
    found: dict[str, dict[str, Version]] = {}
    for each in (one for comparison in comparisons for one in comparison.summaries if not one.case.control):
        if (parts := _NAME.fullmatch(each.case.server)) and (version := _parse(parts["version"])):
            found.setdefault(parts["server"], {})[each.case.server] = version
    releases = max(found.values(), key=len, default={})
    if len(releases) < _LEAST:
        return {}
    return {name: str(releases[name]) for name in sorted(releases, key=lambda name: releases[name])}


def _parse(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _describe(panel: Panel, line: Line, labels: Sequence[str]) -> str:
    """`plaintext · HTTP/1.1, throughput ÷ granian@2.8.7: 2.8.5 0.93 (0.91 – 0.95), 2.8.6 0.98, 2.8.7 1.00.`"""
    found = (f"{labels[mark.place]} {_write(mark.bounds)}" for mark in line.marks)
    return f"{panel.title}, {panel.unit}{f', {line.name}' if len(panel.lines) > 1 else ''}: {', '.join(found)}."


def _write(bounds: Estimate | Ratio) -> str:
    within = interval(bounds.low, bounds.high, significant)
    return significant(middle(bounds)) + (f" ({within})" if within else "")
