"""`report.md`: GitHub's Markdown, charts linked beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.report.columns import CONTESTANTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.report.page import Page
    from harness.report.rows import Group, Table

_SPECIAL = re.compile(r"([\\`*|\[\]~$]|(?<![^\W_])_|_(?![^\W_]))")
"""What may mean something; an underscore between letters or digits does not."""
TEXT_COLUMNS = CONTESTANTS | {"Verdict"}


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line, also in a table's cell."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", flat)


def render(page: Page) -> str:
    """The page as Markdown, with a newline at its end."""
    blocks = [
        f"# {escape(page.title)}",
        escape(page.lead),
        *_interrupted(page),
        *(f"**{escape(line)}**" for line in page.headline),
        "## Ranking",
        "Brackets hold 95 % intervals. – means: not measured, too few requests to tell, or no baseline to divide by.",
        *(block for sentence, group in page.answers for block in _answer(sentence, group)),
        *_charts(page),
        *_unanswered(page),
        "## How it was measured",
        _list(map(escape, page.method)),
        _table(["", ""], ["---", "---"], [[f"**{escape(name)}**", escape(value)] for name, value in page.environment]),
        "## Raw results",
        _list(f"[{name}]({name}): {escape(what)}" for name, what in page.files.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _interrupted(page: Page) -> list[str]:
    if not page.interrupted:
        return []
    first, *missing = page.interrupted
    return [f"**{escape(first)}**", *([_list(map(escape, missing))] if missing else [])]


def _answer(sentence: str, group: Group) -> list[str]:
    blocks = [f"### {escape(group.title)}", escape(sentence), _data(group.table)]
    if group.resources.rows:
        blocks += ["Start, stop and resources:", _data(group.resources)]
    return blocks


def _data(table: Table) -> str:
    marks = ["---" if column in TEXT_COLUMNS else "---:" for column in table.columns]
    cells = [[escape(str(cell)) for cell in row.cells] for row in table.rows]
    return _table([escape(name) for name in table.columns], marks, cells)


def _charts(page: Page) -> list[str]:
    if not page.charts:
        return []
    pictures = [f"![{escape(f'{chart.title}. {chart.caption}')}](charts/{chart.name}.svg)" for chart in page.charts]
    return ["## Charts", *pictures]


def _unanswered(page: Page) -> list[str]:
    if not page.unanswered:
        return []
    cells = [
        [escape(each.question), escape(each.name), each.verdict, "<br>".join(map(escape, each.reasons + each.errors))]
        for each in page.unanswered
    ]
    return [
        "## What could not be measured, and why",
        _list(f"**{verdict}**: {escape(meaning)}" for verdict, meaning in page.meanings.items()),
        _table(["Comparison", page.candidates, "Verdict", "Why"], ["---"] * 4, cells),
    ]


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(names: Sequence[str], marks: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, marks, *body))
