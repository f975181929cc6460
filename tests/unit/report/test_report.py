from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness import report
from harness.catalog import listing
from harness.model.histogram import Histogram, bucket
from harness.model.loads import Capacity, Rate, Sweep
from harness.model.plan import Candidate, ServerConfig
from harness.model.protocols import PROTOCOLS
from harness.model.results import Active, Probe, Record, ServerStart
from harness.model.summaries import Estimate, Latency, Ratio, Ratios
from harness.report import hdr, html, markdown, method, sweep, trust, words
from harness.report.cells import significant
from harness.report.page import page
from harness.report.rows import groups
from harness.report.summary import to_contract
from tests import synthetic
from tests.synthetic import Fault, flat, grouped, swept, under

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.model.results import RunInfo, Verdict
    from harness.model.summaries import CaseSummary, ComparisonSummary

    Answer = tuple[RunInfo, list[ComparisonSummary]]

RUN = synthetic.run_info()
SWEEP = under(RUN, load=Sweep())
ASKED = (("plaintext", "h1"), ("json", "h2"), ("echo", "h2"), ("ws_echo", "ws"))
COMPARISONS = synthetic.summaries(asked=ASKED, requests_per_case=1_200)
WS_ECHO = COMPARISONS[-1]
ODD = "a|b <script>alert(1)</script> *x* `y` [z](javascript:0)"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    report.write(directory, RUN, COMPARISONS, report.draw(listing.charts(), RUN, COMPARISONS))
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


def rendered_markdown(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown.render(page(run, comparisons, [])))


def test_the_summary_has_the_keys_of_the_contract() -> None:
    contract = to_contract(RUN, COMPARISONS)
    assert contract.keys() == {"schema", "run", "cases"}
    assert contract["schema"] == 1
    assert contract["run"].keys() >= {"id", "started_at", "seed", "argv", "environment", "ceilings"}
    interval, ratio = {"median", "low", "high"}, {"value", "low", "high"}
    percentiles = {"p50", "p90", "p99", "p99_9", "max"}
    case = next(each for each in contract["cases"] if each["ratio_to_baseline"])
    assert case["case"].keys() >= {"server", "app", "scenario", "protocol", "load", "users", "streams", "workers"}
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


INTERVAL, RATIO = {"median", "low", "high"}, {"value", "low", "high"}
PERCENTILES = {"p50", "p90", "p99", "p99_9", "max"}
MACHINE = {"processor", "system", "ram", "limits", "network", "power", "activity", "python"}


def test_the_summary_has_these_keys_and_no_others() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1))
    planned = tuple(each.case for each in flat(comparisons))
    contract = json.loads(msgspec.json.encode(to_contract(replace(run, planned=planned), comparisons)))
    case_keys = {"server", "app", "scenario", "protocol", "load", "users", "streams", "workers", "control"}
    assert contract.keys() == {"schema", "run", "cases"}
    assert contract["run"].keys() == {
        "id", "started_at", "argv", "environment", "ceilings", "planned", "complete",
        "baseline", "baseline_app", "twin",
        "load", "users", "streams", "workers", "rounds", "precision", "max_rounds", "warmup_s", "duration_s", "seed",
        "load_processes",
    }  # fmt: skip
    assert contract["run"]["environment"].keys() == {
        "host", "machine", "packages", "server_cpus", "load_cpus", "git_commit", "server_versions", "app_versions",
        "other_packages", "interpreters", "app_commit",
        "cpu_model", "cpu_count", "memory_bytes", "kernel", "system", "python",
    }  # fmt: skip
    assert contract["run"]["environment"]["machine"].keys() == MACHINE
    assert {frozenset(each) for each in contract["run"]["planned"]} == {frozenset(case_keys)}
    for case in contract["cases"]:
        assert case.keys() == {
            "case", "name", "verdict", "reasons", "rounds", "requests", "errors", "rank", "ratio_to_baseline",
            "precision", "throughput_rps", "throughput_by_round_rps", "latency_us", "service_us", "send_lag_us",
            "cpu_us_per_request", "cpu_us_per_request_by_round", "memory_pss_bytes", "ready_s", "first_request_s",
            "stop_s", "connections", "offered_rps", "achieved_ratio", "own_share", "overloaded",
            "context_switches_per_request", "frequency_mhz",
        }  # fmt: skip
        assert case["case"].keys() == case_keys
        assert case["errors"].keys() == {"total", "by_kind", "examples"}
        assert case["memory_pss_bytes"].keys() == {"idle", "peak"}
        assert case["ratio_to_baseline"].keys() == {"throughput", "cpu", "p99"}
        assert case["ratio_to_baseline"]["throughput"].keys() == case["ratio_to_baseline"]["cpu"].keys() == RATIO
        for key in ("latency_us", "service_us", "send_lag_us"):
            assert case[key].keys() == PERCENTILES
        for key in ("throughput_rps", "cpu_us_per_request", "ready_s", "first_request_s", "stop_s"):
            assert case[key].keys() == INTERVAL


