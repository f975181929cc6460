"""`history.html`: one page in the looks of the report, which requests nothing and has no script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.charts import _files as files
from harness.report.history import NOTE
from harness.text.numbers import DISTURBED
from harness.text.templates import embed_style, embed_svg, read_template

if TYPE_CHECKING:
    from harness.report.history.page import HistoryPage
    from harness.report.page import Chart


def render(page: HistoryPage) -> str:
    """The page as HTML."""
    return read_template(Path(__file__).parent / "template.html.j2").render(
        page=page,
        pictures={part.anchor: _embed(part.chart) for era in page.eras for part in era.parts if part.chart},
        note=NOTE,
        disturbed=DISTURBED,
        style=embed_style(),
        dark_charts=files.make_style(),
    )


def _embed(chart: Chart) -> object:
    svg = files.encode_svg(chart.figure, chart.title, chart.words)
    return embed_svg(files.adapt(svg), chart.name, chart.label)
