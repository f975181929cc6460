"""A comparison of two runs as GitHub's Markdown, to be posted in a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.compare import COLUMNS
from harness.text.markdown import bullets, escape, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.compare import Page


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
    rows = [[escape(each) for each in (row.cells if row.first else ("", *row.cells[1:]))] for row in page.rows]
    blocks = [
        f"### {escape(page.title)}",
        *(f"**{escape(line)}**" for line in page.headline),
        "\n".join(gates),
        _section("Compared", page.sides),
        table(COLUMNS, rows, "llrrrrl") if rows else "",
        _section("Not compared", page.uncompared),
        _section("What changed", page.changes or ("nothing that is recorded",)),
        *map(escape, page.notes),
        "<details><summary>Environment</summary>",
        table(("", "A", "B"), [[escape(each) for each in row] for row in page.environment]),
        "</details>",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _section(title: str, lines: Sequence[str]) -> str:
    return f"**{title}**\n\n{bullets(map(escape, lines))}" if lines else ""
