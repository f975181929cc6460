"""A run as a whole: its records, and what they amount to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.server_share import estimate_server_shares
from harness.analysis.summarise import RANKED_FROM_ROUNDS, summarise
from harness.model.records import USABLE, Record, ServerStart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.model.run_info import RunInfo
    from harness.model.server_share import ServerShare
    from harness.model.summaries import CaseSummary, ComparisonSummary


@dataclass(frozen=True)
class Results:
    """What a run has found; without its records, a report leaves out what only they tell."""

    run: RunInfo
    comparisons: Sequence[ComparisonSummary]
    trials: Sequence[Record] = ()
    starts: Sequence[ServerStart] = ()
    shares: Sequence[ServerShare] = ()
    """How much the server matters for the user's app; none in a run that did not look for it."""

    @property
    def has_numbers(self) -> bool:
        """Does any case have a number?"""
        return any(self._measured())

    @property
    def has_usable_numbers(self) -> bool:
        """Does any case have a number that is right, if only as the least that the server can do?"""
        return any(each.verdict in USABLE for each in self._measured())

    @property
    def has_ranks(self) -> bool:
        """Does any case have a rank? In a sweep, where rates differ, a valid number is enough."""
        every = (each for comparison in self.comparisons for each in comparison.summaries)
        return any(each.rank is not None or (each.own_share is not None and each.verdict == "valid") for each in every)

    @property
    def is_answer(self) -> bool:
        """Was anything measured, and ranked where so many rounds were planned that it could be?"""
        return self.has_usable_numbers and (self.run.conditions.rounds < RANKED_FROM_ROUNDS or self.has_ranks)

    def _measured(self) -> Iterator[CaseSummary]:
        return (each for comparison in self.comparisons for each in comparison.summaries if each.measured)


def analyse(run: RunInfo, trials: Sequence[Record], starts: Sequence[ServerStart]) -> Results:
    """Estimate everything that the records of a run tell."""
    return Results(run, summarise(trials, starts, run), trials, starts, estimate_server_shares(trials, run))
