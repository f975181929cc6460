"""`report.html`: one self-contained page, with its style and charts inside, no script, and no request to anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from harness.analysis.naming import TITLES
from harness.report.columns import TEXT_COLUMNS
from harness.text.templates import read_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.report.page import Chart, Page

_REFERENCE = re.compile(r'(\bid="|href="#|url\(#)')
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')
_ASIDE = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", re.DOTALL)


def render(page: Page, svgs: Mapping[str, str]) -> str:
    """The page as HTML; `svgs` holds the file of each chart by its name."""
    template = read_template(Path(__file__).parent / "template.html.j2")
    pictures = {chart.name: inline(chart, svgs[chart.name]) for chart in page.charts}
    return template.render(page=page, pictures=pictures, text_columns=TEXT_COLUMNS, candidates=TITLES)


def inline(chart: Chart, svg: str) -> Markup:
    """The chart as an element that scales, has a label for screen readers, and ids that no other chart has."""
    opening, rest = _ASIDE.sub("", svg[svg.index("<svg ") :]).split(">", 1)
    label = escape(f"{chart.title}. {chart.caption}")
    # Matplotlib's style sheet would apply to the whole page; on the element it applies to the chart alone.
    style = "stroke-linejoin: round; stroke-linecap: butt"
    opening = f'{_SIZE.sub("", opening)} role="img" aria-label="{label}" style="{style}">'
    return Markup(opening + _REFERENCE.sub(rf"\g<1>{chart.name}-", rest))  # noqa: S704 - Matplotlib escapes its texts
