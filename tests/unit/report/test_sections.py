from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.model.protocols import PROTOCOLS
from harness.model.summaries import Estimate
from harness.report import sentences
from harness.report.sections import list_starts, make_sections
from harness.text.numbers import significant
from tests import synthetic
from tests.reported import COMPARISONS, RUN, SWEEP, WS_ECHO
from tests.synthetic import flat, grouped

if TYPE_CHECKING:
    from harness.model.protocols import Protocol
    from harness.model.summaries import CaseSummary


def test_sections_have_every_case_once_protocol_by_protocol_the_best_rank_first() -> None:
    found = make_sections(RUN, COMPARISONS)
    assert sorted(str(each.case) for section in found for each in section.summary.summaries) == sorted(
        str(each.case) for each in flat(COMPARISONS)
    )
    places = [PROTOCOLS.index(section.summary.comparison.protocol) for section in found]
    assert places == sorted(places)
    for section in found:
        assert all(len(row.cells) == len(section.table.columns) for row in section.table.rows)
        ranks = [each.rank for each in section.summary.summaries if each.verdict == "valid"]
        assert ranks == sorted(ranks)
        assert [each.verdict == "valid" for each in section.summary.summaries] == sorted(
            (each.verdict == "valid" for each in section.summary.summaries), reverse=True
        )


def test_a_row_shows_what_the_summary_holds() -> None:
    (section,) = make_sections(RUN, [WS_ECHO])
    for row, summary in zip(section.table.rows, section.summary.summaries, strict=True):
        cells = dict(zip(section.table.columns, row.cells, strict=True))
        assert float(cells["Requests/s"].value.replace(",", "")) == pytest.approx(
            summary.throughput_rps.median, abs=0.5
        )
        assert float(cells["p50 ms"].value) == pytest.approx(summary.latency_us.p50.median / 1000, rel=0.005)
        assert cells["p99.9 ms"].value == "–"
        assert cells["Server"].detail == RUN.environment.server_versions[row.name]
        ratio = cells["÷ uvicorn"].value
        assert ratio == ("baseline" if row.name == "uvicorn" else f"{summary.ratio_to_baseline.throughput.value:.2f}×")


def test_a_round_that_was_lost_leaves_its_place_empty() -> None:
    lost, *others = WS_ECHO.summaries
    rates, costs = lost.throughput_by_round_rps[:3], lost.cpu_us_per_request_by_round[:2]
    lost = replace(
        lost,
        throughput_by_round_rps=rates,
        throughput_rounds=(1, 3, 3),
        cpu_us_per_request_by_round=costs,
        cpu_rounds=(3, 3),
    )
    (section,) = make_sections(RUN, [replace(WS_ECHO, summaries=(lost, *others))])
    assert section.rounds.columns[1:] == ("1", "2", "3", "4", "5")
    _, first, second, third, *_ = section.rounds.rows[0].cells
    assert (first.value, first.detail) == (significant(rates[0]), "")
    assert (second.value, second.detail) == ("–", "")
    assert third.value == f"{significant(rates[1])} · {significant(rates[2])}"
    assert third.detail == f"{significant(costs[0])} · {significant(costs[1])} µs CPU"


def test_all_rates_of_a_sweep_are_one_table_by_candidate_and_rate() -> None:
    (whole,) = synthetic.sweep()
    (section,) = make_sections(SWEEP, [whole])
    cells = [dict(zip(section.table.columns, row.cells, strict=True)) for row in section.table.rows]
    assert [each["Server"].value for each in cells] == ["uvicorn"] * 7 + ["daphne"] * 7, "the faster one first"
    assert [each["Of its own rate"].value for each in cells[:7]] == [
        "closed loop", "10 %", "25 %", "50 %", "70 %", "90 %", "105 %",
    ]  # fmt: skip
    offered = [each["Offered/s"].value for each in cells]
    assert offered == [f"{each.offered_rps:,.0f}" if each.offered_rps else "–" for each in section.summary.summaries]
    assert cells[6]["Answered"].value == "88.0 %"
    assert len(section.details.rows) == 2, "one for each candidate"
    assert {each.comparison for each in sentences.list_unanswered([section])} == {
        f"plaintext over HTTP/1.1 at {each.offered_rps:,.0f} requests/s"
        for each in whole.summaries
        if each.own_share == 1.05
    }


def test_details_leave_out_empty_columns() -> None:
    switches = Estimate(2.5, 2.4, 2.6)
    some, *_ = WS_ECHO.summaries
    (section,) = make_sections(RUN, grouped([replace(some, context_switches_per_request=switches)]))
    (row,) = section.details.rows
    assert section.details.columns == ("Server", "Context switches/request")
    assert str(row.cells[1]) == "2.50 (2.40 – 2.60)"


