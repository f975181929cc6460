from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.results import Results
from harness.model.records import Verdict
from harness.model.summaries import CaseSummary
from tests import synthetic


def results_of(verdict: Verdict, rank: int | None, rounds: int = 3) -> Results:
    run = synthetic.run_info()
    run = replace(run, conditions=replace(run.conditions, rounds=rounds))

    def change(each: CaseSummary) -> CaseSummary:
        return replace(each, verdict=verdict, rank=rank)

    comparisons = synthetic.summaries(("uvicorn", "granian"), requests_per_case=200)
    return Results(run, [replace(each, summaries=tuple(map(change, each.summaries))) for each in comparisons])


@pytest.mark.parametrize(
    ("verdict", "rank", "rounds", "answered"),
    [
        ("valid", 1, 3, True),
        ("valid", None, 3, False),
        ("valid", None, 2, True),
        ("client-limited", None, 2, True),
        ("invalid", None, 2, False),
    ],
)
def test_a_run_is_an_answer_if_it_has_usable_numbers_and_from_three_rounds_on_ranks(
    verdict: Verdict, rank: int | None, rounds: int, answered: bool
) -> None:
    results = results_of(verdict, rank, rounds)
    assert results.has_numbers
    assert results.is_answer is answered


def test_a_run_without_a_case_has_no_numbers() -> None:
    assert not Results(synthetic.run_info(), ()).has_numbers
