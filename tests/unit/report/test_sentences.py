from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from harness.model.loads import Rate
from harness.model.results import Verdict
from harness.model.summaries import Ratio
from harness.report import markdown, sentences
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import COMPARISONS, RUN, SWEEP, WS_ECHO, control_run
from tests.synthetic import flat, grouped, under

if TYPE_CHECKING:
    pass


@given(
    st.lists(st.sampled_from(["valid", "client-limited", "invalid", "unsupported", "failed"]), min_size=4, max_size=4)
)
def test_only_valid_cases_are_ranked_whatever_rank_they_have(verdicts: list[Verdict]) -> None:
    case_of = dict(zip(("uvicorn", "hypercorn", "daphne", "granian"), verdicts, strict=True))
    (section,) = make_sections(
        RUN, grouped(replace(each, verdict=case_of[each.case.server], rank=1) for each in WS_ECHO.summaries)
    )
    ranks = {row.name: str(row.cells[0]) for row in section.table.rows}
    valid = {server for server, verdict in case_of.items() if verdict == "valid"}
    assert {server for server, rank in ranks.items() if rank == "1"} == valid
    praised, praise, _ = re.split(r" (share|is first|could be ranked)|$", sentences.answer(section), maxsplit=1)
    assert {server for server in case_of if praise and server in praised} == valid


def test_servers_that_share_first_place_are_named_together() -> None:
    ranks = (1, 1, 3, 3)
    ranked = [replace(each, rank=rank) for each, rank in zip(WS_ECHO.summaries, ranks, strict=True)]
    (section,) = make_sections(RUN, grouped(ranked))
    sentence = sentences.answer(section)
    leaders = [each.case.server for each in section.summary.summaries if each.rank == 1]
    followers = [each.case.server for each in section.summary.summaries if each.rank == 3]
    assert sentence.startswith(f"{leaders[0]} and {leaders[1]} share first place on ws_echo over WebSocket")
    assert all(server in sentence.partition(" before ")[2] for server in followers)


def test_a_server_that_the_generator_limited_is_named_beside_the_ranking() -> None:
    section = next(section for section in make_sections(RUN, COMPARISONS) if section.title == "plaintext over HTTP/1.1")
    sentence = sentences.answer(section)
    assert sentence.startswith("Of those with a rank, uvicorn is first")
    assert re.search(r"granian \([\d,]+\) is not ranked: the load generator was the limit\.$", sentence)


def test_the_headline_warns_of_a_single_round_and_of_shared_cpus() -> None:
    sections = make_sections(RUN, COMPARISONS)
    shared = replace(RUN.environment, load_cpus=RUN.environment.server_cpus)
    shown = sentences.headline(replace(under(RUN, rounds=1), environment=shared), sections)
    assert any("One round" in line for line in shown)
    assert any("shared CPUs" in line for line in shown)
    assert len(sentences.headline(RUN, sections)) == 1


def test_at_a_given_rate_the_report_compares_latency_and_not_throughput() -> None:
    load = Rate(500)
    run = under(RUN, load=load)
    opened = grouped(
        replace(each, case=replace(each.case, load=load), offered_rps=500.0, achieved_ratio=0.998)
        for each in flat(COMPARISONS)
    )
    for section in make_sections(run, opened):
        assert {"Answered", "Send lag p99 ms", "Service p99 ms"} <= set(section.table.columns)
        ranked = [each for each in section.summary.summaries if each.rank]
        assert "requests/s" not in sentences.answer(section)
        assert not ranked or "ms at p99" in sentences.answer(section)
    assert "99.8 %" in markdown.render(make_page(run, opened, []))


def test_the_control_is_no_candidate() -> None:
    run, comparisons = control_run(Ratio(1.1, 1.05, 1.2))
    (section,) = make_sections(run, grouped(replace(each, rank=1) for each in flat(comparisons)))
    assert sentences.answer(section).startswith("uvicorn answers ")
    (row,) = [row for row in section.table.rows if row.name == "uvicorn (control)"]
    assert row.cells[1].detail == "0.54.0"
    (section,) = make_sections(under(SWEEP, control=True), synthetic.sweep(("uvicorn",), control=True))
    assert "control" not in sentences.answer(section)


def test_a_candidate_that_only_the_control_beats_is_first() -> None:
    run, comparisons = control_run(Ratio(1.1, 1.05, 1.2), asked=2)
    others = synthetic.summaries(("granian",), [("plaintext", "h1"), ("json", "h1")], synthetic.no_faults, 200)
    places = {"uvicorn (control)": 1, "uvicorn": 2, "granian": 3}
    both = [*flat(comparisons), *flat(others)]
    found = make_sections(run, grouped(replace(each, rank=places[each.name]) for each in both))
    assert sentences.answer(found[0]).startswith("uvicorn is first on plaintext over HTTP/1.1")
    assert sentences.headline(run, found) == ["uvicorn is first or shares first place in 2 of 2 comparisons."]


def test_the_control_wins_nothing() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1), asked=2)
    ranked = grouped(replace(each, rank=1) for each in flat(comparisons))
    assert not any("first" in line for line in sentences.headline(run, make_sections(run, ranked)))
