"""How far differences may be believed: what the control shows, and which precision was reached. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.naming import CONTROL_SUFFIX
from harness.model.loads import Rate
from harness.report.cells import interval
from harness.report.sentences import place
from harness.text import numbers
from harness.text.numbers import DISTURBED, is_telling, join, percent, plural, span, tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary, Ratio
    from harness.report.sections import Section

ONE_BY_ONE = 3
"""Up to this many results are listed one by one; more are summed up."""
CHANCE = "By chance alone, one figure in 20 shows a false difference."
"""True of 95 % intervals, not corrected for many, where nothing differs."""
NOTED_FROM = 0.001
"""From this share of the requests on, unanswered, reopened and resent ones are reported."""
WARMING_NOTED_FROM = 1.03
"""From this ratio on, later cycles ÷ the first one, servers that were still warming up are reported."""
IDLE_NOTED_FROM = 0.01
"""From this share of a core on, CPU time that a server used while it was not its turn is reported."""


@dataclass(frozen=True)
class ControlResult:
    """A server's control ÷ that server in one comparison; without ratios where they cannot be judged."""

    name: str
    """The name of the server or app that was measured twice."""
    comparison: str
    ratios: Mapping[str, Ratio]
    """By the name of the figure."""

    @property
    def judged(self) -> dict[str, Ratio]:
        """The ratios that have enough rounds."""
        return {name: each for name, each in self.ratios.items() if is_telling(each.low, each.high)}

    @property
    def differences(self) -> dict[str, float]:
        """The size of each false difference, of figures whose interval excludes 1: 0.03 for 3 %."""
        return {name: abs(each.value - 1) for name, each in self.judged.items() if not each.low <= 1 <= each.high}

    @property
    def detectable(self) -> dict[str, float]:
        """The smallest difference that can be detected in each figure; not less than the control's own."""
        return {name: max(each.half_width, self.differences.get(name, 0.0)) for name, each in self.judged.items()}

    @property
    def sentence(self) -> str:
        """The ratio of each figure, and what differences can be detected or must not be believed."""
        if not self.judged:
            return f"on {self.comparison}: cannot be judged: too few rounds, or no valid number."
        figures = ", ".join(f"{name} {_thousandths(each)}" for name, each in self.ratios.items())
        sure = {name: size for name, size in self.detectable.items() if name not in self.differences}
        detectable = f": this run can detect differences {_sizes(sure)}" if sure else ""
        text = f"on {self.comparison}: {figures}{detectable}."
        if not self.differences:
            return text
        false = join([f"{percent(size)} in {name}" for name, size in self.differences.items()])
        size = "that size" if len(self.differences) == 1 else "these sizes"
        among = join(list(self.differences))
        return (
            f"{text} It differs from itself by {false}, and nothing was changed: do not believe differences of {size} "
            f"in {among} between other candidates."
        )


def _thousandths(ratio: Ratio) -> str:
    return f"{ratio.value:.3f} ({interval(ratio, lambda value: f'{value:.3f}')})"


def _sizes(detectable: Mapping[str, float]) -> str:
    """`above 1 % in throughput and 0.8 % in CPU`."""
    return f"above {join([f'{_size(size)} in {name}' for name, size in detectable.items()])}"


def _size(share: float) -> str:
    """A smallest difference; intervals are not narrower than a tenth of a percent in truth."""
    return percent(max(share, 0.001))


def control_lines(sections: Sequence[Section]) -> list[str]:
    """What the control shows: it comes before all results."""
    found: dict[str, list[ControlResult]] = {}
    for each in control_results(sections):
        found.setdefault(each.name, []).append(each)
    return [line for name, own in found.items() for line in _sum_up(f"Control: {name} against itself", own)]


def _sum_up(against: str, found: Sequence[ControlResult]) -> list[str]:
    """The results one by one; of many their sum, and those that differ."""
    different = [each for each in found if each.differences]
    if len(found) <= ONE_BY_ONE:
        return [f"{against} {each.sentence}{f' {CHANCE}' if each in different else ''}" for each in found]
    judged = [each for each in found if each.judged]
    silent = len(found) - len(judged)
    if not judged:
        return [f"{against} cannot be judged in any of {plural(len(found), 'comparison')}."]
    total = f"{against} in {plural(len(judged), 'comparison')}: {_by_figure(judged)}."
    if different:
        total += f" {CHANCE}"
    if silent:
        total += f" {plural(silent, 'comparison')} cannot be judged."
    return [total, *(f"{against} {each.sentence}" for each in different)]


