"""Accounting: every request is in exactly one number, over any number of repetitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drill.load import Traffic
from harness.drill.model import ENDS, End, Exchange, Observation, Seen, Tally, coverage, percentile_ms

MS = 1_000_000

ends = st.sampled_from(ENDS)
exchanges = st.lists(
    st.builds(
        lambda due, took, end: Exchange("quick", due * MS, (due + took) * MS, end, "" if end == "right" else end),
        st.integers(0, 50),
        st.integers(0, 50),
        ends,
    )
)


def exchange(due_ms: int, ended_ms: int, end: End = "right", requests: str = "quick") -> Exchange:
    return Exchange(requests, due_ms * MS, ended_ms * MS, end)


@given(exchanges)
def test_every_exchange_is_in_exactly_one_number(found: list[Exchange]) -> None:
    tally = Tally.of("all", found)
    assert tally.all == len(found)
    assert {end: getattr(tally, end) for end in ENDS} == {end: sum(e.end == end for e in found) for end in ENDS}
    assert sum(tally.details.values()) == tally.all - tally.right


@given(exchanges, exchanges)
def test_a_total_is_the_tally_of_all(ones: list[Exchange], others: list[Exchange]) -> None:
    total = Tally.total("all", [Tally.of("a", ones), Tally.of("b", others)])
    assert total == Tally.of("all", [*ones, *others])


@given(exchanges, st.integers(0, 100), st.integers(0, 100))
def test_in_flight_and_due_have_no_request_in_common_and_miss_none(found: list[Exchange], one: int, two: int) -> None:
    since_ns, until_ns = sorted((one * MS, two * MS))
    traffic = Traffic(found)
    parts = [*traffic.in_flight(since_ns), *traffic.due(since_ns, until_ns)]
    over = [each for each in found if each.intended_ns < since_ns and each.ended_ns < since_ns]
    later = [each for each in found if each.intended_ns >= until_ns]
    assert sorted(map(id, [*parts, *over, *later])) == sorted(map(id, found))


def test_what_was_refused_is_not_lost_because_nothing_was_sent() -> None:
    tally = Tally("all", right=1, refused=2, reset=3, unanswered=4, error=5)
    assert (tally.lost, tally.all) == (12, 15)


def test_only_requests_of_the_name_are_due() -> None:
    slow = exchange(5, 9, requests="slow")
    assert Traffic([exchange(5, 6), slow]).due(0, 10 * MS, "slow") == [slow]


def test_numbers_are_medians_with_the_least_and_the_greatest() -> None:
    seen = Seen([Observation(numbers={"end_s": value}) for value in (3.0, 1.0, 2.0)] + [Observation()])
    estimate = seen.number("end_s")
    assert estimate is not None
    assert (estimate.median, estimate.low, estimate.high) == (2.0, 1.0, 3.0)
    assert seen.number("other") is None


def test_a_count_is_of_one_repetition_and_a_tally_of_all() -> None:
    seen = Seen([Observation((Tally("after", reset=number),)) for number in (0, 4, 1)])
    count = seen.count("after", "reset")
    assert count is not None
    assert (count.median, count.low, count.high) == (1, 0, 4)
    assert seen.tally("after").reset == 5
    assert seen.tally("nothing").all == 0


@pytest.mark.parametrize(("repetitions", "probability"), [(1, 0), (3, 0.75), (5, 0.9375)])
def test_least_and_greatest_miss_the_median_only_if_all_lie_on_one_side(repetitions: int, probability: float) -> None:
    assert coverage(repetitions) == probability


def test_percentiles_are_of_right_answers_from_the_time_they_were_due() -> None:
    found = [exchange(0, took) for took in range(1, 101)] + [exchange(0, 5_000, "unanswered")]
    assert percentile_ms(found, 99) == 99
    assert percentile_ms(found, 50) == 50
    assert percentile_ms([exchange(0, 1, "reset")], 99) is None
