from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.summaries import Ratio, Ratios
from harness.report import html, markdown, trust
from harness.report.page import make_page
from harness.report.sections import make_sections
from harness.text.markdown import escape
from tests.reported import RUN, WS_ECHO, baseline_first, control_run
from tests.synthetic import grouped, under

CONTROL = "Control: uvicorn against itself on plaintext over HTTP/1.1: "


@pytest.mark.parametrize(
    ("throughput", "outcome"),
    [
        (
            Ratio(1.01, 0.98, 1.04),
            (
                "throughput 1.010 (0.980 – 1.040), CPU 1.000 (0.990 – 1.010): this run can detect differences above "
                "3 % in throughput and 1 % in CPU."
            ),
        ),
        (
            Ratio(1.0002, 0.9999, 1.0005),
            (
                "throughput 1.000 (1.000 – 1.000), CPU 1.000 (0.990 – 1.010): this run can detect differences above "
                "0.1 % in throughput and 1 % in CPU."
            ),
        ),
        (
            Ratio(0.94, 0.92, 0.97),
            (
                "throughput 0.940 (0.920 – 0.970), CPU 1.000 (0.990 – 1.010): this run can detect differences above "
                "1 % in CPU. It differs from itself by 6 % in throughput, and nothing was changed: do not believe "
                "differences of that size in throughput between other candidates. "
                "By chance alone, one figure in 20 shows a false difference."
            ),
        ),
    ],
)
def test_the_control_comes_first_and_says_which_differences_the_run_can_detect(throughput: Ratio, outcome: str) -> None:
    run, comparisons = control_run(throughput)
    page = make_page(run, comparisons, [])
    assert page.control == [CONTROL + outcome]
    shown = markdown.render(page)
    assert shown.index(escape(outcome)) < shown.index("## Ranking")
    assert html.render(page, {}).index("Control: uvicorn against itself") < html.render(page, {}).index('id="ranking"')


@pytest.mark.parametrize(
    ("throughput", "rounds"), [(Ratio(1.2, 1.2, 1.2), 1), (Ratio(1.0, 0.3, 3.0), 2)], ids=["one round", "wide"]
)
def test_a_control_with_too_few_rounds_cannot_be_judged(throughput: Ratio, rounds: int) -> None:
    run, comparisons = control_run(throughput, rounds=rounds)
    wide = [replace(each, ratio_to_baseline=Ratios(throughput, None, None)) for each in comparisons[0].summaries]
    shown = trust.control_lines(make_sections(run, grouped(wide)))
    assert shown == [f"{CONTROL}cannot be judged: too few rounds, or no valid number."]


def test_many_comparisons_with_the_control_are_summed_up() -> None:
    run, comparisons = control_run(Ratio(1.2, 1.1, 1.3), asked=4)
    total, one = trust.control_lines(make_sections(run, comparisons))
    assert total == (
        "Control: uvicorn against itself in 4 comparisons: "
        "throughput: 1 of 4 differ, and this run can detect differences above 1 % to 20 %; "
        "CPU: no difference seen, and this run can detect differences above 1 %. "
        "By chance alone, one figure in 20 shows a false difference."
    )
    assert one.startswith(f"{CONTROL}throughput 1.200 (1.100 – 1.300), CPU 1.000 (0.990 – 1.010): ")


def test_a_control_that_is_unsupported_is_not_mentioned() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.99, 1.01))
    silent = grouped(
        replace(each, verdict="unsupported", ratio_to_baseline=None, throughput_rps=None)
        for each in comparisons[0].summaries
    )
    assert trust.control_lines(make_sections(run, silent)) == []


def test_the_smallest_difference_from_the_baseline_that_the_run_could_have_shown_is_reported() -> None:
    half = {"hypercorn": 1.01, "daphne": 1.02, "granian": 1.034}
    ratios = [
        replace(
            each,
            ratio_to_baseline=Ratios(
                Ratio(0.5, 0.5 / half.get(each.name, 1), 0.5 * half.get(each.name, 1)), Ratio(2, 1.96, 2.04), None
            ),
        )
        for each in baseline_first()
    ]
    (line,) = trust.lines(RUN, make_sections(RUN, grouped(ratios)))
    sizes = "1 % to 3.4 % in throughput and 2 % in CPU"
    assert line == f"Smallest difference from the baseline that this run could have shown: {sizes}."


