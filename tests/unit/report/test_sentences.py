from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.loads import Rate
from harness.model.plan import Preference
from harness.model.records import Verdict
from harness.model.summaries import Ratio
from harness.report import markdown, sentences
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import COMPARISONS, RUN, SWEEP, WS_ECHO, control_run, without_baseline
from tests.synthetic import flat, grouped, under


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
    doubtful = replace(under(RUN, rounds=1), environment=shared)
    assert any("One round" in line for line in sentences.headline(doubtful, sections))
    assert any("shared CPUs" in line for line in sentences.list_warnings(doubtful))
    assert any("shared CPUs" in line for line in make_page(doubtful, COMPARISONS, []).trust)
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
    assert sentences.headline(run, found) == ["uvicorn is first in 2 of 2 comparisons."]


def test_the_control_wins_nothing() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1), asked=2)
    ranked = grouped(replace(each, rank=1) for each in flat(comparisons))
    assert not any("first" in line for line in sentences.headline(run, make_sections(run, ranked)))


def places(*several: dict[str, int | None]) -> list[str]:
    """The headline of comparisons in which servers have these ranks."""
    asked = [("plaintext", "h1"), ("json", "h1"), ("echo", "h1"), ("items", "h1")][: len(several)]
    comparisons = synthetic.summaries(tuple(several[0]), asked, synthetic.no_faults, 200)
    ranked = [
        replace(
            comparison,
            summaries=grouped(replace(each, rank=ranks[each.name]) for each in comparison.summaries)[0].summaries,
        )
        for comparison, ranks in zip(comparisons, several, strict=True)
    ]
    return sentences.headline(RUN, make_sections(RUN, ranked))


def test_a_tie_is_never_counted_as_a_win() -> None:
    assert places(
        {"uvicorn": 2, "granian": 1, "daphne": 3}, {"uvicorn": 1, "granian": 1, "daphne": 3},
        {"uvicorn": 1, "granian": 1, "daphne": 1}, {"uvicorn": 2, "granian": 1, "daphne": 2},
    ) == [
        ("granian is first in 2 of 4 comparisons and shares first place in 2; "
        "uvicorn shares first place in 2 of 4 comparisons; daphne shares first place in 1 of 4 comparisons.")
    ]  # fmt: skip


def test_who_is_the_only_one_with_a_rank_has_won_nothing() -> None:
    shown = places({"uvicorn": 1, "granian": None}, {"uvicorn": 2, "granian": 1}, {"uvicorn": 1, "granian": 2})
    assert shown == ["granian is first in 1 of 2 comparisons; uvicorn is first in 1 of 2 comparisons."]
    assert places({"uvicorn": None, "granian": None}) == ["Nothing could be ranked."]


@pytest.mark.parametrize(("rounds", "often", "few"), [(1, "once", "One round"), (2, "twice", "Two rounds")])
def test_below_three_rounds_no_winner_is_named(rounds: int, often: str, few: str) -> None:
    run = under(RUN, rounds=rounds)
    (section,) = make_sections(run, grouped(replace(each, rank=None, rounds=rounds) for each in WS_ECHO.summaries))
    sentence = sentences.answer(section)
    assert sentence.startswith(f"Measured {often} on ws_echo over WebSocket: ")
    assert sentence.endswith("requests/s; too few rounds to rank.")
    assert sentences.headline(run, [section]) == [
        f"{few} cannot tell servers apart, so nothing is ranked; measure at least 3 rounds."
    ]


def test_a_disturbed_number_is_marked_in_the_sentence_too() -> None:
    (section,) = make_sections(RUN, grouped(replace(each, disturbed=True) for each in WS_ECHO.summaries))
    assert re.search(r" with ~[\d,]+ and ~[\d,]+ requests/s", sentences.answer(section))


def test_a_sentence_says_what_took_the_place_of_the_baseline() -> None:
    run, comparisons = without_baseline()
    (section,) = make_sections(run, comparisons)
    sentence = (
        "uvicorn is unsupported here, so ratios are ratios to granian, the fastest candidate that can be measured here."
    )
    assert sentences.explain_reference(run, section) == sentence
    assert sentence in make_page(run, comparisons, []).answers[0][0]
    assert sentences.explain_reference(RUN, make_sections(RUN, [WS_ECHO])[0]) == ""


@pytest.mark.parametrize(
    ("prefer", "unit"),
    [
        ("p99", "ms at p99"),
        ("cpu", "µs CPU a request"),
        ("memory", "MB of memory at the peak"),
        ("throughput", "requests/s"),
    ],
)
def test_the_winner_is_named_by_what_was_asked_for_with_that_figure(prefer: Preference, unit: str) -> None:
    first, *others = WS_ECHO.summaries
    (section,) = make_sections(RUN, [replace(WS_ECHO, prefer=prefer, summaries=(replace(first, rank=1), *others))])
    assert sentences.answer(section).startswith(f"{first.name} ")
    assert unit in sentences.answer(section)


def test_who_is_first_by_other_figures_is_told_and_a_tie_is_none() -> None:
    ranks: list[Mapping[Preference, int]] = [
        {"throughput": 1, "p99": 2, "cpu": 1},
        {"throughput": 2, "p99": 1, "cpu": 1},
        {"throughput": 3, "memory": 1},
        {},
    ]
    summaries = tuple(replace(each, ranks=own) for each, own in zip(WS_ECHO.summaries, ranks, strict=True))
    (section,) = make_sections(RUN, [replace(WS_ECHO, summaries=summaries)])
    a, b = (each.name for each in summaries[:2])
    assert sentences.name_other_leaders(section) == f"By p99 {b} is first; by CPU {a} and {b} share first place."
    assert sentences.name_other_leaders(section) in markdown.render(make_page(RUN, [section.summary], []))


def test_a_figure_that_is_not_known_ranks_nobody_and_the_reason_is_told() -> None:
    summaries = tuple(replace(each, rank=None) for each in WS_ECHO.summaries)
    (section,) = make_sections(RUN, [replace(WS_ECHO, prefer="p99", summaries=summaries)])
    assert "can be ranked by p99, which needs 1,000 requests in each of three rounds" in sentences.answer(section)
