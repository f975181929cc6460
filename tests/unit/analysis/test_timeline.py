from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.summarise import summarise
from harness.analysis.timeline import trace
from tests import builders
from tests.builders import CASE, SECOND_NS, load_slices

OTHER = replace(CASE, server="b")


def test_rates_are_those_of_the_seconds_in_which_slices_lie() -> None:
    slices = load_slices([100, 200, 400, 50], SECOND_NS // 4, apart_ns=SECOND_NS // 4)
    (stretch,) = trace([builders.record(slices=slices, response_us=900)])[CASE]
    assert stretch.rates_rps == ((0.375, (100 + 200) * 2), (1.375, (400 + 50) * 2))
    assert stretch.length_s == pytest.approx(1.75)
    assert stretch.tails_us == ()


def test_seconds_count_from_the_first_slice_of_all_cases_that_took_turns() -> None:
    (early,) = load_slices([100], SECOND_NS // 2)
    moved = {name: getattr(early, name) + 2 * SECOND_NS for name in ("opened_ns", "start_ns", "end_ns", "drained_ns")}
    late = replace(early, answers=70.0, **moved)
    found = trace([builders.record(slices=(early,)), builders.record(OTHER, slices=(late,))])
    (a,), (b,) = found[CASE], found[OTHER]
    assert (a.rates_rps, b.rates_rps) == (((0.25, 200.0),), ((2.25, 140.0),))
    assert a.length_s == b.length_s == 2.5
    assert a.measurement == b.measurement == 0


def test_measurements_come_in_the_order_of_the_run_with_their_p99_and_what_disturbed_them() -> None:
    late = replace(builders.record(number=1, answers=2_000, response_us=700), disturbed=True)
    early = builders.record(number=0, answers=2_000, response_us=500)
    silent = replace(builders.record(number=2), result=None)
    found = trace([late, early, silent])[CASE]
    assert [(each.measurement, each.round, each.disturbed) for each in found] == [(0, 0, False), (1, 1, True)]
    (fast,), (slow,) = (each.tails_us for each in found)
    assert fast == (0.5, pytest.approx(500, rel=0.05))
    assert slow == (0.5, pytest.approx(700, rel=0.05))


def test_slices_with_enough_requests_have_a_p99_of_their_own() -> None:
    few, many = load_slices([999, 1_000])
    slices = (replace(few, p99_us=900), replace(many, p99_us=800))
    (stretch,) = trace([builders.record(slices=slices, response_us=500)])[CASE]
    assert stretch.tails_us == ((1.5, 800.0),)


def test_a_summary_has_all_measurements_of_its_case_the_invalid_ones_too() -> None:
    records = [builders.record(number=number, answers=2_000) for number in range(9)]
    records.append(builders.record(number=9, answers=2_000, verdict="client-limited"))
    (found,) = summarise(records, (), builders.RUN)
    (own,) = found.summaries
    assert (own.rounds, len(own.timeline)) == (9, 10)
