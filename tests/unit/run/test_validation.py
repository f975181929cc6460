"""A damaged file of a run is either read, and then reported, or refused in one line that names file and line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analysis.compare import compare
from harness.analysis.comparison import Side
from harness.analysis.summarise import summarise
from harness.model.errors import UsageError
from harness.model.hdr_histogram import encode
from harness.model.loads import write_load
from harness.model.plan import ServerConfig
from harness.model.records import ServerStart
from harness.report import compare_markdown, hdr, html, markdown, summary
from harness.report.compare import make_page as make_comparison
from harness.report.page import make_page
from harness.run.directory import RunDirectory
from tests.builders import CASE, RUN, record
from tests.fault_table import Fault

if TYPE_CHECKING:
    from pathlib import Path

OTHER = replace(CASE, server="b")
STARTS = [ServerStart(ServerConfig(each, "asgi", 1, tls=False), 0, ("x",), 0.1, stop_s=0.2) for each in ("a", "b")]
WRONG = (
    *(None, True, "", "x", "\u001b[2J", [], {}, [[]], -1, 0, 1, 2**31, 2**63, 2**64, 10**30, -(10**30)),
    *(-0.5, 1e-300, 1e18, 1e308, -1e308, "NaN", {"0": -1}, {"-1": 1}, {"99999": 1}, {"0": 2**62}, {"x": 1}),
)


def plain(value: object) -> Any:
    return json.loads(msgspec.json.encode(value, enc_hook=write_load))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory.create(tmp_path, "one")
    directory.write_info(replace(RUN, planned=(CASE, OTHER)))
    for number in range(3):
        directory.append(record(number=number))
        directory.append(record(OTHER, number, answers=(500, 700)))
    for start in STARTS:
        directory.append(start)
    return directory


def report(directory: RunDirectory) -> None:
    """Everything that a command does with a run, but drawing."""
    info, trials, starts = directory.read_info(), directory.read_trials(), directory.read_starts()
    comparisons = summarise(trials, starts, info)
    page = make_page(info, comparisons, [], starts, trials)
    markdown.render(page)
    html.render(page, {})
    json.loads(summary.encode(info, comparisons))
    hdr.write_log(info, comparisons)
    if trials:
        side = Side("A", info, trials, starts, None)
        compare_markdown.render(make_comparison(compare(side, replace(side, info=RUN), ())))


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inside for found in paths_of(each, (*path, key)))]


def damage(document: Any, path: tuple[Any, ...], wrong: object) -> Any:
    if not path:
        return wrong
    key, *rest = path
    if isinstance(document, dict):
        return {**document, key: damage(document[key], tuple(rest), wrong)}
    return [damage(each, tuple(rest), wrong) if number == key else each for number, each in enumerate(document)]


def is_read_or_refused(directory: RunDirectory, name: str) -> None:
    try:
        report(directory)
    except UsageError as error:
        text = str(error)
        assert "\n" not in text
        assert name in text
        assert name == "run.json" or ", line " in text


@settings(
    max_examples=400,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_a_damaged_value_is_read_or_refused(run: RunDirectory, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["run.json", "trials.jsonl", "starts.jsonl"]))
    path = run.path / name
    whole = path.read_bytes()
    lines = [whole] if name == "run.json" else whole.splitlines(keepends=True)
    number = data.draw(st.integers(0, len(lines) - 1))
    document = json.loads(lines[number])
    place = data.draw(st.sampled_from(paths_of(document)))
    wrong = data.draw(st.sampled_from(WRONG) | st.floats() | st.integers() | st.text(max_size=5))
    lines[number] = json.dumps(damage(document, place, wrong)).encode() + b"\n"
    try:
        path.write_bytes(b"".join(lines))
        is_read_or_refused(run, name)
    finally:
        path.write_bytes(whole)


@settings(
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_damaged_bytes_are_read_or_refused(run: RunDirectory, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["run.json", "trials.jsonl", "starts.jsonl"]))
    path = run.path / name
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    try:
        path.write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:])
        is_read_or_refused(run, name)
    finally:
        path.write_bytes(whole)


def test_a_slice_may_have_lost_all_its_users(run: RunDirectory) -> None:
    path = run.path / "trials.jsonl"
    first, *rest = path.read_bytes().splitlines(keepends=True)
    damaged = damage(json.loads(first), ("result", "slices", "users", 0), 0)
    path.write_bytes(b"".join([json.dumps(damaged).encode() + b"\n", *rest]))
    report(run)


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (("result", "cpu_ratio"), 1e308, "expected cpu_ratio from 0 to 1e+18, found 1e+308"),
        (
            ("result", "response", "counts"),
            "nonsense",
            "expected a record of schema 3, found that schema 3",
        ),
        (("result", "response", "counts"), encode({1: 10**13}), "expected counts of response from 1 to 1000000000000"),
        (
            ("result", "response", "counts"),
            encode({70000: 1}),
            "expected buckets of response from 0 to 27647, found 70000",
        ),
        (("result", "response", "max_us"), 5, "expected max_us of response in its highest bucket, found 5"),
        (("result", "slices", "end_ns", 0), 1, "expected a slice that opens, starts, ends and drains in this order"),
        (("case", "load"), "rate=" + "9" * 400, "expected a record of schema"),
        (("case", "server"), "\u001b[2J", "expected a printable name of server, found '\\x1b[2J'"),
        (("case", "users"), 0, "expected users from 1 to 1e+07, found 0"),
        (("round",), 2**62, "expected round from 0 to 1e+07, found 4.61169e+18"),
    ],
)
def test_a_lie_is_named_with_its_line(
    run: RunDirectory, place: tuple[Any, ...], wrong: object, message: str, fault: Fault
) -> None:
    path = run.path / "trials.jsonl"
    first, second, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, json.dumps(damage(json.loads(second), place, wrong)).encode() + b"\n", *rest]))
    with pytest.raises(UsageError) as caught:
        report(run)
    assert str(caught.value).startswith(f"{path}, line 2: {message}")
    report_refusal(fault, f"{'.'.join(map(str, place))} = {str(wrong)[:20]!r} in a results file", caught.value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1e999", "[" * 100_000])
def test_what_is_no_json_is_refused(run: RunDirectory, text: str, fault: Fault) -> None:
    path = run.path / "trials.jsonl"
    path.write_text(path.read_text().replace('"cpu_ratio":0.5', f'"cpu_ratio":{text}', 1))
    expected = r"\A[^\n]*trials\.jsonl, line 1: expected a record of schema 3, found that "
    with pytest.raises(UsageError, match=expected) as caught:
        report(run)
    report_refusal(fault, f"result.cpu_ratio = {text[:20]} in a results file", caught.value)


def report_refusal(fault: Fault, name: str, refusal: UsageError) -> None:
    fault.report(name=name, happened="refused at once", lost="nothing", left="nothing", told=str(refusal)[:200])
