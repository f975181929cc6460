"""The results of checks, as people and programs read them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import msgspec
import pytest
from markdown_it import MarkdownIt

from harness.check import dangers, junit, pages, report
from harness.check.model import Entry

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "expected 400, found <script>alert(1)</script> | `x`\nmore"
SETTING = report.Setting("CPython 3.11", "Linux", {"a": "1.0"}, {"a": ["python -m a --port 8000"]}, {"h11": "0.14"})
CHECKS = (
    report.CheckInfo("one", "One thing", frozenset({"h1", "h2"}), "It MUST.", "RFC 1 §1"),
    report.CheckInfo("two", "Two things", frozenset({"h1"}), "It SHOULD.", "RFC 1 §2", "should"),
)
RUN = report.CheckRun(
    report.CHECK_SCHEMA,
    "now",
    "2026-01-02T03:04:05+00:00",
    ("harness", "check"),
    SETTING,
    CHECKS,
    (
        Entry("a", "h1", "one", "pass", "fine\n→ sent"),
        Entry("a", "h1", "two", "fail", HOSTILE),
        Entry("b", "h1", "one", "error", "Traceback"),
        Entry("b", "h1", "two", "pass", "fine"),
        Entry("a", "h2", "one", "n/a", "a does not speak h2"),
        Entry("b", "h2", "one", "pass", "fine", "2.4"),
        Entry("c", "h2", "one", "no-start", "c ended; its log says: OSError"),
    ),
)


def test_there_is_a_table_for_each_kind_of_protocol_with_a_mark_in_each_cell() -> None:
    first, second = report.tables(RUN)
    assert [first.kind, second.kind] == ["h1", "h2"]
    assert first.servers == ("a", "b")
    assert [row.marks for row in first.rows] == [["✓", "!"], ["△", "✓"]]
    assert [row.marks for row in second.rows] == [["–", "2.4", "?"]]


def test_a_fault_counts_once_for_all_protocols_of_a_kind() -> None:
    every = msgspec.structs.replace(CHECKS[0], protocols=frozenset({"h1", "h1-tls", "h2", "h2c"}))
    results = (
        Entry("a", "h1", "one", "fail", "expected 1, found 2\n→ sent"),
        Entry("a", "h1-tls", "one", "fail", "expected 1, found 3"),
        Entry("a", "h2", "one", "pass", "fine"),
        Entry("a", "h2c", "one", "fail", "expected 1, found 4\n→ sent"),
        Entry("b", "h1", "one", "pass", "fine"),
        Entry("b", "h1-tls", "one", "n/a", "b does not speak TLS"),
        Entry("b", "h2", "one", "n/a", "b does not speak h2"),
    )
    first, second = report.tables(replace(RUN, checks=(every,), results=results))
    assert [row.marks for row in (*first.rows, *second.rows)] == [["✗", "✓"], ["✗", "–"]]
    assert [entry.summary for _, entry in (*first.failures, *second.failures)] == [
        "expected 1, found 2",
        "expected 1, found 4 (over HTTP/2 in clear only)",
    ]
    (score,) = [each for each in report.scores(replace(RUN, checks=(every,), results=results)) if each.server == "a"]
    assert score.passed["must"] == "0 of 1"


def test_what_endangers_a_deployment_comes_first_the_gravest_before_others(tmp_path: Path) -> None:
    checks = (
        msgspec.structs.replace(CHECKS[0], danger="hangs", consequence="Clients wait."),
        msgspec.structs.replace(CHECKS[1], danger="smuggles"),
        msgspec.structs.replace(CHECKS[1], name="three", title="Three things"),
    )
    results = (
        Entry("a", "h1", "one", "fail", "slow"),
        Entry("a", "h1", "two", "fail", "hidden"),
        Entry("a", "h1", "three", "fail", "gone", brought_down="died"),
        Entry("b", "h1", "one", "pass", "fine"),
    )
    run = replace(RUN, checks=checks, results=results, setting=replace(SETTING, servers={"a": "1.0", "b": "2.0"}))
    found = dangers.list_risks(report.tables(run), "a")
    assert [(risk.words, [each.title for each in risk.found]) for risk in found] == [
        ("It dies, or stops to answer", ["Three things"]),
        ("Requests can be smuggled past a proxy", ["Two things"]),
        ("Clients are left waiting", ["One thing"]),
    ]
    assert dangers.list_risks(report.tables(run), "b") == []
    text = pages.write(run, tmp_path).read_text()
    assert text.index("can be smuggled") < text.index("left waiting") < text.index("nothing that these checks look for")


def test_what_servers_can_do_is_told_of_installed_ones_as_far_as_it_was_asked() -> None:
    deflate = msgspec.structs.replace(CHECKS[0], name="ws-deflate", protocols=frozenset({"ws"}))
    results = (
        Entry("a", "h1", "one", "fail", ""),
        Entry("a", "ws", "ws-deflate", "pass", ""),
        Entry("b", "h1", "one", "pass", ""),
        Entry("b", "ws", "ws-deflate", "n/a", "b does not speak ws"),
        Entry("c", "h1", "one", "no-start", ""),
        Entry("d", "h1", "one", "n/a", "not installed"),
    )
    setting = replace(SETTING, servers={"a": "1.0", "b": "2.0", "c": "3.0"})
    can = dangers.list_capabilities(replace(RUN, checks=(deflate,), results=results, setting=setting))
    assert can.names == ("HTTP/1.1", "WebSocket", "WebSocket compression")
    assert can.by_server == {"a": (True, True, True), "b": (True, False, False), "c": (None, None, None)}


def test_what_was_not_tried_is_listed_with_its_reason() -> None:
    _, second = report.tables(RUN)
    assert second.not_tried == [("a", "a does not speak h2", 1), ("c", "c ended; its log says: OSError", 1)]


def test_a_check_that_fails_over_several_protocols_is_one_fault() -> None:
    results = (
        Entry("a", "h1", "one", "fail", "found 200\n→ sent"),
        Entry("a", "h2", "one", "fail", "died", brought_down="died"),
        Entry("a", "h1", "two", "pass", "fine"),
        Entry("b", "h1", "one", "pass", "fine"),
        Entry("b", "h2", "one", "n/a", "no h2"),
        Entry("b", "h1", "two", "fail", "found none"),
    )
    one = report.Fault("a", "one", "must", ("h1", "h2"), "died", "found 200")
    two = report.Fault("b", "two", "should", ("h1",), "", "found none")
    assert report.find_faults(CHECKS, results) == (one, two)
    assert report.find_faults(CHECKS, reversed(results)) == (replace(one, protocols=("h2", "h1"), summary="died"), two)
    scores = {score.server: score.passed for score in report.scores(replace(RUN, results=results))}
    assert scores["a"] == {"must": "0 of 1", "should": "1 of 1", "expected": "–"}
    assert scores["b"] == {"must": "1 of 1", "should": "0 of 1", "expected": "–"}


def test_a_fault_stands_once_in_the_list_of_failures(tmp_path: Path) -> None:
    results = tuple(Entry("a", protocol, "one", "fail", "found 200") for protocol in ("h1", "h2"))
    pages.write(replace(RUN, results=results), tmp_path)
    text = (tmp_path / "check.md").read_text()
    assert text.count("found 200") == 1
    assert "✗ **a** `one` (h1, h2): ` found 200 `" in text


def test_results_are_tests_of_a_suite_for_each_server() -> None:
    root = ET.fromstring(junit.render(RUN))
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["a", "b", "c"]
    outcomes = [
        (test.get("name"), *((child.tag, child.get("type")) for child in test)) for test in suites["a"].iter("testcase")
    ]
    assert outcomes == [
        ("one h1",),
        ("two h1", ("failure", "recommended")),
        ("one h2", ("skipped", "n/a")),
    ]
    failure = suites["a"].find(".//failure")
    assert failure is not None
    assert (failure.get("message"), "more" in str(failure.text)) == (HOSTILE.splitlines()[0], True)
    assert [suites[name].find(".//error") is not None for name in "abc"] == [False, True, True]


def test_required_and_recommended_checks_are_counted_separately() -> None:
    first, second = report.tables(RUN)
    assert (first.passed("a", "must"), first.passed("a", "should")) == ("1 of 1", "0 of 1")
    assert (second.passed("a", "must"), second.passed("b", "must"), second.passed("c", "must")) == ("–", "1 of 1", "–")
    scores = {score.server: score for score in report.scores(RUN)}
    assert dict(scores["b"].passed) == {"must": "0 of 1", "should": "1 of 1", "expected": "–"}
    assert (scores["a"].version, scores["c"].not_started) == ("1.0", "c ended; its log says: OSError")


def test_the_mark_of_a_failure_depends_on_the_requirement_level() -> None:
    entry = Entry("a", "h1", "one", "fail", "")
    marks = [report.mark(msgspec.structs.replace(CHECKS[0], level=level), entry) for level in report.LEVELS]
    assert marks == ["✗", "△", "○"]
    assert all(mark in report.MEANING for mark in [*marks, *report.MARKS.values()])


def test_json_has_everything(tmp_path: Path) -> None:
    pages.write(RUN, tmp_path)
    data = json.loads((tmp_path / "check.json").read_text())
    assert data["schema"] == report.CHECK_SCHEMA
    assert data["setting"]["servers"] == {"a": "1.0"}
    assert data["results"][1] == {
        "server": "a",
        "protocol": "h1",
        "check": "two",
        "outcome": "fail",
        "evidence": HOSTILE,
        "value": "",
        "brought_down": "",
    }
    assert [check["force"] for check in data["checks"]] == ["must", "should"]
    assert data["setting"]["commands"] == {"a": ["python -m a --port 8000"]}
    assert data["whole"] is True
    assert {check["name"]: check["source"] for check in data["checks"]} == {"one": "RFC 1 §1", "two": "RFC 1 §2"}


@pytest.mark.parametrize("name", ["check.md", "check.html"])
def test_text_of_a_server_does_nothing_in_a_page(name: str, tmp_path: Path) -> None:
    pages.write(RUN, tmp_path)
    text = (tmp_path / name).read_text()
    rendered = MarkdownIt().render(text) if name == "check.md" else text
    assert rendered.count("<script") == (0 if name == "check.md" else 1), "that of the page itself"
    assert "&lt;script&gt;" in rendered


def test_a_mark_links_to_its_evidence(tmp_path: Path) -> None:
    text = pages.write(RUN, tmp_path).read_text()
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert {"h1-a-two", "h1-b-one", "h1-two", "checks", "dangers"} <= links
    assert links <= set(re.findall(r'id="([^"]+)"', text))


def test_linked_evidence_is_shown_without_a_script(tmp_path: Path) -> None:
    text = pages.write(RUN, tmp_path).read_text()
    assert ".found:target > pre { display: block; }" in text
    assert re.search(r'<div class="found" id="h1-a-two"[^>]*>.*?<pre>', text, re.DOTALL)


@pytest.mark.parametrize("name", ["check.md", "check.html"])
def test_a_page_names_checks_as_the_option_does_and_what_was_started(name: str, tmp_path: Path) -> None:
    pages.write(RUN, tmp_path)
    text = (tmp_path / name).read_text()
    assert "python -m a --port 8000" in text
    assert re.search(r"One thing (<code>one</code>|\(`one`\))", text)


@pytest.mark.parametrize("name", ["check.json", "check.md", "check.html"])
def test_what_was_kept_out_is_named(name: str, tmp_path: Path) -> None:
    pages.write(replace(RUN, setting=replace(SETTING, kept_out=("UVICORN_X",))), tmp_path)
    assert "UVICORN_X" in (tmp_path / name).read_text().replace("\\_", "_")


@pytest.mark.parametrize("name", ["check.md", "check.html"])
def test_a_run_that_was_interrupted_says_so(name: str, tmp_path: Path) -> None:
    pages.write(replace(RUN, whole=False), tmp_path)
    assert "Interrupted: missing checks were not tried." in (tmp_path / name).read_text()


def test_evidence_on_the_page_is_short_and_that_of_what_passed_one_line(tmp_path: Path) -> None:
    long = "a summary\n" + "x" * 1900
    entries = (Entry("a", "h1", "one", "pass", long), Entry("a", "h1", "two", "fail", long))
    text = pages.write(replace(RUN, results=entries), tmp_path).read_text()
    assert "△ a" in text
    assert 100 < text.count("x" * 100) * 100 < 1000


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    text = pages.write(RUN, tmp_path).read_text()
    assert "http://" not in text
    assert "https://" not in text
