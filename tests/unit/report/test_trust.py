from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.model.summaries import Ratio
from harness.report import trust
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests.reported import RUN, WS_ECHO, baseline_first, control_run
from tests.synthetic import grouped, under

if TYPE_CHECKING:
    pass


FALSE_SIX = (
    "a false difference of 6 %; CPU 1.00× (0.99 – 1.01): no difference seen. "
    "Do not believe differences of that size in throughput between other candidates. "
    "By chance alone, one figure in 20 shows a false difference."
)


@pytest.mark.parametrize(
    ("throughput", "outcome"),
    [
        (Ratio(1.01, 0.98, 1.04), "throughput 1.01× (0.98 – 1.04), CPU 1.00× (0.99 – 1.01): no difference seen."),
        (Ratio(1.03, 1.0, 1.06), "throughput 1.03× (1.00 – 1.06), CPU 1.00× (0.99 – 1.01): no difference seen."),
        (Ratio(0.94, 0.92, 0.97), f"throughput 0.94× (0.92 – 0.97): {FALSE_SIX}"),
    ],
)
def test_the_control_is_reported_with_its_false_difference(throughput: Ratio, outcome: str) -> None:
    run, comparisons = control_run(throughput)
    shown = make_page(run, comparisons, []).headline
    assert f"Control (A/A): uvicorn against itself on plaintext over HTTP/1.1: {outcome}" in shown


def test_one_round_of_the_control_cannot_be_judged() -> None:
    run, comparisons = control_run(Ratio(1.2, 1.2, 1.2), rounds=1)
    (line,) = trust.lines(run, make_sections(run, comparisons))
    assert line.startswith(
        "Control (A/A): uvicorn against itself on plaintext over HTTP/1.1: cannot be judged; both need"
    )


def test_many_comparisons_with_the_control_are_summed_up() -> None:
    run, comparisons = control_run(Ratio(1.2, 1.1, 1.3), asked=4)
    total, one = trust.lines(run, make_sections(run, comparisons))
    assert total == (
        "Control (A/A): uvicorn against itself in 4 comparisons: throughput: no difference seen in 3 of 4; "
        "CPU: no difference seen in 4 of 4. By chance alone, one figure in 20 shows a false difference."
    )
    assert one.startswith(
        "Control (A/A): uvicorn against itself on plaintext over HTTP/1.1: throughput 1.20× (1.10 – 1.30)"
    )


def test_a_false_difference_is_reported_for_its_figure_alone_and_with_what_chance_does() -> None:
    run, comparisons = control_run(Ratio(0.94, 0.92, 0.97))
    (line,) = trust.lines(run, make_sections(run, comparisons))
    assert "CPU 1.00× (0.99 – 1.01): no difference seen." in line
    assert "Do not believe differences of that size in throughput between other candidates." in line
    assert line.endswith("By chance alone, one figure in 20 shows a false difference.")


def test_cases_that_reached_the_precision_and_cases_that_did_not_are_reported_apart() -> None:
    run = under(RUN, precision=0.05, max_rounds=20)
    summaries = [
        replace(each, precision=precision, rounds=rounds)
        for each, precision, rounds in zip(baseline_first(), (0.0, 0.031, 0.05, 0.071), (20, 6, 9, 20), strict=True)
    ]
    baseline, *others = summaries
    within, missed = trust.lines(run, make_sections(run, grouped(summaries)))
    assert within == "±5 % was reached by 2 of 3 cases, after 6 to 9 rounds that count."
    last = others[-1].name
    assert missed == (
        f"±5 % was not reached by {last} on ws_echo over WebSocket (±7.1 % after 20 rounds); the limit is 20 rounds."
    )
    (section,) = make_sections(run, grouped(summaries))
    shown = {row.name: str(row.cells[section.table.columns.index("±")]) for row in section.table.rows}
    assert shown[baseline.name] == "– (20 rounds)"
    assert shown[last] == "7.1 % (20 rounds)"
    assert "±" not in make_sections(RUN, [WS_ECHO])[0].table.columns


def test_a_precision_does_not_apply_to_invalid_numbers() -> None:
    run = under(RUN, precision=9.0, max_rounds=20)
    invalid = grouped(replace(each, verdict="invalid", precision=0.5) for each in WS_ECHO.summaries)
    (line,) = trust.lines(run, make_sections(run, invalid))
    assert line.startswith("±900 % does not apply to 4 of 4 cases, which have no valid number: ")
    assert line.count("ws_echo over WebSocket (invalid)") == 3
    assert line.endswith(" and others.")


def test_without_a_baseline_the_precision_is_that_of_the_cases_own_interval() -> None:
    run = under(RUN, precision=0.05, max_rounds=20)
    baseline, *others = baseline_first()
    alone = [replace(each, ratio_to_baseline=None, precision=0.031, rounds=6) for each in others[:2]]
    summaries = [replace(baseline, verdict="invalid", precision=0.02), *alone, replace(others[2], precision=0.04)]
    reached, own, invalid = trust.lines(run, make_sections(run, grouped(summaries)))
    assert reached == "±5 % was reached by 1 of 4 cases, after 5 rounds that count."
    assert own.startswith(
        "Without a valid baseline there is no ratio to measure to ±5 %, only an interval of the case's own: "
    )
    assert own.count("(±3.1 % after 6 rounds)") == 2
    assert invalid == (
        "±5 % does not apply to 1 of 4 cases, which have no valid number: uvicorn on ws_echo over WebSocket (invalid)."
    )
    (section,) = make_sections(run, grouped(summaries))
    shown = {row.name: str(row.cells[section.table.columns.index("±")]) for row in section.table.rows}
    assert shown[alone[0].name] == "3.1 % (its own, 6 rounds)"


def test_of_many_that_missed_the_precision_the_widest_are_named() -> None:
    run = under(RUN, precision=0.05, max_rounds=20)
    many = (replace(each, precision=number / 10, rounds=20) for number, each in enumerate(WS_ECHO.summaries * 2))
    (line,) = trust.lines(run, make_sections(run, grouped(many)))
    assert line.startswith("±5 % was not reached by 7 of 7 cases, the widest ")
    assert line.count("after 20 rounds") == 3
    assert "(±70 % after 20 rounds)" in line