def test_programs_find_the_control_under_a_name_of_its_own_and_loads_as_text() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1))
    planned = tuple(each.case for each in flat(comparisons))
    contract = to_contract(replace(run, planned=planned), comparisons)
    labels = [(case.label, case.load.text) for case in planned]
    assert sorted(label for label, _ in labels) == ["uvicorn", "uvicorn-control"]
    assert [(each["server"], each["load"]) for each in contract["run"]["planned"]] == labels
    assert [(each["case"]["server"], each["case"]["load"]) for each in contract["cases"]] == labels
    assert (contract["run"]["baseline"], contract["run"]["twin"]) == ("uvicorn", "uvicorn-control")
    assert contract["run"]["load"] == "saturate"
    assert to_contract(RUN, [])["run"]["twin"] is None


def test_every_case_of_the_summary_has_the_same_keys_and_none_holds_a_histogram() -> None:
    cases = to_contract(RUN, COMPARISONS)["cases"]
    assert len(cases) == len(flat(COMPARISONS))
    assert {frozenset(case) for case in cases} == {frozenset(cases[0])}
    assert "response" not in cases[0]


def test_the_report_is_written_as_files(written: Path) -> None:
    names = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    charts = {
        f"charts/{name}.{kind}" for name in ("throughput", "latency", "cpu_cost", "memory") for kind in ("svg", "png")
    }
    assert names == {"report.md", "report.html", "summary.json", "latency.hlog"} | charts
    assert json.loads((written / "summary.json").read_text()) == json.loads(
        msgspec.json.encode(to_contract(RUN, COMPARISONS))
    )
    assert (written / "charts" / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_writing_again_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    report.write(tmp_path, RUN, COMPARISONS, report.draw(listing.charts(), RUN, COMPARISONS))
    for name in ("report.html", "report.md", "summary.json", "charts/latency.svg", "charts/latency.png"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_charts_come_in_their_order_with_the_first_line_of_their_module_as_caption() -> None:
    charts = report.draw(reversed(listing.charts()), RUN, COMPARISONS[:1])
    assert [chart.name for chart in charts] == ["throughput", "latency", "cpu_cost", "memory"]
    assert all(chart.caption and "\n" not in chart.caption for chart in charts)


def test_charts_with_nothing_to_draw_leave_no_trace() -> None:
    assert report.draw(listing.charts(), RUN, []) == []
    assert "Charts" not in html.render(page(RUN, [], []), {})


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_every_case_stands_in_the_report_and_every_bad_one_with_its_reasons(written: Path, name: str) -> None:
    source = (written / name).read_text()
    said = Reader(source if name.endswith("html") else MarkdownIt("commonmark").enable("table").render(source)).text
    for group in groups(RUN, COMPARISONS):
        assert group.title in said
        for row in group.table.rows:
            assert row.name in said
    for each in flat(COMPARISONS):
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
    fault = Fault("invalid", (f"{ODD}\nsecond line",))
    return run, synthetic.summaries((ODD, "uvicorn"), [(ODD, "h1")], lambda case: fault if case.server == ODD else None)


def test_odd_names_stay_text_in_html(odd: Answer, tmp_path: Path) -> None:
    run, comparisons = odd
    path = report.write(tmp_path, run, comparisons, report.draw(listing.charts(), run, comparisons))
    page_read = Reader(path.read_text())
    assert "script" not in {tag for tag, _ in page_read.tags}
    assert ODD in page_read.text
    assert not any("javascript:" in address for address in page_read.values("href"))


def test_odd_names_stay_text_and_in_their_cell_in_markdown(odd: Answer) -> None:
    run, comparisons = odd
    page_read = Reader(rendered_markdown(run, comparisons))
    assert "script" not in {tag for tag, _ in page_read.tags}
    assert not {"em", "code"} & {tag for tag, _ in page_read.tags}
    assert ODD in page_read.text
    assert f"{ODD} second line" in page_read.text
    (group,) = groups(run, comparisons)
    columns = len(group.table.columns) + len(group.resources.columns)
    lines = len(method.environment(run, flat(comparisons)))
    assert sum(tag == "td" for tag, _ in page_read.tags) == columns * len(flat(comparisons)) + 4 + 2 * lines


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
    (group,) = groups(
        RUN, grouped(replace(each, verdict=case_of[each.case.server], rank=1) for each in WS_ECHO.summaries)
    )
    ranks = {row.name: str(row.cells[0]) for row in group.table.rows}
    valid = {server for server, verdict in case_of.items() if verdict == "valid"}
    assert {server for server, rank in ranks.items() if rank == "1"} == valid
    praised, praise, _ = re.split(r" (share|is first|alone)|$", words.answer(group), maxsplit=1)
    assert {server for server in case_of if praise and server in praised} == valid


def test_groups_hold_every_case_once_in_the_order_of_protocols_and_ranks() -> None:
    found = groups(RUN, COMPARISONS)
    assert sorted(str(each.case) for group in found for each in group.summaries) == sorted(
        str(each.case) for each in flat(COMPARISONS)
    )
    places = [PROTOCOLS.index(group.protocol) for group in found]
    assert places == sorted(places)
    for group in found:
        assert all(len(row.cells) == len(group.table.columns) for row in group.table.rows)
        ranks = [each.rank for each in group.summaries if each.verdict == "valid"]
        assert ranks == sorted(ranks)
        assert [each.verdict == "valid" for each in group.summaries] == sorted(
            (each.verdict == "valid" for each in group.summaries), reverse=True
        )


def test_a_row_says_what_the_summary_says() -> None:
    (group,) = groups(RUN, [WS_ECHO])
    for row, summary in zip(group.table.rows, group.summaries, strict=True):
        cells = dict(zip(group.table.columns, row.cells, strict=True))
        assert float(cells["Requests/s"].value.replace(",", "")) == pytest.approx(
            summary.throughput_rps.median, abs=0.5
        )
        assert float(cells["p50 ms"].value) == pytest.approx(summary.latency_us.p50.median / 1000, rel=0.005)
        assert cells["p99.9 ms"].value == "–"
        assert cells["Server"].detail == RUN.environment.server_versions[row.name]
        ratio = cells["÷ uvicorn"].value
        assert ratio == ("baseline" if row.name == "uvicorn" else f"{summary.ratio_to_baseline.throughput.value:.2f}×")


def test_servers_that_share_first_place_are_named_together() -> None:
    ranks = (1, 1, 3, 3)
    ranked = [replace(each, rank=rank) for each, rank in zip(WS_ECHO.summaries, ranks, strict=True)]
    (group,) = groups(RUN, grouped(ranked))
    sentence = words.answer(group)
    leaders = [each.case.server for each in group.summaries if each.rank == 1]
    followers = [each.case.server for each in group.summaries if each.rank == 3]
    assert sentence.startswith(f"{leaders[0]} and {leaders[1]} share first place on ws_echo over WebSocket")
    assert all(server in sentence.partition(" before ")[2] for server in followers)


def test_a_server_that_the_generator_limited_is_named_beside_the_ranking() -> None:
    group = next(group for group in groups(RUN, COMPARISONS) if group.title == "plaintext over HTTP/1.1")
    sentence = words.answer(group)
    assert sentence.startswith("Of those with a rank, uvicorn is first")
    assert re.search(r"granian \([\d,]+\) is not ranked: the load generator was the limit\.$", sentence)


def test_a_report_of_nothing_but_failures_says_so() -> None:
    failed = Fault("failed", ("the server did not start",))
    summaries = synthetic.summaries(("uvicorn",), [("plaintext", "h1")], lambda _: failed)
    content = page(RUN, summaries, [])
    assert content.headline == ["Nothing could be ranked."]
    assert content.answers[0][0] == "No number on plaintext over HTTP/1.1 can be ranked."
    assert [each.reasons for each in content.unanswered] == [("the server did not start",)]


def test_one_round_and_shared_cpus_are_told_before_any_number() -> None:
    groups_read = groups(RUN, COMPARISONS)
    shared = replace(RUN.environment, load_cpus=RUN.environment.server_cpus)
    told = words.headline(replace(under(RUN, rounds=1), environment=shared), groups_read)
    assert any("One round" in line for line in told)
    assert any("shared CPUs" in line for line in told)
    assert len(words.headline(RUN, groups_read)) == 1


def test_percentiles_that_too_few_requests_carry_are_dashes() -> None:
    (group,) = groups(RUN, grouped([replace(WS_ECHO.summaries[0], latency_us=Latency())]))
    cells = zip(group.table.columns, map(str, group.table.rows[0].cells), strict=True)
    assert [cell for name, cell in cells if "ms" in name] == ["–"] * 3


def test_the_conditions_of_a_run_are_told_in_words() -> None:
    assert str(RUN.conditions) == "closed loop, 32 users, 1 worker, 5 rounds × 2 s, seed 7"
    opened = under(RUN, load=Rate(5_000), streams=8, workers=(2,), rounds=1, duration_s=0.5)
    assert str(opened.conditions) == (
        "open loop at 5000 requests/s, 32 users (8 streams a connection on HTTP/2), 2 workers, 1 round × 0.5 s, seed 7"
    )
    searched = under(RUN, load=Capacity({99.0: 50_000}))
    assert str(searched.conditions).startswith("search for the highest rate with p99<50ms, ")


@given(st.floats(0.001, 1e7))
def test_significant_numbers_lose_less_than_their_third_digit(value: float) -> None:
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


@settings(max_examples=25, deadline=None)  # hdrh takes its time
@given(st.dictionaries(st.integers(0, 2**35), st.integers(1, 10**6), max_size=50))
def test_an_exported_histogram_is_read_by_hdrhistogram_as_it_was(counts: dict[int, int]) -> None:
    histogram = Histogram.merge(
        Histogram({bucket(value): count}, value * count, value) for value, count in counts.items()
    )
    read = HdrHistogram.decode(hdr.encode(histogram))
    counts_read = {
        bucket(step.value_iterated_to): step.count_added_in_this_iter_step for step in read.get_recorded_iterator()
    }
    assert counts_read == histogram.counts


def test_the_log_has_a_tagged_line_for_each_case_with_answers(tmp_path: Path) -> None:
    path = tmp_path / "latency.hlog"
    path.write_text(hdr.log(RUN, COMPARISONS))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 2**36, 3))
    answered = [summary for summary in flat(COMPARISONS) if summary.response.counts]
    read = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        read.append((histogram.get_tag(), histogram.get_total_count()))
    assert read == [
        (f"{each.case.server}:{each.case.scenario}:{each.case.protocol}", each.response.count) for each in answered
    ]


