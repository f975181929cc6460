"""`harness history` on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from harness.cli.terminal.grids import Column, Grid, Row, order_of_leaving
from harness.report.history import NOTE
from harness.text.numbers import NOTHING

if TYPE_CHECKING:
    from harness.cli.terminal.screen import Screen
    from harness.report.history.page import HistoryPage, Part

_COLOURS = {"better": "green", "worse": "red"}
_MARK_WIDTH = 9
"""For the longest mark, `▲ better`, and a space."""
_LEAVING = order_of_leaving("Runs", "First")
"""Columns that a narrow terminal has no room for."""


def show_history(screen: Screen, page: HistoryPage) -> None:
    """Print a line for each figure of each case, and the steps last, the latest at the end.

    A single run has no course; its own report shows it.
    """
    screen.say(page.title, style="bold")
    screen.paragraph(page.lead)
    for era in page.eras:
        screen.say(f"\n{era.title}", style="bold")
        screen.paragraph(era.lead)
        if era.unlike:
            screen.paragraph(f"Not compared with the runs before: {era.unlike}")
        for grid in screen.fit([_make_grid(era.candidates, part) for part in era.parts] if era.runs > 1 else []):
            screen.table(grid)
    screen.left_out("the page has them")
    screen.say("")
    screen.paragraph(NOTE)
    screen.say("\nSteps", style="bold")
    for each in sorted(page.steps, key=lambda each: each.time):
        lead = Text(f"{each.mark:{_MARK_WIDTH}}", _COLOURS.get(each.mark.split()[1], "yellow"))
        screen.hanging(lead, f"{each.time}, {each.place}: {each.sentence}")
    if not page.steps:
        screen.paragraph("None: no figure changed by more than its intervals allow for.")


def _make_grid(candidates: str, part: Part) -> Grid:
    columns = (
        Column(candidates, words=True),
        Column("Figure", words=True),
        *(Column(name, leaves=_LEAVING.get(name, 0)) for name in ("Runs", "First", "Latest")),
        Column("Steps", words=True),
    )
    before, rows = "", []
    for each in part.courses:
        name = each.name if each.name != before else ""
        rows.append(Row.of(name, each.figure, str(each.runs), each.first, each.last, each.steps or NOTHING))
        before = each.name
    return Grid(f"\n{part.title}", columns, tuple(rows))