def lines(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """What a reader must know before believing a number or a difference."""
    return [
        *_resolution(sections),
        *_precision(run, sections),
        *_disturbed(sections),
        *_idle(sections),
        *_warming(run, sections),
        *_connections(run, sections),
    ]


def control_results(sections: Sequence[Section]) -> list[ControlResult]:
    """One for each comparison with a control; in a sweep, one for each rate that control and baseline share."""
    return [
        ControlResult(each.name.removesuffix(CONTROL_SUFFIX), place(section, each), _ratios(each))
        for section in sections
        for each in section.summary.controls
        if each.verdict != "unsupported" and (each.own_share is None or each.ratio_to_baseline is not None)
    ]


def _by_figure(found: Sequence[ControlResult]) -> str:
    """For each figure: how many false differences there are, and from which size on differences can be detected."""
    parts = []
    for name in dict.fromkeys(name for each in found for name in each.judged):
        own = [each for each in found if name in each.judged]
        differing = sum(name in each.differences for each in own)
        sizes = sorted(each.detectable[name] for each in own)
        seen = f"{differing} of {len(own)} differ" if differing else "no difference seen"
        parts.append(f"{name}: {seen}, and this run can detect differences above {_range(sizes)}")
    return "; ".join(parts)


def _range(sizes: Sequence[float]) -> str:
    """`1 % to 2 %`."""
    least, most = _size(min(sizes)), _size(max(sizes))
    return least if least == most else f"{least} to {most}"


def _ratios(summary: CaseSummary) -> dict[str, Ratio]:
    """The figures that candidates are compared by. A single round has no interval."""
    ratios = summary.ratio_to_baseline
    if ratios is None or summary.verdict != "valid" or summary.rounds == 1:
        return {}
    speed = {"throughput": ratios.throughput} if not isinstance(summary.case.load, Rate) else {"p99": ratios.p99}
    return {name: ratio for name, ratio in (speed | {"CPU": ratios.cpu}).items() if ratio is not None}


def _resolution(sections: Sequence[Section]) -> list[str]:
    """The smallest differences from the baseline that this run could have shown, over all candidates."""
    sizes: dict[str, list[float]] = {}
    for section in sections:
        for each in section.summary.candidates:
            if each.case.candidate != section.summary.reference:
                for name, ratio in _ratios(each).items():
                    sizes.setdefault(name, []).extend([ratio.half_width] if is_telling(ratio.low, ratio.high) else [])
    sizes = {name: own for name, own in sizes.items() if own}
    if not sizes:
        return []
    shown = join([f"{_range(own)} in {name}" for name, own in sizes.items()])
    return [f"Smallest difference from the baseline that this run could have shown: {shown}."]


def _disturbed(sections: Sequence[Section]) -> list[str]:
    """What the sign of disturbed numbers means."""
    every = [each for section in sections for each in section.summary.summaries if each.measured]
    disturbed = sum(each.disturbed for each in every)
    if not disturbed:
        return []
    marked = f"{DISTURBED} marks numbers of {disturbed} of {plural(len(every), 'case')} that were disturbed"
    hold = "Ratios hold as far as intervals and control say, since candidates that take turns lose alike."
    return [f"{marked}: the host or other processes took CPU time. {hold}"]


def _idle(sections: Sequence[Section]) -> list[str]:
    """Servers that were busy while it was not their turn, each with the most that it used."""
    most: dict[str, float] = {}
    for section in sections:
        for each in section.summary.summaries:
            most[each.name] = max(most.get(each.name, 0.0), each.idle_cpu_ratio or 0.0)
    return [
        f"{name} used {percent(share)} of a core while it was not its turn."
        for name, share in most.items()
        if share >= IDLE_NOTED_FROM
    ]


def _warming(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """Servers that were still warming up in their first cycle, each with the most that they gained."""
    most: dict[str, float] = {}
    for section in sections:
        for each in section.summary.summaries:
            if each.warming is not None and each.warming.low > 1 and each.warming.value >= WARMING_NOTED_FROM:
                most[each.name] = max(most.get(each.name, 1.0), each.warming.value)
    if not most:
        return []
    names = "; ".join(f"{name} (up to {percent(ratio - 1)})" for name, ratio in most.items())
    warmup = f"the warm-up of {run.conditions.warmup_s:g} s was short (--warmup)"
    return [f"Later cycles answered more than the first after a start: {names}; {warmup}."]


def _connections(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """Cases in which one request in a thousand or more was not answered in time, reconnected or was sent again."""
    kinds: dict[str, Callable[[CaseSummary], int]] = {
        f"Requests without an answer within {run.conditions.request_timeout_s:g} s": lambda each: each.unanswered,
        "Connections that were opened again, per request": lambda each: each.reopened,
        "Requests that were sent again on a new connection": lambda each: each.resent,
    }
    found = []
    for kind, number in kinds.items():
        shares = {
            f"{each.name} on {place(section, each)}": number(each) / max(each.requests, number(each))
            for section in sections
            for each in section.summary.summaries
            if number(each) >= max(1, NOTED_FROM * each.requests)
        }
        if shares:
            ordered = sorted(shares.items(), key=lambda item: -item[1])
            names = "; ".join(f"{name} ({percent(share)})" for name, share in ordered[:ONE_BY_ONE])
            more = f"; and {len(ordered) - ONE_BY_ONE} more" if len(ordered) > ONE_BY_ONE else ""
            found.append(f"{kind}: {names}{more}.")
    return found


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
        return "too few rounds to say"
    return f"{numbers.half_width(summary.precision)} after {plural(summary.rounds, 'round')}"
