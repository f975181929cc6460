"""What is lost between two samples, when processes and threads end."""

from __future__ import annotations

from harness.host.sampler import Usage, lost_cpu_s, lost_switches


def test_the_cpu_time_of_a_process_that_ended_is_lost_unless_its_parent_waited_for_it() -> None:
    before = {1: Usage(1.0, 0.5), 2: Usage(2.0, 0.25)}
    assert lost_cpu_s(before, {1: Usage(1.0, 0.5), 2: Usage(2.5, 0.25)}) == 0
    assert lost_cpu_s(before, {1: Usage(1.0, 0.5 + 2.25)}) == 0
    assert lost_cpu_s(before, {1: Usage(1.0, 0.5)}) == 2.25
    assert lost_cpu_s(before, {}) == 3.75


def test_the_context_switches_of_ended_threads_are_lost_and_counted_as_such() -> None:
    before = {(1, "1"): 10, (1, "2"): 5, (2, "2"): 7}
    assert lost_switches(before, before) == 0
    assert lost_switches(before, {(1, "1"): 12, (2, "2"): 7}) == 5
    assert lost_switches(before, {(1, "1"): 12, (1, "2"): 1, (2, "2"): 7}) == 5
    assert lost_switches(before, {}) == 22
