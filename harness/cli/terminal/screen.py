"""Standard output or standard error, as a terminal or a file: lines, paragraphs, documents and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from harness.cli.terminal.grids import fit
from harness.text.plain import neutralise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import ConsoleOptions, RenderableType

    from harness.cli.terminal.grids import Grid

_FILE_WIDTH = 120
_FILE_TABLE_WIDTH = 1000
"""A table in a file may be this wide, so that no cell is cut off."""


class Screen:
    """Standard output or standard error, as a terminal or a file."""

    def __init__(self, *, stderr: bool = False) -> None:
        console = _console(stderr=stderr)
        self.console = console if console.is_terminal else _console(_FILE_WIDTH, stderr=stderr)
        self._left_out: dict[str, None] = {}
        """Titles of columns that there was no room for."""

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    @property
    def _table_width(self) -> int:
        return self.console.width if self.is_terminal else _FILE_TABLE_WIDTH

    def say(self, text: str, style: str = "") -> None:
        """Print a line and never break it, so that paths and commands can be copied."""
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    def paragraph(self, text: str, style: str = "") -> None:
        """Print sentences, broken at the width of the terminal; a line elsewhere."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=not self.is_terminal)

    def hanging(self, lead: str | Text, text: str) -> None:
        """Print sentences after a lead, on a terminal with all further lines as far to the right as the first."""
        lead = Text(lead) if isinstance(lead, str) else lead
        if not self.is_terminal:
            self.console.print(lead + Text(text), soft_wrap=True)
            return
        table = Table.grid()
        table.add_column(width=lead.cell_len)
        table.add_column(overflow="fold")
        table.add_row(lead, Text(text))
        self.console.print(table)

    def write(self, text: str) -> None:
        """Print a document, such as JSON, without any change but to what a terminal would obey."""
        print(neutralise(text.removesuffix("\n")), file=self.console.file)

    def kept_out(self, names: Sequence[str], options: str = "") -> None:
        """Print which variables and files have no effect, and which options are there in their place."""
        if names:
            self.say(
                f"No effect on the catalogue's servers and load: {', '.join(names)}{options and f'; see {options}'}"
            )

    def fit(self, *alternatives: Sequence[Grid]) -> Sequence[Grid]:
        """Of several ways to show the same tables, the first that there is room for, columns left out if need be."""
        chosen = fit(self._table_width, *alternatives)
        kept = {column.title for grid in chosen for column in grid.columns}
        self._left_out |= {
            column.title: None for grid in alternatives[0] for column in grid.columns if column.title not in kept
        }
        return chosen

    def table(self, grid: Grid) -> None:
        """Print a table; in a file it is as wide as its cells."""
        console = self.console if self.is_terminal else _console(_FILE_TABLE_WIDTH, stderr=self.console.stderr)
        console.print(grid.draw(self._table_width))

    def matrix(self, grid: Grid) -> None:
        """Print a table with a column for each server; where there is no room for all, in parts below each other."""
        for part in grid.divide(self._table_width):
            self.table(part)

    def left_out(self, where: str) -> None:
        """Say which columns there was no room for, and where they are."""
        if self._left_out:
            self.paragraph(f"No room in {self.console.width} columns for {', '.join(self._left_out)}: {where}.")
            self._left_out.clear()

    def bar(self, *, transient: bool) -> Progress:
        """A progress bar, which only a terminal shows; `transient`: it goes away at its end."""
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        return Progress(*columns, console=self.console, transient=transient, disable=not self.is_terminal)


class _Plain(Console):
    """A console on which only its own escape sequences have an effect, not those in the text that it shows."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(neutralise(segment.text), segment.style)


def _console(width: int | None = None, *, stderr: bool) -> Console:
    return _Plain(highlight=False, stderr=stderr, width=width)
