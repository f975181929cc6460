"""`harness compare` on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.report.compare import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cli.terminal.screen import Screen
    from harness.report.compare import Page, Row

_COLOURS = {"worse": "red", "better": "green", "no difference seen": "", "not compared": "dim"}
_MARKS = {"✗": "bold red", "?": "yellow", "✓": "green"}
_LEFT = {"Case", "Figure", "Finding"}
_WRAPPED = {"Case", "Finding"}
"""Columns that give way on a narrow terminal."""


def show_comparison(screen: Screen, page: Page) -> None:
    """Print a comparison of two runs, without its environment."""
    show = screen.console.print
    show(page.title, style="bold", markup=False)
    for line in (*page.headline, *page.sides):
        show(line, markup=False)
    for gate in page.gates:
        show(f"{gate.mark} {gate.gate}: {gate.summary}", style=_MARKS[gate.mark], markup=False)
        for detail in gate.details:
            show(f"    {detail}", markup=False)
    if page.rows:
        show()
        screen.table(_table(page.rows))
    sections = (
        ("The control: A measured twice, which differs by chance alone", page.controls),
        ("Not compared", page.uncompared),
        ("What changed", page.changes),
    )
    for title, lines in sections:
        if lines:
            show(f"\n{title}", *(f"  {line}" for line in lines), sep="\n", markup=False)
    show("", *page.notes, sep="\n", markup=False)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=name not in _WRAPPED)
    for row in rows:
        cells = row.cells if row.first else ("", *row.cells[1:])
        table.add_row(*map(Text, cells), style=_COLOURS[row.finding])
    return table
