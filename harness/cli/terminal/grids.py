"""Tables that fit a terminal: where there is no room, whole columns are left out, and no cell is cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMFORTABLE_WIDTH = 28
"""A table is divided before a column of words is narrower than this, so that numbers stay with their units."""
_NARROWEST = 8
"""Words that are longer than the terminal is wide are broken, but not into smaller pieces than this."""


@dataclass(frozen=True)
class Column:
    """A column and what it may give up on a narrow terminal."""

    title: str
    words: bool = False
    """Does it hold words, which may take several lines? Numbers never do."""
    leaves: int = 0
    """The columns with the highest number are left out first, those with 0 never."""
    justify: Literal["left", "center", "right", ""] = ""
    """Words are at the left and numbers at the right unless it says otherwise."""


@dataclass(frozen=True)
class Row:
    """A cell for each column."""

    cells: tuple[Text, ...]
    style: str = ""

    @classmethod
    def of(cls, *cells: str | Text, style: str = "") -> Row:
        return cls(tuple(each if isinstance(each, Text) else Text(each) for each in cells), style)


@dataclass(frozen=True)
class Grid:
    """A table before it is known how wide it may be."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def fits(self, width: int) -> bool:
        """Is there room without breaking a word or a number?"""
        return sum(self._least_widths()) + len(self.columns) - 1 <= width

    def keep(self, kept: Sequence[int]) -> Grid:
        """The table with the columns of these numbers only."""
        rows = tuple(replace(row, cells=tuple(row.cells[number] for number in kept)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[number] for number in kept), rows=rows)

    def divide(self, width: int) -> list[Grid]:
        """Tables that each fit, with the first column in all of them, and the title in the first."""
        least, natural = self._least_widths(), self._natural_widths()
        wanted = [max(own, min(most, _COMFORTABLE_WIDTH)) for own, most in zip(least, natural, strict=True)]
        groups: list[list[int]] = [[]]
        room = width - wanted[0]
        for number in range(1, len(self.columns)):
            if groups[-1] and wanted[number] + 1 > room:
                groups.append([])
                room = width - wanted[0]
            groups[-1].append(number)
            room -= wanted[number] + 1
        parts = [self.keep([0, *own]) for own in groups]
        return [parts[0], *(replace(part, title=" ") for part in parts[1:])]

    def draw(self, width: int) -> Table:
        """The table, at most this wide if it fits; a longer word than there is room for is broken."""
        widths = self._natural_widths()
        gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
        self._narrow(widths, width - gap * (len(widths) - 1))
        table = Table(title=self.title or None, title_justify="left", box=None, pad_edge=False, padding=(0, gap, 0, 0))
        for column, own in zip(self.columns, widths, strict=True):
            justify = column.justify or ("left" if column.words else "right")
            table.add_column(column.title, justify=justify, width=own, overflow="fold")
        for row in self.rows:
            table.add_row(*row.cells, style=row.style)
        return table

    def _narrow(self, widths: list[int], room: int) -> None:
        """Take width away: first titles of numbers take two lines, then words do, then long words are broken."""
        least = self._least_widths()
        words = [column.words for column in self.columns]
        floors = (
            [natural if is_words else own for own, natural, is_words in zip(least, widths, words, strict=True)],
            least,
            [min(own, _NARROWEST) if is_words else own for own, is_words in zip(least, words, strict=True)],
        )
        for floor in floors:
            while sum(widths) > room and (slack := [n for n in range(len(widths)) if widths[n] > floor[n]]):
                widths[max(slack, key=widths.__getitem__)] -= 1

    def _natural_widths(self) -> list[int]:
        return [max(map(cell_len, self._texts(number))) for number in range(len(self.columns))]

    def _least_widths(self) -> list[int]:
        """What the longest word of a column takes, in a column of numbers the longest cell."""
        found = []
        for number, column in enumerate(self.columns):
            title, *cells = self._texts(number)
            pieces = [title, *cells] if column.words else [title]
            whole = [] if column.words else cells
            found.append(max(map(cell_len, [*(word for each in pieces for word in each.split()), *whole, ""])))
        return found

    def _texts(self, number: int) -> list[str]:
        return [self.columns[number].title, *(row.cells[number].plain for row in self.rows)]


def fit(width: int, *alternatives: Sequence[Grid]) -> Sequence[Grid]:
    """The first of the alternatives whose tables all fit, else the last without as many columns as need be.

    All tables lose the same columns, so that they can be read beside each other.
    """
    for grids in alternatives:
        if all(grid.fits(width) for grid in grids):
            return grids
    grids = alternatives[-1]
    levels = sorted({column.leaves for grid in grids for column in grid.columns} - {0}, reverse=True)
    for level in levels:
        grids = [grid.keep([n for n, each in enumerate(grid.columns) if each.leaves < level]) for grid in grids]
        if all(grid.fits(width) for grid in grids):
            break
    return grids


def order_of_leaving(*titles: str) -> dict[str, int]:
    """`leaves` by title: the first of these is left out first."""
    return dict(zip(reversed(titles), count(1), strict=False))
