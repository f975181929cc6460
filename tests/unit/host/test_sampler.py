"""What is lost between two samples, when processes and threads end."""

from __future__ import annotations

import pytest

from harness.host.proc import Usage
from harness.host.sampler import lost_cpu_s, lost_switches


def test_the_cpu_time_of_a_process_that_ended_is_lost_unless_its_parent_waited_for_it() -> None:
    before = {1: Usage(1.0, 0.5), 2: Usage(2.0, 0.25)}
    assert lost_cpu_s(before, {1: Usage(1.0, 0.5), 2: Usage(2.5, 0.25)}) == {}
    assert lost_cpu_s(before, {1: Usage(1.0, 0.5 + 2.25)}) == {"": 0}
    assert lost_cpu_s(before, {1: Usage(1.0, 0.5)}) == {"": 2.25}
    assert lost_cpu_s(before, {}) == {"": 3.75}


@pytest.mark.parametrize(
    ("waited_s", "lost"),
    [
        (0.0, {"nginx": 2.0}),
        (1.5, {"nginx": 2.0, "bash": -1.5}),
        (2.0, {"nginx": 2.0, "bash": -2.0}),
        (2.5, {"nginx": 2.0, "bash": -2.0}),  # 0.5 s of children that were never seen stay with their parent
    ],
)
def test_the_cpu_time_of_a_process_that_ended_stays_with_its_program(waited_s: float, lost: dict[str, float]) -> None:
    before = {1: Usage(1.0, 0.5, "bash"), 2: Usage(2.0, 0.0, "nginx")}
    assert lost_cpu_s(before, {1: Usage(1.0, 0.5 + waited_s, "bash")}) == pytest.approx(lost)


def test_the_context_switches_of_ended_threads_are_lost_and_counted_as_such() -> None:
    before = {(1, "1"): 10, (1, "2"): 5, (2, "2"): 7}
    assert lost_switches(before, before) == 0
    assert lost_switches(before, {(1, "1"): 12, (2, "2"): 7}) == 5
    assert lost_switches(before, {(1, "1"): 12, (1, "2"): 1, (2, "2"): 7}) == 5
    assert lost_switches(before, {}) == 22
