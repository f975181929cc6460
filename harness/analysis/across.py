"""The ratio of two cases of different comparisons, which did not take turns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.intervals import as_turns, paired_ratio, unpaired_ratio

if TYPE_CHECKING:
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, Ratio


def divide_rates(run: RunInfo, ours: CaseSummary, theirs: CaseSummary) -> Ratio | None:
    """The rate of one case ÷ that of the other, paired by round if neither lacks one; None without a rate."""
    above, below = ours.throughput_by_round_rps, theirs.throughput_by_round_rps
    if not has_all_rounds(run, ours, theirs):
        return unpaired_ratio(above, below)
    return paired_ratio(*(as_turns({(number, 0): rps for number, rps in enumerate(each)}) for each in (above, below)))


def has_all_rounds(run: RunInfo, *summaries: CaseSummary) -> bool:
    """Does each have every planned round? With a precision, added rounds may replace lost ones, so nobody knows."""
    return run.conditions.precision is None and all(
        len(each.throughput_by_round_rps) == run.conditions.rounds for each in summaries
    )
