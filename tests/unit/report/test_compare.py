"""What a comparison says to people and to programs."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from harness.analysis.comparison import (
    COMPARISON_SCHEMA,
    CasePair,
    Difference,
    Entry,
    Judgement,
    Origin,
    RunComparison,
    StartPair,
)
from harness.analysis.conditions import Contrast
from harness.model.loads import Rate
from harness.model.plan import Case
from harness.model.summaries import Estimate, Ratio
from harness.report import compare_junit, compare_markdown
from harness.report.compare import encode, make_page, write_change

CASE = Case("granian", "asgi", "plaintext", "h1")
ECHO = replace(CASE, scenario="echo")
SLOWER = Difference(
    "throughput",
    Estimate(10_000, 9_900, 10_100),
    Estimate(9_300, 9_100, 9_500),
    5,
    5,
    "worse",
    Ratio(0.93, 0.9, 0.96),
    0.033,
)
ALIKE = Difference(
    "p99",
    Estimate(1_500, 1_400, 1_600),
    Estimate(1_530, 1_400, 1_700),
    5,
    5,
    "no difference seen",
    Ratio(1.02, 0.92, 1.13),
    0.108,
)
START = Difference("ready", None, Estimate(0.2, 0.2, 0.2), 0, 1, "not compared", reason="A does not have it")
COMPARISON = RunComparison(
    schema=COMPARISON_SCHEMA,
    a=Origin("before/latest", "run-a", "2026-11-20T10:00:00+00:00", None, "aaaa", "harness run", "here", "Debian"),
    b=Origin("after/latest", "run-b", "2026-11-20T11:00:00+00:00", None, "bbbb", "harness run -x", "there", "Debian"),
    paired=False,
    cases=(
        CasePair(Entry(CASE, "valid", ()), Entry(CASE, "valid", ()), (SLOWER, ALIKE)),
        CasePair(Entry(ECHO, "valid", ()), Entry(ECHO, "invalid", ("1 | 2 <wrong> answers",)), ()),
    ),
    starts=(StartPair(CASE.config, CASE.config, START),),
    only_a=(Entry(replace(CASE, scenario="json"), "valid", ()),),
    only_b=(),
    gates=(
        Judgement("throughput<-5%", "throughput", CASE, "missed", Ratio(0.93, 0.9, 0.949)),
        Judgement("throughput<-5%", "throughput", ECHO, "not checked", None, "B is invalid"),
        Judgement("p99>5%", "p99", CASE, "not clear", Ratio(1.02, 0.92, 1.13)),
        Judgement("p99>50%", "p99", CASE, "met", Ratio(1.02, 0.92, 1.13)),
    ),
    changes=(
        Contrast("server", "granian", "2.8.5", "2.8.7"),
        Contrast("package", "click", "8.1", None),
        Contrast("package", "h11", "0.15", "0.16"),
    ),
    unlike=(),
    conditions_a={"CPUs": 2, "machine limits quota_cpus": 2.0, "machine power on_battery": None},
    conditions_b={"CPUs": 2, "machine limits quota_cpus": 2.0},
)


def with_gates(*outcomes: str) -> RunComparison:
    named = [Judgement(f"p99>{n}%", "p99", CASE, each) for n, each in enumerate(outcomes)]  # type: ignore[arg-type] # of the parameters
    return replace(COMPARISON, gates=tuple(named))


@pytest.mark.parametrize(
    ("outcomes", "title"),
    [
        (("met", "missed", "not checked"), "✗ 1 of 3 gates missed"),
        (("met", "not clear", "not checked"), "? 1 of 3 gates not checked"),
        (("met", "not clear"), "? 1 of 2 gates not clear"),
        (("met", "met"), "✓ 2 of 2 gates met"),
        (("met",), "✓ 1 of 1 gate met"),
        ((), "B against A: 1 worse, 0 better"),
    ],
)
def test_the_title_is_the_verdict(outcomes: tuple[str, ...], title: str) -> None:
    assert make_page(with_gates(*outcomes)).title == title


def test_without_gates_the_title_names_two_candidates_and_says_when_nothing_was_seen_or_compared() -> None:
    plain = replace(COMPARISON, gates=())
    named = replace(plain, a=replace(plain.a, server="uvicorn"), b=replace(plain.b, server="granian"))
    assert make_page(named).title == "granian against uvicorn: 1 worse, 0 better"
    alike = replace(plain, cases=(replace(plain.cases[0], differences=(ALIKE,)),))
    assert make_page(alike).title == "B against A: no difference seen"
    assert make_page(replace(plain, cases=())).title == "Nothing could be compared"


def test_a_figure_has_its_unit_its_change_with_the_interval_and_what_was_detectable() -> None:
    slower, alike, start = make_page(COMPARISON).rows
    assert slower.cells == (
        "plaintext · h1 · granian",
        "requests/s",
        "10,000",
        "9,300",
        "−7.0 % (−10.0 … −4.0)",
        "−3.2 / +3.3 %",
        "worse",
    )
    assert alike.cells[1:] == (
        "p99 ms",
        "1.50",
        "1.53",
        "+2.0 % (−8.0 … +13.0)",
        "−9.7 / +10.8 %",
        "no difference seen",
    )
    assert start.cells == ("start · granian", "start-up s", "–", "0.200", "–", "–", "not compared")
    assert [row.first for row in (slower, alike, start)] == [True, False, True]


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Ratio(1.0, 1.0, 1.0), "0.0 %"),
        (Ratio(0.99999, 0.9, 1.1), "0.0 % (−10.0 … +10.0)"),
        (Ratio(3.5, 1.25, 12.0), "+250 % (too few rounds)"),
    ],
)
def test_a_change_is_in_percent(ratio: Ratio, text: str) -> None:
    assert write_change(ratio) == text


def test_a_gate_has_the_mark_of_its_worst_outcome_and_lists_where_it_was_not_met() -> None:
    missed, unclear, met = make_page(COMPARISON).gates
    assert (missed.mark, missed.gate, missed.summary) == ("✗", "throughput<-5%", "missed in 1, not checked in 1")
    assert missed.details == (
        "plaintext · h1 · granian: missed: −7.0 % (−10.0 … −5.1)",
        "echo · h1 · granian: not checked: B is invalid",
    )
    assert (unclear.mark, unclear.details) == ("?", ("plaintext · h1 · granian: not clear: +2.0 % (−8.0 … +13.0)",))
    assert (met.mark, met.summary, met.details) == ("✓", "met in 1", ())


def test_what_was_not_compared_is_listed_with_its_reason() -> None:
    assert make_page(COMPARISON).uncompared == (
        "echo · h1 · granian: B is invalid: 1 | 2 <wrong> answers",
        "start · granian: A does not have it",
        "json · h1 · granian: only in A (valid)",
    )


def test_figures_of_a_case_that_share_a_reason_share_a_line() -> None:
    single = [
        Difference(metric, None, None, 1, 1, "not compared", reason="a single round has no interval")
        for metric in ("throughput", "p50")
    ]
    lacking = Difference("p99", None, None, 0, 1, "not compared", reason="too few")
    pair = COMPARISON.cases[0]
    shown = replace(COMPARISON, cases=(replace(pair, differences=(*single, lacking)),), starts=(), only_a=())
    assert make_page(shown).uncompared == (
        "plaintext · h1 · granian: requests/s, p50 ms: a single round has no interval",
        "plaintext · h1 · granian: p99 ms: too few",
    )
    alone = replace(COMPARISON, cases=(replace(pair, differences=tuple(single)),), starts=(), only_a=())
    assert make_page(alone).uncompared == ("plaintext · h1 · granian: a single round has no interval",)


def test_rates_that_only_one_side_of_a_sweep_has_are_counted_in_one_line() -> None:
    shown = make_page(replace(COMPARISON, own_rates=(8, 9))).uncompared[-1]
    assert shown == "rates that only one side has (8 of A, 9 of B): they depend on what each server reached"


def test_the_environment_has_the_commit_of_a_user_app() -> None:
    shown = replace(COMPARISON, a=replace(COMPARISON.a, app_commit="cccc"))
    assert ("commit of the app", "cccc", "–") in make_page(shown).environment


def test_changes_are_listed_by_kind() -> None:
    assert make_page(COMPARISON).changes == (
        "server: granian 2.8.5 → 2.8.7",
        "package: click 8.1 → none, h11 0.15 → 0.16",
    )


def test_two_runs_come_with_a_warning_and_the_command_that_pairs_their_rounds() -> None:
    (note,) = (each for each in make_page(COMPARISON).notes if "different times" in each)
    assert note.endswith("harness run --servers granian@2.8.5,granian@2.8.7")
    (note,) = (each for each in make_page(replace(COMPARISON, changes=())).notes if "different times" in each)
    assert note.endswith("harness run --servers NAME@OLD,NAME@NEW")
    assert not any("different times" in each for each in make_page(replace(COMPARISON, paired=True)).notes)


def test_runs_made_under_different_conditions_say_so_on_top() -> None:
    apart = replace(COMPARISON, unlike=(Contrast("condition", "machine limits quota_cpus", "2.0", "1.0"),))
    assert (
        "The runs were made under different conditions: machine limits quota_cpus 2.0 → 1.0."
        in make_page(apart).headline
    )
    assert ("machine limits quota_cpus", "2.0", "2.0") in make_page(apart).environment
    assert make_page(COMPARISON).environment == (
        ("command", "harness run", "harness run -x"),
        ("commit of the harness", "aaaa", "bbbb"),
        ("host", "here", "there"),
        ("system", "Debian", "Debian"),
        ("CPUs", "2", "2"),
    )


def test_names_have_what_the_cases_differ_in_and_no_more() -> None:
    other = replace(CASE, app="fastapi", workers=2, load=Rate(500))
    pair = CasePair(Entry(other, "valid", ()), Entry(other, "valid", ()), (SLOWER,))
    mixed = replace(COMPARISON, cases=(*COMPARISON.cases, pair), gates=())
    assert make_page(mixed).rows[2].cells[0] == "plaintext · h1 · granian · fastapi · 2 workers · rate=500"
    candidates = replace(COMPARISON, a=replace(COMPARISON.a, server="x"), b=replace(COMPARISON.b, server="y"))
    assert make_page(candidates).rows[0].cells[0] == "plaintext · h1"


def test_the_control_is_named_as_such_to_people_and_has_a_label_for_programs() -> None:
    control = replace(CASE, control=True)
    pair = CasePair(Entry(control, "valid", ()), Entry(control, "valid", ()), (SLOWER,))
    both = replace(
        COMPARISON, cases=(*COMPARISON.cases, pair), starts=(StartPair(control.config, control.config, START),)
    )
    assert [row.cells[0] for row in make_page(both).rows[2:]] == [
        "plaintext · h1 · granian (control)",
        "start · granian (control)",
    ]
    shown = json.loads(encode(both))
    assert shown["cases"][-1]["a"]["case"]["server"] == shown["starts"][0]["a"]["server"] == control.label


def test_markdown_is_one_table_and_details_whatever_the_reasons_hold() -> None:
    text = compare_markdown.render(make_page(COMPARISON))
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    shown, details = html.split("<details>")
    assert shown.count("<table>") == details.count("<table>") == 1
    assert shown.count("<tr>") == 1 + len(make_page(COMPARISON).rows)
    assert "1 | 2 &lt;wrong&gt; answers" in shown
    assert shown.startswith("<h3>✗ 1 of 3 gates missed</h3>")
    assert "<code>throughput&lt;-5%</code>" in shown
    assert details.rstrip().endswith("</details>")


def test_a_comment_has_the_gates_and_as_much_of_the_rest_as_fits() -> None:
    page = make_page(replace(COMPARISON, controls=COMPARISON.cases))
    whole = compare_markdown.render(page)
    assert compare_markdown.render(page, len(whole)) == whole
    assert "plaintext · h1 · granian: requests/s −7.0 % (−10.0 … −4.0), p99 ms" in whole
    for most in range(600, len(whole), 97):
        text = compare_markdown.render(page, most)
        assert len(text) <= most
        assert "`p99>50%`: met in 1" in text
        assert text.endswith("does not fit a comment.*\n")
        assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize("strict", [False, True])
def test_junit_has_a_suite_for_each_gate_and_a_test_for_each_case(strict: bool) -> None:
    suites = ET.fromstring(compare_junit.render(COMPARISON, strict=strict))
    assert [suite.get("name") for suite in suites] == ["throughput<-5%", "p99>5%", "p99>50%"]
    assert [test.get("name") for test in suites[0].iter("testcase")] == [
        "plaintext · h1 · granian",
        "echo · h1 · granian",
    ]
    kinds = [[each.tag for each in test] for test in suites.iter("testcase")]
    assert kinds == [["failure"], ["error"], ["error" if strict else "skipped"], []]
    message = next(suites.iter("failure")).get("message")
    assert message == "missed: −7.0 % (−10.0 … −5.1)"


def test_json_has_its_schema_first_and_everything() -> None:
    shown = json.loads(encode(COMPARISON))
    assert next(iter(shown)) == "schema"
    assert shown["cases"][0]["differences"][0]["ratio"] == {"value": 0.93, "low": 0.9, "high": 0.96}
    assert [each["outcome"] for each in shown["gates"]] == ["missed", "not checked", "not clear", "met"]
    assert shown["changes"][1] == {"kind": "package", "name": "click", "a": "8.1", "b": None}
    assert shown["gates"][0]["about"]["scenario"] == "plaintext"
