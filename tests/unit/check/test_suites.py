"""Reports of other suites in their documented form, and where they and our checks disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from harness.check.model import Check, Entry, passed
from harness.check.runner import checks
from harness.check.suites import autobahn, h2spec
from harness.check.suites.model import Case, Disagreement, Suite, SuiteRun, compare
from harness.check.suites.report import describe, describe_suites, summarise
from harness.check.suites.run import SUITES, find_program, run_suites

H2SPEC = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="1. Starting HTTP/2" package="generic/1" id="1" tests="0" failures="0"></testsuite>
  <testsuite name="3.5. HTTP/2 Connection Preface" package="http2/3.5" id="3.5" tests="2" errors="1">
    <testcase package="http2/3.5" classname="Sends client connection preface" time="0.0010"></testcase>
    <testcase package="http2/3.5" classname="Sends invalid connection preface" time="0.0042">
      <error>GOAWAY Frame (Error Code: PROTOCOL_ERROR)
Connection closed
Error: unexpected EOF</error>
    </testcase>
  </testsuite>
  <testsuite name="6.9.2. Initial Flow-Control Window Size" package="http2/6.9.2" id="6.9.2" tests="2" skipped="1">
    <testcase package="http2/6.9.2" classname="Changes SETTINGS_INITIAL_WINDOW_SIZE" time="0.0015">
      <failure>Expect:
DATA Frame (length:1, flags:0x00, stream_id:1)
Actual:
Timeout</failure>
    </testcase>
    <testcase package="http2/6.9.2" classname="Sends a SETTINGS frame for window size to be negative" time="0.0008">
      <skipped></skipped>
    </testcase>
  </testsuite>
</testsuites>"""
AUTOBAHN = {
    "server": {
        "1.1.1": {
            "behavior": "FAILED",
            "behaviorClose": "FAILED",
            "duration": 1024,
            "remoteCloseCode": None,
            "reportfile": "server_case_1_1_1.json",
        },
        "3.2": {"behavior": "NON-STRICT", "behaviorClose": "OK", "reportfile": "server_case_3_2.json"},
        "7.1.6": {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL", "reportfile": "none.json"},
        "7.9.1": {"behavior": "OK", "behaviorClose": "WRONG CODE", "reportfile": "none.json"},
    }
}
EMPTY = {
    "description": "Send text message with payload 0.",
    "result": "Actual events differ from any expected.",
    "resultClose": "",
}


def read_nothing(_: Path) -> list[Case]:
    raise AssertionError


def test_cases_of_h2spec_are_read_from_its_report(tmp_path: Path) -> None:
    (tmp_path / "h2spec.xml").write_text(H2SPEC)
    assert h2spec.SUITE.read(tmp_path) == [
        Case("http2/3.5/1", "Sends client connection preface", True),
        Case(
            "http2/3.5/2",
            "Sends invalid connection preface",
            False,
            "expected GOAWAY Frame (Error Code: PROTOCOL_ERROR) or Connection closed, found Error: unexpected EOF",
        ),
        Case(
            "http2/6.9.2/1",
            "Changes SETTINGS_INITIAL_WINDOW_SIZE",
            False,
            "expected DATA Frame (length:1, flags:0x00, stream_id:1), found Timeout",
        ),
    ]


def test_what_a_server_sent_is_read_although_h2spec_does_not_escape_it(tmp_path: Path) -> None:
    said = "a < b & \\x00\x00"
    case = f'<testcase classname="What"><error>{said}</error></testcase>'
    (tmp_path / "h2spec.xml").write_text(f'<testsuites><testsuite package="http2/1">{case}</testsuite></testsuites>')
    assert h2spec.SUITE.read(tmp_path) == [Case("http2/1/1", "What", False, "a < b & \\x00�")]


def test_a_report_that_is_no_xml_is_told(tmp_path: Path) -> None:
    (tmp_path / "h2spec.xml").write_text("<testsuites>")
    with pytest.raises(ValueError, match="expected a report in XML"):
        h2spec.SUITE.read(tmp_path)


def test_cases_of_autobahn_are_read_from_its_reports(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps(AUTOBAHN))
    (tmp_path / "server_case_1_1_1.json").write_text(json.dumps(EMPTY))
    assert autobahn.SUITE.read(tmp_path) == [
        Case("1.1.1", EMPTY["description"], False, "FAILED. Actual events differ from any expected."),
        Case("3.2", "", True),
        Case("7.1.6", "", True),
        Case("7.9.1", "", False, "close: WRONG CODE."),
    ]


@pytest.mark.parametrize("program", ["wstest", "/opt/bin/kosoku"])
def test_a_program_for_autobahn_is_told_where_the_server_is_and_what_is_left_out(program: str, tmp_path: Path) -> None:
    target = cast("Any", type("Target", (), {"authority": "127.0.0.1:9"}))
    argv = autobahn.SUITE.command(program, target, tmp_path)
    said = " ".join(argv) + "".join(path.read_text() for path in tmp_path.iterdir())
    assert all(words in said for words in ("fuzzingclient", "ws://127.0.0.1:9/echo", "9.*", str(tmp_path)))


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_suites_name_checks_that_there_are(suite: Suite) -> None:
    named = {check for names in suite.related.values() for check in names}
    assert named <= {check.name for check in checks() if not check.protocols.isdisjoint(suite.protocols)}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("http2/6.9.1/1", ("h2-window-stream",)),
        ("http2/6.9.1/2", ("h2-window-overflow",)),
        ("http2/6.10/3", ("h2-stream-zero",)),
        ("generic/3.10/1", ("h2-continuation", "h2-continuation-order")),
        ("hpack/2.3.3/1", ("h2-hpack", "h2-error-codes")),
        ("http2/5.3.1/1", ()),
    ],
)
def test_the_longest_beginning_of_an_id_says_which_checks_ask_the_same(case: str, expected: tuple[str, ...]) -> None:
    assert h2spec.SUITE.checks_like(case) == expected


