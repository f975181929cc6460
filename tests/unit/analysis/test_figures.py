from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.figures import FIGURES, exceeds_wait, list_rows, name_case
from harness.analysis.gates import METRICS
from harness.model.loads import Rate
from harness.model.plan import Case
from harness.model.summaries import Estimate, Latency, Ratio, Ratios, RequestSummary
from tests.reported import COMPARISONS, WS_ECHO
from tests.synthetic import flat

CASE = Case("uvicorn", "asgi", "plaintext", "h1")


def test_what_has_a_gate_is_a_figure_of_the_same_name() -> None:
    alone = set(METRICS) - {figure.name for figure in FIGURES}
    assert alone == {"p95"}  # it is read from histograms, as summaries do not have it


def test_each_case_has_a_row_for_each_figure_that_it_has_and_none_for_others() -> None:
    rows = list_rows(COMPARISONS)
    for case in flat(COMPARISONS):
        own = {row.figure.name: row for row in rows if row.case is case}
        assert ("throughput" in own) == case.measured
        if case.throughput_rps is not None:
            found = own["throughput"]
            estimate = case.throughput_rps
            assert (found.value, found.low, found.high) == (estimate.median, estimate.low, estimate.high)
            assert found.is_sound == (case.verdict == "valid")
        if case.verdict == "unsupported":
            assert own == {}


def test_a_figure_of_one_round_has_no_interval() -> None:
    one = replace(WS_ECHO.summaries[0], throughput_rps=Estimate(5.0, 5.0, 5.0))
    (row,) = (row for row in list_rows([replace(WS_ECHO, summaries=(one,))]) if row.figure.name == "throughput")
    assert (row.value, row.low, row.high) == (5.0, None, None)


def test_disturbed_are_absolute_figures_of_disturbed_cases() -> None:
    disturbed = replace(WS_ECHO.summaries[0], disturbed=True)
    marked = {row.figure.name for row in list_rows([replace(WS_ECHO, summaries=(disturbed,))]) if row.is_disturbed}
    assert {"throughput", "p99", "cpu"} <= marked
    assert not marked & {"memory", "throughput ratio", "errors"}


@pytest.mark.parametrize(
    ("unanswered", "longer"), [(0, []), (50, ["p99", "p99_9"]), (600, ["p50", "p90", "p99", "p99_9"])]
)
def test_a_percentile_among_requests_without_an_answer_is_at_least_what_it_says(
    unanswered: int, longer: list[str]
) -> None:
    assert [name for name in ("p50", "p90", "p99", "p99_9") if exceeds_wait(name, 1_000, unanswered)] == longer


def test_requests_have_rows_where_there_are_several() -> None:
    latency = Latency(p50=Estimate(400, 380, 420), p99=Estimate(900, 800, 990))
    ratios = Ratios(Ratio(0.5, 0.4, 0.6), None, None)
    several = tuple(
        RequestSummary("GET", f"/{name}", 1_000, 0, unanswered, Estimate(50, 45, 55), latency, ratios)
        for name, unanswered in (("a", 0), ("b", 600))
    )
    found = replace(WS_ECHO, summaries=(replace(WS_ECHO.summaries[0], by_name=several),))
    assert all(row.request is None for row in list_rows([found]))
    rows = [row for row in list_rows([found], requests=True) if row.request is not None]
    assert {row.request.label for row in rows if row.request} == {"GET /a", "GET /b"}
    assert {row.figure.name for row in rows} == {
        *("throughput", "p50", "p99", "requests", "errors", "unanswered", "throughput ratio")
    }
    assert [row.is_at_least for row in rows if row.figure.name == "p99"] == [False, True]
    alone = replace(WS_ECHO, summaries=(replace(WS_ECHO.summaries[0], by_name=several[:1]),))
    assert all(row.request is None for row in list_rows([alone], requests=True))


@pytest.mark.parametrize(
    "change",
    [
        {"server": "granian"},
        {"app": "fastapi"},
        {"scenario": "json"},
        {"protocol": "h2"},
        {"load": Rate(500.0)},
        {"users": 8},
        {"streams": 4},
        {"workers": 2},
        {"control": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_cases_that_differ_have_different_names(change: dict[str, object]) -> None:
    assert name_case(replace(CASE, **change)) != name_case(CASE)  # type: ignore[arg-type]


def test_a_case_has_the_same_name_in_every_run() -> None:
    assert name_case(CASE) == "plaintext h1 asgi on uvicorn, 32 users, 1 worker"