def test_a_figure_of_the_control_with_too_few_rounds_says_so_beside_the_others() -> None:
    run, comparisons = control_run(Ratio(1.1, 0.5, 2.0))
    (line,) = trust.control_lines(make_sections(run, comparisons))
    assert line == (
        f"{CONTROL}throughput 1.100 (too few rounds), CPU 1.000 (0.990 – 1.010): "
        "this run can detect differences above 1 % in CPU."
    )


def test_disturbed_numbers_and_busy_idlers_are_explained() -> None:
    noisy = grouped(
        replace(
            each,
            disturbed=each.name in {"granian", "daphne"},
            idle_cpu_ratio={"granian": 0.03, "daphne": 0.009}.get(each.name),
        )
        for each in WS_ECHO.summaries
    )
    shown = trust.lines(RUN, make_sections(RUN, noisy))
    assert (
        "~ marks numbers of 2 of 4 cases that were disturbed: the host or other processes took CPU time. "
        "Ratios hold as far as intervals and control say, since candidates that take turns lose alike."
    ) in shown
    assert [line for line in shown if "turn." in line] == ["granian used 3 % of a core while it was not its turn."]
    assert not any("~" in line or "its turn" in line for line in trust.lines(RUN, make_sections(RUN, [WS_ECHO])))


def test_servers_that_were_still_warming_up_are_named() -> None:
    warming = {
        "granian": Ratio(1.08, 1.04, 1.12),
        "daphne": Ratio(1.08, 0.99, 1.12),
        "uvicorn": Ratio(1.02, 1.01, 1.03),
    }
    gaining = grouped(replace(each, warming=warming.get(each.name)) for each in WS_ECHO.summaries)
    (line,) = (line for line in trust.lines(RUN, make_sections(RUN, gaining)) if "Later" in line)
    assert line == (
        "Later cycles answered more than the first after a start: granian (up to 8 %); the warm-up of "
        f"{RUN.conditions.warmup_s:g} s was short (--warmup)."
    )


def test_unanswered_reopened_and_resent_requests_are_reported_from_one_in_a_thousand_on() -> None:
    numbers = {"granian": (12, 1_200, 0), "daphne": (11, 2_400, 11), "uvicorn": (0, 60, 12), "hypercorn": (0, 13, 0)}
    busy = [
        replace(each, requests=12_000, unanswered=unanswered, reopened=reopened, resent=resent)
        for each in WS_ECHO.summaries
        for unanswered, reopened, resent in [numbers[each.name]]
    ]
    _, *shown = trust.lines(RUN, make_sections(RUN, grouped(busy)))
    assert shown == [
        "Requests without an answer within 30 s: granian on ws_echo over WebSocket (0.1 %).",
        (
            "Connections that were opened again, per request: daphne on ws_echo over WebSocket (20 %); granian on "
            "ws_echo over WebSocket (10 %); uvicorn on ws_echo over WebSocket (0.5 %); and 1 more."
        ),
        "Requests that were sent again on a new connection: uvicorn on ws_echo over WebSocket (0.1 %).",
    ]


def test_cases_that_reached_the_precision_and_cases_that_did_not_are_reported_apart() -> None:
    run = under(RUN, precision=0.05, max_rounds=20)
    summaries = [
        replace(each, precision=precision, rounds=rounds)
        for each, precision, rounds in zip(baseline_first(), (0.0, 0.031, 0.05, 0.071), (20, 6, 9, 20), strict=True)
    ]
    baseline, *others = summaries
    _, within, missed = trust.lines(run, make_sections(run, grouped(summaries)))
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
    _, reached, own, invalid = trust.lines(run, make_sections(run, grouped(summaries)))
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
    _, line = trust.lines(run, make_sections(run, grouped(many)))
    assert line.startswith("±5 % was not reached by 7 of 7 cases, the widest ")
    assert line.count("after 20 rounds") == 3
    assert "(±70 % after 20 rounds)" in line
