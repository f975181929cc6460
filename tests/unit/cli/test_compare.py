"""The exit status of a comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.comparison import CasePair, Difference, Entry, Judgement
from harness.cli.compare import _status
from harness.model.summaries import Ratio
from tests.builders import CASE
from tests.unit.report.test_compare import COMPARISON


@pytest.mark.parametrize(
    ("outcomes", "plain", "strict"),
    [
        (("met",), 0, 0),
        (("met", "not clear"), 0, 3),
        (("not clear", "missed"), 1, 1),
        (("not checked", "met"), 3, 3),
        (("not checked", "missed"), 1, 1),
        ((), 0, 0),
    ],
)
def test_a_gate_that_is_not_clear_counts_when_strict(outcomes: tuple[str, ...], plain: int, strict: int) -> None:
    ratio = Ratio(1, 0.9, 1.1)
    difference = Difference("p99", None, None, 5, 5, "no difference seen", ratio)
    pair = CasePair(Entry(CASE, "valid", ()), Entry(CASE, "valid", ()), (difference,))
    gates = tuple(Judgement("p99>5%", "p99", CASE, each, ratio) for each in outcomes)  # type: ignore[arg-type] # parameters
    comparison = replace(COMPARISON, cases=(pair,), gates=gates)
    assert (_status(comparison, strict=False), _status(comparison, strict=True)) == (plain, strict)
