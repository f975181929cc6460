"""Cases over time: which runs can be compared, and where a figure changed by more than chance. Pure.

Runs are compared by the rules of `harness compare`: under the same conditions, with the same requests. A figure is the
ratio to the baseline, of which the state of the machine cancels out; the baseline itself, and what has none, is judged
by its absolute figures, of which it does not.

A history makes many comparisons, so it is stricter than one: a step is where two 95 % intervals do not overlap. It says
nothing of how large the change is; that is the ratio of both, with an interval made of theirs (MOVER: Zou and Donner,
Statistics in Medicine 27, 2008, 1693 – 1702), since published runs keep no rounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.analysis.conditions import find_changes, find_mismatches
from harness.analysis.figures import FIGURES, list_rows
from harness.analysis.workloads import explain_requests
from harness.model.loads import Rate
from harness.model.summaries import Ratio
from harness.text.numbers import is_telling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.analysis.conditions import Contrast
    from harness.analysis.figures import Better
    from harness.model.plan import Candidate, Case, Comparison
    from harness.model.records import Verdict
    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary

RATIOS = ("throughput ratio", "cpu ratio", "p99 ratio")
"""The figures of `analysis/figures.py` that are judged where there is a baseline to divide by."""
ABSOLUTES = ("throughput", "cpu", "p99")
"""Those that are judged for the baseline itself, and where there is none."""
MEMORY = "memory"
"""It is judged everywhere, since it does not depend on how busy the machine is."""
_BETTER: Mapping[str, Better] = {each.name: each.better for each in FIGURES}


@dataclass(frozen=True)
class Entry:
    """A case in one run."""

    case: Case
    version: str
    """Of its server; empty if it is not known."""
    verdict: Verdict
    disturbed: bool
    reference: Candidate | None
    """What its ratios are ratios to; None for that itself."""
    workload: str | None
    """The digest of what its users send; None in a run of an earlier version."""
    requests: tuple[str, ...]
    """The names of its requests."""
    figures: Mapping[str, Ratio]
    """Sound figures of `analysis/figures.py` by name; low and high are the value where there is no interval."""


@dataclass(frozen=True)
class PastRun:
    """A run as far as a history needs it."""

    place: str
    """Where its folder is."""
    page: str
    """Where its report is; empty if it has none."""
    info: RunInfo
    entries: tuple[Entry, ...]

    @property
    def day(self) -> str:
        return self.info.started_at[:10]

    @property
    def time(self) -> str:
        """`2026-11-30 16:09`, in UTC."""
        return self.info.started_at[:16].replace("T", " ")


@dataclass(frozen=True)
class Step:
    """A change of a figure that the intervals of two runs support."""

    figure: str
    since: PastRun
    """The run that it is a change from: the last before, or where that one's interval is too wide, one before that."""
    change: Ratio
    better: bool
    changes: tuple[Contrast, ...]
    """What else changed between the two runs."""


@dataclass(frozen=True)
class Point:
    """A case in one run of its history."""

    run: PastRun
    entry: Entry
    steps: tuple[Step, ...] = ()
    requests: str = ""
    """How its requests differ from those before, with which it is not compared then."""


@dataclass(frozen=True)
class Series:
    """A case over time, the oldest run first."""

    case: Case
    reference: Candidate | None
    """What its ratios are ratios to; None if absolute figures are judged."""
    points: tuple[Point, ...]

    @property
    def judged(self) -> tuple[str, ...]:
        """The figures in which steps are looked for."""
        return list_judged(self.reference)

    @property
    def steps(self) -> list[tuple[Point, Step]]:
        return [(point, step) for point in self.points for step in point.steps]


@dataclass(frozen=True)
class Era:
    """Runs that were made under the same conditions, on the same machine."""

    runs: tuple[PastRun, ...]
    """The oldest first."""
    series: tuple[Series, ...]
    unlike: tuple[Contrast, ...] = ()
    """The conditions in which the first differs from the last run before it; none for the first of all."""

    @property
    def comparisons(self) -> dict[Comparison, list[Series]]:
        """The series by what is compared in each run."""
        found: dict[Comparison, list[Series]] = {}
        for each in self.series:
            found.setdefault(each.case.comparison, []).append(each)
        return dict(sorted(found.items(), key=lambda item: item[0].place))


@dataclass
class _Course:
    """A series that grows run by run."""

    points: list[Point] = field(default_factory=list)
    best: dict[str, Point] = field(default_factory=dict)
    """By figure, of the runs since its last step the one with the narrowest interval."""


def list_entries(info: RunInfo, comparisons: Iterable[ComparisonSummary]) -> tuple[Entry, ...]:
    """The cases of a run that were measured, without rates that follow from its own figures, which no other run has."""
    found = []
    for comparison in comparisons:
        figures: dict[Case, dict[str, Ratio]] = {}
        for row in list_rows([comparison]):
            if row.is_sound:
                low, high = (row.value, row.value) if row.low is None or row.high is None else (row.low, row.high)
                figures.setdefault(row.case.case, {})[row.figure.name] = Ratio(row.value, low, high)
        for each in comparison.summaries:
            case = each.case
            if not each.measured or (isinstance(case.load, Rate) and case.load != info.conditions.load):
                continue
            reference = case.candidate.original if case.control else comparison.reference or info.baseline
            found.append(
                Entry(
                    case,
                    info.environment.server_versions.get(case.server, ""),
                    each.verdict,
                    each.disturbed,
                    None if reference == case.candidate else reference,
                    info.workloads.get(case.scenario),
                    tuple(part.label for part in each.by_name if part.requests),
                    figures.get(case, {}),
                )
            )
    return tuple(found)


