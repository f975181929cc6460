"""What is said while a run goes on: cause and remedy, and nothing while all is well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.advice import advise
from harness.model.loads import Capacity, Rate
from harness.model.results import Errors
from tests.builders import CASE, record

OTHER = replace(CASE, server="b")
WELL = record(), record(OTHER)


def test_while_all_is_well_nothing_is_said() -> None:
    assert list(advise(WELL)) == []
    assert list(advise([])) == []


def test_other_processes_are_named_with_what_they_cost_and_what_ratios_need() -> None:
    (advice,) = advise([replace(each, disturbed=True, other_cpu_ratio=0.71) for each in WELL])
    assert advice.text.startswith(
        "other processes use 71% of the servers' CPUs: absolute numbers will be marked, ratios"
    )
    assert "--precision 2%" in advice.text


def test_steal_has_a_line_of_its_own() -> None:
    (advice,) = advise([replace(each, disturbed=True, steal_ratio=0.3) for each in WELL])
    assert (advice.topic, advice.text[:35]) == ("steal", "the host takes 30% of the CPU time:")


def test_a_generator_that_limits_most_candidates_is_named_with_remedies() -> None:
    limited = [replace(each, verdict="client-limited") for each in WELL]
    (advice,) = advise(limited)
    assert "the load generator is the limit for 2 of 2 candidates: use --load-processes" in advice.text
    assert list(advise([limited[0], WELL[1]])) == []


def test_an_open_loop_is_not_a_remedy_for_itself() -> None:
    offered = [replace(each, case=replace(each.case, load=Rate(200)), verdict="client-limited") for each in WELL]
    (advice,) = advise(offered)
    assert advice.text.endswith("or a lower rate")
    disturbed = [replace(each, verdict="valid", disturbed=True, steal_ratio=0.3) for each in offered]
    assert [each.text for each in advise(disturbed)] == [
        "the host takes 30% of the CPU time: absolute numbers will be marked"
    ]


@pytest.mark.parametrize(
    ("kind", "example", "remedy"),
    [
        ("status", "GET /me: expected 200, found 401: '{}'", "--header 'Authorization: …'"),
        ("status", "GET /: expected 200, found 429: 'slow down'", "turn that off while it is measured"),
        ("unanswered", "GET /: no complete answer within 30 s", "--request-timeout waits longer"),
        ("too large", "GET /: expected at most 64 MiB", "--max-body allows longer bodies"),
    ],
)
def test_wrong_answers_have_a_remedy_if_their_first_example_says_so(kind: str, example: str, remedy: str) -> None:
    errors = Errors(3, {kind: 3}, {kind: example})
    advices = list(advise([record(verdict="invalid", errors=errors), record(OTHER, verdict="invalid", errors=errors)]))
    assert [remedy in each.text for each in advices] == [True]
    searched = replace(CASE, load=Capacity({99: 50_000}))
    assert list(advise([record(searched, verdict="invalid", errors=errors)])) == []


def test_other_errors_have_no_remedy() -> None:
    errors = Errors(3, {"status": 3}, {"status": "GET /: expected 200, found 500: 'no'"})
    assert list(advise([record(verdict="invalid", errors=errors)])) == []


def test_a_server_that_spins_while_it_is_idle_is_measured_alone() -> None:
    (advice,) = advise([replace(WELL[0], idle_cpu_ratio=0.5), replace(WELL[1], idle_cpu_ratio=0.05)])
    assert advice.text == "a uses 50% of a core while it is not its turn: from the next round on it is measured alone"
