"""What is measured after the rounds of the plan: open loops of a sweep, and rounds until a precision is reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis.budget import FEWEST_CYCLES, MOST_CYCLES
from harness.model.loads import Rate, Sweep
from harness.model.plan import REFERENCE_APP, Candidate, Case, Conditions, Reference, Round, Selection
from harness.model.records import Record
from harness.model.targets import App, Scenario, Server
from harness.plan.schedule import make_plan
from harness.run.feedback import further_rounds, half_rate_rounds
from tests.builders import record


def server(name: str) -> Server:
    return Server(name, (name,), frozenset({"h1"}), lambda _: [name])


SELECTION = Selection(
    servers=(server("a"), server("b")),
    apps=(App("asgi", "asgi:app", Path()),),
    scenarios=(Scenario("plaintext", Path("plaintext"), frozenset({"h1"}), ""),),
    protocols=("h1",),
    conditions=Conditions(rounds=2, seed=1, control=False),
    baseline=Candidate("a", "asgi"),
)


def under(**changes: object) -> Selection:
    return replace(SELECTION, conditions=replace(SELECTION.conditions, **changes))  # type: ignore[arg-type]


def measured(selection: Selection, rates: dict[str, int], rounds: int) -> list[Record]:
    cases = make_plan(selection).cases
    return [record(case, number, rates[case.server]) for number in range(rounds) for case in cases]


def flatten(blocks: Round) -> list[Case]:
    return [case for block in blocks for cases in block.measurements for case in cases]


def test_a_run_without_sweep_and_precision_ends_with_its_plan() -> None:
    plan = make_plan(SELECTION)
    assert list(further_rounds(plan, SELECTION, measured(SELECTION, {"a": 100, "b": 90}, 2))) == []


def test_a_sweep_goes_on_at_shares_of_what_each_server_reached() -> None:
    selection = under(load=Sweep())
    rounds = list(further_rounds(make_plan(selection), selection, measured(selection, {"a": 1_000, "b": 500}, 2)))
    assert len(rounds) == 2
    rates = {(case.server, case.load.rps) for case in flatten(rounds[0]) if isinstance(case.load, Rate)}
    assert {("a", 950.0), ("b", 475.0)} <= rates


def test_rounds_are_added_until_the_precision_is_reached() -> None:
    selection = under(precision=0.05, max_rounds=20)
    plan = make_plan(selection)
    records = measured(selection, {"a": 1_000, "b": 500}, 2)
    added = 0
    for number, further in enumerate(further_rounds(plan, selection, records), 2):
        added += 1
        records += [record(case, number, 1_000 if case.server == "a" else 500) for case in flatten(further)]
    assert added == 6  # eight rounds are the fewest that an interval is trusted after


@pytest.mark.parametrize(("of_cycles", "of_starts", "cycles"), [(0.2, 0.0, MOST_CYCLES), (0.001, 0.3, FEWEST_CYCLES)])
def test_where_cycles_vary_rounds_get_longer_and_where_starts_vary_they_get_shorter(
    of_cycles: float, of_starts: float, cycles: int
) -> None:
    selection = under(precision=0.001, max_rounds=8)
    plan = make_plan(selection)
    records = [
        record(
            case,
            number,
            [
                1_000 * (1 + (case.server == "b") * (of_cycles * (cycle % 2) + of_starts * number))
                for cycle in range(10)
            ],
        )
        for number in range(3)
        for case in plan.cases
    ]
    (block,) = next(further_rounds(plan, selection, records))
    assert block.duration_s == pytest.approx(cycles * records[0].result.slices[0].counted_s)  # type: ignore[union-attr] # it has one


def test_a_precision_that_is_never_reached_ends_with_the_limit() -> None:
    selection = under(precision=0.0001, max_rounds=5)
    plan = make_plan(selection)
    records = measured(selection, {"a": 1_000, "b": 500}, 2)
    rounds = further_rounds(plan, selection, records)
    count = 0
    for number, _ in enumerate(rounds, 2):
        count += 1
        records += [record(case, number, 1_000 + 50 * (number % 2)) for case in plan.cases]
    assert count == 3


REFERENCE = Reference(
    App(REFERENCE_APP, "apps.asgi:app", Path()), (Scenario("tiny", Path("tiny"), frozenset({"h1"}), ""),), always=True
)


def test_half_of_the_slowest_rate_is_the_same_after_every_interruption() -> None:
    """A server with errors sets no rate, and neither does what was measured aside."""
    selection = replace(SELECTION, reference=REFERENCE, servers=(*SELECTION.servers, server("c")))
    plan = make_plan(selection)
    records = [
        replace(each, verdict="invalid") if each.case.server == "c" else each
        for each in measured(selection, {"a": 1_000, "b": 500, "c": 3}, 2)
    ]
    first, second = half_rate_rounds(plan, selection, records)
    assert {(case.server, case.load) for case in flatten(first)} == {("a", Rate(250)), ("b", Rate(250))}
    assert {case.app for case in flatten(first)} == {"asgi"}
    resumed = [*records, *(record(case, 2, 250) for case in flatten(first))]
    assert half_rate_rounds(plan, selection, resumed) == (first, second)


def test_without_a_reference_there_are_no_rounds_at_half_rate() -> None:
    plan = make_plan(SELECTION)
    assert half_rate_rounds(plan, SELECTION, measured(SELECTION, {"a": 1_000, "b": 500}, 2)) == ()
