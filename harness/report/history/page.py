"""What the history of several runs shows, for the page and for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.analysis.history import ABSOLUTES, RATIOS
from harness.analysis.naming import Levels, Naming
from harness.charts._course import Line, Mark, Panel, draw_course
from harness.charts._lines import middle
from harness.charts._style import panel_title, wrap_footer
from harness.model.loads import Saturate
from harness.report.cells import Cell, factor, interval
from harness.report.compare import write_change, write_contrast
from harness.report.page import Chart
from harness.text.numbers import NOTHING, join, plural, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.analysis.history import Entry, Era, PastRun, Point, Series, Step
    from harness.model.plan import Candidate, Case, Comparison

_MARKS = {frozenset({True}): "▲ better", frozenset({False}): "▼ worse"}
_IN_A_LINE = 2
"""So many of the judged figures have a line for each case: throughput and CPU, as in the charts."""
_MOST_CHANGES = 3
"""So many things that changed are named beside a step; more are counted."""


class Figure(NamedTuple):
    """How a figure of a history is written: of the contract's units, `unit` make one of the column's."""

    column: str
    words: str
    unit: float = 1


FIGURES = {
    "throughput ratio": Figure("Throughput", "throughput"),
    "cpu ratio": Figure("CPU", "CPU per request"),
    "p99 ratio": Figure("p99", "p99"),
    "throughput": Figure("Requests/s", "requests/s"),
    "cpu": Figure("CPU µs/request", "CPU per request"),
    "p99": Figure("p99 ms", "p99", 1000),
    "memory": Figure("Peak MB", "peak memory", 1e6),
}
_CHARTED = (("throughput ratio", "cpu ratio"), ("throughput", "cpu"))


@dataclass(frozen=True)
class StepLine:
    """The steps of a case in one run, in words."""

    anchor: str
    mark: str
    """`▲ better`, `▼ worse`, or `◆ mixed`."""
    time: str
    place: str
    sentence: str


@dataclass(frozen=True)
class Row:
    """A case in one run; a cell for each of `Part.columns`."""

    name: str
    first: bool
    """Is it the first of its case?"""
    run: PastRun
    version: str
    verdict: str
    cells: tuple[Cell, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Course:
    """A figure of a case from the first run to the last, in a line."""

    name: str
    figure: str
    runs: int
    first: str
    last: str
    steps: str


@dataclass(frozen=True)
class Part:
    """What one comparison shows in all runs of an era."""

    title: str
    anchor: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    courses: tuple[Course, ...]
    chart: Chart | None
    """None for a single run."""


@dataclass(frozen=True)
class EraPage:
    """The runs that can be compared with each other."""

    anchor: str
    title: str
    lead: str
    unlike: str
    """Why they are not compared with those before; empty for the first."""
    runs: int
    candidates: str
    """What the candidates are, as the title of their column."""
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class HistoryPage:
    """All that is shown, in this order."""

    title: str
    lead: str
    steps: tuple[StepLine, ...]
    """The latest first."""
    left_out: tuple[str, ...]
    eras: tuple[EraPage, ...]


class Names:
    """Names of cases and comparisons, by what differs between those of an era."""

    def __init__(self, era: Era) -> None:
        cases = [each.case for each in era.series]
        self.naming = Naming.of(each.candidate for each in cases)
        self._levels = Levels.of(cases)

    def case(self, case: Case) -> str:
        return self.naming.name(case.candidate)

    def candidate(self, candidate: Candidate) -> str:
        return self.naming.name(candidate)

    def comparison(self, of: Comparison) -> str:
        load = [] if isinstance(of.load, Saturate) else [of.load.text]
        return " · ".join([panel_title(of, self._levels), *load])


def make_page(eras: Sequence[Era], left_out: Sequence[str], *, charts: bool = True) -> HistoryPage:
    """Arrange a history; `left_out` says what else was given, and why it is not in it. Charts take their time."""
    runs = sorted((run for era in eras for run in era.runs), key=lambda run: run.info.started_at)
    named = [(era, Names(era)) for era in eras]
    steps = [
        _make_step(_anchor(number, place), series, point, names)
        for number, (era, names) in enumerate(named, start=1)
        for place, several in enumerate(era.comparisons.values(), start=1)
        for series in several
        for point in series.points
        if point.steps
    ]
    apart = f" · {len(eras)} groups, each under conditions of its own" if len(eras) > 1 else ""
    return HistoryPage(
        title=f"History of {plural(len(runs), 'run')}",
        lead=_span(runs) + apart,
        steps=tuple(sorted(steps, key=lambda each: each.time, reverse=True)),
        left_out=tuple(left_out),
        eras=tuple(_make_era(number, *each, charts=charts) for number, each in enumerate(named, start=1)),
    )


def _anchor(era: int, part: int) -> str:
    return f"conditions-{era}-{part}"


def _make_era(number: int, era: Era, names: Names, *, charts: bool) -> EraPage:
    where, conditions = era.runs[-1].info.environment, era.runs[-1].info.conditions
    hosts = dict.fromkeys(each.info.environment.host for each in era.runs if each.info.environment.host)
    loop = "closed loop" if isinstance(conditions.load, Saturate) else conditions.load.text
    lead = [f"{where.cpu_model} × {where.cpu_count}", *hosts, f"kernel {where.kernel}", where.python, loop]
    users = f"{join([str(each) for each in conditions.users])} user{'s' if conditions.users != (1,) else ''}"
    return EraPage(
        f"conditions-{number}",
        f"Conditions {number}: {plural(len(era.runs), 'run')}, {_span(era.runs)}",
        " · ".join([*lead, users, f"{conditions.duration_s:g} s a round"]),
        "; ".join(map(write_contrast, era.unlike)),
        len(era.runs),
        names.naming.title,
        tuple(
            _make_part(_anchor(number, place), comparison, series, era.runs, names, charted=charts)
            for place, (comparison, series) in enumerate(era.comparisons.items(), start=1)
        ),
    )


def _span(runs: Sequence[PastRun]) -> str:
    return " – ".join(dict.fromkeys((runs[0].day, runs[-1].day)))


def _make_part(
    anchor: str,
    comparison: Comparison,
    several: Sequence[Series],
    runs: Sequence[PastRun],
    names: Names,
    *,
    charted: bool,
) -> Part:
    title = names.comparison(comparison)
    ordered = sorted(several, key=lambda each: (each.reference is not None, names.case(each.case)))
    divisors = {names.candidate(each.reference) for each in ordered if each.reference and not each.case.control}
    divisor = divisors.pop() if len(divisors) == 1 else "baseline"
    shown = [name for name in FIGURES if any(name in point.entry.figures for each in ordered for point in each.points)]
    if not any(each.reference for each in ordered):
        shown = [name for name in shown if name not in RATIOS]
    return Part(
        title,
        anchor,
        tuple(f"{FIGURES[name].column} ÷ {divisor}" if name in RATIOS else FIGURES[name].column for name in shown),
        tuple(row for each in ordered for row in _list_rows(each, shown, names)),
        tuple(course for each in ordered for course in _list_courses(each, names)),
        _draw(anchor, title, ordered, runs, names) if charted and len(runs) > 1 else None,
    )


def _list_rows(series: Series, shown: Sequence[str], names: Names) -> Iterable[Row]:
    for number, point in enumerate(series.points):
        steps = [f"{_mark(step.better)} {each}" for step in point.steps for each in _write_steps(series, [step], names)]
        entry = point.entry
        yield Row(
            names.case(series.case),
            number == 0,
            point.run,
            entry.version,
            entry.verdict,
            tuple(_make_cell(entry, name) for name in shown),
            (*([f"not compared with those before: {point.requests}"] if point.requests else []), *steps),
        )


def _make_cell(entry: Entry, name: str) -> Cell:
    figure = entry.figures.get(name)
    if figure is None or (name in RATIOS and entry.reference is None):
        return Cell(NOTHING)
    form = _form(name)
    cell = Cell(form(figure.value), interval(figure, form))
    return cell.mark_disturbed() if entry.disturbed and name in ABSOLUTES else cell


def _form(name: str) -> Callable[[float], str]:
    return factor if name in RATIOS else lambda value: significant(value / FIGURES[name].unit)


def _list_courses(series: Series, names: Names) -> Iterable[Course]:
    for name in series.judged[:_IN_A_LINE]:
        points = [point for point in series.points if name in point.entry.figures]
        if not points:
            continue
        first, last = (_make_cell(points[at].entry, name).value for at in (0, -1))
        steps = [f"{_mark(step.better)} {point.run.day}" for point, step in series.steps if step.figure == name]
        yield Course(
            names.case(series.case), _name_figure(series, name, names), len(points), first, last, ", ".join(steps)
        )


def _name_figure(series: Series, name: str, names: Names) -> str:
    """`throughput ÷ uvicorn`, `requests/s`."""
    words = FIGURES[name].words
    return f"{words} ÷ {names.candidate(series.reference)}" if series.reference and name in RATIOS else words


def _mark(better: bool) -> str:
    return "▲" if better else "▼"


def _make_step(anchor: str, series: Series, point: Point, names: Names) -> StepLine:
    changes = list(dict.fromkeys(write_contrast(each) for step in point.steps for each in step.changes))
    more = len(changes) - _MOST_CHANGES
    told = [*changes[:_MOST_CHANGES], *([f"{more} more"] if more > 0 else [])]
    changed = f"changed: {', '.join(told)}" if told else "nothing that was recorded changed"
    return StepLine(
        anchor,
        _MARKS.get(frozenset(step.better for step in point.steps), "◆ mixed"),
        point.run.time,
        f"{names.case(series.case)} on {names.comparison(series.case.comparison)}",
        f"{'; '.join(_write_steps(series, point.steps, names))}; {changed}",
    )


def _write_steps(series: Series, steps: Sequence[Step], names: Names) -> list[str]:
    """For each run that they are changes from: `throughput ÷ uvicorn −7.1 % (−9.0 … −5.2) since 2026-11-20 10:00`."""
    by_run: dict[str, list[str]] = {}
    for each in steps:
        change = f"{_name_figure(series, each.figure, names)} {write_change(each.change)}"
        by_run.setdefault(each.since.time, []).append(change)
    return [f"{join(changes)} since {time}" for time, changes in by_run.items()]


def _draw(anchor: str, title: str, several: Sequence[Series], runs: Sequence[PastRun], names: Names) -> Chart | None:
    """Throughput and CPU of the cases that have a baseline, and of those that have none; None without a number."""
    panels = []
    for ratios, figures in zip((True, False), _CHARTED, strict=True):
        own = [each for each in several if (each.reference is not None) == ratios]
        for name in figures:
            lines = [line for each in own if (line := _make_line(each, name, runs, names)).marks]
            if lines:
                figure = FIGURES[name]
                divisors = {names.candidate(each.reference) for each in own if each.reference}
                divisor = divisors.pop() if len(divisors) == 1 else "baseline"
                unit = f"{figure.words} ÷ {divisor}" if ratios else figure.column
                panels.append(Panel(figure.words if ratios else figure.column, unit, lines, even=ratios))
    if not panels:
        return None
    caption = (
        "Medians with 95 % intervals (arrow: longer). A ring marks a step. Hollow points, off the line, are not valid."
    )
    words = [_describe(panel) for panel in panels]
    labels = _label(runs)
    where = runs[-1].info.environment
    foot = wrap_footer([f"{where.cpu_model} × {where.cpu_count} · {plural(len(runs), 'run')}, {_span(runs)}"])
    picture = draw_course(title, caption, foot, ("run", labels), panels, words)
    return Chart(anchor, title, caption, picture, words)


def _label(runs: Sequence[PastRun]) -> list[str]:
    """The day of each run, and its time of day if another run has that day."""
    days = [run.day for run in runs]
    year = len({day[:4] for day in days}) > 1
    return [
        (run.day if year else run.day[5:]) + (f"\n{run.time[11:]}" if days.count(run.day) > 1 else "") for run in runs
    ]


def _make_line(series: Series, name: str, runs: Sequence[PastRun], names: Names) -> Line:
    marks = [
        Mark(
            runs.index(point.run),
            point.entry.figures[name],
            valid=point.entry.verdict == "valid",
            step=any(step.figure == name for step in point.steps),
            begins=bool(point.requests),
        )
        for point in series.points
        if name in point.entry.figures
    ]
    return Line(names.case(series.case), marks)


def _describe(panel: Panel) -> str:
    """`throughput ÷ uvicorn: granian 0.82 to 0.91, 1 step.`"""
    found = []
    for line in panel.lines:
        values = [middle(mark.bounds) for mark in line.marks]
        steps = sum(mark.step for mark in line.marks)
        told = f", {plural(steps, 'step')}" if steps else ""
        found.append(f"{line.name} {significant(values[0])} to {significant(values[-1])}{told}")
    return f"{panel.unit}: {'; '.join(found)}."
