"""`report.html`: one page with style, script and charts inside, which requests nothing and is whole without script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.analysis.naming import TITLES
from harness.charts._files import adapt, make_style
from harness.report.columns import TEXT_COLUMNS
from harness.report.filters import list_filters
from harness.report.sentences import group_unanswered
from harness.report.server_share import QUESTION
from harness.text.numbers import DISTURBED
from harness.text.templates import embed_script, embed_style, embed_svg, read_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.report.page import Page


TRADE_OFF = "trade_off"
"""The chart that has a part of the page to itself."""


def render(page: Page, svgs: Mapping[str, str]) -> str:
    """The page as HTML; `svgs` holds the file of each chart by its name."""
    here = Path(__file__).parent
    script, digest = embed_script()
    pictures = {chart.name: embed_svg(adapt(svgs[chart.name]), chart.name, chart.label) for chart in page.charts}
    return read_template(here / "template.html.j2").render(
        page=page,
        pictures=pictures,
        filters=list_filters(section for _, section in page.answers),
        charts=[each for each in page.charts if each.name != TRADE_OFF],
        trade_off=next((each for each in page.charts if each.name == TRADE_OFF), None),
        names=dict.fromkeys(line.name for matrix in page.matrices for line in matrix.lines),
        reasons=group_unanswered(page.unanswered),
        disturbed=DISTURBED,
        style=embed_style(),
        dark_charts=make_style(),
        script=script,
        script_digest=digest,
        text_columns=TEXT_COLUMNS,
        candidates=TITLES,
        server_question=QUESTION,
    )
