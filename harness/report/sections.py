"""A section of the report for each comparison: its title and its tables, for a page or a terminal."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.analysis.naming import Levels
from harness.model.loads import Saturate, Sweep
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS
from harness.report import by_request, columns
from harness.report.cells import Cell
from harness.text.numbers import NOTHING, is_telling, join, plural, significant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from harness.model.plan import Case, Comparison, Preference, ServerConfig
    from harness.model.records import Verdict
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate, RequestSummary
    from harness.report.columns import Column


@dataclass(frozen=True)
class Row:
    """One case: a candidate, and in a sweep one of its rates."""

    name: str
    verdict: Verdict
    cells: tuple[Cell, ...]
    """One for each column."""
    log: str = ""
    """The end of the server's and the generator's output, of a case that went wrong."""
    dot: Dot | None = None
    """What the candidates are ranked by, to be drawn."""


@dataclass(frozen=True)
class Dot:
    """A median with its interval, as shares of an axis that begins at 0."""

    low: float
    middle: float
    high: float
    is_cut: bool
    """Does the interval end beyond the axis, or is it too wide to be shown?"""


@dataclass(frozen=True)
class Table:
    """Rows under the titles of their columns."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Section:
    """What the report shows of one comparison."""

    title: str
    anchor: str
    """Its id on a page: `echo-h2`, `echo-h2-8-users`."""
    summary: ComparisonSummary
    table: Table
    """A row for each case, in the order of the summary."""
    details: Table
    """What the table has no room for, a row for each candidate, without columns that are empty for all."""
    requests: Table
    """The same figures by request, a row for each request of each candidate; not of the rates of a sweep."""

    streams: Table
    """The events of answers that are read as they come, a row for each such request of each candidate."""
    rounds: Table
    """Each round's throughput, a row for each candidate; not of the rates of a sweep."""
    axis: str
    """Where the axis of the dots ends, and its unit; empty where there are none."""

    @property
    def has_several_requests(self) -> bool:
        """Do the figures by request say more than those of the whole?"""
        return any(len(each.by_name) > 1 for each in self.summary.summaries)


@dataclass(frozen=True)
class Starts:
    """How servers that were started in the same way start, stop and idle, in all comparisons that they are part of."""

    title: str
    table: Table


def make_sections(
    run: RunInfo, comparisons: Sequence[ComparisonSummary], logs: Mapping[Case, str] | None = None
) -> list[Section]:
    """A section for each comparison, protocol by protocol; `logs` are the ends of what programs wrote, by case."""
    summaries = [each for comparison in comparisons for each in comparison.summaries]
    levels = Levels.of(each.comparison for each in comparisons)
    who = columns.candidate_column(run, summaries)
    baseline = columns.baseline_name(run, summaries)
    sections: list[Section] = []
    for each in sorted(comparisons, key=lambda each: PROTOCOLS.index(each.comparison.protocol)):
        closed = [one for one in each.summaries if not is_sweep(run) or isinstance(one.case.load, Saturate)]
        measured = [one for one in closed if one.measured]
        instead = columns.substitute(run, each)
        own = replace(each, summaries=tuple(closed))
        wanted = columns.sweep_columns(who) if is_sweep(run) else columns.ranking_columns(run, each, baseline, who)
        dots, axis = ({}, "") if is_sweep(run) else _draw(each)
        sections.append(
            Section(
                title(each.comparison, levels),
                _anchor(each.comparison, levels, {section.anchor for section in sections}),
                each,
                _with_dots(_with_logs(_table(wanted, each.summaries), each.summaries, logs or {}), each, dots),
                _without_empty(_table((who, *columns.DETAILS), measured)),
                _tabulate(
                    by_request.make_columns(who[0], own, instead.name if instead else baseline),
                    by_request.list_requests(own),
                ),
                _tabulate(by_request.make_stream_columns(who[0]), by_request.list_streams(own)),
                _tabulate_rounds(who, measured),
                axis,
            )
        )
    return sections