@pytest.mark.parametrize(
    ("parts", "cell"),
    [
        ({"bash": 0.01, "nginx": 35.2, "uvicorn": 57.1}, "uvicorn 57.1, nginx 35.2"),
        ({"bash": 0.01, "uvicorn": 57.1}, None),
        ({}, None),
    ],
)
def test_cpu_time_by_program_is_shown_where_several_programs_work(parts: dict[str, float], cell: str | None) -> None:
    estimates = {name: Estimate(value, value, value) for name, value in parts.items()}
    some, *_ = WS_ECHO.summaries
    (section,) = make_sections(RUN, grouped([replace(some, cpu_us_by_program=estimates)]))
    shown = [str(each) for row in section.details.rows for each in row.cells[1:]]
    assert shown == ([] if cell is None else [cell])
    assert ("CPU µs/request by program" in section.details.columns) is (cell is not None)


def test_starts_and_stops_are_shown_once_for_each_way_of_starting_a_server_however_many_users_there_are() -> None:
    def under(users: int, protocol: Protocol, workers: int = 1) -> list[CaseSummary]:
        return [
            replace(each, case=replace(each.case, users=users, protocol=protocol, workers=workers))
            for each in WS_ECHO.summaries
        ]

    names = [each.name for each in WS_ECHO.summaries]
    (alone,) = list_starts(RUN, grouped([*under(8, "h1"), *under(32, "h1")]))
    assert (alone.title, [row.name for row in alone.table.rows]) == ("Starts and stops", names)
    several = list_starts(RUN, grouped([*under(8, "h1"), *under(8, "h2"), *under(32, "h1-tls"), *under(8, "h1", 2)]))
    assert [each.title.removeprefix("Starts and stops with ") for each in several] == [
        "no TLS and 1 worker", "TLS and 1 worker", "no TLS and 2 workers",
    ]  # fmt: skip
    assert [len(each.table.rows) for each in several] == [len(names)] * 3


def test_starts_leave_out_servers_that_never_started() -> None:
    some, other, *_ = WS_ECHO.summaries
    dead = replace(other, throughput_rps=None, ready_s=None, verdict="failed")
    (starts,) = list_starts(RUN, grouped([some, dead]))
    (row,) = starts.table.rows
    cells = dict(zip(starts.table.columns, map(str, row.cells), strict=True))
    assert cells["Ready s"] == "0.210 (0.190 – 0.240)"
    assert cells["First answer ms"] == "1.20 (1.00 – 1.50)"


def test_every_comparison_has_an_anchor_of_its_own_by_its_name() -> None:
    anchors = [each.anchor for each in make_sections(RUN, COMPARISONS)]
    assert anchors == ["plaintext-h1", "json-h2", "echo-h2", "ws_echo-ws"]
    comparisons = synthetic.summaries(asked=[("GET /a", "h1"), ("GET a", "h1")], fault=synthetic.no_faults)
    assert [each.anchor for each in make_sections(RUN, comparisons)] == ["get-a-h1", "get-a-h1-2"]
    users = synthetic.with_users({8: {"uvicorn": 1.0}, 32: {"uvicorn": 1.0}})
    assert [each.anchor for each in make_sections(RUN, users)] == ["plaintext-h1-8-users", "plaintext-h1-32-users"]


@pytest.mark.parametrize(
    ("interval", "is_cut"), [((0.99, 1.01), False), ((0.9, 1.9), True), ((0.001, 33_000.0), True), ((1.0, 1.0), False)]
)
def test_dots_lie_on_the_axis_and_what_is_longer_is_cut(interval: tuple[float, float], is_cut: bool) -> None:
    low, high = interval
    cases = [
        replace(each, throughput_rps=Estimate(1_000.0, 1_000 * low, 1_000 * high)) if each.name == "uvicorn" else each
        for each in flat(synthetic.summaries(("uvicorn", "daphne"), [("json", "h1")], synthetic.no_faults, 200))
        if each.name == "uvicorn"
    ]
    (section,) = make_sections(RUN, grouped(cases))
    (row,) = section.table.rows
    assert row.dot is not None
    assert 0 <= row.dot.low <= row.dot.middle <= row.dot.high <= 1
    assert row.dot.is_cut == is_cut
    assert section.axis.startswith("0 to 1,")
    assert section.axis.endswith(" requests/s")
    assert section.rounds.columns == ("Server", "1", "2", "3", "4", "5")


def test_a_sweep_has_no_dots() -> None:
    (section,) = make_sections(SWEEP, synthetic.sweep())
    assert (section.axis, {row.dot for row in section.table.rows}) == ("", {None})
