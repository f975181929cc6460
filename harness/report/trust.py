"""How far differences may be believed: what the control shows, and which precision was reached. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model.loads import Rate
from harness.report.cells import factor, interval
from harness.report.columns import baseline_name
from harness.report.sentences import place
from harness.text.numbers import join, percent, plural, span, tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary, Ratio
    from harness.report.sections import Section

ONE_BY_ONE = 3
"""Up to this many results are listed one by one; more are summed up."""
CHANCE = "By chance alone, one figure in 20 shows a false difference."
"""True of 95 % intervals, not corrected for many, where nothing differs."""


@dataclass(frozen=True)
class ControlResult:
    """The control ÷ the baseline in one comparison; without ratios where they cannot be judged."""

    comparison: str
    ratios: Mapping[str, Ratio]
    """By the name of the figure."""

    @property
    def differences(self) -> dict[str, float]:
        """The size of each false difference, of figures whose interval excludes 1: 0.03 for 3 %."""
        return {name: abs(each.value - 1) for name, each in self.ratios.items() if not each.low <= 1 <= each.high}

    @property
    def sentence(self) -> str:
        """What each figure shows, in one phrase where none shows a difference."""
        if not self.ratios:
            return f"on {self.comparison}: cannot be judged; both need a valid number from at least two rounds."
        figures = {
            name: f"{name} {factor(each.value)}× ({interval(each, factor)})" for name, each in self.ratios.items()
        }
        false = self.differences
        if not false:
            return f"on {self.comparison}: {', '.join(figures.values())}: no difference seen."
        parts = "; ".join(f"{text}: {_difference(false.get(name))}" for name, text in figures.items())
        size = "that size" if len(false) == 1 else "these sizes"
        return (
            f"on {self.comparison}: {parts}. "
            f"Do not believe differences of {size} in {join(list(false))} between other candidates."
        )


def _difference(size: float | None) -> str:
    return "no difference seen" if size is None else f"a false difference of {percent(size)}"


def lines(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """What a reader must know before believing a difference."""
    return [*_control(run, sections), *_precision(run, sections)]


def control_results(sections: Sequence[Section]) -> list[ControlResult]:
    """One for each comparison with a control; in a sweep, one for each rate that control and baseline share."""
    return [
        ControlResult(place(section, each), _ratios(each))
        for section in sections
        for each in section.summary.controls
        if each.own_share is None or each.ratio_to_baseline is not None
    ]


def _control(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    found = control_results(sections)
    name = baseline_name(run, [each for section in sections for each in section.summary.summaries])
    against = f"Control (A/A): {name} against itself"
    different = [each for each in found if each.differences]
    if len(found) <= ONE_BY_ONE:
        return [f"{against} {each.sentence}{f' {CHANCE}' if each in different else ''}" for each in found]
    silent = sum(not each.ratios for each in found)
    total = f"{against} in {plural(len(found) - silent, 'comparison')}: {_by_figure(found)}."
    if different:
        total += f" {CHANCE}"
    if silent:
        total += f" {plural(silent, 'comparison')} cannot be judged."
    return [total, *(f"{against} {each.sentence}" for each in different)]


def _by_figure(found: Sequence[ControlResult]) -> str:
    judged = Counter(name for each in found for name in each.ratios)
    false = Counter(name for each in found for name in each.differences)
    parts = (f"{name}: no difference seen in {number - false[name]} of {number}" for name, number in judged.items())
    return "; ".join(parts) or "none can be judged"


def _ratios(summary: CaseSummary) -> dict[str, Ratio]:
    """The figures that candidates are compared by. A single round has no interval."""
    ratios = summary.ratio_to_baseline
    if ratios is None or summary.verdict != "valid" or summary.rounds == 1:
        return {}
    speed = {"throughput": ratios.throughput} if not isinstance(summary.case.load, Rate) else {"p99": ratios.p99}
    return {name: ratio for name, ratio in (speed | {"CPU": ratios.cpu}).items() if ratio is not None}


def _precision(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """Which cases reached the precision that was asked for, after how many rounds, and which did not.

    It is a precision of ratios, so it applies to valid cases with a valid baseline.
    """
    wanted = run.conditions.precision
    if wanted is None:
        return []
    # The baseline's ratio to itself is exact.
    cases = [
        (section, each)
        for section in sections
        for each in section.summary.summaries
        if each.measured and each.precision != 0
    ]
    valid = [(section, each) for section, each in cases if each.verdict == "valid"]
    others = [(section, each) for section, each in cases if each.verdict != "valid"]
    alone = [(section, each) for section, each in valid if each.ratio_to_baseline is None]
    paired = [(section, each) for section, each in valid if each.ratio_to_baseline is not None]
    reached = [each for _, each in paired if _within(each, wanted)]
    missed = [(section, each) for section, each in paired if not _within(each, wanted)]
    goal, total = tolerance(wanted), len(cases)
    lines = []
    if reached:
        rounds = span([each.rounds for each in reached])
        lines.append(f"{goal} was reached by {len(reached)} of {total} cases, after {rounds} rounds that count.")
    if missed:
        lines.append(
            f"{goal} was not reached by {_widest(missed, total)}; the limit is {run.conditions.max_rounds} rounds."
        )
    if alone:
        lines.append(
            f"Without a valid baseline there is no ratio to measure to {goal}, only an interval of the case's own: "
            f"{_widest(alone, total)}."
        )
    if others:
        names = "; ".join(f"{each.name} on {section.title} ({each.verdict})" for section, each in others[:ONE_BY_ONE])
        more = " and others" if len(others) > ONE_BY_ONE else ""
        lines.append(
            f"{goal} does not apply to {len(others)} of {total} cases, which have no valid number: {names}{more}."
        )
    return lines


def _widest(cases: Sequence[tuple[Section, CaseSummary]], of: int) -> str:
    """The cases by name, the widest interval first; of many their number and the widest three."""
    ordered = sorted(cases, key=lambda item: -(item[1].precision or math.inf))
    names = "; ".join(f"{each.name} on {section.title} ({_reached(each)})" for section, each in ordered[:ONE_BY_ONE])
    return names if len(ordered) <= ONE_BY_ONE else f"{len(ordered)} of {of} cases, the widest {names}"


def _within(summary: CaseSummary, precision: float) -> bool:
    return summary.precision is not None and summary.precision <= precision


def _reached(summary: CaseSummary) -> str:
    if summary.precision is None:
        return "too few rounds to tell"
    return f"±{percent(summary.precision)} after {plural(summary.rounds, 'round')}"
