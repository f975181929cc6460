"""A section of the report for each comparison: its title and its tables, for a page or a terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.analysis.naming import Levels
from harness.model.loads import Saturate, Sweep
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS
from harness.report import by_request, columns
from harness.text.numbers import NOTHING, join, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.model.plan import Case, Comparison, ServerConfig
    from harness.model.results import RunInfo, Verdict
    from harness.model.summaries import CaseSummary, ComparisonSummary, RequestSummary
    from harness.report.cells import Cell
    from harness.report.columns import Column


@dataclass(frozen=True)
class Row:
    """One case: a candidate, and in a sweep one of its rates."""

    name: str
    verdict: Verdict
    cells: tuple[Cell, ...]
    """One for each column."""


@dataclass(frozen=True)
class Table:
    """Rows under the titles of their columns."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Section:
    """What the report shows of one comparison."""

    title: str
    summary: ComparisonSummary
    table: Table
    """A row for each case, in the order of the summary."""
    details: Table
    """What the table has no room for, a row for each candidate, without columns that are empty for all."""
    requests: Table
    """The same figures by request, a row for each request of each candidate; not of the rates of a sweep."""

    streams: Table
    """The events of answers that are read as they come, a row for each such request of each candidate."""

    @property
    def has_several_requests(self) -> bool:
        """Do the figures by request say more than those of the whole?"""
        return any(len(each.by_name) > 1 for each in self.summary.summaries)


@dataclass(frozen=True)
class Starts:
    """How servers that were started in the same way start, stop and idle, in all comparisons that they are part of."""

    title: str
    table: Table


def make_sections(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> list[Section]:
    """A section for each comparison, protocol by protocol."""
    summaries = [each for comparison in comparisons for each in comparison.summaries]
    levels = Levels.of(each.comparison for each in comparisons)
    who = columns.candidate_column(run, summaries)
    baseline = columns.baseline_name(run, summaries)
    sections = []
    for each in sorted(comparisons, key=lambda each: PROTOCOLS.index(each.comparison.protocol)):
        closed = [one for one in each.summaries if not is_sweep(run) or isinstance(one.case.load, Saturate)]
        measured = [one for one in closed if one.measured]
        instead = columns.substitute(run, each)
        own = replace(each, summaries=tuple(closed))
        wanted = columns.sweep_columns(who) if is_sweep(run) else columns.ranking_columns(run, each, baseline, who)
        sections.append(
            Section(
                title(each.comparison, levels),
                each,
                _table(wanted, each.summaries),
                _without_empty(_table((who, *columns.DETAILS), measured)),
                _tabulate(
                    by_request.make_columns(who[0], own, instead.name if instead else baseline),
                    by_request.list_requests(own),
                ),
                _tabulate(by_request.make_stream_columns(who[0]), by_request.list_streams(own)),
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
