"""`harness drill` on the terminal."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from rich.text import Text

from harness.cli.terminal.grids import Column, Grid, Row
from harness.drill.tables import MEANING, explain_intervals, explain_lag, lead, overview, sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from harness.cli.terminal.screen import Screen
    from harness.drill.model import Entry
    from harness.drill.results import DrillRun

_COLOURS = {"✓": "green", "△": "yellow", "✗": "bold red", "–": "dim", "?": "bold magenta", "!": "bold magenta"}


@contextmanager
def show_drill_progress(screen: Screen, total: int) -> Iterator[Callable[[str], None]]:
    """Show a progress bar on a terminal, else a line for each place; what it yields is called as one begins."""
    with screen.bar(transient=True) as bar:
        task = bar.add_task("", total=total)
        begun = count(1)

        def watch(place: str) -> None:
            bar.update(task, description=place, advance=1)
            if not screen.is_terminal:
                screen.say(f"[{next(begun)}/{total}] {place}")

        yield watch


def show_drill_run(screen: Screen, run: DrillRun, page: Path) -> None:
    """Print the overview, what it means, and where the numbers are."""
    screen.paragraph(lead(run), style="dim")
    table = overview(run)
    columns = tuple(Column(title, words=True) for title in ("", *table.servers))
    rows = [Row.of(title, *(Text(text, _COLOURS.get(text[:1], "")) for text in cells)) for title, *cells in table.rows]
    screen.matrix(Grid("", columns, tuple(rows)))
    for place, meaning, option in sentences(run):
        screen.say(f"\n{place}", style="bold")
        screen.paragraph(meaning)
        if option:
            screen.paragraph(f"What changes it: {option}")
    if not run.whole:
        screen.say("\nInterrupted: missing repetitions were not tried.")
    screen.paragraph(f"\n{MEANING}")
    screen.paragraph(" ".join([explain_intervals(run), explain_lag(run)]))
    screen.say(f"All numbers: {page}")


def show_faulty_drills(screen: Screen, entries: Iterable[Entry]) -> None:
    """Print which drills have a bug or which servers did not start, with the reason."""
    for entry in entries:
        if entry.outcome in ("error", "no-start"):
            screen.write(f"harness: {entry.server} · {entry.drill}: {entry.reason}")
