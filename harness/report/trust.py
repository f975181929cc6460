"""How far the comparison may be believed: the baseline against itself, and the precision that was reached. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.loads import rate_of
from harness.report.cells import short_percent
from harness.report.columns import baseline_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.findings import RunInfo
    from harness.report.rows import Group
    from harness.summaries import CaseSummary, Ratio

ONE_BY_ONE = 3
"""So many comparisons of the baseline with itself get a line each; more are summed up."""


@dataclass(frozen=True)
class Twins:
    """The baseline set against its own second entry on one question; none of the ratios where nothing can be said."""

    question: str
    ratios: Mapping[str, Ratio]

    @property
    def difference(self) -> float | None:
        """The largest false difference, 0.03 for 3 %; None where every interval includes 1."""
        seen = [abs(ratio.value - 1) for ratio in self.ratios.values() if not ratio.low <= 1 <= ratio.high]
        return max(seen, default=None)

    @property
    def outcome(self) -> str:
        if not self.ratios:
            return f"on {self.question}: nothing can be said: it takes two rounds in which both numbers hold."
        figures = ", ".join(
            f"{name} {each.value:.2f}× ({each.low:.2f} – {each.high:.2f})" for name, each in self.ratios.items()
        )
        if self.difference is None:
            return f"on {self.question}: {figures}: no difference seen."
        return (
            f"on {self.question}: {figures}: a false difference of {short_percent(self.difference)}; "
            "differences of that size between others are not to be believed here."
        )


def lines(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    """What must be known before a difference is believed, a sentence or two each."""
    return [*_against_itself(run, groups), *_precision(run, groups)]


def twins(run: RunInfo, groups: Sequence[Group]) -> list[Twins]:
    """The baseline against itself, on each question; in a sweep, at each rate that both had."""
    return [
        Twins(_question(group, each), _ratios(each))
        for group in groups
        for each in group.summaries
        if each.case.server == run.twin and run.baseline_app in {"", each.case.app}
        # Rates of its own in a sweep are not the baseline's, and a sweep's closed loop is one round.
        if each.own_share is None or each.ratio_to_baseline is not None
    ]


def _against_itself(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    found = twins(run, groups)
    name = baseline_name(run, [each for group in groups for each in group.summaries])
    if len(found) <= ONE_BY_ONE:
        return [f"A/A: {name} against itself {each.outcome}" for each in found]
    different = [each for each in found if each.difference is not None]
    silent = sum(not each.ratios for each in found)
    told = len(found) - silent
    summed = f"A/A: {name} against itself in {told} comparisons: no difference seen in {told - len(different)}."
    if different:
        summed += " One figure in twenty is to be expected outside its 95 % interval."
    if silent:
        summed += f" On {silent} more nothing can be said."
    return [summed, *(f"A/A: {name} against itself {each.outcome}" for each in different)]


def _ratios(summary: CaseSummary) -> dict[str, Ratio]:
    """What contestants are told apart by; a single round leaves no interval to look at."""
    ratios = summary.ratio_to_baseline
    if ratios is None or summary.verdict != "valid" or summary.rounds == 1:
        return {}
    speed = {"throughput": ratios.throughput} if rate_of(summary.case.load) is None else {"p99": ratios.p99}
    return {name: ratio for name, ratio in (speed | {"CPU": ratios.cpu}).items() if ratio is not None}


def _question(group: Group, summary: CaseSummary) -> str:
    return f"{group.title} at {summary.offered_rps:,.0f} requests/s" if summary.own_share else group.title


def _precision(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    """Which cases came within the precision that was wanted, after how many rounds, and which did not."""
    if run.precision is None:
        return []
    # The baseline against itself is exact.
    cases = [(group, each) for group in groups for each in group.summaries if each.measured and each.precision != 0]
    within = [each for _, each in cases if _within(each, run.precision)]
    missed = [(group, each) for group, each in cases if not _within(each, run.precision)]
    goal = f"±{100 * run.precision:g} %"
    lines = []
    if within:
        fewest, most = min(each.rounds for each in within), max(each.rounds for each in within)
        rounds = f"{fewest} to {most}" if fewest < most else f"{most}"
        lines.append(f"{goal} was reached by {len(within)} of {len(cases)} cases, after {rounds} rounds that count.")
    if missed:
        missed.sort(key=lambda item: -(item[1].precision or math.inf))
        names = "; ".join(f"{each.name} on {group.title} ({_reached(each)})" for group, each in missed[:ONE_BY_ONE])
        them = names if len(missed) <= ONE_BY_ONE else f"{len(missed)} of {len(cases)} cases, the widest {names}"
        lines.append(f"{goal} was not reached by {them}; the limit is {run.max_rounds} rounds.")
    return lines


def _within(summary: CaseSummary, precision: float) -> bool:
    return summary.precision is not None and summary.precision <= precision


def _reached(summary: CaseSummary) -> str:
    if summary.precision is None:
        return "too few rounds to tell"
    return f"±{short_percent(summary.precision)} after {summary.rounds} rounds"
