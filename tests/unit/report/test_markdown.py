from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from harness.model.results import RunInfo
from harness.model.summaries import ComparisonSummary
from harness.report import markdown
from harness.report.method import describe_environment
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests import synthetic
from tests.pages import Reader
from tests.reported import Reported
from tests.synthetic import Fault, flat

if TYPE_CHECKING:
    from collections.abc import Sequence


ODD = "a|b <script>alert(1)</script> *x* `y` [z](javascript:0)"


@pytest.fixture(scope="module")
def odd() -> Reported:
    """A run whose every name and reason is hostile."""
    run = replace(synthetic.run_info((ODD, "uvicorn")), argv=("harness", ODD))
    fault = Fault("invalid", (f"{ODD}\nsecond line",))
    return run, synthetic.summaries((ODD, "uvicorn"), [(ODD, "h1")], lambda case: fault if case.server == ODD else None)


def rendered_markdown(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown.render(make_page(run, comparisons, [])))


def test_odd_names_stay_text_and_in_their_cell_in_markdown(odd: Reported) -> None:
    run, comparisons = odd
    page_read = Reader(rendered_markdown(run, comparisons))
    assert "script" not in {tag for tag, _ in page_read.tags}
    assert not {"em", "code"} & {tag for tag, _ in page_read.tags}
    assert ODD in page_read.text
    assert f"{ODD} second line" in page_read.text
    (section,) = make_sections(run, comparisons)
    columns = len(section.table.columns) + len(section.resources.columns)
    lines = len(describe_environment(run, flat(comparisons)))
    assert sum(tag == "td" for tag, _ in page_read.tags) == columns * len(flat(comparisons)) + 4 + 2 * lines
