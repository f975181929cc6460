"""The JSON Schema of `summary.json`: all that is written keeps to it, and nothing is in it that is not written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.model.link import NEAR, Distance, Interface, Link, LinkSpeed
from harness.model.load_workers import LoadWorker
from harness.model.plan import Comparison
from harness.model.run_info import RunInfo
from harness.model.server_share import HalfRate, ServerPart, ServerShare, Spread
from harness.model.summaries import (
    SUMMARY_SCHEMA,
    CaseSummary,
    ComparisonSummary,
    Estimate,
    Latency,
    Ratio,
    RequestSummary,
)
from harness.report.summary import encode
from tests import reported, synthetic
from tests.builders import HOSTS
from tests.contract_page import DOCS, PAGE, SCHEMA, close, list_faults, write_tables
from tests.reported import RUN, Reported
from tests.synthetic import flat, under

CLOSED = Draft202012Validator(close(SCHEMA))
"""Accepts only keys that it names."""
PUBLISHED = sorted((DOCS / "results").glob("*/summary.json"))
HALF, EVEN = Estimate(0.5, 0.4, 0.6), Ratio(1.0, 0.9, 1.1)
TAIL = Latency(HALF, HALF, HALF, HALF, HALF)


def full_run() -> Reported:
    """A run in which every key has a value."""
    run, comparisons = reported.control_run(EVEN)
    request = RequestSummary("GET", "/events", 9, 1, 1, HALF, TAIL, None, HALF, TAIL, TAIL)

    def fill(each: CaseSummary) -> CaseSummary:
        return replace(
            each,
            cpu_us_by_program={"nginx": HALF, "uvicorn": HALF},
            ranks={"throughput": 1, "p99": 1},
            warming=EVEN,
            users_ready_s=HALF,
            by_name=(request, replace(request, ratio_to_baseline=each.ratio_to_baseline)),
        )

    comparisons = [replace(each, summaries=tuple(map(fill, each.summaries))) for each in comparisons]
    run, comparisons = at_a_distance(run, comparisons)
    worker = LoadWorker("gen1-7", "gen1", "0.1.0", "2.46.6", "CPython 3.11.7", 2)
    run = replace(run, load_workers=(worker,), hosts=HOSTS, sources={"harness": "1f"})
    return replace(run, planned=tuple(each.case for each in flat(comparisons))), comparisons


def at_a_distance(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> Reported:
    """The same in a network namespace, over a link that was measured."""

    def move(each: CaseSummary) -> CaseSummary:
        return replace(each, case=replace(each.case, rtt_s=0.02, loss=0.001))

    far = Distance(0.02, 0.001)
    speeds = (LinkSpeed(NEAR, 1e-5, 2e-5, 2e9, 6e4, 7e4), LinkSpeed(far, 0.0201, 0.0203))
    interface = Interface("veth", 1500, 10_000, "virtio_net", ("tso",))
    link = Link("namespace", "198.18.0.1", "198.18.0.2", interface, "delay line", speeds)
    moved = [
        replace(each, comparison=replace(each.comparison, distance=far), summaries=tuple(map(move, each.summaries)))
        for each in comparisons
    ]
    return replace(under(run, netns=True, rtt_s=(0.02,), loss=0.001), link=link), moved


def far_on_an_interface(run: RunInfo) -> Reported:
    """At a distance, but in no namespace."""
    return under(run, rtt_s=(0.02,), loss=0.001), []


def share() -> ServerShare:
    half = HalfRate("valid", (), 150.0, HALF, TAIL, HALF)
    part = ServerPart("granian", "valid", HALF, HALF, HALF, EVEN, 0.97, "", half)
    place = flat(reported.COMPARISONS)[0].case.comparison
    assert isinstance(place, Comparison)
    return ServerShare("shop", place, (part, replace(part, at_half_rate=None)), "cpu", 0.1, Spread("a", "b", EVEN))


RUNS: dict[str, Reported] = {
    "every verdict": (RUN, reported.COMPARISONS),
    "every key": full_run(),
    "a sweep": (reported.SWEEP, synthetic.sweep(control=True)),
    "interrupted": reported.interrupted_run("granian"),
    "without the baseline": reported.without_baseline(),
    "odd names": reported.odd_run(),
    "levels of users": (under(RUN, users=(8, 32)), synthetic.with_users({8: {"uvicorn": 1.0}, 32: {"uvicorn": 1.0}})),
    "a precision": (under(RUN, precision=0.05, slice_s=0.1, together=1), reported.COMPARISONS),
    "no control, no case": (under(RUN, control=False), []),
    "an interface of the user's": far_on_an_interface(RUN),
}


def written(name: str) -> Any:
    return json.loads(encode(*RUNS[name], shares=(share(),)))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == SUMMARY_SCHEMA


@pytest.mark.parametrize("name", RUNS)
def test_what_is_written_keeps_to_the_schema_and_has_no_other_key(name: str) -> None:
    assert list_faults(written(name), CLOSED) == []


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_published_summaries_keep_to_the_schema_and_have_no_key_that_was_removed_since(path: Any) -> None:
    assert list_faults(json.loads(path.read_text()), CLOSED) == []


def test_there_are_published_summaries() -> None:
    assert PUBLISHED


def test_every_key_of_the_schema_is_written() -> None:
    found: set[tuple[str, str]] = set()
    _collect("The file", SCHEMA, written("every key"), found)
    named = {("The file", key) for key in SCHEMA["properties"]}
    named |= {(name, key) for name, each in SCHEMA["$defs"].items() for key in each["properties"]}
    assert found == named


def _collect(name: str, schema: dict[str, Any], value: Any, found: set[tuple[str, str]]) -> None:
    """Add each key of each named object that a value has."""
    for each in [schema, *schema.get("anyOf", ())]:
        if "$ref" in each and value is not None:
            target = each["$ref"].rsplit("/", 1)[-1]
            _collect(target, SCHEMA["$defs"][target], value, found)
    if isinstance(value, list):
        for each in value:
            _collect(name, schema.get("items", {}), each, found)
    elif isinstance(value, dict):
        found |= {(name, key) for key in value if key in schema.get("properties", ())}
        inner = schema.get("properties", {})
        other = schema.get("additionalProperties", {})
        for key, each in value.items():
            _collect("", inner.get(key, other), each, found)


def _set(path: str, value: object) -> Callable[[Any], None]:
    """Set what is at this path, such as `cases/0/verdict`."""

    def change(summary: Any) -> None:
        *above, last = path.split("/")
        for each in above:
            summary = summary[int(each) if each.isdecimal() else each]
        summary[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("schema", 2),
        _set("cases/0/verdict", "great"),
        _set("cases/0/throughput_rps", 9_100),
        _set("cases/0/throughput_rps/median", "9,100"),
        _set("cases/0/rank", 1.5),
        _set("cases/0/errors/by_kind", []),
        _set("run/users", [8, 32]),
        _set("controls/0/throughput", {"value": 1.0}),
        lambda summary: summary["cases"][0]["case"].pop("server"),
        lambda summary: summary.pop("run"),
    ],
)
def test_a_summary_that_breaks_the_contract_is_refused(change: Callable[[Any], None]) -> None:
    summary = written("every key")
    assert list_faults(summary) == []
    change(summary)
    assert list_faults(summary)


def test_an_unknown_key_breaks_nothing() -> None:
    summary = written("every key")
    summary["cases"][0]["new"] = 1
    assert list_faults(summary) == []
    assert list_faults(summary, CLOSED)


def test_the_page_has_the_tables_of_the_schema() -> None:
    page = PAGE.read_text()
    assert write_tables(page) == page, "write it again: python -m tests.contract_page"