def test_at_a_given_rate_the_report_tells_of_lateness_and_not_of_speed() -> None:
    load = Rate(500)
    run = under(RUN, load=load)
    opened = grouped(
        replace(each, case=replace(each.case, load=load), offered_rps=500.0, achieved_ratio=0.998)
        for each in flat(COMPARISONS)
    )
    for group in groups(run, opened):
        assert {"Answered", "Send lag p99 ms", "Service p99 ms"} <= set(group.table.columns)
        ranked = [each for each in group.summaries if each.rank]
        assert "requests/s" not in words.answer(group)
        assert not ranked or "ms at p99" in words.answer(group)
    assert "99.8 %" in markdown.render(page(run, opened, []))


def test_apps_on_one_server_are_compared_as_apps_with_the_versions_of_their_frameworks() -> None:
    run = replace(RUN, environment=replace(RUN.environment, app_versions={"fastapi": "0.163.0"}))
    summaries = synthetic.with_apps(("uvicorn",), ("asgi", "fastapi"))
    (group,) = groups(run, summaries)
    assert group.title == "plaintext over HTTP/1.1"
    assert group.table.columns[:2] == ("Rank", "App")
    assert {str(row.cells[1]) for row in group.table.rows} == {"asgi", "fastapi (0.163.0)"}
    assert "÷ asgi" in group.table.columns
    assert page(run, summaries, []).title == "ASGI apps compared on uvicorn: asgi, fastapi"
    assert ("Apps", "fastapi 0.163.0") in method.environment(run)


