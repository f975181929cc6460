"""`harness check` on the terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.text import Text

from harness.check.report import FAILED, LEVELS, MEANING, find_faults, tables
from harness.check.suites.report import describe, summarise
from harness.cli.terminal.grids import Column, Grid, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from harness.check.model import Entry
    from harness.check.report import CheckRun, Table
    from harness.cli.terminal.screen import Screen

_COLOURS = {
    "✓": "green",
    "✗": "bold red",
    "△": "yellow",
    "○": "cyan",
    "–": "dim",
    "?": "bold magenta",
    "!": "bold magenta",
    "": "dim",
}
_VALUE_COLOUR = "green"


@contextmanager
def show_check_progress(screen: Screen, total: int) -> Iterator[Callable[[Entry], None]]:
    """Show a progress bar on a terminal; what it yields is called with each entry, from any thread."""
    with screen.bar(transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda entry: bar.update(task, advance=1, description=_place(entry))


def show_check_run(screen: Screen, run: CheckRun, page: Path) -> None:
    """Print the tables, one line for each fault over all protocols, and where the evidence is."""
    for table in tables(run):
        screen.matrix(_make_grid(table))
        for server, reason, count in table.not_tried:
            if count == len(table.rows):  # the page has the reasons for single checks
                screen.say(f"{server} · not tried: {reason}", style="dim")
    screen.say("")
    for fault in find_faults(run.checks, run.results):
        where = ", ".join(fault.protocols)
        screen.say(f"{FAILED[fault.level]} {fault.server} · {fault.check} ({where}): {fault.summary}")
    _show_suites(screen, run)
    if not run.whole:
        screen.say(f"\nInterrupted after {len(run.results):,} results: missing checks were not tried.")
    screen.paragraph(f"\n{MEANING}")
    screen.say(f"Evidence: {page}")


def _show_suites(screen: Screen, run: CheckRun) -> None:
    """Print how many cases of each suite passed, and each disagreement with both texts."""
    for each in run.suites:
        screen.say(f"\n{each.suite} · {each.server} · {each.protocol}: {summarise(each)}")
        for disagreement in each.disagreements:
            for line, indent in zip(describe(disagreement), ("  ", "    "), strict=True):
                screen.say(f"{indent}{line}")


def show_faulty_checks(screen: Screen, entries: Iterable[Entry]) -> None:
    """Print which checks have a bug, with the traceback."""
    for entry in entries:
        if entry.outcome == "error":
            screen.write(f"harness: {_place(entry)}: the check itself has a bug\n{entry.evidence}")


def _make_grid(table: Table) -> Grid:
    columns = (Column("", words=True), *(Column(server, justify="center") for server in table.servers))
    rows = [
        Row.of(row.check.name, *(Text(text, _COLOURS.get(text, _VALUE_COLOUR)) for text in row.marks))
        for row in table.rows
    ]
    for level, word in LEVELS.items():
        shares = (table.passed(server, level) for server in table.servers)
        rows.append(Row.of(f"passed, {word}", *shares, style="bold"))
    return Grid(f"\n{table.title}", columns, tuple(rows))


def _place(entry: Entry) -> str:
    return f"{entry.server} · {entry.protocol} · {entry.check}"
