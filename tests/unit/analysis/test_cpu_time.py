"""What samples say of a stretch of time, and of the slices that a server had its turn in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.cpu_time import (
    cpu_between,
    cpu_by_program,
    cpu_by_slice,
    idle_cpu_ratio,
    other_cpu_between,
    steal_between,
)
from harness.model.records import MachineTime, Sample
from tests.builders import SECOND_NS, load_slices

LINE = [Sample(at_ds * SECOND_NS // 10, cpu_s, 1) for at_ds, cpu_s in ((0, 0.0), (10, 1.0), (20, 1.5), (30, 3.5))]


@pytest.mark.parametrize(
    ("start_s", "end_s", "cpu_s"),
    [
        (1, 2, 0.5),
        (0.5, 2.5, 2.0),
        (0, 3, 3.5),
        (1.2, 1.4, 0.1),
        (-0.1, 1, 1.1),
        (2, 3.2, 2.4),
        (-0.3, 1, None),
        (2, 3.3, None),
        (3.1, 3.2, None),
        (-2, -1, None),
    ],
)
def test_cpu_seconds_between_two_moments_are_interpolated_and_given_only_where_samples_cover_them(
    start_s: float, end_s: float, cpu_s: float | None
) -> None:
    found = cpu_between(LINE, round(start_s * SECOND_NS), round(end_s * SECOND_NS))
    assert found == (None if cpu_s is None else pytest.approx(cpu_s))
    assert found == cpu_between(reversed(LINE), round(start_s * SECOND_NS), round(end_s * SECOND_NS))


@pytest.mark.parametrize("samples", [[], LINE[:1]])
def test_with_fewer_than_two_samples_the_cpu_time_is_unknown(samples: list[Sample]) -> None:
    assert cpu_between(samples, 0, SECOND_NS // 10) is None


def machine(at_s: float, *, stolen_s: float, used_s: float) -> Sample:
    """Two CPUs, of which the server has one and used half."""
    time = MachineTime(total_s=2 * at_s, stolen_s=stolen_s, server_s=at_s, used_s=used_s)
    return Sample(round(at_s * SECOND_NS), at_s / 2, 1, machine=time)


def test_steal_and_the_cpu_time_of_other_processes_are_counted_in_that_time_only() -> None:
    quiet, busy = machine(10, stolen_s=1, used_s=5), machine(12, stolen_s=1, used_s=6)
    after = machine(14, stolen_s=2, used_s=8)
    samples = [quiet, Sample(11 * SECOND_NS, 5.5, 1), busy, after]
    before, during = (10 * SECOND_NS, 12 * SECOND_NS), (12 * SECOND_NS, 14 * SECOND_NS)
    assert (steal_between(samples, *before), other_cpu_between(samples, 1.0, *before)) == (0, 0)
    assert steal_between(samples, *during) == pytest.approx(0.25)
    assert other_cpu_between(samples, 1.0, *during) == pytest.approx(0.5)
    assert steal_between(samples[:1], *during) is None
    assert other_cpu_between(samples, None, *during) is None
    assert other_cpu_between([replace(each, machine=None) for each in samples], 1.0, *during) is None


# Slices


TENTH_NS = SECOND_NS // 10


def sample(at_s: float, cpu_s: float) -> Sample:
    return Sample(round(at_s * SECOND_NS), cpu_s, 1)


def test_a_sample_in_each_gap_gives_the_exact_cpu_time_of_every_slice() -> None:
    # Slices from 1.0, 1.3 and 1.6 s, each 100 ms long; between them the CPU time stands still.
    slices = load_slices([100, 50, 200], TENTH_NS, apart_ns=2 * TENTH_NS)
    samples = [sample(0.9, 5.0), sample(1.17, 5.08), sample(1.45, 5.12), sample(1.9, 5.29)]
    assert cpu_by_slice(samples, slices) == pytest.approx((0.08, 0.04, 0.17))


def test_the_cpu_time_of_each_program_is_told_where_there_are_several() -> None:
    slices = load_slices([100, 50], SECOND_NS // 10, apart_ns=SECOND_NS)
    ends = [(slices[0].opened_ns, 1.0, 5.0), (slices[0].drained_ns, 1.0, 5.0)]
    between = [(slices[1].opened_ns, 1.02, 5.06), (slices[1].drained_ns + SECOND_NS, 1.03, 5.09)]
    samples = [
        Sample(
            at_ns, nginx_s + uvicorn_s + 0.5, 3, cpu_s_by_program={"nginx": nginx_s, "uvicorn": uvicorn_s, "sh": 0.5}
        )
        for at_ns, nginx_s, uvicorn_s in (*ends, *between)
    ]
    assert cpu_by_program(samples, slices) == pytest.approx({"nginx": 0.03, "uvicorn": 0.09})
    assert sum(filter(None, cpu_by_slice(samples, slices))) == pytest.approx(0.12)
    assert cpu_by_program(samples[1:], slices) == {}
    alone = [replace(each, cpu_s_by_program={"uvicorn": each.cpu_s}) for each in samples]
    assert cpu_by_program(alone, slices) == {}


def test_the_lead_in_and_the_drain_belong_to_their_slice() -> None:
    (each,) = load_slices([100], TENTH_NS, lead_in_ns=TENTH_NS)
    whole = replace(each, drained_ns=each.end_ns + TENTH_NS)
    samples = [sample(0.9, 1.0), sample(1.0, 1.1), sample(1.1, 1.2), sample(1.2, 1.3)]
    assert cpu_by_slice(samples, [whole]) == pytest.approx((0.3,))


def test_slices_without_a_sample_between_them_share_their_cpu_time_by_answers() -> None:
    slices = load_slices([100, 300, 50], TENTH_NS, apart_ns=2 * TENTH_NS)
    samples = [sample(0.9, 1.0), sample(1.45, 1.4), sample(1.9, 1.5)]
    assert cpu_by_slice(samples, slices) == pytest.approx((0.1, 0.3, 0.1))
    silent = [replace(each, finished=0) for each in slices]
    assert cpu_by_slice(samples, silent) == (None, None, None)


def test_the_cpu_time_is_unknown_where_samples_begin_too_late_or_end_too_early() -> None:
    slices = load_slices([100, 300, 50], TENTH_NS, apart_ns=2 * TENTH_NS)
    late = [sample(1.05, 1.0), sample(1.2, 1.1), sample(1.45, 1.4), sample(1.9, 1.5)]
    assert cpu_by_slice(late, slices) == (None, pytest.approx(0.3), pytest.approx(0.1))
    early = [sample(0.9, 1.0), sample(1.2, 1.1), sample(1.45, 1.4), sample(1.65, 1.5)]
    assert cpu_by_slice(early, slices) == (pytest.approx(0.1), pytest.approx(0.3), None)
    assert cpu_by_slice([], slices) == (None, None, None)
    assert cpu_by_slice(late, []) == ()


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0.001, 0.5), st.booleans()), min_size=1, max_size=12))
def test_the_slices_together_have_all_the_cpu_time_whatever_gaps_were_sampled(
    turns: list[tuple[int, float, bool]],
) -> None:
    slices = load_slices([answers for answers, _, _ in turns], TENTH_NS, apart_ns=TENTH_NS)
    used_s, samples = 2.0, [sample(0.5, 2.0)]
    for each, (_, cpu_s, sampled) in zip(slices, turns, strict=True):
        used_s += cpu_s
        if sampled or each is slices[-1]:
            samples.append(Sample(each.drained_ns + TENTH_NS // 3, used_s, 1))
    found = cpu_by_slice(samples, slices)
    assert sum(each or 0.0 for each in found) == pytest.approx(used_s - 2.0)
    if all(sampled for _, _, sampled in turns):
        assert found == pytest.approx([cpu_s for _, cpu_s, _ in turns])


def test_a_server_that_works_while_it_is_not_its_turn_is_not_idle() -> None:
    slices = load_slices([100, 100], TENTH_NS, apart_ns=10 * TENTH_NS)
    busy = [sample(0.9, 1.0), sample(1.2, 1.08), sample(2.0, 1.32), sample(2.5, 1.40)]
    assert idle_cpu_ratio(busy, slices) == pytest.approx(0.24 / 0.8)
    idle = [replace(each, cpu_s=1.08) for each in busy]
    assert idle_cpu_ratio(idle, slices) == 0


def test_without_two_samples_in_a_gap_nobody_knows_how_idle_a_server_is() -> None:
    slices = load_slices([100, 100], TENTH_NS, apart_ns=10 * TENTH_NS)
    assert idle_cpu_ratio([sample(0.9, 1.0), sample(1.5, 1.1), sample(2.5, 1.2)], slices) is None
    assert idle_cpu_ratio([sample(0.9, 1.0), sample(2.0, 1.1)], slices[:1]) is None


def test_a_servers_slices_in_other_cases_are_neither_its_idle_time_nor_part_of_this_cases_cpu_time() -> None:
    # The server's turns with few and with many users alternate; each is 100 ms, with 200 ms between.
    all_slices = load_slices([100, 400, 100, 400], TENTH_NS, apart_ns=2 * TENTH_NS)
    few, many = all_slices[::2], all_slices[1::2]
    before, between = [(0.9, 1.0)], [(1.18, 1.05), (1.28, 1.05), (1.48, 1.14), (1.58, 1.14), (1.78, 1.19), (1.88, 1.19)]
    samples = [sample(at_s, cpu_s) for at_s, cpu_s in (*before, *between, (2.3, 1.28))]
    assert cpu_by_slice(samples, few, many) == pytest.approx((0.05, 0.05))
    assert cpu_by_slice(samples, many, few) == pytest.approx((0.09, 0.09))
    assert idle_cpu_ratio(samples, few, many) == pytest.approx(0)
    # Without a sample between two turns, they share their CPU time by answers, whichever cases they belong to.
    sparse = [samples[0], *samples[3:]]
    assert cpu_by_slice(sparse, few, many) == pytest.approx((0.14 / 5, 0.05))
