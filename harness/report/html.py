"""`report.html`: one self-contained page, with its style and charts inside, no script, and no request to anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.naming import TITLES
from harness.charts._files import adapt, make_style
from harness.report.columns import TEXT_COLUMNS
from harness.report.server_share import QUESTION
from harness.text.templates import embed_svg, read_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.report.page import Page


def render(page: Page, svgs: Mapping[str, str]) -> str:
    """The page as HTML; `svgs` holds the file of each chart by its name."""
    template = read_template(Path(__file__).parent / "template.html.j2")
    pictures = {chart.name: embed_svg(adapt(svgs[chart.name]), chart.name, chart.label) for chart in page.charts}
    return template.render(
        page=page,
        pictures=pictures,
        dark_charts=make_style(),
        text_columns=TEXT_COLUMNS,
        candidates=TITLES,
        server_question=QUESTION,
    )