def test_apps_on_several_servers_are_called_by_both_and_one_pair_is_the_baseline() -> None:
    summaries = synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))
    (group,) = groups(replace(RUN, baseline=Candidate("uvicorn", "fastapi")), summaries)
    assert group.table.columns[1] == "App on server"
    assert "÷ fastapi on uvicorn" in group.table.columns
    told = {row.name: dict(zip(group.table.columns, row.cells, strict=True)) for row in group.table.rows}
    assert [name for name, cells in told.items() if cells["÷ fastapi on uvicorn"].value == "baseline"] == [
        "fastapi on uvicorn"
    ]
    assert told["asgi on granian"]["App on server"].detail == "granian 2.8.7"


def test_worker_counts_are_questions_of_their_own_and_the_most_are_set_against_the_fewest() -> None:
    found = groups(RUN, synthetic.with_workers((1, 2, 4), 0.5))
    assert [group.title for group in found] == [
        f"plaintext over HTTP/1.1 with {count}" for count in ("1 worker", "2 workers", "4 workers")
    ]
    told = [words.scaling(RUN, group, found) for group in found]
    assert told[:2] == ["", ""]
    growth = "With 4 workers instead of 1, uvicorn answers 2.50× as many (2.50 – 2.50; 62 % of ideal). The servers"
    assert told[2].startswith(growth)
    assert told[2].endswith("The servers had 1 CPU: beyond that nothing can scale.")


def grown(*, one: Sequence[float], four: Sequence[float], rounds: int = 5) -> str:
    """What is said of a server with these rates, in requests per second, with one worker and with four."""
    run = under(RUN, workers=(1, 4), rounds=rounds, control=True)
    rates = {1: tuple(one), 4: tuple(four)}
    alone = flat(synthetic.with_workers((1, 4), 0.5))
    controls = [replace(each, case=replace(each.case, control=True), name="uvicorn (control)") for each in alone]
    comparisons = grouped(
        replace(
            each,
            rounds=len(rates[each.case.workers]),
            throughput_by_round_rps=rates[each.case.workers],
            throughput_rps=Estimate(rates[each.case.workers][0], 1.0, 1e6),
        )
        for each in [*alone, *controls]
    )
    found = groups(run, comparisons)
    return words.scaling(run, found[1], found)


def test_growth_has_an_interval_paired_by_round_as_far_as_the_rounds_can_be_told() -> None:
    paired = grown(one=(100, 200, 400, 800, 1600), four=(200, 400, 800, 1600, 3200))
    assert paired.startswith("With 4 workers instead of 1, uvicorn answers 2.00× as many (2.00 – 2.00; 50 % of ideal).")
    assert "paired" not in paired
    some = grown(one=(100, 110), four=(200, 210, 205, 190, 195))
    assert re.search(r"uvicorn answers [\d.]+× as many \([\d.]+ – [\d.]+; \d+ % of ideal\)", some)
    assert "The rounds of uvicorn could not be paired." in some


def test_growth_is_not_told_from_a_single_round_nor_from_numbers_that_do_not_hold() -> None:
    assert grown(one=(100,), four=(592,), rounds=1) == ""
    assert grown(one=(100,), four=(590, 592)) == ""
    found = groups(RUN, grouped(replace(each, verdict="invalid") for each in flat(synthetic.with_workers((1, 4), 0.5))))
    assert words.scaling(RUN, found[1], found) == ""


