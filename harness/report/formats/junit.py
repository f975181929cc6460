"""A run in JUnit's XML: a suite for each comparison, a test for each candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.formats import Format
from harness.report.sections import make_sections
from harness.text import junit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.records import Verdict
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary
    from harness.report.sections import Section

OUTCOMES: dict[Verdict, junit.Outcome] = {
    "valid": "passed",
    "client-limited": "failure",
    "network-limited": "failure",
    "invalid": "failure",
    "failed": "error",
    "unsupported": "skipped",
}


def write(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    """The verdict of each case as a test, with its figures in the output of its suite."""
    return junit.write(_make_suite(run, section) for section in make_sections(run, comparisons))


def _make_suite(run: RunInfo, section: Section) -> junit.Suite:
    cases = section.summary.summaries
    heads = section.table.columns
    shown = (
        "; ".join(f"{head}: {cell}" for head, cell in zip(heads, row.cells, strict=True)) for row in section.table.rows
    )
    return junit.Suite(
        section.title,
        run.started_at,
        tuple(_make_test(run, each) for each in cases),
        {"run": run.id, "conditions": str(run.conditions)},
        "\n".join(shown),
        _sum_s(run, cases),
    )


def _make_test(run: RunInfo, case: CaseSummary) -> junit.Test:
    at = f" at {case.case.load.text}" if case.own_share is not None else ""
    return junit.Test(
        case.name + at,
        OUTCOMES[case.verdict],
        case.verdict,
        "; ".join(case.reasons),
        "\n".join(f"{each}: {example}" for each, example in case.errors.examples.items()),
        _sum_s(run, [case]),
    )


def _sum_s(run: RunInfo, cases: Sequence[CaseSummary]) -> float:
    """For how long requests counted."""
    return run.conditions.duration_s * sum(each.rounds for each in cases)


FORMATS = (Format("junit", "the verdict of each case as a test, in JUnit's XML", write),)
