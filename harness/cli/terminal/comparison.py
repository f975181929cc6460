"""`harness compare` on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.terminal.grids import Column, Grid, Row, order_of_leaving
from harness.report.compare import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.cli.terminal.screen import Screen
    from harness.report.compare import Page
    from harness.report.compare import Row as Line

_COLOURS = {"worse": "red", "better": "green", "no difference seen": "", "not compared": "dim"}
_MARKS = {"✗": "bold red", "?": "yellow", "✓": "green"}
_WORDS = {"Case", "Figure", "Finding"}
_LEAVING = order_of_leaving("Detectable", "A", "B")
"""Columns that a narrow terminal has no room for."""


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
        (grid,) = screen.fit([_make_grid(page.rows)])
        screen.table(grid)
        screen.left_out("--format markdown has them")
    sections = (
        ("The control: A measured twice, which differs by chance alone", page.controls),
        ("Not compared", page.uncompared),
        ("What changed", page.changes),
    )
    for title, lines in sections:
        if lines:
            show(f"\n{title}", *(f"  {line}" for line in lines), sep="\n", markup=False)
    show("", *page.notes, sep="\n", markup=False)


def _make_grid(rows: Sequence[Line]) -> Grid:
    columns = tuple(Column(name, words=name in _WORDS, leaves=_LEAVING.get(name, 0)) for name in COLUMNS)
    cells = ((row.cells if row.first else ("", *row.cells[1:]), _COLOURS[row.finding]) for row in rows)
    return Grid("", columns, tuple(Row.of(*each, style=style) for each, style in cells))
