"""The chart of all drills, as SVG and PNG."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from harness.charts import _files as files
from harness.charts._drills import Bar, Panel, Row, draw
from harness.drill.tables import CAPTION, TITLE, cell, lead
from harness.drill.words import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.charts._style import Picture
    from harness.drill.model import Entry, Figure, Unit
    from harness.drill.results import DrillInfo, DrillRun

_AXES: Mapping[Unit, tuple[float, str]] = {
    "s": (1, "s"),
    "ms": (1, "ms"),
    "bytes": (1 / 1024, "KiB"),
    "/s": (1, "requests/s"),
    "": (1, ""),
}
"""What a unit is multiplied by on the axis of a chart, and its name there."""


def encode(run: DrillRun) -> dict[str, bytes]:
    """The files of the chart, as `charts/_files.py` makes them; none if nothing was seen."""
    figure = draw_chart(run)
    return files.encode(figure, "drill", TITLE, figure.words) if figure else {}


def draw_chart(run: DrillRun) -> Picture | None:
    """A panel for each drill; None if nothing was seen."""
    versions = ", ".join(f"{name}\u00a0{version}" for name, version in run.setting.servers.items())
    return draw(TITLE, CAPTION, [versions, lead(run)], [_panel(run, info) for info in run.drills])


def _panel(run: DrillRun, info: DrillInfo) -> Panel:
    figures = [figure for figure in info.figures if figure.charted]
    rows = tuple(_row(server, run.entry(info.name, server), figures) for server in run.servers)
    return Panel(info.title, _AXES[figures[0].unit][1] if figures else "requests lost or refused", rows)


def _row(server: str, entry: Entry | None, figures: Sequence[Figure]) -> Row:
    """A bar for each of the figures that were found; without any, the requests lost or refused in one repetition."""
    bars = []
    if entry and entry.observations and not figures:
        lost = [sum(tally.lost + tally.refused for tally in one.tallies) for one in entry.observations]
        bars.append(Bar(statistics.median(lost), min(lost), max(lost), cell(entry)))
    for figure in figures:
        if entry and (found := entry.seen.number(figure.name)):
            factor, _ = _AXES[figure.unit]
            label = f"{FORMS[figure.unit](found.median)} {figure.title}" if len(figures) > 1 else cell(entry)
            bars.append(Bar(factor * found.median, factor * found.low, factor * found.high, label))
    return Row(server, tuple(bars), cell(entry))