def test_a_sweep_is_told_with_as_many_rounds_in_closed_loops_as_in_open_ones() -> None:
    told = method.method(SWEEP)[0]
    assert told.startswith("5 rounds in a closed loop, then 5 rounds in open loops: each starts")


def test_all_rates_of_a_sweep_are_one_table_by_candidate_and_rate() -> None:
    (whole,) = synthetic.sweep()
    (group,) = groups(SWEEP, [whole])
    cells = [dict(zip(group.table.columns, row.cells, strict=True)) for row in group.table.rows]
    assert [each["Server"].value for each in cells] == ["uvicorn"] * 7 + ["daphne"] * 7, "the faster one first"
    assert [each["Of its own rate"].value for each in cells[:7]] == [
        "closed loop", "10 %", "25 %", "50 %", "70 %", "90 %", "105 %",
    ]  # fmt: skip
    offered = [each["Offered/s"].value for each in cells]
    assert offered == [f"{each.offered_rps:,.0f}" if each.offered_rps else "–" for each in group.summaries]
    assert cells[6]["Answered"].value == "88.0 %"
    assert len(group.resources.rows) == 2, "one for each candidate"
    assert {each.question for each in words.unanswered([group])} == {
        f"plaintext over HTTP/1.1 at {each.offered_rps:,.0f} requests/s"
        for each in whole.summaries
        if each.own_share == 1.05
    }


def test_a_sweep_is_summed_up_by_how_far_the_tail_stays_short() -> None:
    (whole,) = synthetic.sweep(("uvicorn",))
    rate_at = {each.own_share: f"{each.offered_rps:,.0f}" for each in whole.summaries if each.own_share}
    within = "uvicorn keeps p99 within 10 ms up to"
    (group,) = groups(SWEEP, [whole])
    assert words.answer(group) == (
        f"{within} {rate_at[0.9]} requests/s (90 % of its own rate) and is overloaded at {rate_at[1.05]}."
    )
    (group,) = groups(SWEEP, [swept(each for each in whole.summaries if (each.own_share or 0) < 1)])
    assert words.answer(group) == f"{within} {rate_at[0.9]} requests/s (90 % of its own rate)."
    assert "Nothing could be ranked." not in page(SWEEP, [whole], []).headline


@given(
    st.lists(
        st.tuples(st.sampled_from(["valid", "client-limited", "overloaded"]), st.none() | st.integers(1, 20)),
        min_size=1,
        max_size=8,
    )
)
def test_a_rate_counts_as_kept_only_below_every_one_that_was_lost(points: list[tuple[str, int | None]]) -> None:
    one = flat(synthetic.sweep(("uvicorn",)))[1]
    rates = []
    for number, (verdict, p99_ms) in enumerate(points, 1):
        p99 = None if p99_ms is None else Estimate(p99_ms * 1000.0, p99_ms * 900.0, p99_ms * 1100.0)
        overloaded = verdict == "overloaded"
        rates.append(
            replace(
                one,
                offered_rps=float(number),
                verdict="invalid" if overloaded else verdict,
                achieved_ratio=0.5 if overloaded else 1.0,
                overloaded=overloaded,
                latency_us=Latency(p99=p99),
            )
        )
    kept, lost = sweep.reach(rates)
    tells = [each for each in rates if each.verdict == "valid" and each.latency_us.p99]
    bad = [each for each in rates if each.verdict == "invalid"] + [
        each for each in tells if each.latency_us.p99.median > sweep.TAIL_US
    ]
    assert lost == min(bad, key=lambda each: each.offered_rps, default=None)
    good = [each for each in tells if each not in bad and (lost is None or each.offered_rps < lost.offered_rps)]
    assert kept == max(good, key=lambda each: each.offered_rps, default=None)


FALSE_SIX = (
    "a false difference of 6.0 %; CPU 1.00× (0.99 – 1.01): no difference seen. "
    "Differences of that size in throughput between others are not to be believed here. "
    "Chance alone shows one in 20 for each figure."
)


def control_run(throughput: Ratio, *, asked: int = 1, rounds: int = 5) -> Answer:
    """A run with a control, whose throughput has this ratio to the baseline in the first comparison."""
    run = synthetic.run_info(("uvicorn", "granian"), control=True)
    where = [("plaintext", "h1"), ("json", "h1"), ("echo", "h1"), ("items", "h1")][:asked]
    comparisons = synthetic.summaries(("uvicorn",), where, synthetic.no_faults, 200, control=True)
    even = Ratio(1.0, 0.99, 1.01)
    found = []
    for number, each in enumerate(flat(comparisons)):
        ratios = Ratios(throughput if number < 2 else even, even, None)
        found.append(replace(each, ratio_to_baseline=ratios, rounds=rounds))
    return run, grouped(found)


@pytest.mark.parametrize(
    ("throughput", "outcome"),
    [
        (Ratio(1.01, 0.98, 1.04), "throughput 1.01× (0.98 – 1.04), CPU 1.00× (0.99 – 1.01): no difference seen."),
        (Ratio(1.03, 1.0, 1.06), "throughput 1.03× (1.00 – 1.06), CPU 1.00× (0.99 – 1.01): no difference seen."),
        (Ratio(0.94, 0.92, 0.97), f"throughput 0.94× (0.92 – 0.97): {FALSE_SIX}"),
    ],
)
def test_the_baseline_against_itself_is_told_with_its_false_difference(throughput: Ratio, outcome: str) -> None:
    run, comparisons = control_run(throughput)
    told = page(run, comparisons, []).headline
    assert f"A/A: uvicorn against itself on plaintext over HTTP/1.1: {outcome}" in told


