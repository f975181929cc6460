"""A comparison as GitHub's Markdown, to be posted in a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.compare import COLUMNS
from harness.report.markdown import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.report.compare import Page

_ALIGNED = ("---", "---", "---:", "---:", "---:", "---:", "---")


def render(page: Page) -> str:
    """The page as Markdown, with a newline at its end."""
    gates = [
        line
        for gate in page.gates
        for line in (
            f"- {gate.mark} `{gate.gate}`: {escape(gate.summary)}",
            *(f"  - {escape(each)}" for each in gate.details),
        )
    ]
    cells = [[escape(each) for each in (row.cells if row.first else ("", *row.cells[1:]))] for row in page.rows]
    blocks = [
        f"### {escape(page.title)}",
        *(f"**{escape(line)}**" for line in page.headline),
        "\n".join(gates),
        _section("Compared", page.sides),
        _table(COLUMNS, _ALIGNED, cells) if cells else "",
        _section("Not compared", page.uncompared),
        _section("What changed", page.changes or ("nothing that is recorded",)),
        *map(escape, page.notes),
        "<details><summary>Environment</summary>",
        _table(("", "A", "B"), ("---",) * 3, [[escape(each) for each in row] for row in page.environment]),
        "</details>",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _section(title: str, lines: Iterable[str]) -> str:
    listed = "\n".join(f"- {escape(line)}" for line in lines)
    return f"**{title}**\n\n{listed}" if listed else ""


def _table(names: Sequence[str], marks: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, marks, *body))
