"""The gates of a comparison in JUnit's XML: a suite for each gate, a test for each case that it is checked on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.compare import CaseNames, explain, make_page
from harness.text import junit

if TYPE_CHECKING:
    from harness.analysis.comparison import Judgement, RunComparison
    from harness.analysis.gates import GateResult

OUTCOMES: dict[GateResult, junit.Outcome] = {
    "met": "passed",
    "missed": "failure",
    "not checked": "error",
    "not clear": "skipped",
}


def render(comparison: RunComparison, *, strict: bool = False) -> str:
    """All gates; with `strict`, one that is not clear is an error as one that was not checked is."""
    name = CaseNames(comparison)
    outcomes = OUTCOMES | ({"not clear": "error"} if strict else {})
    sides = "\n".join(make_page(comparison).sides)

    def make_test(each: Judgement) -> junit.Test:
        title = name(each.about) if each.about else "all"
        return junit.Test(title, outcomes[each.outcome], each.outcome, f"{each.outcome}: {explain(each)}")

    return junit.write(
        junit.Suite(
            gate,
            comparison.b.started_at,
            tuple(make_test(each) for each in comparison.gates if each.gate == gate),
            {"A": comparison.a.label, "B": comparison.b.label},
            sides,
        )
        for gate in dict.fromkeys(each.gate for each in comparison.gates)
    )
