"""A comparison of two runs as GitHub's Markdown, to be posted in a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.compare import COLUMNS
from harness.text.markdown import bullets, escape, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.compare import Page

LONGEST_COMMENT = 65_000
"""GitHub takes 65,536 characters in a comment, and whoever posts it may add a line."""
_CUT = "*The rest is left out, since it does not fit a comment.*"


def render(page: Page, most: int | None = None) -> str:
    """The page as Markdown, with a newline at its end.

    With `most` characters, blocks at its end are left out that do not fit; the title and the gates are first.
    """
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
        _section("The control: A measured twice, which differs by chance alone", page.controls),
        _section("Not compared", page.uncompared),
        _section("What changed", page.changes or ("nothing that is recorded",)),
        *map(escape, page.notes),
        _fold("Environment", table(("", "A", "B"), [[escape(each) for each in row] for row in page.environment])),
    ]
    return _fit([each for each in blocks if each], most) + "\n"


def _fold(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _fit(blocks: Sequence[str], most: int | None) -> str:
    whole = "\n\n".join(blocks)
    if most is None or len(whole) < most:
        return whole
    kept = list(blocks)
    while len(kept) > 1 and len("\n\n".join([*kept, _CUT])) >= most:
        kept.pop()
    return "\n\n".join([*kept, _CUT])


def _section(title: str, lines: Sequence[str]) -> str:
    return f"**{title}**\n\n{bullets(map(escape, lines))}" if lines else ""
