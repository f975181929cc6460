"""What the control shows: which differences a run can detect, and whether a server differs from itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.naming import CONTROL_SUFFIX
from harness.model.loads import Rate
from harness.report.cells import interval
from harness.report.sentences import place
from harness.text.numbers import is_telling, join, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.summaries import CaseSummary, Ratio
    from harness.report.sections import Section

ONE_BY_ONE = 3
"""Up to this many results are listed one by one; more are summed up."""
CHANCE = "By chance alone, one figure in 20 shows a false difference."
"""True of 95 % intervals, not corrected for many, where nothing differs."""


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
        sizes = join([f"{_size(size)} in {name}" for name, size in sure.items()]) if sure else ""
        detectable = f": this run can detect differences above {sizes}" if sure else ""
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


def lines(sections: Sequence[Section]) -> list[str]:
    """What the control shows: it comes before all results."""
    found: dict[str, list[ControlResult]] = {}
    for each in _results(sections):
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


def _results(sections: Sequence[Section]) -> list[ControlResult]:
    """One for each comparison with a control; in a sweep, one for each rate that control and baseline share."""
    return [
        ControlResult(each.name.removesuffix(CONTROL_SUFFIX), place(section, each), compared_ratios(each))
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
        parts.append(f"{name}: {seen}, and this run can detect differences above {size_range(sizes)}")
    return "; ".join(parts)


def _thousandths(ratio: Ratio) -> str:
    return f"{ratio.value:.3f} ({interval(ratio, lambda value: f'{value:.3f}')})"


def compared_ratios(summary: CaseSummary) -> dict[str, Ratio]:
    """The figures that candidates are compared by. A single round has no interval."""
    ratios = summary.ratio_to_baseline
    if ratios is None or summary.verdict != "valid" or summary.rounds == 1:
        return {}
    speed = {"throughput": ratios.throughput} if not isinstance(summary.case.load, Rate) else {"p99": ratios.p99}
    return {name: ratio for name, ratio in (speed | {"CPU": ratios.cpu}).items() if ratio is not None}


def size_range(sizes: Sequence[float]) -> str:
    """`1 % to 2 %`."""
    least, most = _size(min(sizes)), _size(max(sizes))
    return least if least == most else f"{least} to {most}"


def _size(share: float) -> str:
    """A smallest difference; intervals are not narrower than a tenth of a percent in truth."""
    return percent(max(share, 0.001))
