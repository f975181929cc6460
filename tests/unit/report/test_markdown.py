from __future__ import annotations

from harness import report
from harness.catalog import listing
from harness.report import markdown
from harness.report.markdown import split_table
from harness.report.method import describe_environment
from harness.report.page import make_page
from harness.report.sections import list_starts, make_sections
from tests.pages import Reader, render_markdown
from tests.reported import COMPARISONS, ODD, RUN, odd_run
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


def test_every_chart_is_shown_for_light_and_for_dark_pages_and_its_alternative_text_has_the_result() -> None:
    charts = report.draw(listing.charts(), RUN, COMPARISONS)
    page_read = Reader(render_markdown(markdown.render(make_page(RUN, COMPARISONS, charts))))
    assert page_read.values("srcset") == [f"charts/{chart.name}-dark.svg" for chart in charts]
    pictures = [attrs for tag, attrs in page_read.tags if tag == "img"]
    assert [picture["src"] for picture in pictures] == [f"charts/{chart.name}.svg" for chart in charts]
    for chart, picture in zip(charts, pictures, strict=True):
        assert picture["alt"].startswith(f"{chart.title}. {chart.words[0]}")


def test_odd_names_stay_text_in_alternative_texts() -> None:
    run, comparisons = odd_run()
    charts = report.draw(listing.charts(), run, comparisons)
    page_read = Reader(render_markdown(markdown.render(make_page(run, comparisons, charts))))
    assert not {tag for tag, _ in page_read.tags} & {"script", "em", "code"}
    assert any(ODD in alt for alt in page_read.values("alt"))
