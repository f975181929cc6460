"""The answer as data: tables for each question, cells ready to print on a page or in a terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.model.loads import Saturate, Sweep
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS
from harness.report import columns
from harness.report.cells import NOTHING, Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.plan import Case, Comparison
    from harness.model.protocols import Protocol
    from harness.model.results import RunInfo, Verdict
    from harness.model.summaries import CaseSummary, ComparisonSummary
    from harness.report.columns import Column


@dataclass(frozen=True)
class Row:
    """One candidate's answer to one question; in a sweep, at one rate."""

    name: str
    verdict: Verdict
    cells: tuple[Cell, ...]
    """One for each column."""


@dataclass(frozen=True)
class Table:
    """Rows under the names of their columns."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Group:
    """All answers to one question: the cases that differ in their candidate alone, or in a sweep in their rate too."""

    title: str
    scenario: str
    protocol: Protocol
    workers: int
    summaries: tuple[CaseSummary, ...]
    """The best rank first; in a sweep candidate by candidate, each in its closed loop and then by rate."""
    candidates: tuple[CaseSummary, ...]
    """The summaries without those of the control, which is compared with the baseline alone."""
    table: Table
    """A row for each of the summaries, in their order."""
    resources: Table
    """What candidates need beside CPU time, and how they come and go; without the columns that nobody has."""


def groups(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> list[Group]:
    """A group for each comparison, protocol by protocol."""
    summaries = [each for comparison in comparisons for each in comparison.summaries]
    several = len({each.comparison.workers for each in comparisons}) > 1
    who = columns.candidate(run, summaries)
    wanted = columns.of_a_sweep(who) if is_sweep(run) else columns.of_a_ranking(run, summaries, who)
    found = []
    for each in sorted(comparisons, key=lambda each: PROTOCOLS.index(each.comparison.protocol)):
        started = [one for one in compared(run, each.summaries) if one.measured or one.ready_s]
        found.append(
            Group(
                title(each.comparison, name_workers=several),
                each.comparison.scenario,
                each.comparison.protocol,
                each.comparison.workers,
                each.summaries,
                each.candidates,
                _table(wanted, each.summaries),
                _without_empty(_table((who, *columns.RESOURCES), started)),
            )
        )
    return found


def is_sweep(run: RunInfo) -> bool:
    """Is each question answered at several rates?"""
    return isinstance(run.conditions.load, Sweep)


def compared(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[CaseSummary]:
    """Those that stand for their candidate: all, or in a sweep the ones in a closed loop."""
    return [each for each in summaries if not is_sweep(run) or isinstance(each.case.load, Saturate)]


def title(of: Case | Comparison, *, name_workers: bool) -> str:
    """`plaintext over HTTP/1.1`; with its workers where there are several counts."""
    comparison = f"{of.scenario} over {PROTOCOL_NAMES[of.protocol]}"
    return f"{comparison} with {of.workers} worker{'s' if of.workers > 1 else ''}" if name_workers else comparison


def _table(wanted: Sequence[Column], summaries: Sequence[CaseSummary]) -> Table:
    rows = (Row(each.name, each.verdict, tuple(cell(each) for _, cell in wanted)) for each in summaries)
    return Table(tuple(name for name, _ in wanted), tuple(rows))


def _without_empty(table: Table) -> Table:
    every = range(len(table.columns))
    kept = [number for number in every if any(row.cells[number].value != NOTHING for row in table.rows)]
    return Table(
        tuple(table.columns[number] for number in kept),
        tuple(replace(row, cells=tuple(row.cells[number] for number in kept)) for row in table.rows),
    )
