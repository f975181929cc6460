from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.analysis.naming import Naming
from harness.catalog import listing
from harness.cli.terminal import Screen
from harness.cli.terminal.trials import CaseNames, describe_trial
from harness.model.histogram import Histogram
from harness.model.loads import Capacity, Rate, Sweep
from harness.model.plan import Candidate, Case, Conditions, Selection
from harness.model.results import Connections, Errors, LoadResult, Probe, Record
from harness.model.summaries import Ratio, Ratios
from harness.plan.schedule import make_plan
from harness.run.journal import Progress
from tests import synthetic

if TYPE_CHECKING:
    from collections.abc import Callable

CASE = Case("uvicorn", "asgi", "plaintext", "h1")
LEVEL = Capacity({99.0: 50_000})
SERVERS = CaseNames(Naming(servers=True, apps=False), workers=False)


def result(response_us: int) -> LoadResult:
    times = Histogram.of([response_us] * 4_000)
    return LoadResult(
        0, 10**9, 4_000, 4_000, 4_000, 4_000, 0, Errors(), times, times, Histogram(), {}, Connections(), 0.5
    )


def searched(probe: Probe, case: Case = CASE) -> Record:
    return Record(replace(case, load=LEVEL), 0, 3, "valid", result=result(12_000), probe=probe)


def selection(*apps: str, **conditions: Any) -> Selection:
    chosen = listing.choose("servers", listing.servers(), ["uvicorn", "granian"])
    scenarios = listing.choose("scenarios", listing.scenarios(), ["plaintext"])
    return Selection(
        servers=chosen,
        apps=listing.choose("apps", listing.apps(), apps or ("asgi",)),
        scenarios=scenarios,
        protocols=("h1",),
        conditions=Conditions(seed=1, **conditions),
        baseline=Candidate("uvicorn", "asgi"),
    )


def said(capsys: pytest.CaptureFixture[str], act: Callable[[Screen], None]) -> str:
    act(Screen())
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("probe", "told"),
    [
        (Probe(4_000, "doubling", met=True), "4,000 requests/s met"),
        (
            Probe(8_000, "bisection", met=False, shortfall="p99 was 71.9 ms; limit 50 ms"),
            "8,000 requests/s missed: p99 was 71.9 ms; limit 50 ms",
        ),
        (Probe(4_000, "confirmation", met=True, final=True), "4,000 requests/s confirmed, p99 12.0 ms"),
    ],
)
def test_a_step_of_a_search_says_what_came_of_its_rate(probe: Probe, told: str) -> None:
    assert describe_trial(searched(probe), SERVERS) == f"plaintext · h1 · uvicorn: {told}"


def test_a_trial_says_its_rate_and_one_without_a_number_why() -> None:
    measured = Record(CASE, 0, 0, "valid", result=result(2_000))
    assert describe_trial(measured, SERVERS) == "plaintext · h1 · uvicorn: 4,000 requests/s, p99 2.00 ms"
    swept = replace(measured, case=replace(CASE, load=Rate(4_000)))
    assert describe_trial(swept, SERVERS).startswith("plaintext · h1 · uvicorn at 4,000/s: 4,000 requests/s")
    failed = Record(CASE, 0, 0, "failed", ("it ended with 3",))
    assert describe_trial(failed, SERVERS) == "plaintext · h1 · uvicorn: failed: it ended with 3"


def test_what_there_are_several_of_is_named_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(selection("asgi", "starlette", workers=(1, 2)))
    record = Record(replace(CASE, app="starlette", workers=2), 0, 0, "valid", result=result(2_000))

    def show(screen: Screen) -> None:
        with screen.progress(plan) as watch:
            watch(Progress(1, 8, 1, 7.0, record))

    assert "plaintext · h1 · starlette on uvicorn, 2 workers: 4,000 requests/s" in said(capsys, show)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"rounds": 3}, "6 trials in 3 rounds, about"),
        (
            {"rounds": 2, "precision": 0.05, "max_rounds": 20},
            "4 trials in 2 rounds, up to 20 rounds until ±5 %, about",
        ),
        (
            {"rounds": 5, "load": Sweep()},
            "10 trials in 5 rounds in a closed loop, then 5 rounds, each at 8 shares of what it reached, and at",
        ),
        ({"rounds": 2, "load": LEVEL}, "4 searches of several trials each in 2 rounds, about"),
    ],
    ids=["rounds", "precision", "sweep", "capacity"],
)
def test_the_plan_says_as_much_as_is_known_before(
    capsys: pytest.CaptureFixture[str], asked: dict[str, Any], told: str
) -> None:
    asked_for = selection(**asked)
    assert said(capsys, lambda screen: screen.plan(make_plan(asked_for), asked_for)).startswith(told)


def test_the_ranking_ends_with_how_far_it_may_be_believed(capsys: pytest.CaptureFixture[str]) -> None:
    run = synthetic.run_info(("uvicorn", "granian"), control=True, precision=0.01, max_rounds=9)
    found = synthetic.summaries(("uvicorn",), synthetic.USUAL_COMPARISONS[:1], requests_per_case=200, control=True)
    even = Ratio(1.0, 0.98, 1.02)
    comparisons = synthetic.grouped(
        replace(each, ratio_to_baseline=Ratios(even, even, None)) for each in synthetic.flat(found)
    )
    told = said(capsys, lambda screen: screen.ranking(run, comparisons)).splitlines()
    assert told[-2].startswith(
        "Control (A/A): uvicorn against itself on plaintext over HTTP/1.1: throughput 1.00× (0.98 – 1.02)"
    )
    assert told[-1].startswith("±1 % was not reached by uvicorn (control) on plaintext over HTTP/1.1 (±3.1 %")


def test_an_interrupted_run_says_so_above_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    comparisons = synthetic.summaries(("uvicorn", "granian"), synthetic.USUAL_COMPARISONS[:1], requests_per_case=200)
    uvicorn, granian = sorted(synthetic.flat(comparisons), key=lambda each: each.name, reverse=True)
    planned = uvicorn.case, granian.case
    run = replace(synthetic.run_info(("uvicorn", "granian")), planned=planned, complete=False)
    told = said(capsys, lambda screen: screen.ranking(run, synthetic.grouped([uvicorn]))).splitlines()
    assert told[:2] == [
        "Interrupted: 1 of 2 cases has no number yet; the others have 5 of 5 rounds that count.",
        "  plaintext over HTTP/1.1: granian",
    ]
    assert "Interrupted" not in said(capsys, lambda screen: screen.ranking(replace(run, complete=True), comparisons))


def test_a_sweep_is_told_by_rate_with_its_sum_and_without_the_notes_of_valid_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = synthetic.run_info(("uvicorn", "daphne"), load=Sweep())
    noted = [replace(each, reasons=each.reasons or ("worth a note",)) for each in synthetic.flat(synthetic.sweep())]
    told = said(capsys, lambda screen: screen.ranking(run, [synthetic.swept(noted)]))
    assert "uvicorn keeps p99 within 10 ms up to" in told
    assert "requests/s were answered; limit 99 %" in told
    assert "worth a note" not in told
