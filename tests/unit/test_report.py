from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness import catalog, report
from harness.findings import Latency
from harness.histogram import Histogram, bucket
from harness.model import PROTOCOLS
from harness.report import hdr, html, markdown, words
from harness.report.page import page
from harness.report.rows import groups, significant
from harness.report.summary import to_contract
from tests import synthetic
from tests.synthetic import Spoiled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.findings import CaseSummary, RunInfo
    from harness.model import Verdict

    Answer = tuple[RunInfo, list[CaseSummary]]

RUN = synthetic.run_info()
QUESTIONS = (("plaintext", "h1"), ("json", "h2"), ("echo", "h2"), ("ws_echo", "ws"))
SUMMARIES = synthetic.summaries(questions=QUESTIONS, requests_per_case=1_200)
ODD = "a|b <script>alert(1)</script> *x* `y` [z](javascript:0)"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    report.write(directory, RUN, SUMMARIES, report.draw(catalog.charts(), RUN, SUMMARIES))
    return directory


class Reader(HTMLParser):
    """What a browser would find: tags with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, *names: str) -> list[str]:
        return [attrs[name] for _, attrs in self.tags for name in names if name in attrs]


def rendered_markdown(run: RunInfo, summaries: Sequence[CaseSummary]) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown.render(page(run, summaries, [])))


def test_the_summary_has_the_keys_of_the_contract() -> None:
    contract = to_contract(RUN, SUMMARIES)
    assert contract.keys() == {"schema", "run", "cases"}
    assert contract["schema"] == 1
    assert contract["run"].keys() >= {"id", "started_at", "seed", "argv", "environment", "ceilings"}
    interval, ratio = {"median", "low", "high"}, {"value", "low", "high"}
    percentiles = {"p50", "p90", "p99", "p99_9", "max"}
    case = next(each for each in contract["cases"] if each["ratio_to_baseline"])
    assert case["case"].keys() == {"server", "app", "scenario", "protocol", "load", "users", "streams", "workers"}
    assert case.keys() >= {"verdict", "reasons", "rounds", "requests", "connections", "offered_rps", "achieved_ratio"}
    assert case["errors"].keys() >= {"total", "by_kind"}
    assert case["memory_pss_bytes"].keys() == {"idle", "peak"}
    assert case["ratio_to_baseline"].keys() == {"throughput", "cpu", "p99"}
    assert case["ratio_to_baseline"]["throughput"].keys() == ratio
    for key in ("latency_us", "service_us", "send_lag_us"):
        assert case[key].keys() == percentiles
    for key in ("throughput_rps", "cpu_us_per_request", "ready_s", "stop_s"):
        assert case[key].keys() == interval
    assert case["latency_us"]["p50"].keys() == interval


def test_every_case_of_the_summary_has_the_same_keys_and_none_holds_a_histogram() -> None:
    cases = to_contract(RUN, SUMMARIES)["cases"]
    assert len(cases) == len(SUMMARIES)
    assert {frozenset(case) for case in cases} == {frozenset(cases[0])}
    assert "response" not in cases[0]


def test_the_report_is_written_as_files(written: Path) -> None:
    names = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    charts = {
        f"charts/{name}.{kind}" for name in ("throughput", "latency", "cpu_cost", "memory") for kind in ("svg", "png")
    }
    assert names == {"report.md", "report.html", "summary.json", "latency.hlog"} | charts
    assert json.loads((written / "summary.json").read_text()) == json.loads(
        msgspec.json.encode(to_contract(RUN, SUMMARIES))
    )
    assert (written / "charts" / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_writing_again_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    report.write(tmp_path, RUN, SUMMARIES, report.draw(catalog.charts(), RUN, SUMMARIES))
    for name in ("report.html", "report.md", "summary.json", "charts/latency.svg", "charts/latency.png"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_charts_come_in_their_order_with_the_first_line_of_their_module_as_caption() -> None:
    charts = report.draw(reversed(catalog.charts()), RUN, SUMMARIES[:4])
    assert [chart.name for chart in charts] == ["throughput", "latency", "cpu_cost", "memory"]
    assert all(chart.caption and "\n" not in chart.caption for chart in charts)


def test_charts_with_nothing_to_draw_leave_no_trace() -> None:
    assert report.draw(catalog.charts(), RUN, []) == []
    assert "Charts" not in html.render(page(RUN, [], []), {})


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_every_case_stands_in_the_report_and_every_bad_one_with_its_reasons(written: Path, name: str) -> None:
    source = (written / name).read_text()
    said = Reader(source if name.endswith("html") else MarkdownIt("commonmark").enable("table").render(source)).text
    for group in groups(RUN, SUMMARIES):
        assert group.title in said
        for row in group.rows:
            assert row.server in said
    for each in SUMMARIES:
        for reason in each.reasons:
            assert reason in said
        for example in each.errors.examples.values():
            assert example in said


def test_the_page_asks_nobody_for_anything(written: Path) -> None:
    page_read = Reader((written / "report.html").read_text())
    assert not {tag for tag, _ in page_read.tags} & {"script", "link", "img", "iframe", "object", "embed"}
    for address in page_read.values("href", "src", "xlink:href", "srcset", "data"):
        assert "//" not in address
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", (written / "report.html").read_text())


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


def test_every_chart_on_the_page_has_a_name_for_who_cannot_see_it(written: Path) -> None:
    charts = [attrs for tag, attrs in Reader((written / "report.html").read_text()).tags if tag == "svg"]
    assert [attrs["aria-label"].partition(".")[0] for attrs in charts] == [
        "Throughput",
        "Latency",
        "CPU cost",
        "Memory",
    ]
    assert all(attrs["role"] == "img" for attrs in charts)


@pytest.fixture(scope="module")
def odd() -> Answer:
    """A run whose every name and reason is hostile."""
    run = replace(synthetic.run_info((ODD, "uvicorn")), argv=("harness", ODD))
    spoiled = Spoiled("invalid", (f"{ODD}\nsecond line",))
    return run, synthetic.summaries(
        (ODD, "uvicorn"), [(ODD, "h1")], lambda case: spoiled if case.server == ODD else None
    )


def test_odd_names_stay_text_in_html(odd: Answer, tmp_path: Path) -> None:
    run, summaries = odd
    path = report.write(tmp_path, run, summaries, report.draw(catalog.charts(), run, summaries))
    page_read = Reader(path.read_text())
    assert "script" not in {tag for tag, _ in page_read.tags}
    assert ODD in page_read.text
    assert not any("javascript:" in address for address in page_read.values("href"))


def test_odd_names_stay_text_and_in_their_cell_in_markdown(odd: Answer) -> None:
    run, summaries = odd
    page_read = Reader(rendered_markdown(run, summaries))
    assert "script" not in {tag for tag, _ in page_read.tags}
    assert not {"em", "code"} & {tag for tag, _ in page_read.tags}
    assert ODD in page_read.text
    assert f"{ODD} second line" in page_read.text
    columns, rows = len(groups(run, summaries)[0].columns), len(summaries)
    assert sum(tag == "td" for tag, _ in page_read.tags) == columns * rows + 4 + 2 * len(words.environment(run))


@given(st.text(max_size=30) | st.text("_*~`|[]()<>!&#\\a0 ", max_size=12))
def test_whatever_is_escaped_reads_the_same_in_a_table(text: str) -> None:
    flat = " ".join(text.replace("\0", "").split())
    source = f"| {markdown.escape(flat)} | end |\n| --- | --- |\n"
    page_read = Reader(MarkdownIt("commonmark").enable("table").render(source))
    assert [tag for tag, _ in page_read.tags] == ["table", "thead", "tr", "th", "th"]
    assert page_read.text.split() == [*flat.split(), "end"]


@given(
    st.lists(st.sampled_from(["valid", "client-limited", "invalid", "unsupported", "failed"]), min_size=4, max_size=4)
)
def test_only_valid_cases_are_ranked_whatever_rank_they_carry(verdicts: list[Verdict]) -> None:
    case_of = dict(zip(("uvicorn", "hypercorn", "daphne", "granian"), verdicts, strict=True))
    summaries = [replace(each, verdict=case_of[each.case.server], rank=1) for each in SUMMARIES[-4:]]
    (group,) = groups(RUN, summaries)
    ranks = {row.server: str(row.cells[0]) for row in group.rows}
    valid = {server for server, verdict in case_of.items() if verdict == "valid"}
    assert {server for server, rank in ranks.items() if rank == "1"} == valid
    praised, praise, _ = re.split(r" (share|is first|alone)|$", words.answer(group), maxsplit=1)
    assert {server for server in case_of if praise and server in praised} == valid


def test_groups_hold_every_case_once_in_the_order_of_protocols_and_ranks() -> None:
    found = groups(RUN, SUMMARIES)
    assert sorted(str(each.case) for group in found for each in group.summaries) == sorted(
        str(each.case) for each in SUMMARIES
    )
    places = [PROTOCOLS.index(group.protocol) for group in found]
    assert places == sorted(places)
    for group in found:
        assert all(len(row.cells) == len(group.columns) for row in group.rows)
        ranks = [each.rank for each in group.summaries if each.verdict == "valid"]
        assert ranks == sorted(ranks)
        assert [each.verdict == "valid" for each in group.summaries] == sorted(
            (each.verdict == "valid" for each in group.summaries), reverse=True
        )


def test_a_row_says_what_the_summary_says() -> None:
    (group,) = groups(RUN, SUMMARIES[-4:])
    for row, summary in zip(group.rows, group.summaries, strict=True):
        cells = dict(zip(group.columns, row.cells, strict=True))
        assert float(cells["Requests/s"].value.replace(",", "")) == pytest.approx(
            summary.throughput_rps.median, abs=0.5
        )
        assert float(cells["p50 ms"].value) == pytest.approx(summary.latency_us.p50.median / 1000, rel=0.005)
        assert cells["p99.9 ms"].value == "–"
        assert cells["Server"].detail == RUN.environment.server_versions[row.server]
        ratio = cells["÷ uvicorn"].value
        assert ratio == (
            "baseline" if row.server == "uvicorn" else f"{summary.ratio_to_baseline.throughput.value:.2f}×"
        )


def test_servers_that_share_first_place_are_named_together() -> None:
    summaries = [replace(each, rank=1) for each in SUMMARIES[-4:-2]] + [
        replace(each, rank=3) for each in SUMMARIES[-2:]
    ]
    (group,) = groups(RUN, summaries)
    sentence = words.answer(group)
    leaders = [each.case.server for each in group.summaries if each.rank == 1]
    followers = [each.case.server for each in group.summaries if each.rank == 3]
    assert sentence.startswith(f"{leaders[0]} and {leaders[1]} share first place on ws_echo over WebSocket")
    assert all(server in sentence.partition(" before ")[2] for server in followers)


def test_a_server_that_the_generator_limited_is_named_beside_the_ranking() -> None:
    group = next(group for group in groups(RUN, SUMMARIES) if group.title == "plaintext over HTTP/1.1")
    sentence = words.answer(group)
    assert sentence.startswith("Of those with a rank, uvicorn is first")
    assert re.search(r"granian \([\d,]+\) is not ranked: the load generator was the limit\.$", sentence)


def test_a_report_of_nothing_but_failures_says_so() -> None:
    failed = Spoiled("failed", ("the server did not start",))
    summaries = synthetic.summaries(("uvicorn",), [("plaintext", "h1")], lambda _: failed)
    content = page(RUN, summaries, [])
    assert content.headline == ["Nothing could be ranked."]
    assert content.answers[0][0] == "No number on plaintext over HTTP/1.1 can be ranked."
    assert [each.reasons for each in content.unanswered] == [("the server did not start",)]


def test_one_round_and_shared_cpus_are_told_before_any_number() -> None:
    groups_read = groups(RUN, SUMMARIES)
    shared = replace(RUN.environment, load_cpus=RUN.environment.server_cpus)
    told = words.headline(replace(RUN, rounds=1, environment=shared), groups_read)
    assert any("One round" in line for line in told)
    assert any("shared CPUs" in line for line in told)
    assert len(words.headline(RUN, groups_read)) == 1


def test_percentiles_that_too_few_requests_carry_are_dashes() -> None:
    (group,) = groups(RUN, [replace(SUMMARIES[-1], latency_us=Latency())])
    assert [str(cell) for cell, name in zip(group.rows[0].cells, group.columns, strict=True) if "ms" in name] == [
        "–"
    ] * 3


def test_the_conditions_of_a_run_are_told_in_words() -> None:
    assert RUN.conditions == "closed loop, 32 users, 1 worker, 5 rounds × 2 s, seed 7"
    opened = replace(RUN, load="rate=5000", streams=8, workers=2, rounds=1, duration_s=0.5)
    assert opened.conditions == (
        "open loop at 5000 requests/s, 32 users (8 streams a connection on HTTP/2), 2 workers, 1 round × 0.5 s, seed 7"
    )
    assert replace(RUN, load="capacity=p99<50ms").conditions.startswith("search for the highest rate with p99<50ms, ")


@given(st.floats(0.001, 1e7))
def test_significant_numbers_lose_less_than_their_third_digit(value: float) -> None:
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


@given(st.dictionaries(st.integers(0, 2**35), st.integers(1, 10**6), max_size=50))
def test_an_exported_histogram_is_read_by_hdrhistogram_as_it_was(counts: dict[int, int]) -> None:
    histogram = Histogram.merge(
        Histogram({bucket(value): count}, value * count, value) for value, count in counts.items()
    )
    read = HdrHistogram.decode(hdr.encode(histogram))
    assert read.get_total_count() == histogram.count
    for percent in (1, 50, 90, 99, 99.9):
        if histogram.count:
            assert bucket(read.get_value_at_percentile(percent)) == bucket(histogram.percentile(percent))


def test_the_log_has_a_tagged_line_for_each_case_with_answers(tmp_path: Path) -> None:
    path = tmp_path / "latency.hlog"
    path.write_text(hdr.log(RUN, SUMMARIES))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 2**36, 3))
    answered = [summary for summary in SUMMARIES if summary.response.counts]
    read = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        read.append((histogram.get_tag(), histogram.get_total_count()))
    assert read == [
        (f"{each.case.server}:{each.case.scenario}:{each.case.protocol}", each.response.count) for each in answered
    ]


def test_at_a_given_rate_the_report_tells_of_lateness_and_not_of_speed() -> None:
    load = "rate=500"
    run = replace(RUN, load=load)
    opened = [
        replace(each, case=replace(each.case, load=load), offered_rps=500.0, achieved_ratio=0.998) for each in SUMMARIES
    ]
    for group in groups(run, opened):
        assert {"Answered", "Send lag p99 ms", "Service p99 ms"} <= set(group.columns)
        ranked = [each for each in group.summaries if each.rank]
        assert "requests/s" not in words.answer(group)
        assert not ranked or "ms at p99" in words.answer(group)
    assert "99.8 %" in markdown.render(page(run, opened, []))
