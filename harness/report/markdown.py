"""`report.md`: GitHub's Markdown, with links to the charts beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.columns import TEXT_COLUMNS
from harness.text.markdown import bullets, escape, table

if TYPE_CHECKING:
    from harness.report.page import Page
    from harness.report.sections import Section, Table


def render(page: Page) -> str:
    """The page as Markdown, with a newline at its end."""
    blocks = [
        f"# {escape(page.title)}",
        escape(page.lead),
        *_interrupted(page),
        *(f"**{escape(line)}**" for line in (*page.control, *page.headline)),
        "## Ranking",
        "Brackets hold 95 % intervals. – means: not measured, too few requests, or no baseline to divide by.",
        *(block for sentence, section in page.answers for block in _section(sentence, section)),
        *_starts(page),
        *_charts(page),
        *_unanswered(page),
        "## How it was measured",
        bullets(map(escape, page.method)),
        table(["", ""], [[f"**{escape(name)}**", escape(value)] for name, value in page.environment]),
        "## Raw results",
        bullets(f"[{name}]({name}): {escape(what)}" for name, what in page.files.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _interrupted(page: Page) -> list[str]:
    if not page.interrupted:
        return []
    first, *missing = page.interrupted
    return [f"**{escape(first)}**", *([bullets(map(escape, missing))] if missing else [])]


def _section(sentence: str, section: Section) -> list[str]:
    blocks = [f"### {escape(section.title)}", escape(sentence), _table(section.table)]
    if section.has_several_requests:
        blocks += ["By request:", _table(section.requests)]
    if section.streams.rows:
        blocks += ["Events of streams:", _table(section.streams)]
    if len(section.details.columns) > 1:
        blocks += ["Further figures:", _table(section.details)]
    return blocks


def _starts(page: Page) -> list[str]:
    return [block for each in page.starts for block in (f"## {escape(each.title)}", _table(each.table))]


def _table(shown: Table) -> str:
    align = "".join("l" if column in TEXT_COLUMNS else "r" for column in shown.columns)
    rows = [[escape(str(cell)) for cell in row.cells] for row in shown.rows]
    return table([escape(name) for name in shown.columns], rows, align)


def _charts(page: Page) -> list[str]:
    if not page.charts:
        return []
    pictures = [f"![{escape(f'{chart.title}. {chart.caption}')}](charts/{chart.name}.svg)" for chart in page.charts]
    return ["## Charts", *pictures]


def _unanswered(page: Page) -> list[str]:
    if not page.unanswered:
        return []
    rows = [
        [escape(each.comparison), escape(each.name), each.verdict, "<br>".join(map(escape, each.reasons + each.errors))]
        for each in page.unanswered
    ]
    return [
        "## Cases without a valid number",
        bullets(f"**{verdict}**: {escape(meaning)}" for verdict, meaning in page.meanings.items()),
        table(["Comparison", page.candidates, "Verdict", "Why"], rows),
    ]
