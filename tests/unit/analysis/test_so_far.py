from __future__ import annotations

from dataclasses import replace

from harness.analysis.so_far import SoFar
from harness.model.loads import Rate
from harness.model.plan import Candidate, Case
from tests.builders import record

SLOW, FAST = Case("uvicorn", "asgi", "plaintext", "h1"), Case("granian", "asgi", "plaintext", "h1")
CONTROL = replace(FAST, control=True)


def test_a_case_is_estimated_over_its_rounds_and_divided_by_the_baseline() -> None:
    found = SoFar(Candidate("uvicorn", "asgi"))
    for number, answers in enumerate((1_000, 1_100, 900)):
        found.add(record(SLOW, number, answers))
        found.add(record(FAST, number, 2 * answers))
        found.add(record(CONTROL, number, 2 * answers))
    fast, control, slow = found.estimate_all(SLOW.comparison)
    assert {fast.case, control.case} == {FAST, CONTROL}
    assert (slow.rounds, slow.throughput_rps.median, slow.ratio) == (3, 1_000, None)
    by_case = {each.case: each for each in (fast, control)}
    assert (ratio := by_case[FAST].ratio) is not None
    assert round(ratio.value, 6) == 2.0
    assert (of_control := by_case[CONTROL].ratio) is not None
    assert of_control.value == 1.0, "a control is divided by its original"


def test_what_tells_nothing_of_a_server_is_left_out() -> None:
    found = SoFar(None)
    rated = replace(SLOW, load=Rate(100.0))
    for each in (record(FAST, verdict="invalid"), record(rated), replace(record(SLOW), result=None)):
        found.add(each)
        assert found.estimate(each.case) is None
    assert not found.estimate_all(SLOW.comparison)


def test_without_a_baseline_there_is_no_ratio() -> None:
    found = SoFar(None)
    found.add(record(FAST))
    estimate = found.estimate(FAST)
    assert estimate is not None
    assert estimate.ratio is None
