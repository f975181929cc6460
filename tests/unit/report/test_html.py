from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from harness import report
from harness.analysis.results import Results
from harness.catalog import listing
from harness.model.protocols import Protocol
from harness.model.records import Record
from harness.report import html
from harness.report.page import make_page
from harness.report.sentences import group_unanswered
from tests import synthetic
from tests.pages import Reader
from tests.reported import COMPARISONS, ODD, RUN, odd_run
from tests.synthetic import Fault, flat

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_makes_no_requests(written: Path) -> None:
    page_read = Reader((written / "report.html").read_text())
    assert not {tag for tag, _ in page_read.tags} & {"link", "img", "iframe", "object", "embed"}
    for address in page_read.values("href", "src", "xlink:href", "srcset", "data"):
        assert "//" not in address
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", (written / "report.html").read_text())


def test_the_policy_of_the_page_allows_its_script_alone(written: Path) -> None:
    source = (written / "report.html").read_text()
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", source, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    (policy,) = [attrs["content"] for _, attrs in Reader(source).tags if "http-equiv" in attrs]
    (allowed,) = [each.split() for each in policy.split("; ") if each.startswith("script-src ")]
    assert allowed == ["script-src", *(f"'sha256-{digest}'" for digest in digests)]
    assert len(scripts) == 1
    assert "default-src 'none'" in policy


def test_ids_are_unique_on_the_page_and_every_reference_finds_one(written: Path) -> None:
    source = (written / "report.html").read_text()
    page_read = Reader(source)
    ids = page_read.values("id")
    assert len(ids) == len(set(ids))
    inside = [
        address.removeprefix("#") for address in page_read.values("xlink:href", "href") if address.startswith("#")
    ]
    references = inside + re.findall(r"url\(#([^)]+)\)", source) + page_read.values("aria-labelledby")
    assert references
    assert set(references) <= set(ids)


def test_every_chart_on_the_page_has_a_label_for_screen_readers(written: Path) -> None:
    charts = [attrs for tag, attrs in Reader((written / "report.html").read_text()).tags if tag == "svg"]
    assert [attrs["aria-label"].partition(".")[0] for attrs in charts] == [
        "Trade-off",
        "Throughput",
        "Latency",
        "CPU cost",
        "Memory",
        "Start-up and first answer",
    ]
    assert all(attrs["role"] == "img" for attrs in charts)
    assert "requests/s: uvicorn " in charts[1]["aria-label"], "the result, not only the title"


def test_charts_have_other_colours_on_a_dark_page(written: Path) -> None:
    source = (written / "report.html").read_text()
    used = set(re.findall(r"var\((--chart-[0-9a-f]{6}), ", source))
    assert used
    dark = source[source.index("@media screen and (prefers-color-scheme: dark) { :root") :].partition("</style>")[0]
    assert used <= set(re.findall(r"(--chart-[0-9a-f]{6}): #", dark))


def test_odd_names_stay_text_in_html(tmp_path: Path) -> None:
    run, comparisons = odd_run()
    path = report.write(tmp_path, Results(run, comparisons), report.draw(listing.charts(), run, comparisons))
    page_read = Reader(path.read_text())
    assert [tag for tag, _ in page_read.tags].count("script") == 1
    assert ODD in page_read.text
    assert not any("javascript:" in address for address in page_read.values("href"))


def test_what_programs_wrote_is_on_the_page_beside_the_verdict_of_a_case_that_went_wrong() -> None:
    wrong = next(each for each in flat(COMPARISONS) if each.verdict == "failed")
    right = next(each for each in flat(COMPARISONS) if each.verdict == "valid")
    trials = [
        Record(wrong.case, 0, 0, "failed", log_tail="Traceback <b>of the app</b>"),
        Record(right.case, 0, 1, "valid", log_tail="all is well"),
    ]
    source = html.render(make_page(RUN, COMPARISONS, [], trials=trials), {})
    assert source.count("<pre>Traceback &lt;b&gt;of the app&lt;/b&gt;</pre>") == 1
    assert "all is well" not in source


def test_reasons_that_cases_share_are_told_once() -> None:
    fault = Fault("unsupported", ("no HTTP/2",))
    asked: list[tuple[str, Protocol]] = [("json", "h2"), ("echo", "h2")]
    page = make_page(RUN, synthetic.summaries(("uvicorn", "daphne"), asked, lambda _: fault), [])
    (reason,) = group_unanswered(page.unanswered)
    assert reason.lines == ("no HTTP/2",)
    assert reason.cases == (
        "daphne and uvicorn on json over HTTP/2 with TLS",
        "daphne and uvicorn on echo over HTTP/2 with TLS",
    )