def list_starts(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> list[Starts]:
    """A table for servers without TLS and one for those with it, for each number of workers."""
    summaries = [each for comparison in comparisons for each in comparison.summaries]
    who = columns.candidate_column(run, summaries)
    groups: dict[tuple[int, bool], dict[ServerConfig, CaseSummary]] = {}
    for each in summaries:
        config = each.case.config
        if each.ready_s is not None:
            groups.setdefault((config.workers, config.tls), {}).setdefault(config, each)
    workers = len({number for number, _ in groups}) > 1
    found = []
    for (number, tls), own in sorted(groups.items()):
        names = ["TLS" if tls else "no TLS", *([plural(number, "worker")] if workers else [])]
        title = f"Starts and stops with {join(names)}" if len(groups) > 1 else "Starts and stops"
        found.append(Starts(title, _without_empty(_table((who, *columns.STARTS), own.values()))))
    return found


def is_sweep(run: RunInfo) -> bool:
    """Does each comparison have several rates?"""
    return isinstance(run.conditions.load, Sweep)


def title(of: Case | Comparison, levels: Levels) -> str:
    """`plaintext over HTTP/1.1`, `plaintext over HTTP/1.1 with 8 users and 2 workers`."""
    words, names = f"{of.scenario} over {PROTOCOL_NAMES[of.protocol]}", levels.names(of)
    return f"{words} with {join(names)}" if names else words


_AXIS_BEYOND = 1.25
"""The axis of dots ends at this multiple of the greatest median; an interval that is longer is cut there."""


def _draw(comparison: ComparisonSummary) -> tuple[dict[Case, Dot], str]:
    """The dots of a comparison's cases, on one axis, and where that ends."""
    by = comparison.ranked_by
    figures = {each.case: found for each in comparison.summaries if (found := _ranked_figure(each, by))}
    if not figures:
        return {}, ""
    most = max(each.median for each in figures.values())
    end = min(_AXIS_BEYOND * most, max(most, *(each.high for each in figures.values())))
    unit, size = {"throughput": ("requests/s", 1), "p99": ("ms", 1e3), "cpu": ("µs", 1), "memory": ("MB", 1e6)}[by]
    dots = {}
    for case, each in figures.items():
        shown = is_telling(each.low, each.high)
        low, high = (each.low, each.high) if shown else (each.median, each.median)
        dots[case] = Dot(max(low, 0.0) / end, each.median / end, min(high / end, 1.0), not shown or high > end)
    return dots, f"0 to {significant(end / size)} {unit}"


def _ranked_figure(summary: CaseSummary, by: Preference) -> Estimate | None:
    """The figure that candidates are ranked by, if a dot can show it."""
    found = summary.find_figure(by)
    return found if found is not None and found.median > 0 else None


def _with_dots(table: Table, comparison: ComparisonSummary, dots: Mapping[Case, Dot]) -> Table:
    pairs = zip(table.rows, comparison.summaries, strict=True)
    return replace(table, rows=tuple(replace(row, dot=dots.get(each.case)) for row, each in pairs))


def _with_logs(table: Table, summaries: Iterable[CaseSummary], logs: Mapping[Case, str]) -> Table:
    pairs = zip(table.rows, summaries, strict=True)
    return replace(table, rows=tuple(replace(row, log=logs.get(each.case, "")) for row, each in pairs))


def _tabulate_rounds(who: Column, summaries: Sequence[CaseSummary]) -> Table:
    """Requests per second in each round, and the CPU time of a request; of each block, where a round has several."""
    numbers = sorted({number for each in summaries for number in each.throughput_rounds})

    def cell(each: CaseSummary, number: int) -> Cell:
        rates = _of_round(number, each.throughput_rounds, each.throughput_by_round_rps)
        costs = _of_round(number, each.cpu_rounds, each.cpu_us_per_request_by_round)
        return Cell(rates or NOTHING, f"{costs} µs CPU" if costs else "")

    rows = (
        Row(each.name, each.verdict, (who[1](each), *(cell(each, number) for number in numbers))) for each in summaries
    )
    return Table((who[0], *map(str, numbers)), tuple(rows))


def _of_round(number: int, rounds: Sequence[int], values: Sequence[float]) -> str:
    return " · ".join(significant(value) for own, value in zip(rounds, values, strict=True) if own == number)


def _anchor(comparison: Comparison, levels: Levels, taken: Collection[str]) -> str:
    """`echo-h2-8-users`; with a number if a comparison before has the same."""
    words = " ".join([comparison.scenario, comparison.protocol, *levels.names(comparison)])
    plain = "-".join(re.findall(r"[a-z0-9_]+", words.lower()))
    numbered = (f"{plain}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([plain], numbered) if each not in taken)


def _table(wanted: Sequence[Column], summaries: Iterable[CaseSummary]) -> Table:
    rows = (Row(each.name, each.verdict, tuple(cell(each) for _, cell in wanted)) for each in summaries)
    return Table(tuple(name for name, _ in wanted), tuple(rows))


def _tabulate(wanted: Sequence[by_request.Column], requests: Iterable[tuple[CaseSummary, RequestSummary]]) -> Table:
    rows = (Row(case.name, case.verdict, tuple(cell(case, each) for _, cell in wanted)) for case, each in requests)
    return Table(tuple(name for name, _ in wanted), tuple(rows))


def _without_empty(table: Table) -> Table:
    every = range(len(table.columns))
    kept = [number for number in every if any(row.cells[number].value != NOTHING for row in table.rows)]
    return Table(
        tuple(table.columns[number] for number in kept),
        tuple(replace(row, cells=tuple(row.cells[number] for number in kept)) for row in table.rows),
    )
