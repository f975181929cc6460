from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.cpus import available, parse_list, place
from harness.model.errors import UsageError
from harness.model.machine import Cpu, Placement, format_list

cpu_sets = st.sets(st.integers(0, 255), min_size=1)


def machine(cores: int, *, threads: int = 1, nodes: int = 1) -> tuple[Cpu, ...]:
    """CPUs numbered as Intel does: first all first threads, then all second ones."""
    return tuple(
        Cpu(
            number=core + cores * thread,
            core=core,
            package=core * nodes // cores,
            node=core * nodes // cores,
            siblings=tuple(core + cores * each for each in range(threads)),
        )
        for thread in range(threads)
        for core in range(cores)
    )


def numbers(topology: tuple[Cpu, ...]) -> frozenset[int]:
    return frozenset(cpu.number for cpu in topology)


machines = st.builds(
    lambda cores, threads, nodes: machine(cores * nodes, threads=threads, nodes=nodes),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(1, 3),
)


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


def test_a_single_cpu_is_shared_and_the_placement_says_so() -> None:
    placement = place([5])
    assert placement == Placement(frozenset({5}), frozenset({5}))
    assert not placement.disjoint


def test_each_side_gets_both_threads_of_its_core() -> None:
    assert place(range(4), 1, machine(2, threads=2)) == Placement(frozenset({0, 2}), frozenset({1, 3}))


def test_the_threads_of_a_single_core_are_divided_and_the_placement_says_so() -> None:
    placement = place([0, 1], 1, machine(1, threads=2))
    assert placement == Placement(frozenset({0}), frozenset({1}), shares_cores=True)
    assert placement.disjoint


def test_threads_whose_siblings_may_not_be_used_count_as_cores() -> None:
    assert place([0, 1], 1, machine(2, threads=2)) == Placement(frozenset({0}), frozenset({1}))


@pytest.mark.parametrize(
    ("load_processes", "server_processes", "server", "load"),
    [
        (1, 1, {0, 1, 2}, {3}),
        (2, 2, {0, 1}, {2, 3}),
        (1, 4, {0, 1, 2, 3, 4, 5, 6}, {7}),
        (4, 1, {0, 1, 2, 3}, {4, 5, 6, 7}),
    ],
)
def test_both_sides_stay_on_one_node_if_it_has_a_core_for_each_process(
    load_processes: int, server_processes: int, server: set[int], load: set[int]
) -> None:
    topology = machine(8, nodes=2)
    placement = place(numbers(topology), load_processes, topology, server_processes=server_processes)
    assert placement == Placement(frozenset(server), frozenset(load))


def test_without_such_a_node_both_sides_stay_on_one_package() -> None:
    topology = tuple(Cpu(n, n, package=n // 4, node=n // 2, siblings=(n,)) for n in range(8))
    assert place(range(8), 2, topology, server_processes=2) == Placement(frozenset({0, 1}), frozenset({2, 3}))


@given(machines, st.integers(1, 20), st.integers(1, 20), st.data())
def test_both_sides_get_separate_whole_cores_unless_there_is_only_one(
    topology: tuple[Cpu, ...], load_processes: int, server_processes: int, data: st.DataObject
) -> None:
    allowed = data.draw(st.sets(st.sampled_from(sorted(numbers(topology))), min_size=1))
    placement = place(allowed, load_processes, topology, server_processes=server_processes)
    cores = {(cpu.package, cpu.core) for cpu in topology if cpu.number in allowed}
    by_number = {cpu.number: cpu for cpu in topology}

    def cores_of(cpus: frozenset[int]) -> set[tuple[int | None, int | None]]:
        return {(by_number[each].package, by_number[each].core) for each in cpus}

    assert placement.server
    assert placement.load
    assert placement.server | placement.load <= allowed
    assert placement.disjoint == (len(allowed) > 1)
    if len(cores) > 1:
        assert not placement.shares_cores
        assert not cores_of(placement.server) & cores_of(placement.load)
        assert len(cores_of(placement.load)) <= load_processes
        for side in (placement.server, placement.load):
            whole = {each for each in allowed if cores_of(frozenset({each})) <= cores_of(side)}
            assert side == whole
    else:
        assert placement.shares_cores == (len(allowed) > 1)
    again = place(sorted(allowed, reverse=True), load_processes, topology[::-1], server_processes=server_processes)
    assert again == placement


@given(cpu_sets, st.integers(1, 300))
def test_without_a_topology_no_cpu_is_idle(cpus: set[int], processes: int) -> None:
    placement = place(cpus, processes)
    assert placement.server
    assert placement.load
    assert placement.server | placement.load == cpus
    assert placement.disjoint == (len(cpus) > 1)


@pytest.mark.parametrize(
    ("server_cpus", "load_cpus", "server", "load", "shares_cores"),
    [
        ("0,2", "1,3", {0, 2}, {1, 3}, False),
        ("0-1", "2-3", {0, 1}, {2, 3}, True),
        ("0-2", "2,3", {0, 1, 2}, {2, 3}, False),
        ("0", None, {0}, {1, 3}, False),
        (None, "1", {0, 2}, {1}, False),
        ("0-1", None, {0, 1}, {2, 3}, True),
        ("0-3", None, {0, 1, 2, 3}, {0, 1, 2, 3}, False),
    ],
)
def test_options_take_precedence_and_the_other_side_gets_the_remaining_cores(
    server_cpus: str | None, load_cpus: str | None, server: set[int], load: set[int], shares_cores: bool
) -> None:
    placement = place(range(4), 1, machine(2, threads=2), server_cpus=server_cpus, load_cpus=load_cpus)
    assert placement == Placement(frozenset(server), frozenset(load), shares_cores)
    assert placement.disjoint == (not server & load)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"server_cpus": "0-9"}, "--server-cpus: expected CPUs of 0-3, found 4-9"),
        ({"load_cpus": "3"}, r"--load-cpus: expected CPUs that this process may use \(0-2\), found 3"),
        ({"server_cpus": "one"}, "--server-cpus: expected CPU numbers such as 0-3,8, found 'one'"),
        ({"load_cpus": "3-1"}, "--load-cpus: expected CPU numbers such as 0-3,8, found '3-1'"),
        ({"load_cpus": ""}, "--load-cpus: expected CPU numbers"),
        ({"load_cpus": "0-999999999"}, "--load-cpus: expected CPU numbers"),
    ],
)
def test_an_error_about_a_list_of_cpus_names_its_option(options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        place(range(3), 1, machine(4), **options)


@given(cpu_sets)
def test_a_formatted_list_is_parsed_to_the_same_cpus(cpus: set[int]) -> None:
    assert parse_list(format_list(cpus)) == cpus


def test_lists_have_the_format_of_the_kernel() -> None:
    assert parse_list("0-3,8\n") == {0, 1, 2, 3, 8}
    assert format_list({8, 0, 1, 3, 2}) == "0-3,8"


def test_this_process_may_run_on_some_cpu() -> None:
    assert available()
