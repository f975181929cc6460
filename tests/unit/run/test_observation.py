"""What servers used of the CPUs while cases took turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from harness.model.plan import Case
from harness.model.records import MachineTime, Sample
from harness.model.targets import RunsAt
from harness.run.observation import Observation, count_cpu, count_others
from tests.builders import SECOND_NS, load_result, load_slices

CASE = Case("ours", "asgi", "plaintext", "h1")
CONTROL = replace(CASE, control=True)


@dataclass
class Seen:
    """A server as far as it is looked at, with the samples of its process tree."""

    watched: RunsAt | int
    samples: tuple[Sample, ...]


def observe(*servers: tuple[Case, Seen]) -> Observation:
    """Each case had a slice, from 1 s to 2 s and from 2 s to 3 s."""
    slices = load_slices((1_000, 1_000))
    results = {case: load_result(slices=(each,)) for (case, _), each in zip(servers, slices, strict=False)}
    seen: Any = {case.config: server for case, server in servers}
    return Observation(results, seen, seen, None, ())


def sampled(*cpu_s: float, processes: int = 1) -> tuple[Sample, ...]:
    """A sample each second, from the first second on."""
    return tuple(Sample(number * SECOND_NS, used_s, processes) for number, used_s in enumerate(cpu_s, 1))


def test_a_server_alone_has_the_cpu_time_of_its_slices_and_none_while_it_was_idle() -> None:
    cpu = count_cpu(observe((CASE, Seen(1, sampled(0.0, 0.5)))), CASE)
    assert cpu == ((0.5,), {}, None)


def test_the_cpu_time_of_a_server_that_is_its_own_control_or_has_no_process_is_unknown() -> None:
    there = RunsAt("127.0.0.1", 8000)
    own_control = observe((CASE, Seen(there, sampled(0.0, 0.5, 1.0))), (CONTROL, Seen(there, sampled(0.0, 0.5, 1.0))))
    assert count_cpu(own_control, CONTROL) == ((None,), {}, None)
    assert count_cpu(own_control, CASE).by_slice_s == (0.5,)
    assert count_cpu(observe((CASE, Seen(1, sampled(0.0, 0.5, processes=0)))), CASE) == ((None,), {}, None)


def test_what_others_used_is_observed_from_the_first_slice_to_the_last_and_unknown_without_any() -> None:
    assert count_others(observe((CASE, Seen(1, sampled(0.0, 0.5)))), disjoint=True) == (None, None, None, 1.0)
    both = observe((CASE, Seen(1, sampled(0.0, 0.5, 1.0))), (CONTROL, Seen(2, sampled(0.0, 0.5, 1.0))))
    assert count_others(both, disjoint=True).observed_s == 2.0

    assert count_others(replace(both, results={}), disjoint=True) == (None, None, None, 1.0)


def test_the_pauses_of_a_cpu_quota_are_observed_on_the_side_that_had_more() -> None:
    def paused(*seconds: float) -> tuple[Sample, ...]:
        return tuple(
            replace(each, machine=MachineTime(0.0, 0.0, 0.0, 0.0, paused_s))
            for each, paused_s in zip(sampled(0.0, 0.5), seconds, strict=True)
        )

    seen = replace(observe((CASE, Seen(1, paused(5.0, 5.2)))), here=paused(0.0, 0.1))
    assert count_others(seen, disjoint=True).paused_ratio == pytest.approx(0.2)