def list_judged(reference: Candidate | None) -> tuple[str, ...]:
    """The figures in which steps are looked for, of a case that is divided by this."""
    return (*(RATIOS if reference else ABSOLUTES), MEMORY)


def make_history(runs: Iterable[PastRun]) -> list[Era]:
    """The runs by machine and conditions, and the cases of each; eras and runs in their order of time.

    A run belongs to the latest era whose last run it can be compared with.
    """
    ordered = sorted(runs, key=lambda run: (run.info.started_at, run.info.id))
    eras: list[list[PastRun]] = []
    unlike: list[tuple[Contrast, ...]] = []
    before: PastRun | None = None
    for run in ordered:
        own = next((era for era in reversed(eras) if not find_mismatches(era[-1].info, run.info)), None)
        if own is None:
            eras.append(own := [])
            unlike.append(() if before is None else find_mismatches(before.info, run.info))
        own.append(run)
        before = run
    return [Era(tuple(own), _list_series(own), apart) for own, apart in zip(eras, unlike, strict=True)]


def _list_series(runs: Sequence[PastRun]) -> tuple[Series, ...]:
    courses: dict[tuple[Case, Candidate | None], _Course] = {}
    for run in runs:
        for entry in run.entries:
            _add(courses.setdefault((entry.case, entry.reference), _Course()), run, entry)
    return tuple(Series(case, reference, tuple(own.points)) for (case, reference), own in courses.items())


def _add(course: _Course, run: PastRun, entry: Entry) -> None:
    """Put a run at the end of a series, with the steps that it makes."""
    apart = ""
    if course.points:
        before = course.points[-1].entry
        apart = explain_requests(before.requests, entry.requests, (before.workload, entry.workload))
    if apart:
        course.best.clear()
    steps = []
    for figure in list_judged(entry.reference):
        own, best = _find_interval(entry, figure), course.best.get(figure)
        if own is None:
            continue
        step = None if best is None else _find_step(best, run, entry, figure)
        if step is not None:
            last = next(each for each in reversed(course.points) if figure in each.entry.figures)
            nearer = _find_step(last, run, entry, figure)
            steps.append(nearer if nearer is not None and nearer.better == step.better else step)
        known = None if best is None else _find_interval(best.entry, figure)
        if step is not None or known is None or own.half_width < known.half_width:
            course.best[figure] = Point(run, entry)
    course.points.append(Point(run, entry, tuple(steps), apart))


def _find_interval(entry: Entry, figure: str) -> Ratio | None:
    """A figure that can be judged: not of a single round or of too few, nor one that was disturbed."""
    found = entry.figures.get(figure)
    if found is None or not 0 < found.low < found.high or not is_telling(found.low, found.high):
        return None
    return None if entry.disturbed and figure in ABSOLUTES else found


def _find_step(before: Point, run: PastRun, entry: Entry, figure: str) -> Step | None:
    """The step of a figure between two runs, if their intervals support one that chance in neither control reaches."""
    earlier, later = _find_interval(before.entry, figure), _find_interval(entry, figure)
    if earlier is None or later is None or (later.low <= earlier.high and earlier.low <= later.high):
        return None
    change = divide(later, earlier)
    chance = max(_measure_chance(each, entry.case.comparison, figure) for each in (before.run, run))
    if abs(math.log(change.value)) <= chance:
        return None
    pairs = [(name, name) for name in sorted({entry.case.server, (entry.reference or entry.case.candidate).server})]
    apps = [(entry.case.app, entry.case.app)]
    changes = find_changes(before.run.info, run.info, pairs, ((), ()), apps)
    return Step(figure, before.run, change, (change.value > 1) == (_BETTER[figure] == "higher"), changes)


def divide(later: Ratio, earlier: Ratio) -> Ratio:
    """Later ÷ earlier, of two figures with 95 % intervals that are independent of each other (MOVER)."""
    low = math.hypot(math.log(later.value / later.low), math.log(earlier.high / earlier.value))
    high = math.hypot(math.log(later.high / later.value), math.log(earlier.value / earlier.low))
    value = later.value / earlier.value
    return Ratio(value, value * math.exp(-low), value * math.exp(high))


def _measure_chance(run: PastRun, comparison: Comparison, figure: str) -> float:
    """How far the ratio of a run's control lies from 1, on a logarithmic scale; 0 of a figure that it does not have."""
    controls = (each for each in run.entries if each.case.control and each.case.comparison == comparison)
    values = [each.figures[figure].value for each in controls if figure in RATIOS and figure in each.figures]
    return max((abs(math.log(value)) for value in values if value > 0), default=0.0)
