from __future__ import annotations

from harness.report import markdown
from harness.report.markdown import split_table
from harness.report.method import describe_environment
from harness.report.page import make_page
from harness.report.sections import list_starts, make_sections
from tests.pages import Reader, render_markdown
from tests.reported import ODD, odd_run
from tests.synthetic import flat


def test_odd_names_stay_text_and_in_their_cell_in_markdown() -> None:
    run, comparisons = odd_run()
    page_read = Reader(render_markdown(markdown.render(make_page(run, comparisons, []))))
    assert "script" not in {tag for tag, _ in page_read.tags}
    assert not {"em", "code"} & {tag for tag, _ in page_read.tags}
    assert ODD in page_read.text
    assert f"{ODD} second line" in page_read.text
    (section,) = make_sections(run, comparisons)
    (starts,) = list_starts(run, comparisons)
    columns = sum(len(each.columns) for each in split_table(section.table)) + len(starts.table.columns)
    lines = len(describe_environment(run, flat(comparisons)))
    assert sum(tag == "td" for tag, _ in page_read.tags) == columns * len(flat(comparisons)) + 4 + 2 * lines
