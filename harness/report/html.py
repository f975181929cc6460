"""`report.html`: one page that needs nothing else: style and charts inside, no script, no request to anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.report.columns import CONTESTANTS
from harness.report.markdown import TEXT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.report.page import Chart, Page

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_REFERENCE = re.compile(r'(\bid="|href="#|url\(#)')
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')
_ASIDE = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", re.DOTALL)


def render(page: Page, svgs: Mapping[str, str]) -> str:
    """The page as HTML; `svgs` holds the file of each chart by its name."""
    pictures = {chart.name: inline(chart, svgs[chart.name]) for chart in page.charts}
    template = _ENVIRONMENT.get_template("template.html.j2")
    return template.render(page=page, pictures=pictures, text_columns=TEXT_COLUMNS, candidates=CONTESTANTS)


def inline(chart: Chart, svg: str) -> Markup:
    """The chart as an element that scales, has a name for who cannot see it, and ids that no other chart has."""
    opening, rest = _ASIDE.sub("", svg[svg.index("<svg ") :]).split(">", 1)
    label = escape(f"{chart.title}. {chart.caption}")
    # Matplotlib's style sheet would hold for the whole page; on the element it is inherited.
    style = "stroke-linejoin: round; stroke-linecap: butt"
    opening = f'{_SIZE.sub("", opening)} role="img" aria-label="{label}" style="{style}">'
    return Markup(opening + _REFERENCE.sub(rf"\g<1>{chart.name}-", rest))  # noqa: S704 - Matplotlib escapes its texts