SUITE = Suite("mine", (), "", ("h2",), cast("Any", None), read_nothing, {"1": ("one",), "2": ("two",), "3": ("three",)})


def check(name: str, level: Any = "must") -> Check:
    return Check(name, name, frozenset({"h2"}), "It MUST.", "RFC 1", "It MUST.", "", lambda _: passed(""), level=level)


def entry(name: str, outcome: Any) -> Entry:
    return Entry("a", "h2", name, outcome, f"{outcome} it did")


def found(cases: list[Case], *entries: Entry) -> tuple[Disagreement, ...]:
    return compare(SUITE, cases, entries, [check("one"), check("two"), check("three", "expected")])


PASSED, FAILED = Case("1.1", "", True), Case("1.2", "Sends nothing", False, "Timeout")


def test_a_failure_that_only_the_suite_found_is_told_with_both_texts() -> None:
    (only,) = found([PASSED, FAILED], entry("one", "pass"), entry("two", "pass"))
    assert only == Disagreement("suite", ("1.2",), "Sends nothing: Timeout", ("one",), "one: pass, pass it did")
    assert describe(only) == ("failed 1.2: Sends nothing: Timeout", "ours: one: pass, pass it did")


def test_a_failure_that_only_our_check_found_is_told_if_the_source_requires_it() -> None:
    cases = [PASSED, Case("3.1", "", True)]
    (only,) = found(cases, entry("one", "fail"), entry("three", "fail"))
    assert only == Disagreement("check", ("1.1",), "passed", ("one",), "fail it did")
    assert describe(only) == ("passed 1.1", "ours: one: fail it did")


def test_failures_that_both_found_agree() -> None:
    assert found([PASSED, FAILED], entry("one", "fail")) == ()


@pytest.mark.parametrize(
    ("case", "says"), [(FAILED, "not tried: one"), (Case("9", "What", False, "No"), "no check asks this")]
)
def test_a_failure_that_we_did_not_look_for_is_told(case: Case, says: str) -> None:
    assert [each.check_says for each in found([case], entry("two", "pass"))] == [says]


def test_runs_are_summarised_in_a_line_and_in_markdown() -> None:
    only = Disagreement("suite", ("1.2",), "Sends <b>", ("one",), "one: pass, fine")
    run = SuiteRun("mine", "mine", "a", "h2", 2, (FAILED,), (only,))
    assert summarise(run) == "1 of 2 cases passed; 1 disagreement with our checks"
    text = "\n\n".join(describe_suites([run]))
    assert "## Beside other suites" in text
    assert "Failed: 1.2" in text
    assert "<b>" not in text
    assert summarise(SuiteRun("mine", "mine", "a", "h2", 3, (), ())) == "3 of 3 cases passed; our checks agree"
    assert summarise(SuiteRun("mine", "mine", "a", "h2", 0, (), (), "no report")) == "no report"
    assert describe_suites([]) == []


def test_a_suite_that_is_not_installed_is_told_with_how_to_get_it() -> None:
    missing = Suite("mine", ("no-such-program",), "get it there", ("h2",), cast("Any", None), read_nothing, {})
    said: list[str] = []
    assert find_program(missing) is None
    assert list(run_suites([missing], cast("Any", None), cast("Any", None), said.append)) == []
    assert said == ["mine is not installed: get it there"]
