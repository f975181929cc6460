from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.analysis.naming import BY_SERVER
from harness.cli.terminal.trials import CaseNames, describe_trial
from harness.model.histogram import Histogram
from harness.model.loads import Capacity, Rate
from harness.model.plan import Case
from harness.model.results import Connections, Errors, LoadResult, Probe, Record

if TYPE_CHECKING:
    pass

CASE = Case("uvicorn", "asgi", "plaintext", "h1")
LEVEL = Capacity({99.0: 50_000})
SERVERS = CaseNames(BY_SERVER, workers=False)


def result(response_us: int) -> LoadResult:
    times = Histogram.of([response_us] * 4_000)
    return LoadResult(
        0, 10**9, 4_000, 4_000, 4_000, 4_000, 0, Errors(), times, times, Histogram(), {}, Connections(), 0.5
    )


def searched(probe: Probe, case: Case = CASE) -> Record:
    return Record(replace(case, load=LEVEL), 0, 3, "valid", result=result(12_000), probe=probe)


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        (Probe(4_000, "doubling", met=True), "4,000 requests/s met"),
        (
            Probe(8_000, "bisection", met=False, shortfall="p99 was 71.9 ms; limit 50 ms"),
            "8,000 requests/s missed: p99 was 71.9 ms; limit 50 ms",
        ),
        (Probe(4_000, "confirmation", met=True, final=True), "4,000 requests/s confirmed, p99 12.0 ms"),
    ],
)
def test_a_step_of_a_search_says_whether_its_rate_met_the_level(probe: Probe, text: str) -> None:
    assert describe_trial(searched(probe), SERVERS) == f"plaintext · h1 · uvicorn: {text}"


def test_a_trial_has_its_rate_or_the_reason_why_there_is_none() -> None:
    measured = Record(CASE, 0, 0, "valid", result=result(2_000))
    assert describe_trial(measured, SERVERS) == "plaintext · h1 · uvicorn: 4,000 requests/s, p99 2.00 ms"
    swept = replace(measured, case=replace(CASE, load=Rate(4_000)))
    assert describe_trial(swept, SERVERS).startswith("plaintext · h1 · uvicorn at 4,000/s: 4,000 requests/s")
    failed = Record(CASE, 0, 0, "failed", ("it ended with 3",))
    assert describe_trial(failed, SERVERS) == "plaintext · h1 · uvicorn: failed: it ended with 3"
