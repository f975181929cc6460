from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness import report
from harness.analysis.results import Results
from harness.catalog import listing
from harness.report import html
from harness.report.page import make_page
from harness.report.sections import make_sections
from harness.report.summary import to_contract
from tests.pages import Reader, render_markdown
from tests.reported import COMPARISONS, RUN
from tests.synthetic import flat

if TYPE_CHECKING:
    from pathlib import Path


def test_the_report_is_written_as_files(written: Path) -> None:
    names = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    charts = {
        f"charts/{name}{end}"
        for name in ("trade_off", "throughput", "latency", "cpu_cost", "memory", "startup")
        for end in (".svg", "-dark.svg", ".png")
    }
    assert names == {"report.md", "report.html", "summary.json", "latency.hlog"} | charts
    assert json.loads((written / "summary.json").read_text()) == json.loads(
        msgspec.json.encode(to_contract(RUN, COMPARISONS))
    )
    assert (written / "charts" / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_writing_again_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    report.write(tmp_path, Results(RUN, COMPARISONS), report.draw(listing.charts(), RUN, COMPARISONS))
    for name in ("report.html", "report.md", "summary.json", "charts/latency.svg", "charts/latency.png"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_charts_come_in_their_order_with_the_first_line_of_their_docstring_as_caption() -> None:
    charts = report.draw(reversed(listing.charts()), RUN, COMPARISONS[:1])
    assert [chart.name for chart in charts] == [
        *("trade_off", "throughput", "latency", "cpu_cost", "memory", "startup")
    ]
    assert all(chart.caption and "\n" not in chart.caption for chart in charts)


def test_charts_with_nothing_to_draw_leave_no_trace() -> None:
    assert report.draw(listing.charts(), RUN, []) == []
    assert "Charts" not in html.render(make_page(RUN, [], []), {})


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_report_has_every_case_and_the_reasons_of_every_bad_one(written: Path, name: str) -> None:
    source = (written / name).read_text()
    said = Reader(source if name.endswith("html") else render_markdown(source)).text
    for section in make_sections(RUN, COMPARISONS):
        assert section.title in said
        for row in section.table.rows:
            assert row.name in said
    for each in flat(COMPARISONS):
        for reason in each.reasons:
            assert reason in said
        for example in each.errors.examples.values():
            assert example in said