def test_one_round_of_the_baseline_against_itself_says_nothing() -> None:
    run, comparisons = control_run(Ratio(1.2, 1.2, 1.2), rounds=1)
    (line,) = trust.lines(run, groups(run, comparisons))
    assert line.startswith("A/A: uvicorn against itself on plaintext over HTTP/1.1: nothing can be said")


def test_many_comparisons_of_the_baseline_with_itself_are_summed_up() -> None:
    run, comparisons = control_run(Ratio(1.2, 1.1, 1.3), asked=4)
    total, one = trust.lines(run, groups(run, comparisons))
    assert total == (
        "A/A: uvicorn against itself in 4 comparisons: throughput: no difference seen in 3 of 4; "
        "CPU: no difference seen in 4 of 4. Chance alone shows one in 20 for each figure."
    )
    assert one.startswith("A/A: uvicorn against itself on plaintext over HTTP/1.1: throughput 1.20× (1.10 – 1.30)")


def test_a_false_difference_is_told_of_its_figure_alone_and_what_chance_does() -> None:
    run, comparisons = control_run(Ratio(0.94, 0.92, 0.97))
    (line,) = trust.lines(run, groups(run, comparisons))
    assert "CPU 1.00× (0.99 – 1.01): no difference seen." in line
    assert "Differences of that size in throughput between others are not to be believed here." in line
    assert line.endswith("Chance alone shows one in 20 for each figure.")


def test_the_control_is_no_candidate() -> None:
    run, comparisons = control_run(Ratio(1.1, 1.05, 1.2))
    (group,) = groups(run, grouped(replace(each, rank=1) for each in flat(comparisons)))
    assert words.answer(group).startswith("uvicorn answers ")
    (row,) = [row for row in group.table.rows if row.name == "uvicorn (control)"]
    assert row.cells[1].detail == "0.54.0"
    assert "control" not in grown(one=(100, 110), four=(200, 210), rounds=2)
    (group,) = groups(under(SWEEP, control=True), synthetic.sweep(("uvicorn",), control=True))
    assert "control" not in words.answer(group)


def test_who_follows_the_control_alone_is_first() -> None:
    run, comparisons = control_run(Ratio(1.1, 1.05, 1.2), asked=2)
    others = synthetic.summaries(("granian",), [("plaintext", "h1"), ("json", "h1")], synthetic.no_faults, 200)
    places = {"uvicorn (control)": 1, "uvicorn": 2, "granian": 3}
    both = [*flat(comparisons), *flat(others)]
    found = groups(run, grouped(replace(each, rank=places[each.name]) for each in both))
    assert words.answer(found[0]).startswith("uvicorn is first on plaintext over HTTP/1.1")
    assert words.headline(run, found) == ["uvicorn is first or shares first place in 2 of 2 comparisons."]


def test_the_control_wins_nothing() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1), asked=2)
    ranked = grouped(replace(each, rank=1) for each in flat(comparisons))
    assert not any("first" in line for line in words.headline(run, groups(run, ranked)))


def test_what_came_within_the_precision_is_told_apart_from_what_did_not() -> None:
    run = under(RUN, precision=0.05, max_rounds=20)
    summaries = [
        replace(each, precision=precision, rounds=rounds)
        for each, precision, rounds in zip(baseline_first(), (0.0, 0.031, 0.05, 0.071), (20, 6, 9, 20), strict=True)
    ]
    baseline, *others = summaries
    within, missed = trust.lines(run, groups(run, grouped(summaries)))
    assert within == "±5 % was reached by 2 of 3 cases, after 6 to 9 rounds that count."
    last = others[-1].name
    assert missed == (
        f"±5 % was not reached by {last} on ws_echo over WebSocket (±7.1 % after 20 rounds); the limit is 20 rounds."
    )
    (group,) = groups(run, grouped(summaries))
    told = {row.name: str(row.cells[group.table.columns.index("±")]) for row in group.table.rows}
    assert told[baseline.name] == "– (20 rounds)"
    assert told[last] == "7.1 % (20 rounds)"
    assert "±" not in groups(RUN, [WS_ECHO])[0].table.columns


def test_a_precision_is_not_reached_by_numbers_that_do_not_hold() -> None:
    run = under(RUN, precision=9.0, max_rounds=20)
    invalid = grouped(replace(each, verdict="invalid", precision=0.5) for each in WS_ECHO.summaries)
    (line,) = trust.lines(run, groups(run, invalid))
    assert line.startswith("±900 % says nothing of 4 of 4 cases, whose numbers do not hold: ")
    assert line.count("ws_echo over WebSocket (invalid)") == 3
    assert line.endswith(" and others.")


