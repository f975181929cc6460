"""How far the comparison may be believed: the baseline against itself, and the precision that was reached. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model.loads import Rate
from harness.report.cells import join, short_percent
from harness.report.columns import baseline_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary, Ratio
    from harness.report.rows import Group

ONE_BY_ONE = 3
"""So many comparisons of the baseline with itself get a line each; more are summed up."""
CHANCE = "Chance alone shows one in 20 for each figure."
"""Of intervals at 95 %, not corrected for many, where the two do not differ."""


@dataclass(frozen=True)
class Twins:
    """The baseline set against its own second entry on one question; none of the ratios where nothing can be said."""

    question: str
    ratios: Mapping[str, Ratio]

    @property
    def differences(self) -> dict[str, float]:
        """The false difference of each figure whose interval excludes 1: 0.03 for 3 %."""
        return {name: abs(each.value - 1) for name, each in self.ratios.items() if not each.low <= 1 <= each.high}

    @property
    def outcome(self) -> str:
        """Each figure by itself; they are one finding only where all say the same."""
        if not self.ratios:
            return f"on {self.question}: nothing can be said: it takes two rounds in which both numbers hold."
        figures = {
            name: f"{name} {each.value:.2f}× ({each.low:.2f} – {each.high:.2f})" for name, each in self.ratios.items()
        }
        false = self.differences
        if not false:
            return f"on {self.question}: {', '.join(figures.values())}: no difference seen."
        told = "; ".join(f"{text}: {_difference(false.get(name))}" for name, text in figures.items())
        size = "that size" if len(false) == 1 else "these sizes"
        return (
            f"on {self.question}: {told}. "
            f"Differences of {size} in {join(list(false))} between others are not to be believed here."
        )


def _difference(size: float | None) -> str:
    return "no difference seen" if size is None else f"a false difference of {short_percent(size)}"


def lines(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    """What must be known before a difference is believed, a sentence or two each."""
    return [*_against_itself(run, groups), *_precision(run, groups)]


def twins(groups: Sequence[Group]) -> list[Twins]:
    """The baseline against itself, on each question; in a sweep, at each rate that both had."""
    return [
        Twins(_question(group, each), _ratios(each))
        for group in groups
        for each in group.summaries
        if each.case.control
        # Rates of its own in a sweep are not the baseline's.
        if each.own_share is None or each.ratio_to_baseline is not None
    ]


def _against_itself(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    found = twins(groups)
    name = baseline_name(run, [each for group in groups for each in group.summaries])
    different = [each for each in found if each.differences]
    if len(found) <= ONE_BY_ONE:
        return [
            f"A/A: {name} against itself {each.outcome}{f' {CHANCE}' if each in different else ''}" for each in found
        ]
    silent = sum(not each.ratios for each in found)
    summed = f"A/A: {name} against itself in {len(found) - silent} comparisons: {_by_figure(found)}."
    if different:
        summed += f" {CHANCE}"
    if silent:
        summed += f" On {silent} more nothing can be said."
    return [summed, *(f"A/A: {name} against itself {each.outcome}" for each in different)]


def _by_figure(found: Sequence[Twins]) -> str:
    told = Counter(name for each in found for name in each.ratios)
    false = Counter(name for each in found for name in each.differences)
    parts = (f"{name}: no difference seen in {number - false[name]} of {number}" for name, number in told.items())
    return "; ".join(parts) or "nothing can be said"


def _ratios(summary: CaseSummary) -> dict[str, Ratio]:
    """What candidates are told apart by; a single round leaves no interval to look at."""
    ratios = summary.ratio_to_baseline
    if ratios is None or summary.verdict != "valid" or summary.rounds == 1:
        return {}
    speed = {"throughput": ratios.throughput} if not isinstance(summary.case.load, Rate) else {"p99": ratios.p99}
    return {name: ratio for name, ratio in (speed | {"CPU": ratios.cpu}).items() if ratio is not None}


def _question(group: Group, summary: CaseSummary) -> str:
    return f"{group.title} at {summary.offered_rps:,.0f} requests/s" if summary.own_share else group.title


def _precision(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    """Which cases came within the precision that was wanted, after how many rounds, and which did not.

    Only numbers that hold, beside a baseline's that does, have a ratio to be known to that precision.
    """
    if run.conditions.precision is None:
        return []
    # The baseline against itself is exact.
    cases = [(group, each) for group in groups for each in group.summaries if each.measured and each.precision != 0]
    holding = [(group, each) for group, each in cases if each.verdict == "valid"]
    disturbed = [(group, each) for group, each in cases if each.verdict != "valid"]
    alone = [(group, each) for group, each in holding if each.ratio_to_baseline is None]
    paired = [(group, each) for group, each in holding if each.ratio_to_baseline is not None]
    goal = f"±{100 * run.conditions.precision:g} %"
    within = [each for _, each in paired if _within(each, run.conditions.precision)]
    missed = [(group, each) for group, each in paired if not _within(each, run.conditions.precision)]
    lines = []
    if within:
        fewest, most = min(each.rounds for each in within), max(each.rounds for each in within)
        rounds = f"{fewest} to {most}" if fewest < most else f"{most}"
        lines.append(f"{goal} was reached by {len(within)} of {len(cases)} cases, after {rounds} rounds that count.")
    if missed:
        them = _widest(missed, len(cases))
        lines.append(f"{goal} was not reached by {them}; the limit is {run.conditions.max_rounds} rounds.")
    if alone:
        them = _widest(alone, len(cases))
        lines.append(
            f"Without a valid baseline there is no ratio to come within {goal}, only an interval of its own: {them}."
        )
    if disturbed:
        names = "; ".join(f"{each.name} on {group.title} ({each.verdict})" for group, each in disturbed[:ONE_BY_ONE])
        others = " and others" if len(disturbed) > ONE_BY_ONE else ""
        count = f"{len(disturbed)} of {len(cases)} cases"
        lines.append(f"{goal} says nothing of {count}, whose numbers do not hold: {names}{others}.")
    return lines


def _widest(cases: Sequence[tuple[Group, CaseSummary]], of: int) -> str:
    """They by name, the widest interval first; of many how many they are, and the widest."""
    ordered = sorted(cases, key=lambda item: -(item[1].precision or math.inf))
    names = "; ".join(f"{each.name} on {group.title} ({_reached(each)})" for group, each in ordered[:ONE_BY_ONE])
    return names if len(ordered) <= ONE_BY_ONE else f"{len(ordered)} of {of} cases, the widest {names}"


def _within(summary: CaseSummary, precision: float) -> bool:
    return summary.precision is not None and summary.precision <= precision


def _reached(summary: CaseSummary) -> str:
    if summary.precision is None:
        return "too few rounds to tell"
    return f"±{short_percent(summary.precision)} after {summary.rounds} rounds"
