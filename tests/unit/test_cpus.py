from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cpus import Placement, available, place

cpu_sets = st.sets(st.integers(0, 255), min_size=1)


@pytest.mark.parametrize(
    ("cpus", "processes", "server", "load"),
    [
        ([0, 1], 1, {0}, {1}),
        ([0, 1], 4, {0}, {1}),
        ([3, 2, 7, 5], 1, {2, 3, 5}, {7}),
        ([0, 1, 2, 3], 2, {0, 1}, {2, 3}),
    ],
)
def test_the_load_gets_the_last_cpus_and_the_server_the_rest(
    cpus: list[int], processes: int, server: set[int], load: set[int]
) -> None:
    assert place(cpus, processes) == Placement(frozenset(server), frozenset(load))


def test_a_lone_cpu_is_shared_and_the_placement_says_so() -> None:
    placement = place([5])
    assert placement == Placement(frozenset({5}), frozenset({5}))
    assert not placement.disjoint


@given(cpu_sets, st.integers(1, 300))
def test_both_get_a_cpu_and_no_cpu_is_idle(cpus: set[int], processes: int) -> None:
    placement = place(cpus, processes)
    assert placement.server
    assert placement.load
    assert placement.server | placement.load == cpus
    assert placement.disjoint == (len(cpus) > 1)


def test_this_process_may_run_somewhere() -> None:
    assert available()
