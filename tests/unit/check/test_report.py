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

from harness.check import junit, report
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


def test_there_is_a_table_for_each_protocol_with_a_mark_in_each_cell() -> None:
    first, second = report.tables(RUN)
    assert [first.protocol, second.protocol] == ["h1", "h2"]
    assert first.servers == ("a", "b")
    assert [row.marks for row in first.rows] == [["✓", "!"], ["△", "✓"]]
    assert [row.marks for row in second.rows] == [["–", "2.4", "?"]]


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
    report.write(replace(RUN, results=results), tmp_path)
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
    report.write(RUN, tmp_path)
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
    report.write(RUN, tmp_path)
    text = (tmp_path / name).read_text()
    rendered = MarkdownIt().render(text) if name == "check.md" else text
    assert "<script" not in rendered
    assert "&lt;script&gt;" in rendered


def test_a_mark_links_to_its_evidence(tmp_path: Path) -> None:
    text = report.write(RUN, tmp_path).read_text()
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert {"h1-a-two", "h1-b-one", "h1", "h2", "servers"} <= links
    assert links <= set(re.findall(r'id="([^"]+)"', text))


def test_linked_evidence_is_shown_without_a_script(tmp_path: Path) -> None:
    text = report.write(RUN, tmp_path).read_text()
    assert ".found:target > pre { display: block; }" in text
    assert re.search(r'<div class="found" id="h1-a-two">.*?<pre>', text, re.DOTALL)


@pytest.mark.parametrize("name", ["check.md", "check.html"])
def test_a_page_names_checks_as_the_option_does_and_what_was_started(name: str, tmp_path: Path) -> None:
    report.write(RUN, tmp_path)
    text = (tmp_path / name).read_text()
    assert "python -m a --port 8000" in text
    assert re.search(r"One thing (<code>one</code>|\(`one`\))", text)


@pytest.mark.parametrize("name", ["check.json", "check.md", "check.html"])
def test_what_was_kept_out_is_named(name: str, tmp_path: Path) -> None:
    report.write(replace(RUN, setting=replace(SETTING, kept_out=("UVICORN_X",))), tmp_path)
    assert "UVICORN_X" in (tmp_path / name).read_text().replace("\\_", "_")


@pytest.mark.parametrize("name", ["check.md", "check.html"])
def test_a_run_that_was_interrupted_says_so(name: str, tmp_path: Path) -> None:
    report.write(replace(RUN, whole=False), tmp_path)
    assert "Interrupted: missing checks were not tried." in (tmp_path / name).read_text()


def test_evidence_on_the_page_is_short_and_that_of_what_passed_one_line(tmp_path: Path) -> None:
    long = "a summary\n" + "x" * 1900
    entries = (Entry("a", "h1", "one", "pass", long), Entry("a", "h1", "two", "fail", long))
    text = report.write(replace(RUN, results=entries), tmp_path).read_text()
    assert "✓ a summary – a" in text
    assert 100 < text.count("x" * 100) * 100 < 1000


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    text = report.write(RUN, tmp_path).read_text()
    assert "http://" not in text
    assert "https://" not in text
