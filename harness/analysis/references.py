"""Which cases are compared, and what each of them is divided by. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.case_rounds import LEFT_OUT_LIMIT, collect
from harness.model.plan import usual_preference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.analysis.case_rounds import CaseRounds
    from harness.model.plan import Candidate, Comparison
    from harness.model.records import Record


def group_by_comparison(records: Sequence[Record]) -> dict[Comparison, list[CaseRounds]]:
    """The cases of each comparison, comparisons in their order."""
    found: dict[Comparison, list[CaseRounds]] = {}
    for row in collect(records):
        found.setdefault(row.case.comparison, []).append(row)
    return dict(sorted(found.items(), key=lambda item: item[0].place))


def find_reference(rows: Sequence[CaseRounds], baseline: Candidate) -> CaseRounds | None:
    """The case that the others are divided by: the baseline's, or where it is not supported the fastest that is.

    Of several blocks, only what all of them hold can be compared with everybody; few rounds may be left out. A baseline
    that was measured and is not valid leaves the comparison without ratios.
    """
    own = next((row for row in rows if row.case.candidate == baseline), None)
    if own is not None and own.verdict != "unsupported":
        return own if own.verdict == "valid" else None
    valid = [row for row in rows if row.verdict == "valid" and not row.case.control]
    every = {each.key for row in valid for each in row.rounds}
    common = [row for row in valid if len(row.rounds) >= (1 - LEFT_OUT_LIMIT) * len(every)]
    return max(common or valid, key=lambda row: row.median_standing(usual_preference(row.case.load)), default=None)


def find_divisor(row: CaseRounds, rows: Iterable[CaseRounds], reference: CaseRounds | None) -> CaseRounds | None:
    """What a case is divided by: the reference, and a control by the case that it is measured against."""
    return find_controlled(row, rows) if row.case.control else reference


def find_controlled(control: CaseRounds, rows: Iterable[CaseRounds]) -> CaseRounds | None:
    """The case that a control is measured against: its own candidate's."""
    own = replace(control.case, control=False)
    return next((row for row in rows if row.case == own and row.verdict == "valid"), None)
