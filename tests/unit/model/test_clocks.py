"""How far the clock of another host is ahead, by messages and their answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.clocks import Offset, choose, choose_at

TIMES_NS = st.integers(0, 10**9)
WAYS = st.tuples(TIMES_NS, TIMES_NS, TIMES_NS)
"""How long a message, what it causes and its answer take."""
OFFSETS_NS = st.integers(-(10**18), 10**18)


def exchange(offset_ns: int, there_ns: int, work_ns: int, back_ns: int, begun_ns: int = 5) -> Offset:
    received_ns = begun_ns + there_ns
    sent_ns = received_ns + work_ns
    return Offset.between(begun_ns, received_ns + offset_ns, sent_ns + offset_ns, sent_ns + back_ns)


@given(OFFSETS_NS, st.lists(WAYS, min_size=1))
def test_the_estimate_is_wrong_by_half_of_the_shortest_way_at_most(
    offset_ns: int, ways: list[tuple[int, int, int]]
) -> None:
    found_ns = choose(exchange(offset_ns, *each) for each in ways).ahead_ns
    least_ns = min(there_ns + back_ns for there_ns, _, back_ns in ways)
    assert abs(found_ns - offset_ns) <= least_ns / 2 + 1


@pytest.mark.parametrize("offset_ns", [0, 10**15, -(10**15)])
def test_ways_of_equal_length_make_no_error(offset_ns: int) -> None:
    found = choose([exchange(offset_ns, 900, 50, 100), exchange(offset_ns, 200, 70, 200)])
    assert found.ahead_ns == offset_ns


def test_the_shortest_round_trip_tells_the_offset_best() -> None:
    slow, quick = Offset.between(100, 5_000, 5_000, 300), Offset.between(1_000, 6_000, 6_000, 1_020)
    assert choose([slow, quick]) == Offset(1_010, 6_000, 10)


def test_clocks_drift_so_a_later_offset_tells_more_of_a_later_time() -> None:
    first, last = Offset(0, 0, 10_000), Offset(600 * 10**9, 600 * 10**9 + 60_000_000, 400_000)
    assert choose_at([first, last], first.there_ns) == first
    assert choose_at([first, last], last.there_ns) == last


def test_of_offsets_of_nearly_the_same_time_the_shortest_round_trip_tells_more() -> None:
    slow, quick = Offset(10**9, 10**9, 5_000_000), Offset(2 * 10**9, 2 * 10**9, 20_000)
    assert choose_at([slow, quick], slow.there_ns) == quick
