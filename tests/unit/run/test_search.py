"""The search for a capacity against servers whose capacity is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.loads import SEARCH_CONFIRMATIONS, SEARCH_LEAST_RPS, SEARCH_RESOLUTION, Capacity
from harness.model.plan import Case
from harness.model.records import Probe, Record
from harness.model.results import Errors, LoadResult
from harness.run.search import Try, choose_length_s, least_rps, next_try, shortfall, weigh
from tests.builders import load_result

LEVEL = Capacity({99.0: 50_000}, error_share=0.01)
CASE = Case("uvicorn", "asgi", "plaintext", "h1", load=LEVEL)


def searched(meets: Callable[[Try], bool], first_rps: float = 1_000.0) -> list[Probe]:
    """All trials of a search against a server that meets the level when `meets` says so."""
    seen: list[Probe] = []
    while (attempt := next_try(seen, first_rps)) is not None:
        seen.append(Probe(attempt.rate_rps, attempt.step, meets(attempt)))
        assert len(seen) < 60
    return seen


@given(st.floats(SEARCH_LEAST_RPS, 1e6), st.floats(SEARCH_LEAST_RPS, 1e5))
def test_a_capacity_is_found_to_within_the_resolution_whatever_the_first_rate(
    capacity_rps: float, first_rps: float
) -> None:
    seen = searched(lambda attempt: attempt.rate_rps <= capacity_rps, first_rps)
    if capacity_rps < 2 * SEARCH_LEAST_RPS:
        return  # it may lie below the lowest rate that is tried
    last = seen[-1]
    assert (last.step, last.met) == ("confirmation", True)
    assert capacity_rps / (1 + SEARCH_RESOLUTION) ** 1.01 <= last.rate_rps <= capacity_rps


@given(st.integers(0, 2**32), st.floats(100, 1e5))
def test_a_search_ends_even_where_answers_contradict_each_other(seed: int, first_rps: float) -> None:
    seen = searched(lambda attempt: hash((seed, attempt)) % 3 > 0, first_rps)
    confirmations = [probe for probe in seen if probe.step == "confirmation"]
    assert len(confirmations) <= SEARCH_CONFIRMATIONS
    assert not any(probe.met for probe in confirmations[:-1])


def test_the_steps_are_doubling_then_bisection_then_confirmation() -> None:
    steps = [probe.step for probe in searched(lambda attempt: attempt.rate_rps <= 5_000)]
    assert steps == ["doubling"] * 4 + ["bisection"] * 4 + ["confirmation"]


def test_a_rate_that_is_not_confirmed_goes_down_step_by_step() -> None:
    seen = searched(lambda attempt: attempt.rate_rps <= (5_000 if attempt.step != "confirmation" else 4_500))
    confirmations = [probe.rate_rps for probe in seen if probe.step == "confirmation"]
    assert len(confirmations) > 1
    assert all(above / below == pytest.approx(1 + SEARCH_RESOLUTION) for above, below in pairwise(confirmations))
    assert confirmations[-1] <= 4_500


def test_a_server_that_meets_nothing_is_given_up_at_the_lowest_rate() -> None:
    seen = searched(lambda _: False)
    assert seen[-1].rate_rps >= SEARCH_LEAST_RPS > seen[-1].rate_rps / 2
    assert not any(probe.met for probe in seen)


def result(answers: int = 1_000, response_us: int = 1_000, errors: int = 0, dropped: int = 0) -> LoadResult:
    """One second of an open loop."""
    found = Errors(errors, {"status": errors} if errors else {})
    sent = answers + errors
    return load_result(answers, response_us, started=sent, finished=sent, errors=found, dropped=dropped)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (result(), None),
        (result(991), None),
        (result(989), "98.9 % of 1,000 requests/s were answered; limit 99 %"),
        (result(dropped=1), "100 % of 1,000 requests/s were answered; limit 99 %"),
        (result(response_us=49_000), None),
        (result(response_us=50_000), "p99 was 50 ms; limit 50 ms"),
        (result(errors=10), None),
        (result(errors=20), "2 % of the requests had no right answer; limit 1 %"),
    ],
)
def test_a_level_is_missed_with_figure_and_limit(seen: LoadResult, words: str | None) -> None:
    assert shortfall(LEVEL, 1_000, seen) == words


TRIAL = Record(CASE, 0, 0, "valid", result=result())
DOUBLING, CONFIRMATION = Try(1_000, "doubling"), Try(1_000, "confirmation")
SEEN = [Probe(500, "doubling", met=True), Probe(1_040, "bisection", met=False)]


def test_a_step_on_the_way_does_not_stand_for_the_round_and_a_confirmation_does() -> None:
    step, end = weigh(TRIAL, DOUBLING, LEVEL, [])[0], weigh(TRIAL, CONFIRMATION, LEVEL, SEEN)[0]
    assert (step.counts, step.verdict, end.counts, end.verdict) == (False, "valid", True, "valid")


def test_a_level_that_was_met_was_met_however_busy_the_generator() -> None:
    busy = replace(TRIAL, verdict="client-limited", reasons=("busy",))
    assert weigh(busy, CONFIRMATION, LEVEL, SEEN)[0].verdict == "valid"


def test_a_level_missed_by_a_generator_at_its_limit_ends_the_search() -> None:
    slow = replace(TRIAL, verdict="client-limited", reasons=("busy",), result=result(response_us=90_000))
    found, _ = weigh(slow, DOUBLING, LEVEL, SEEN[:1])
    assert (found.counts, found.verdict) == (True, "client-limited")
    known = "the search ended at 1,000 requests/s; the highest rate that met the level was 500"
    assert found.reasons == ("busy", known)


def test_a_trial_that_failed_ends_the_search() -> None:
    found = weigh(replace(TRIAL, verdict="failed", reasons=("gone",), result=None), DOUBLING, LEVEL, [])[0]
    assert (found.counts, found.verdict, found.reasons[0]) == (True, "failed", "gone")
    assert found.reasons[1] == "the search ended at 1,000 requests/s; no rate had met the level yet"


@pytest.mark.parametrize(
    ("limits_us", "rate_rps", "looks_s", "lowest_rps"),
    [
        ({50.0: 1}, 1_000, 2.0, 10.0),
        ({99.0: 1}, 1_000, 2.0, 52.5),
        ({99.0: 1}, 100, 10.5, 52.5),
        ({99.0: 1}, 1, 20.0, 52.5),
        ({50.0: 1, 99.9: 1}, 1_000, 10.5, 525.0),
    ],
)
def test_a_trial_looks_so_long_that_its_requests_carry_the_percentiles(
    limits_us: dict[float, int], rate_rps: float, looks_s: float, lowest_rps: float
) -> None:
    level = Capacity(limits_us)
    assert choose_length_s(level, rate_rps, 2.0) == pytest.approx(looks_s)
    assert least_rps(level) == pytest.approx(lowest_rps)


def test_a_search_without_success_says_how_low_it_went_and_why() -> None:
    slow = replace(TRIAL, result=result(response_us=90_000))
    found, probe = weigh(slow, Try(60, "doubling"), LEVEL, [Probe(120, "doubling", met=False)])
    assert (found.counts, found.verdict) == (True, "invalid")
    assert found.reasons[0].startswith("no rate down to 60 requests/s met the level twice; the last time, ")
    assert probe == found.probe
    assert math.isclose(probe.rate_rps, 60)
