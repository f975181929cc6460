"""How precise the ratios of a run are: which cases need more rounds, and how servers differ from start to start."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.analysis.intervals import paired_ratio
from harness.analysis.precision import estimate_precisions, estimate_start_spreads, imprecise
from harness.analysis.references import find_reference, group_by_comparison
from harness.model.plan import Candidate, Case
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.case_rounds import CaseRounds
    from harness.model.records import Record, Verdict

BASELINE = Candidate("a", "asgi")
STEADY, SHAKY = [1_000, 1_001, 999, 1_000] * 2, [1_000, 1_400, 700, 1_200] * 2


def rounds_of(
    speeds: Mapping[str, Sequence[int | Sequence[int]]],
    scenario: str = "plaintext",
    verdict: Verdict = "valid",
    *,
    control: bool = False,
) -> list[Record]:
    """Rounds of servers, given their requests in one second, or in each cycle of one second."""
    return [
        builders.record(Case(server, "asgi", scenario, "h1", control=control), number, answers, verdict=verdict)
        for server, several in speeds.items()
        for number, answers in enumerate(several)
    ]


def compare(records: Sequence[Record]) -> tuple[list[CaseRounds], CaseRounds | None]:
    """The cases of the only comparison, and the one that the others are divided by."""
    (rows,) = group_by_comparison(records).values()
    return list(rows), find_reference(rows, BASELINE)


def servers(records: Sequence[Record], precision: float) -> set[str]:
    return {case.server for case in imprecise(records, BASELINE, precision)}


def start_spreads(records: Sequence[Record]) -> dict[str, float]:
    return {case.label: spread for case, spread in estimate_start_spreads(*compare(records)).items()}


def test_cases_with_too_wide_intervals_need_more_rounds_and_so_do_their_baselines() -> None:
    records = rounds_of({"a": STEADY, "b": STEADY, "c": SHAKY}) + rounds_of({"a": STEADY, "b": STEADY}, "echo")
    wanted = {(case.server, case.scenario) for case in imprecise(records, BASELINE, 0.05)}
    assert wanted == {("a", "plaintext"), ("c", "plaintext")}
    assert imprecise(records, BASELINE, 0.9) == set()


def test_without_a_baseline_the_figures_of_a_case_must_be_precise() -> None:
    records = rounds_of({"b": STEADY, "c": SHAKY}) + rounds_of({"a": STEADY}, verdict="client-limited")
    assert servers(records, 0.05) == {"c"}


def test_the_figures_of_a_single_server_must_be_precise_as_it_has_no_ratio() -> None:
    alone = rounds_of({"a": SHAKY})
    assert servers(alone, 0.05) == {"a"}
    (other,) = rounds_of({"b": [1_000]})
    rows, reference = compare([*alone, replace(other, verdict="unsupported", result=None)])
    (precision,) = estimate_precisions(rows, reference).values()
    assert precision is not None
    assert precision > 0.05


def test_an_interval_that_is_narrow_after_few_rounds_is_not_yet_precise() -> None:
    early, later = ({"a": STEADY[:rounds], "b": STEADY[:rounds]} for rounds in (7, 8))
    assert servers(rounds_of(early), 0.05) == {"a", "b"}
    assert servers(rounds_of(later), 0.05) == set()


def test_a_case_that_is_valid_in_some_rounds_needs_more_and_one_that_never_is_does_not() -> None:
    good = rounds_of({"a": STEADY, "b": STEADY, "c": STEADY})
    records = [
        replace(each, verdict="invalid")
        if (each.case.server == "b" and each.round < 4) or each.case.server == "c"
        else each
        for each in good
    ]
    assert servers(records, 0.5) == {"a", "b"}


def test_one_round_is_not_precise() -> None:
    assert servers(rounds_of({"a": [1_000], "b": [1_000]}), 0.5) == {"a", "b"}


def test_the_precision_is_that_of_the_ratio_and_the_baseline_is_exact() -> None:
    rows, reference = compare(rounds_of({"a": STEADY, "b": SHAKY}))
    assert reference is not None
    found = {case.server: each for case, each in estimate_precisions(rows, reference).items()}
    (other,) = (row for row in rows if row is not reference)
    ratio = paired_ratio(other.throughput_turns, reference.throughput_turns)
    assert ratio is not None
    assert found == {"a": 0.0, "b": pytest.approx(math.sqrt(ratio.high / ratio.low) - 1)}


def test_how_much_servers_differ_from_start_to_start_is_known_with_a_control() -> None:
    chance = np.random.default_rng(20261120)
    rounds, cycles = 150, 11
    machine = np.exp(0.3 * chance.standard_normal((rounds, cycles)))
    spreads = {"a": 0.01, "b": 0.03, "c": 0.08}

    def started(server: str, *, control: bool = False) -> list[Record]:
        starts = spreads[server] * chance.standard_normal((rounds, 1))
        rates = 1_000 * machine * np.exp(starts + 0.02 * chance.standard_normal(machine.shape))
        return rounds_of({server: rates.tolist()}, control=control)

    found = start_spreads([*started("a"), *started("a", control=True), *started("b"), *started("c")])
    assert found["b"] == pytest.approx(0.03, rel=0.2)
    assert found["c"] == pytest.approx(0.08, rel=0.2)
    assert found["a"] == found["a-control"] == pytest.approx(0.01, rel=0.3)


def test_without_a_control_or_with_two_rounds_nobody_knows_how_much_servers_differ_from_start_to_start() -> None:
    steady = [[1_000, 1_010, 990]] * 4
    assert start_spreads(rounds_of({"a": steady, "b": steady})) == {}
    early = {"a": steady[:2], "b": steady[:2]}
    assert start_spreads([*rounds_of(early), *rounds_of({"a": steady[:2]}, control=True)]) == {}
