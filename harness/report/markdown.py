"""`report.md`: GitHub's Markdown, with links to the charts beside it, and tables that fit a code host's page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.naming import TITLES
from harness.charts._files import DARK_SUFFIX
from harness.report import by_request
from harness.report.columns import TEXT_COLUMNS
from harness.report.sections import Table
from harness.report.server_share import QUESTION
from harness.text.markdown import bullets, code, escape, picture, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.page import Page
    from harness.report.sections import Section

MOST_COLUMNS = 7
"""A code host's page shows so many without scrolling."""
_KEYS = TITLES | {by_request.TITLE, "Offered/s"}
"""Columns that name a row; they are repeated where a table is continued."""
_LATER = (
    "p99.9 ms",
    "p90 ms",
    "Peak MB",
    "Errors",
    "Requests",
    "±",
    "p50 ms",
    "Send lag p99 ms",
    "Service p99 ms",
    "Answered",
)
"""Columns that a table loses first, in this order, to those that continue it."""


def render(page: Page) -> str:
    """The page as Markdown, with a newline at its end."""
    blocks = [
        f"# {escape(page.title)}",
        escape(page.lead),
        *_interrupted(page),
        "## Answer",
        *(f"**{escape(line)}**" for line in page.headline),
        *filter(None, [escape(page.legend)]),
        *_decisions(page),
        *_server_share(page),
        "## Trust",
        bullets(map(escape, [*page.control, *page.trust])),
        "## Each comparison",
        "Brackets hold 95 % intervals. – means: not measured, too few requests, or no baseline to divide by.",
        *(block for sentence, section in page.answers for block in _section(sentence, section)),
        *_starts(page),
        *_charts(page),
        *_behaviour(page),
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


def _decisions(page: Page) -> list[str]:
    """A list for each protocol."""
    blocks = []
    for protocol in dict.fromkeys(each.protocol for each in page.decisions):
        lines = [
            f"{f'**{each.mark}** · ' if each.mark else ''}{escape(each.place)}: {escape(each.sentence)}"
            + (f" · {code(each.command)}" if each.command else "")
            for each in page.decisions
            if each.protocol == protocol
        ]
        blocks += [f"### {escape(protocol)}", bullets(lines)]
    return blocks


def _behaviour(page: Page) -> list[str]:
    lines = [
        f"**{escape(each.server)}** ({each.severity}), {escape(each.what)}: {escape(each.meaning)}"
        + (f" What changes it: {escape(each.option)}." if each.option else "")
        for each in page.behaviour
    ]
    return ["## Behaviour", bullets(lines)] if lines else []


def _server_share(page: Page) -> list[str]:
    if not page.server_share:
        return []
    answers = (
        (f"### {escape(each.title)}", escape(each.sentences), *_tables(each.table)) for each in page.server_share
    )
    return [f"## {QUESTION}", *(block for answer in answers for block in answer)]


def _section(sentence: str, section: Section) -> list[str]:
    blocks = [f"### {escape(section.title)}", escape(sentence), *_tables(section.table)]
    if section.has_several_requests:
        blocks += ["By request:", *_tables(section.requests)]
    if section.streams.rows:
        blocks += ["Events of streams:", *_tables(section.streams)]
    if len(section.details.columns) > 1:
        blocks += ["Further figures:", *_tables(section.details)]
    return blocks


def _starts(page: Page) -> list[str]:
    return [block for each in page.starts for block in (f"## {escape(each.title)}", *_tables(each.table))]


def _tables(shown: Table) -> list[str]:
    """A table, and what continues it if it is wide."""
    return [_table(each) for each in split_table(shown)]


def split_table(shown: Table) -> list[Table]:
    """Tables of at most `MOST_COLUMNS` with all columns of a wide one, the most important in the first."""
    if len(shown.columns) <= MOST_COLUMNS:
        return [shown]
    every = range(len(shown.columns))
    keys = [number for number in every if shown.columns[number] in _KEYS]
    spare = [shown.columns.index(name) for name in _LATER if name in shown.columns]
    later = sorted(spare[: len(shown.columns) - MOST_COLUMNS])
    rest = [number for number in every if number not in {*keys, *later}]
    room = MOST_COLUMNS - len(keys)
    first = [number for number in every if number in {*keys, *rest[:room]}]
    others = sorted({*later, *rest[room:]})
    return [
        _choose(shown, first),
        *(_choose(shown, [*keys, *others[at : at + room]]) for at in range(0, len(others), room)),
    ]


def _choose(shown: Table, numbers: Sequence[int]) -> Table:
    rows = (replace(row, cells=tuple(row.cells[number] for number in numbers)) for row in shown.rows)
    return Table(tuple(shown.columns[number] for number in numbers), tuple(rows))


def _table(shown: Table) -> str:
    align = "".join("l" if column in TEXT_COLUMNS else "r" for column in shown.columns)
    rows = [[escape(str(cell)) for cell in row.cells] for row in shown.rows]
    return table([escape(name) for name in shown.columns], rows, align)


def _charts(page: Page) -> list[str]:
    if not page.charts:
        return []
    pictures = [
        picture(f"charts/{each.name}.svg", f"charts/{each.name}{DARK_SUFFIX}.svg", each.short_label)
        for each in page.charts
    ]
    return ["## Charts", *pictures]


def _unanswered(page: Page) -> list[str]:
    if not page.unanswered:
        return []
    rows = [
        [escape(each.comparison), escape(each.name), each.verdict, "<br>".join(map(escape, each.reasons + each.errors))]
        for each in page.unanswered
    ]
    return [
        "## Not measured",
        bullets(f"**{verdict}**: {escape(meaning)}" for verdict, meaning in page.meanings.items()),
        table(["Comparison", page.candidates, "Verdict", "Why"], rows),
    ]