def test_a_precision_without_a_baseline_is_told_as_that_of_the_own_interval() -> None:
    run = under(RUN, precision=0.05, max_rounds=20)
    baseline, *others = baseline_first()
    alone = [replace(each, ratio_to_baseline=None, precision=0.031, rounds=6) for each in others[:2]]
    summaries = [replace(baseline, verdict="invalid", precision=0.02), *alone, replace(others[2], precision=0.04)]
    reached, own, invalid = trust.lines(run, groups(run, grouped(summaries)))
    assert reached == "±5 % was reached by 1 of 4 cases, after 5 rounds that count."
    assert own.startswith(
        "Without a valid baseline there is no ratio to come within ±5 %, only an interval of its own: "
    )
    assert own.count("(±3.1 % after 6 rounds)") == 2
    assert invalid == (
        "±5 % says nothing of 1 of 4 cases, whose numbers do not hold: uvicorn on ws_echo over WebSocket (invalid)."
    )
    (group,) = groups(run, grouped(summaries))
    told = {row.name: str(row.cells[group.table.columns.index("±")]) for row in group.table.rows}
    assert told[alone[0].name] == "3.1 % (its own, 6 rounds)"


def test_of_many_that_missed_the_precision_the_widest_are_named() -> None:
    run = under(RUN, precision=0.05, max_rounds=20)
    many = (replace(each, precision=number / 10, rounds=20) for number, each in enumerate(WS_ECHO.summaries * 2))
    (line,) = trust.lines(run, groups(run, grouped(many)))
    assert line.startswith("±5 % was not reached by 7 of 7 cases, the widest ")
    assert line.count("after 20 rounds") == 3
    assert "(±70 % after 20 rounds)" in line


def test_a_capacity_is_told_with_its_level_and_how_it_was_searched_for() -> None:
    load = Capacity({99.0: 50_000})
    run = under(RUN, load=load)
    summaries = [replace(each, case=replace(each.case, load=load), offered_rps=500.0) for each in WS_ECHO.summaries]
    (group,) = groups(run, grouped(summaries))
    assert "requests/s, the most that meets p99<50ms" in words.answer(group)
    assert "Capacity, requests/s" in group.table.columns
    probes = [Probe(1000, "doubling", met=True), Probe(1000, "confirmation", met=True, final=True)]
    trials = [Record(summaries[0].case, 0, number, "valid", probe=probe) for number, probe in enumerate(probes * 3)]
    told = method.method(run, trials)
    assert "6 trials were made in 3 searches." in told
    assert any("at most 5 % above the highest that met" in line for line in told)
    assert not any("Capacity" in line for line in method.method(RUN, trials[:0]))


def test_resources_leave_out_what_nobody_has_and_who_never_came_up() -> None:
    switches = Estimate(2.5, 2.4, 2.6)
    some, other, *_ = WS_ECHO.summaries
    dead = replace(other, throughput_rps=None, ready_s=None, verdict="failed")
    (group,) = groups(RUN, grouped([replace(some, context_switches_per_request=switches), dead]))
    (row,) = group.resources.rows
    cells = dict(zip(group.resources.columns, map(str, row.cells), strict=True))
    assert cells["Context switches/request"] == "2.50 (2.40 – 2.60)"
    assert cells["Ready s"] == "0.210 (0.190 – 0.240)"
    assert cells["First answer ms"] == "1.20 (1.00 – 1.50)"
    assert "CPU MHz" not in cells


def test_the_environment_says_what_the_apps_saw_themselves_run_with() -> None:
    config = ServerConfig("uvicorn", "asgi", 1, tls=False)
    starts = [
        ServerStart(config, 0, (), active=Active("uvloop.Loop", ("uvloop", "httptools"))),
        ServerStart(replace(config, server="granian"), 0, (), active=Active("asyncio.Loop", ())),
        ServerStart(replace(config, server="daphne"), 0, (), active=None),
    ]
    told = dict(method.environment(RUN, flat(COMPARISONS), starts))
    assert told["Event loops"] == "granian: asyncio.Loop; uvicorn: uvloop.Loop"
    assert told["Loaded modules"] == "uvicorn: httptools, uvloop"
    assert "Event loops" not in dict(method.environment(RUN, flat(COMPARISONS)))


def test_every_field_of_run_and_summary_but_the_histogram_is_in_the_contract() -> None:
    contract = to_contract(under(RUN, workers=(1, 2)), COMPARISONS)
    conditions = {field.name for field in fields(RUN.conditions)} - {"control"}
    run = {field.name for field in fields(RUN)} - {"schema", "conditions"}
    assert contract["run"].keys() == run | conditions | {"baseline_app", "twin"}
    assert contract["cases"][0].keys() == {field.name for field in fields(WS_ECHO.summaries[0])} - {"response"}
    assert json.loads(msgspec.json.encode(contract))["run"]["workers"] == [1, 2]


@pytest.mark.parametrize(
    ("run", "comparisons"),
    [
        (SWEEP, synthetic.sweep()),
        (under(RUN, workers=(1, 2)), synthetic.with_workers((1, 2), 1.0, ("uvicorn", "a, b"))),
        (RUN, synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))),
    ],
)
def test_every_line_of_the_log_has_a_tag_of_its_own(
    run: RunInfo, comparisons: list[ComparisonSummary], tmp_path: Path
) -> None:
    path = tmp_path / "latency.hlog"
    path.write_text(hdr.log(run, comparisons))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 2**36, 3))
    tags = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        tags.append(histogram.get_tag())
    assert len(set(tags)) == len(tags) == len(flat(comparisons))
    assert not any(re.search(r"[\s,]", tag) for tag in tags)


