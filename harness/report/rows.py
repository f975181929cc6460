"""The answer as data: tables for each question, cells ready to print on a page or in a terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.model.loads import Sweep, load_of
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS
from harness.report import columns
from harness.report.cells import NOTHING, Cell
from harness.report.columns import is_twin, rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.plan import Case
    from harness.model.protocols import Protocol
    from harness.model.results import RunInfo, Verdict
    from harness.model.summaries import CaseSummary
    from harness.report.columns import Column


@dataclass(frozen=True)
class Row:
    """One contestant's answer to one question; in a sweep, at one rate."""

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
    """All answers to one question: the cases that differ in their contestant alone, or in a sweep in their rate too."""

    title: str
    scenario: str
    protocol: Protocol
    workers: int
    summaries: tuple[CaseSummary, ...]
    """The first place on top; in a sweep by contestant, the fastest first, each in its closed loop and then by rate."""
    contestants: tuple[CaseSummary, ...]
    """The summaries but those of the baseline's second entry, which is compared with the baseline alone."""
    table: Table
    """A row for each of the summaries, in their order."""
    resources: Table
    """What contestants need beside CPU time, and how they come and go; without the columns that nobody has."""


def groups(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[Group]:
    """A group for each scenario, protocol and worker count, protocol by protocol; every summary is in one of them."""
    by_question: dict[Case, list[CaseSummary]] = {}
    for summary in summaries:
        by_question.setdefault(replace(summary.case, server="", app="", load=""), []).append(summary)
    several = len({case.workers for case in by_question}) > 1
    who = columns.contestant(run, summaries)
    wanted = columns.of_a_sweep(who) if is_sweep(run) else columns.of_a_ranking(run, summaries, who)
    found = []
    for case, group in sorted(by_question.items(), key=lambda item: PROTOCOLS.index(item[0].protocol)):
        ordered = _by_rate(group) if is_sweep(run) else tuple(sorted(group, key=_place))
        alive = [each for each in compared(run, ordered) if each.measured or each.ready_s]
        found.append(
            Group(
                title(case, name_workers=several),
                case.scenario,
                case.protocol,
                case.workers,
                ordered,
                tuple(each for each in ordered if not is_twin(run, each.case)),
                _table(wanted, ordered),
                _without_empty(_table((who, *columns.RESOURCES), alive)),
            )
        )
    return found


def is_sweep(run: RunInfo) -> bool:
    """Is each question answered at several rates?"""
    return isinstance(load_of(run.load), Sweep)


def compared(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[CaseSummary]:
    """Those that stand for their contestant: all, or in a sweep the ones in a closed loop."""
    return [each for each in summaries if not is_sweep(run) or each.case.load == "saturate"]


def title(case: Case, *, name_workers: bool) -> str:
    """`plaintext over HTTP/1.1`; with its workers where there are several counts."""
    question = f"{case.scenario} over {PROTOCOL_NAMES[case.protocol]}"
    return f"{question} with {case.workers} worker{'s' if case.workers > 1 else ''}" if name_workers else question


def _place(summary: CaseSummary) -> tuple[float, float, str]:
    """The ranked by rank, then the measured by speed, then the others by name."""
    speed = summary.throughput_rps.median if summary.throughput_rps else -1.0
    return rank(summary) or float("inf"), -speed, summary.name


def _by_rate(group: Sequence[CaseSummary]) -> tuple[CaseSummary, ...]:
    own = {each.name: _place(each) for each in group if each.case.load == "saturate"}
    last = (float("inf"), 0.0)
    return tuple(sorted(group, key=lambda each: (own.get(each.name, (*last, each.name)), each.offered_rps or 0.0)))


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
