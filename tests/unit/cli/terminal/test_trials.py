from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.naming import BY_SERVER, Levels
from harness.cli.terminal.trials import CaseNames, describe_trial
from harness.model.loads import Capacity, Rate
from harness.model.plan import Case
from harness.model.records import Probe, Record
from harness.model.results import LoadResult
from tests.builders import load_result

CASE = Case("uvicorn", "asgi", "plaintext", "h1")
LEVEL = Capacity({99.0: 50_000})
SERVERS = CaseNames(BY_SERVER, Levels(users=False, workers=False))


def result(response_us: int) -> LoadResult:
    return load_result(4_000, response_us)


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


def test_what_there_are_several_numbers_of_is_named_with_the_case_and_only_workers_with_a_server() -> None:
    names = CaseNames(BY_SERVER, Levels(users=True, workers=True))
    case = replace(CASE, users=8, workers=2)
    assert names.case(case) == "plaintext · h1 · uvicorn, 8 users, 2 workers"
    assert names.candidate(case.config) == "uvicorn, 2 workers"
