"""What a run has found, on the terminal: a table for each comparison, what limits them, and the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from harness.cli.terminal.grids import Column, Grid, Row, order_of_leaving
from harness.cli.terminal.trials import without_numbers
from harness.report import control, interruption, server_share, trust
from harness.report.columns import TEXT_COLUMNS
from harness.report.decisions import decide
from harness.report.page import list_remarks
from harness.report.sections import is_sweep, make_sections
from harness.report.sentences import answer, name_other_leaders
from harness.text.numbers import count, join

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from harness.cli.terminal.screen import Screen
    from harness.model.run_info import RunInfo
    from harness.model.server_share import ServerShare
    from harness.model.summaries import ComparisonSummary
    from harness.report.sections import Row as Line
    from harness.report.sections import Section
    from harness.report.sections import Table as Figures

_COLOURS = {
    "valid": "green",
    "client-limited": "yellow",
    "network-limited": "yellow",
    "invalid": "red",
    "unsupported": "dim",
    "failed": "red",
}
_REPORT_ONLY = ("p99.9 ms", "Peak MB", "Errors", "Service p99 ms")
"""Columns that a terminal has no room for."""
_LEAVING = order_of_leaving(
    *("Service p99 ms", "Send lag p99 ms", "Requests", "First event p90 ms", "Gap p90 ms", "p90 ms", "p50 ms"),
    *("CPU µs/request", "First event p50 ms", "Gap p50 ms", "Answered", "Errors", "First event p99 ms", "±", "Rank"),
    *("p99 ÷", "p99 ms", "Gap p99 ms"),
)
"""Columns that a narrow terminal has no room for; the report has them."""
_CLARITY_COLOURS = {"clear": "green", "tied": "cyan", "too noisy": "yellow", "open": "yellow"}
_MARK_WIDTH = 13
"""For a mark with its word, `~ too noisy`."""


def show_ranking(
    screen: Screen,
    run: RunInfo,
    comparisons: Sequence[ComparisonSummary],
    shares: Sequence[ServerShare] = (),
    *,
    requests: bool = False,
) -> None:
    """Print how far an interrupted run came, the control, a table for each comparison, and what limits them.

    With `requests`, a table of the requests of each comparison follows its own.

    What holds for several tables is printed once: a remark below the first of them, notes below the last.
    """
    summaries = [each for comparison in comparisons for each in comparison.summaries]
    for number, line in enumerate(interruption.lines(run, summaries)):
        screen.hanging("  " if number else "", line)
    sections = make_sections(run, comparisons)
    for line in control.lines(sections):
        screen.paragraph(line)
    _show_tables(screen, run, sections, requests=requests)
    _show_notes(screen, run, sections)
    for line in trust.lines(run, sections):
        screen.paragraph(line)
    answers = server_share.list_answers(shares)
    for each in answers:
        where = f"On {each.title}: " if len(answers) > 1 else ""
        screen.paragraph(f"{server_share.QUESTION} {where}{each.sentences}")
    screen.left_out("the report has them")
    _show_answers(screen, run, sections)


def _show_tables(screen: Screen, run: RunInfo, sections: Sequence[Section], *, requests: bool) -> None:
    """Print the table of each comparison and the remarks on it, each of them once."""
    remarks: set[str] = set()
    tables = _fit_figures(screen, [(each.title, each.table) for each in sections], details={"÷"})
    by_request = [(f"{each.title}, by request", each.requests) for each in sections]
    streams = [(f"{each.title}, events of streams", each.streams) for each in sections]
    requests_tables = _fit_figures(screen, by_request) if requests else []
    streams_tables = _fit_figures(screen, streams) if requests else []
    for number, section in enumerate(sections):
        screen.table(tables[number])
        if requests:
            screen.table(requests_tables[number])
            if section.streams.rows:
                screen.table(streams_tables[number])
        if is_sweep(run):
            screen.paragraph(answer(section))
        others = name_other_leaders(section) if run.prefer or len(sections) == 1 else ""
        lines = [*filter(None, [others]), *list_remarks(run, section, sections)]
        own = [line for line in lines if line not in remarks]
        for line in own:
            screen.paragraph(line)
        remarks.update(own)


def _show_answers(screen: Screen, run: RunInfo, sections: Sequence[Section]) -> None:
    """Print who is first in each comparison and how sure that is: last, where readers of a terminal look."""
    decided = [(section, decide(run, section)) for section in sections]
    # That of a sweep is told below its table.
    open_or_settled = [(section, each) for section, each in decided if each.clarity]
    if open_or_settled:
        screen.say("\nAnswer", style="bold")
    for section, each in open_or_settled:
        lead = Text(f"{each.mark:{_MARK_WIDTH}}", _CLARITY_COLOURS[each.clarity])
        screen.hanging(lead, f"{section.title}: {each.sentence}")
        if each.command:
            screen.say(f"{'':{_MARK_WIDTH}}to settle it: {each.command}")


def _fit_figures(
    screen: Screen, tables: Sequence[tuple[str, Figures]], details: Collection[str] = ("",)
) -> Sequence[Grid]:
    """Tables with their titles; where there is room, columns that begin with one of `details` have intervals."""
    with_intervals, without = (
        [_make_grid(title, table, shown) for title, table in tables] for shown in (tuple(details), ())
    )
    return screen.fit(with_intervals, without)


def _show_notes(screen: Screen, run: RunInfo, sections: Sequence[Section]) -> None:
    """Print the reasons, each once with the rows that have it or one that differs from it in numbers only.

    A sweep has many: only those of rows that are not valid.
    """
    alike: dict[str, list[tuple[str, str, str]]] = {}
    """Reason, section and row, by the reason without its numbers."""
    for section in sections:
        for summary in section.summary.summaries:
            if is_sweep(run) and summary.verdict == "valid":
                continue
            at = f" at {count(summary.offered_rps)}/s" if summary.own_share and summary.offered_rps else ""
            for reason in summary.reasons:
                row = reason, section.title, f"{summary.name}{at}"
                alike.setdefault(without_numbers(reason), []).append(row)
    for found in alike.values():
        reasons, titles, rows = (list(dict.fromkeys(column)) for column in zip(*found, strict=True))
        where = f" on {titles[0]}" if len(titles) == 1 else f" in {len(titles)} of {len(sections)} comparisons"
        more = f" (and {len(reasons) - 1} more with other numbers)" if len(reasons) > 1 else ""
        screen.paragraph(f"{join(rows)}{where if len(sections) > 1 else ''}: {reasons[0]}{more}")


def _make_grid(title: str, figures: Figures, with_detail: tuple[str, ...]) -> Grid:
    """A table of figures; columns that begin with one of `with_detail` have intervals too."""
    shown = [number for number, name in enumerate(figures.columns) if name not in _REPORT_ONLY]
    kinds = [f"{name.partition('÷')[0]}÷" if "÷" in name else name for name in figures.columns]
    columns = [
        Column(name, words=name in TEXT_COLUMNS, leaves=_LEAVING.get(kind, 0))
        for name, kind in zip(figures.columns, kinds, strict=True)
    ]

    def write(row: Line) -> Row:
        cells = [
            str(row.cells[number]) if figures.columns[number].startswith(with_detail) else row.cells[number].value
            for number in shown
        ]
        return Row.of(*cells, style=_COLOURS[row.verdict])

    return Grid(f"\n{title}", tuple(columns[number] for number in shown), tuple(map(write, figures.rows)))
