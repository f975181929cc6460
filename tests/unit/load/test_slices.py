"""How the counted time is cut into slices, and in which order turns come."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.slices import (
    LEAD_IN_LONGEST_S,
    LEAD_IN_RESIDENCES,
    LEAD_IN_S,
    LONGEST_S,
    OPEN_REQUESTS,
    SHORTEST_OPEN_S,
    SHORTEST_S,
    SLICE_RESIDENCES,
    choose_lead_in_s,
    choose_slice_s,
    count_cycles,
    divide_users,
    order_turns,
)


def test_fast_answers_get_the_shortest_slice_which_is_longer_in_an_open_loop() -> None:
    assert choose_slice_s([300, 900], 5.0) == SHORTEST_S
    assert choose_slice_s([300, 900], 5.0, 5_000) == SHORTEST_OPEN_S
    assert choose_slice_s([300, 900], 20.0, 100) == OPEN_REQUESTS / 100
    assert choose_slice_s([], 5.0) == SHORTEST_S


def test_the_slowest_candidate_decides_for_all() -> None:
    assert choose_slice_s([300, 100_000], 5.0) == pytest.approx(SLICE_RESIDENCES * 0.1)
    assert choose_lead_in_s([300, 100_000]) == pytest.approx(LEAD_IN_RESIDENCES * 0.1)
    assert choose_lead_in_s([300]) == choose_lead_in_s([]) == LEAD_IN_S


@given(st.lists(st.integers(0, 10**9)), st.floats(0.1, 600), st.none() | st.floats(0.1, 1e6))
def test_a_slice_is_longer_than_all_that_is_to_be_counted_only_for_slow_answers(
    residence_us: list[int], duration_s: float, rate_rps: float | None
) -> None:
    slice_s = choose_slice_s(residence_us, duration_s, rate_rps)
    assert 0 < slice_s <= LONGEST_S
    if SLICE_RESIDENCES * max(residence_us, default=0) / 1e6 <= duration_s:
        assert slice_s <= duration_s
    assert LEAD_IN_S <= choose_lead_in_s(residence_us) <= LEAD_IN_LONGEST_S
    cycles = count_cycles(duration_s, slice_s)
    assert (cycles - 1) * slice_s < duration_s <= cycles * slice_s + 1e-5


def test_rounding_adds_no_cycle() -> None:
    assert count_cycles(0.3, 0.1) == 3
    assert count_cycles(0.1, 0.2) == 1


@given(st.integers(1, 8), st.integers(1, 30), st.integers(0, 2**32))
def test_every_cycle_has_each_turn_once(turns: int, cycles: int, seed: int) -> None:
    found = list(order_turns([0] * turns, cycles, seed))
    assert len(found) == cycles
    assert all(sorted(cycle) == list(range(turns)) for cycle in found)
    assert found == list(order_turns([0] * turns, cycles, seed))


def test_no_turn_always_follows_the_same_one() -> None:
    flat = [turn for cycle in order_turns([0, 0, 0], 200, seed=1) for turn in cycle]
    for turn in range(3):
        before = {flat[at - 1] for at in range(1, len(flat)) if flat[at] == turn}
        assert before >= {0, 1, 2} - {turn}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 2**32))
def test_turns_that_are_compared_stay_together(groups: list[int], seed: int) -> None:
    for cycle in order_turns(groups, 3, seed):
        assert sorted(cycle) == list(range(len(groups)))
        assert len([group for group, _ in itertools.groupby(groups[turn] for turn in cycle)]) == len(set(groups))


@given(st.integers(0, 500), st.integers(1, 16))
def test_users_are_divided_without_remainder(users: int, processes: int) -> None:
    shares = [divide_users(users, processes, index) for index in range(processes)]
    assert sum(shares) == users
    assert max(shares) - min(shares) <= 1
