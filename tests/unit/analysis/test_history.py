"""What is compared over time, and where a step is marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.history import ABSOLUTES, RATIOS, Entry, PastRun, Series, divide, list_entries, make_history
from harness.model.loads import Rate, Sweep
from harness.model.plan import Candidate, Case
from harness.model.run_info import RunInfo
from harness.model.summaries import Ratio
from tests import builders, synthetic

BASELINE = Case("a", "asgi", "plaintext", "h1")
OTHER = replace(BASELINE, server="b")
CONTROL = replace(BASELINE, control=True)
Figures = Mapping[str, Ratio]


def about(value: float, half: float = 0.02) -> Ratio:
    """A figure with an interval that reaches so far to both sides."""
    return Ratio(value, value / (1 + half), value * (1 + half))


def entry(case: Case, figures: Figures, **changes: Any) -> Entry:
    reference = None if case == BASELINE else Candidate("a", "asgi")
    return replace(Entry(case, "1.0", "valid", False, reference, None, ("GET /",), figures), **changes)


def past_run(day: int, *entries: Entry, info: RunInfo = builders.RUN) -> PastRun:
    started_at = f"2026-11-{day:02}T10:00:00+00:00"
    return PastRun(f"runs/{day}", "", replace(info, id=f"run {day}", started_at=started_at), entries)


def course(*values: Ratio | None, control: float = 1.0, figure: str = "throughput ratio") -> Sequence[PastRun]:
    """Runs on successive days in which b has these ratios to a, and the control another."""
    return [
        past_run(
            day,
            entry(OTHER, {} if value is None else {figure: value}),
            entry(CONTROL, {figure: Ratio(control, control * 0.99, control * 1.01)}),
        )
        for day, value in enumerate(values, start=1)
    ]


def series_of(runs: Sequence[PastRun], case: Case = OTHER) -> Series:
    (era,) = make_history(runs)
    return next(each for each in era.series if each.case == case)


def steps_of(runs: Sequence[PastRun], case: Case = OTHER) -> list[tuple[str, str]]:
    """The runs that make a step, and those that it is a step from."""
    return [(point.run.place, step.since.place) for point, step in series_of(runs, case).steps]


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ([about(0.8), about(0.81)], []),  # they overlap
        ([about(0.8), about(0.9)], [("runs/2", "runs/1")]),
        ([about(0.8), about(0.9), about(0.9)], [("runs/2", "runs/1")]),
        ([about(0.8), about(0.9), about(0.8)], [("runs/2", "runs/1"), ("runs/3", "runs/2")]),
        ([about(0.8), about(0.85, 0.2), about(0.9)], [("runs/3", "runs/1")]),  # a noisy run between hides nothing
        ([about(0.8, 0.2), about(0.8), about(0.9)], [("runs/3", "runs/2")]),  # the most precise run is compared with
        ([about(0.8), about(0.82, 0.021), about(0.85, 0.021)], [("runs/3", "runs/1")]),  # a drift becomes a step
        ([about(0.8), None, about(0.9)], [("runs/3", "runs/1")]),
        ([Ratio(0.8, 0.8, 0.8), about(0.9)], []),  # a single round has no interval
        ([about(0.8), about(9.0, 1.5)], []),  # too few rounds
        ([about(0.8)], []),
    ],
)
def test_a_step_is_where_intervals_do_not_overlap(
    values: Sequence[Ratio | None], steps: Sequence[tuple[str, str]]
) -> None:
    assert steps_of(course(*values)) == steps


def test_a_step_no_larger_than_what_chance_does_to_a_control_is_not_marked() -> None:
    values = about(0.8, 0.001), about(0.83, 0.001)
    assert len(steps_of(course(*values, control=1.02))) == 1
    assert steps_of(course(*values, control=1.05)) == []
    assert steps_of(course(*values, control=1 / 1.05)) == []


def test_more_is_better_of_throughput_and_worse_of_cpu() -> None:
    for figure, better in (("throughput ratio", True), ("cpu ratio", False), ("p99 ratio", False)):
        ((_, step),) = series_of(course(about(0.8), about(0.9), figure=figure)).steps
        assert (step.figure, step.better) == (figure, better)


def test_a_step_says_what_else_changed() -> None:
    older, newer = ({"server_versions": {"b": version, "c": version}} for version in ("1.0", "1.1"))
    runs = [
        past_run(
            day,
            entry(OTHER, {"throughput ratio": value}),
            info=replace(builders.RUN, environment=replace(builders.ENVIRONMENT, **versions)),
        )
        for day, value, versions in ((1, about(0.8), older), (2, about(0.9), newer))
    ]
    ((_, step),) = series_of(runs).steps
    assert [(each.kind, each.name, each.a, each.b) for each in step.changes] == [("server", "b", "1.0", "1.1")]


def test_the_baseline_is_judged_by_absolute_figures_unless_they_were_disturbed() -> None:
    def runs(*, disturbed: bool) -> list[PastRun]:
        return [
            past_run(day, entry(BASELINE, {"throughput": value, "cpu": value}, disturbed=disturbed))
            for day, value in ((1, about(900.0)), (2, about(800.0)))
        ]

    found = series_of(runs(disturbed=False), BASELINE).steps
    assert [(step.figure, step.better) for _, step in found] == [("throughput", False), ("cpu", True)]
    assert steps_of(runs(disturbed=True), BASELINE) == []


def test_runs_of_other_conditions_and_machines_are_apart() -> None:
    def at(number: int, **changes: Any) -> PastRun:
        return past_run(
            number, entry(OTHER, {"throughput ratio": about(number / 10)}), info=builders.run_info(**changes)
        )

    slower = replace(builders.MACHINE, processor=replace(builders.MACHINE.processor, model="Atom"))
    other = replace(builders.ENVIRONMENT, machine=slower)
    eras = make_history([at(5), at(1), at(2, users=(8,)), at(3, environment=other), at(4, users=(8,))])
    assert [[run.place for run in era.runs] for era in eras] == [["runs/1", "runs/5"], ["runs/2", "runs/4"], ["runs/3"]]
    assert [[each.name for each in era.unlike] for era in eras] == [[], ["users"], ["CPU model", "users"]]
    steps = [[(point.run.place, step.since.place) for each in era.series for point, step in each.steps] for era in eras]
    assert steps == [[("runs/5", "runs/1")], [("runs/4", "runs/2")], []]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"requests": ("GET /", "GET /items"), "workload": "2 shop.py"}, "the requests differ: GET /items is new"),
        ({"workload": "2 shop.py"}, "the requests differ: shop.py not the same"),
    ],
)
def test_what_sends_other_requests_is_not_compared(changes: dict[str, Any], said: str) -> None:
    before = {"workload": "1 shop.py"}
    runs = [
        past_run(day, entry(OTHER, {"throughput ratio": about(value)}, **{**before, **own}))
        for day, value, own in ((1, 0.8, {}), (2, 0.9, changes), (3, 0.9, changes))
    ]
    found = series_of(runs)
    assert [point.requests for point in found.points] == ["", said, ""]
    assert found.steps == []


def test_a_case_with_another_divisor_is_another_series() -> None:
    runs = [
        past_run(1, entry(OTHER, {"throughput ratio": about(0.8)})),
        past_run(2, entry(OTHER, {"throughput ratio": about(0.9)}, reference=Candidate("c", "asgi"))),
    ]
    (era,) = make_history(runs)
    assert [(each.reference, each.steps) for each in era.series] == [
        (Candidate("a", "asgi"), []),
        (Candidate("c", "asgi"), []),
    ]


def test_the_entries_of_a_run_are_its_measured_cases_with_figures_that_may_be_compared() -> None:
    run = synthetic.run_info(control=True)
    entries = list_entries(run, synthetic.summaries(control=True))
    by_case = {each.case: each for each in entries}
    base = Case("uvicorn", "asgi", "json", "h1")
    assert {name for name in by_case[base].figures if name in RATIOS + ABSOLUTES} >= set(ABSOLUTES)
    assert by_case[base].reference is None
    assert by_case[base].version == "0.54.0"
    assert by_case[replace(base, control=True)].reference == base.candidate
    assert by_case[replace(base, server="granian")].reference == base.candidate
    assert {"throughput ratio", "cpu ratio"} <= by_case[replace(base, server="granian")].figures.keys()
    limited = by_case[Case("granian", "asgi", "plaintext", "h1")]
    assert (limited.verdict, limited.figures) == ("client-limited", {})
    assert Case("daphne", "asgi", "echo", "h2") not in by_case


def test_rates_that_follow_from_the_figures_of_a_run_are_in_no_history() -> None:
    sweep = synthetic.under(synthetic.run_info(), load=Sweep())
    assert {each.case.load.text for each in list_entries(sweep, synthetic.sweep())} == {"saturate"}
    (comparison,) = synthetic.summaries(("uvicorn",), [("json", "h1")], synthetic.no_faults, 200)
    (summary,) = comparison.summaries
    rated = [replace(comparison, summaries=(replace(summary, case=replace(summary.case, load=Rate(100))),))]
    assert list_entries(synthetic.run_info(), rated) == ()
    assert len(list_entries(synthetic.under(synthetic.run_info(), load=Rate(100)), rated)) == 1


INTERVALS = st.builds(
    lambda value, below, above: Ratio(value, value / below, value * above),
    st.floats(0.01, 1e6),
    st.floats(1.0, 3.0),
    st.floats(1.0, 3.0),
)


@given(INTERVALS, INTERVALS)
def test_the_interval_of_a_change_holds_it_and_excludes_1_where_the_two_do_not_overlap(a: Ratio, b: Ratio) -> None:
    change, back = divide(b, a), divide(a, b)
    assert change.low <= change.value <= change.high
    assert math.isclose(change.value * back.value, 1)
    assert math.isclose(change.low * back.high, 1)
    if b.low > a.high:
        assert change.low > 1
    if a.low > b.high:
        assert change.high < 1
    widest = (a.high / a.low) * (b.high / b.low)
    assert change.high / change.low <= widest * 1.000001


def test_memory_is_judged_of_every_case_and_on_a_disturbed_machine() -> None:
    for case in (BASELINE, OTHER):
        runs = [
            past_run(day, entry(case, {"memory": about(size)}, disturbed=True)) for day, size in ((1, 4e7), (2, 5e7))
        ]
        ((_, step),) = series_of(runs, case).steps
        assert (step.figure, step.better) == ("memory", False)
