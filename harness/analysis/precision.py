"""How precise the ratios of a run are, and which cases more rounds would make more precise. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.analysis.budget import combine_variances, estimate_variances
from harness.analysis.intervals import estimate, paired_ratio
from harness.analysis.references import find_controlled, find_divisor, find_reference, group_by_comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.analysis.budget import Variances
    from harness.analysis.case_rounds import CaseRounds
    from harness.model.plan import Candidate, Case
    from harness.model.records import Record
    from harness.model.summaries import Estimate, Ratio

PRECISE_FROM_ROUNDS = 8
"""Before, no interval is taken for precise: to stop as soon as one is narrow picks those that are so by chance.

`benchmarks/interval_simulations.py` shows how often intervals then hold the truth: begun after five rounds in 92.2 % of
runs at worst, after eight in 92.7 %. `benchmarks/interval_coverage.py` does it with rounds that were measured.
"""


def imprecise(records: Sequence[Record], baseline: Candidate, precision: float) -> set[Case]:
    """The cases not yet known to ±`precision`, with the baselines that more rounds of them need.

    They are those whose intervals are wider, or have too few rounds to be trusted with when to stop. A case that is
    not valid, but was in some rounds, is among them: with more of them, a bad one counts for less.
    """
    sometimes_valid = {record.case for record in records if record.verdict == "valid"}
    wanted: set[Case] = set()
    for rows in group_by_comparison(records).values():
        undecided = {row.case for row in rows if row.verdict != "valid"} & sometimes_valid
        reference = find_reference(rows, baseline)
        widths = estimate_precisions(rows, reference)
        rounds = {row.case: row.round_count for row in rows}
        own = {
            case
            for case, width in widths.items()
            if width is None or width > precision or rounds[case] < PRECISE_FROM_ROUNDS or case in undecided
        }
        if own and reference is not None:
            own.add(reference.case)
        wanted |= own
    return wanted


def estimate_precisions(rows: Iterable[CaseRounds], reference: CaseRounds | None) -> dict[Case, float | None]:
    """Of each case that was measured; one that has no other to be compared with must be precise by itself."""
    measured = [row for row in rows if row.rounds]
    if len(measured) == 1:
        reference = None
    return {row.case: _precision(row, find_divisor(row, measured, reference)) for row in measured}


def _precision(row: CaseRounds, reference: CaseRounds | None) -> float | None:
    """Half the width of the widest interval of throughput and CPU: of the ratios, or without a baseline its own.

    None where a single round leaves no interval.
    """
    if row.round_count < 2:  # noqa: PLR2004 - one round has no interval
        return None
    if row is reference:
        return 0.0
    bounds: list[Ratio | Estimate | None]
    if reference is None:
        bounds = [estimate(tuple(own.values())) for own in (row.throughput_rps, row.cpu_us_per_request)]
    else:
        bounds = [
            paired_ratio(row.throughput_turns, reference.throughput_turns),
            paired_ratio(row.cpu_turns, reference.cpu_turns),
        ]
    widths = [each.half_width for each in bounds if each is not None and each.low > 0]
    return max(widths, default=None)


def usual_variances(records: Sequence[Record], baseline: Candidate) -> Variances | None:
    """How much the ratios of throughput to the baseline vary by cycles and by starts; None until that is known."""
    found = []
    for rows in group_by_comparison(records).values():
        reference = find_reference(rows, baseline)
        if reference is not None:
            theirs = reference.throughput_turns
            found += [estimate_variances(row.throughput_turns, theirs) for row in rows if row is not reference]
    return combine_variances(each for each in found if each is not None)


def estimate_start_spreads(rows: Sequence[CaseRounds], reference: CaseRounds | None) -> dict[Case, float]:
    """How much each server's rate varies from one start to the next: the standard deviation, 0.03 for 3 %.

    The ratios of a server to the baseline vary by the starts of both and by what is left of the noise of the cycles.
    The control is a second start of the baseline in the same round: half of its variance is the baseline's own.
    """
    control = next((row for row in rows if row.case.control), None)
    twice = None if control is None else find_controlled(control, rows)
    if reference is None or control is None or twice is None:
        return {}
    of_control = estimate_variances(control.throughput_turns, twice.throughput_turns)
    if of_control is None:
        return {}
    found = {control.case: of_control.of_starts / 2, twice.case: of_control.of_starts / 2}
    pairs = {
        row.case: each.of_starts
        for row in rows
        if row not in (reference, control)
        and (each := estimate_variances(row.throughput_turns, reference.throughput_turns)) is not None
    }
    if reference is not twice:
        if twice.case not in pairs:
            return {}
        found[reference.case] = max(0.0, pairs[twice.case] - found[twice.case])
    for case, variance in pairs.items():
        found.setdefault(case, max(0.0, variance - found[reference.case]))
    return {case: math.sqrt(variance) for case, variance in found.items()}