def baseline_first() -> list[CaseSummary]:
    """The cases of WebSocket echo, in the order in which the run names its servers."""
    servers = list(RUN.environment.server_versions)
    return sorted(WS_ECHO.summaries, key=lambda each: servers.index(each.case.server))


def interrupted_run(*missing: str) -> Answer:
    """A run of four servers that ended early, without a number of the `missing` ones."""
    summaries = baseline_first()
    planned = tuple(each.case for each in summaries)
    done = [
        replace(each, rounds=1 + number % 2) for number, each in enumerate(summaries) if each.case.server not in missing
    ]
    return replace(RUN, planned=planned, complete=False), grouped(done)


def test_an_interrupted_run_says_so_first_and_what_it_lacks() -> None:
    run, comparisons = interrupted_run("daphne", "granian")
    failed = next(
        replace(each, verdict="failed", throughput_rps=None) for each in WS_ECHO.summaries if each.name == "granian"
    )
    content = page(run, grouped([*flat(comparisons), failed]), [])
    assert content.interrupted == [
        "Interrupted: 2 of 4 cases have no number yet; the others have 1 to 2 of 5 rounds that count.",
        "ws_echo over WebSocket: daphne, granian",
    ]
    assert content.lead.endswith(" · interrupted")
    assert content.method[0].startswith("5 rounds, cut short: ")
    assert any(line.startswith("Load, as planned: closed loop") for line in content.method)
    assert content.title == "ASGI servers compared: uvicorn, hypercorn, granian, daphne"
    for source in (rendered_markdown(run, comparisons), html.render(page(run, comparisons, []), {})):
        said = Reader(source).text
        assert said.index("Interrupted: 2 of 4") < said.index("Ranking")
        assert "ws_echo over WebSocket: daphne, granian" in said


def test_a_run_that_came_to_its_end_or_does_not_say_is_not_called_interrupted() -> None:
    run, comparisons = interrupted_run("daphne")
    for complete in (True, None):
        content = page(replace(run, complete=complete), comparisons, [])
        assert content.interrupted == []
        assert "interrupted" not in content.lead
        assert content.method[0].startswith("5 rounds: ")


@pytest.mark.parametrize(
    ("changes", "missing", "told"),
    [
        ({}, (), "all 4 cases have a number; they have 1 to 2 of 5 rounds that count."),
        ({}, ("daphne",), "1 of 4 cases has no number yet; the others have 1 to 2 of 5 rounds that count."),
        ({}, ("uvicorn", "hypercorn", "daphne", "granian"), "4 of 4 cases have no number yet."),
        ({"planned": ()}, (), "the run did not come to its end."),
        (
            {"conditions": SWEEP.conditions},
            (),
            "all 4 cases have a number; they have 1 to 2 of 5 rounds that count, and open loops may be missing.",
        ),
    ],
)
def test_an_interrupted_run_says_how_far_it_came(changes: dict[str, object], missing: Sequence[str], told: str) -> None:
    run, comparisons = interrupted_run(*missing)
    assert page(replace(run, **changes), comparisons, []).interrupted[0] == f"Interrupted: {told}"


def test_what_an_interrupted_run_lacks_is_named_as_in_its_tables() -> None:
    several = synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))
    planned = tuple(replace(each.case, workers=count) for count in (1, 2) for each in flat(several))
    run = replace(under(RUN, workers=(1, 2)), planned=planned, complete=False)
    told = page(run, several, []).interrupted
    assert told[1:] == [
        f"plaintext over HTTP/1.1 with 2 workers: {', '.join(each.name for each in flat(several))}",
    ]


def test_a_run_without_any_trial_has_a_title_that_says_of_whom() -> None:
    run, _ = interrupted_run()
    assert page(run, [], []).title == "ASGI servers compared: uvicorn, hypercorn, daphne, granian"
    assert page(RUN, [], []).title == "ASGI servers compared: none"


def test_a_rate_that_the_machine_did_not_let_through_is_not_blamed_on_the_server() -> None:
    not_blamed = swept(
        replace(each, overloaded=False) if each.own_share == 1.05 else each
        for each in flat(synthetic.sweep(("uvicorn",)))
    )
    (group,) = groups(SWEEP, [not_blamed])
    assert words.answer(group).endswith("(90 % of its own rate).")


def test_servers_in_another_python_and_the_apps_own_commit_are_told() -> None:
    own, other = "CPython 3.11.2 (main) [GCC]", "CPython 3.13.1 (main) [GCC]"
    where = replace(RUN.environment, interpreters={"a": own, "b": other, "c": other}, app_commit="0123abc")
    rows = dict(method.environment(replace(RUN, environment=where)))
    assert rows["Python of servers"] == f"b and c: {other}"
    assert rows["Commit of the app"] == "0123abc"
    alone = replace(RUN.environment, interpreters={"a": own})
    assert "Python of servers" not in dict(method.environment(replace(RUN, environment=alone)))
