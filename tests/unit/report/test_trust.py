from __future__ import annotations

from dataclasses import replace

from harness.model.summaries import Ratio, Ratios
from harness.report import trust
from harness.report.sections import make_sections
from tests.reported import RUN, WS_ECHO, baseline_first
from tests.synthetic import grouped, under


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


def test_a_ratio_of_a_single_round_has_no_smallest_difference() -> None:
    once = [
        replace(each, ratio_to_baseline=Ratios(Ratio(0.5, 0.5, 0.5), Ratio(2, 2, 2), None)) for each in baseline_first()
    ]
    assert trust.lines(RUN, make_sections(RUN, grouped(once))) == []


def test_disturbed_numbers_and_busy_idlers_are_explained() -> None:
    noisy = grouped(
        replace(
            each,
            disturbed=each.name in {"granian", "daphne"},
            disturbed_rounds={"granian": 3, "daphne": 4, "uvicorn": 1}.get(each.name, 0),
            idle_cpu_ratio={"granian": 0.03, "daphne": 0.009}.get(each.name),
        )
        for each in WS_ECHO.summaries
    )
    shown = trust.lines(RUN, make_sections(RUN, noisy))
    assert (
        "~ marks numbers of 2 of 4 cases: in half of their rounds or more, the host or other processes took CPU time; "
        "1 more had fewer such rounds. "
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


def test_unanswered_reopened_and_resent_requests_and_pushes_are_reported_from_one_in_a_thousand_on() -> None:
    numbers = {"granian": (12, 1_200, 0), "daphne": (11, 2_400, 11), "uvicorn": (0, 60, 12), "hypercorn": (0, 13, 0)}
    pushes = {"uvicorn": 24_000}
    busy = [
        replace(
            each,
            requests=12_000,
            unanswered=unanswered,
            reopened=reopened,
            resent=resent,
            pushes=pushes.get(each.name, 0),
        )
        for each in WS_ECHO.summaries
        for unanswered, reopened, resent in [numbers[each.name]]
    ]
    _, *shown = trust.lines(RUN, make_sections(RUN, grouped(busy)))
    assert shown == [
        "Requests without an answer within 30 s: granian on ws_echo over WebSocket (12).",
        (
            "Connections that were opened again, per request: daphne on ws_echo over WebSocket (20 %); granian on "
            "ws_echo over WebSocket (10 %); uvicorn on ws_echo over WebSocket (0.5 %); and 1 more."
        ),
        "Requests that were sent again on a new connection: uvicorn on ws_echo over WebSocket (0.1 %).",
        "Messages that the server sent unasked: uvicorn on ws_echo over WebSocket (24,000).",
    ]


def test_resumed_sessions_and_idle_connections_are_told_of_all_where_there_were_any() -> None:
    numbers = {"granian": (50, 3_000), "daphne": (0, 0)}
    held = [
        replace(each, connections=100, resumed=resumed, idle_connections=idle)
        for each in WS_ECHO.summaries
        for resumed, idle in [numbers.get(each.name, (25, None))]
    ]
    *_, resumed, idle = trust.lines(RUN, make_sections(RUN, grouped(held)))
    assert resumed.startswith("Share of connections that resumed a TLS session, ws_echo over WebSocket: ")
    assert "granian 50 %" in resumed
    assert "daphne 0 %" in resumed
    assert idle.startswith("Idle connections that were open to the end, ws_echo over WebSocket: ")
    assert "granian 3,000" in idle
    assert "daphne 0" in idle
    assert "uvicorn" not in idle


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


def test_rounds_of_measured_cases_that_do_not_count_are_told_with_whose_they_are() -> None:
    fewer = grouped(replace(each, rounds=3) if each.case.server == "daphne" else each for each in WS_ECHO.summaries)
    (line,) = trust.count_left_out(RUN, make_sections(RUN, fewer))
    assert line == (
        "Rounds left out, as their sanity checks failed: 2 of 20 rounds of 4 cases: "
        "daphne on ws_echo over WebSocket (2)."
    )
    (line,) = trust.count_left_out(RUN, make_sections(RUN, [WS_ECHO]))
    assert line == "Rounds left out: none of 20 rounds of 4 cases."
    assert trust.count_left_out(under(RUN, precision=0.05), make_sections(RUN, fewer)) == []
