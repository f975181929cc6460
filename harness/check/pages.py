"""The results of all checks as files: JSON, Markdown, and a page that says first what endangers a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.check import dangers
from harness.check.model import OURS, bounded
from harness.check.report import FAILED, KIND_NAMES, LEVELS, MEANING, encode, find_faults, mark, scores, tables
from harness.check.suites.report import describe, describe_suites, summarise
from harness.host.files import replace_file
from harness.text import markdown
from harness.text.numbers import plural
from harness.text.templates import embed_script, embed_style, read_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.check.report import CheckInfo, CheckRun, Row, Table

_PAGE_CHARACTERS = 500
"""The evidence of a failure is cut to this length on the page; `check.json` has all of it."""
_NO_DANGER = "nothing that these checks look for"
_CAN = {True: "yes", False: "–", None: "?"}


def write(run: CheckRun, directory: Path) -> Path:
    """Write `check.json`, `check.md` and `check.html` into a folder; returns the path of the page."""
    directory.mkdir(parents=True, exist_ok=True)
    made = tables(run)
    replace_file(directory / "check.json", encode(run))
    replace_file(directory / "check.md", _render_markdown(run, made).encode())
    page = directory / "check.html"
    replace_file(page, _render_html(run, made).encode())
    return page


def _render_markdown(run: CheckRun, made: Sequence[Table]) -> str:
    """The contents of `check.md`; tables have few columns, since code hosts show no wide ones."""
    escape, code = markdown.escape, markdown.code
    of_servers = [
        [
            f"{score.server} (did not start)" if score.not_started else score.server,
            score.version,
            *score.passed.values(),
        ]
        for score in scores(run)
    ]
    can = dangers.list_capabilities(run)
    faults = find_faults(run.checks, run.results)
    blocks = [
        "# What servers do",
        escape(f"{run.started_at[:10]} · {run.setting.python}"),
        MEANING,
        "" if run.whole else "**Interrupted: missing checks were not tried.**",
        "## What endangers a deployment",
        *(_describe_risks(server, dangers.list_risks(made, server)) for server in can.by_server),
        "## What they can do",
        markdown.table(
            ["", *can.names],
            [[escape(server), *(_CAN[each] for each in able)] for server, able in can.by_server.items()],
            "l" + "c" * len(can.names),
        ),
        "## Checks passed, of those tried",
        markdown.table(["Server", "Version", *LEVELS.values()], [list(map(escape, row)) for row in of_servers]),
        *(block for table in made for block in _section(table)),
        "## Failures" if faults else "",
        markdown.bullets(
            f"{FAILED[fault.level]} **{fault.server}** `{fault.check}` ({', '.join(fault.protocols)}): "
            f"{markdown.code(fault.summary)}"
            for fault in faults
        ),
        markdown.bullets(
            f"! **{entry.server}** `{entry.check}` ({entry.protocol}): the check itself has a bug"
            for entry in run.results
            if entry.outcome == "error"
        ),
        *describe_suites(run.suites),
        "## Checks",
        markdown.bullets(map(_describe_check, run.checks)),
        "## Commands",
        markdown.bullets(
            f"**{server}**: {code(command)}"
            for server, commands in run.setting.commands.items()
            for command in commands
        ),
        f"No effect: {escape(', '.join(run.setting.kept_out))}" if run.setting.kept_out else "",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _describe_risks(server: str, risks: Sequence[dangers.Risk]) -> str:
    """A line for each risk of a server: what it is, and which checks showed it."""
    lines = [f"**{risk.words}**: {'; '.join(markdown.escape(each.title) for each in risk.found)}" for risk in risks]
    if not lines:
        return f"**{markdown.escape(server)}**: {_NO_DANGER}"
    return f"**{markdown.escape(server)}**\n\n{markdown.bullets(lines)}"


def _section(table: Table) -> list[str]:
    """The checks of one kind of protocol that servers differ in, in Markdown, with what was not tried."""
    escape = markdown.escape
    told = [row for row in table.rows if not row.is_uniform]
    rows = [
        [f"{escape(row.check.title)} (`{row.check.name}`)", LEVELS[row.check.level], escape(_list_marks(table, row))]
        for row in told
    ]
    alike = len(table.rows) - len(told)
    return [
        f"## {table.title}",
        markdown.table(["Check", "Source", "Servers"], rows) if rows else "",
        f"{plural(alike, 'other check')} found no difference between servers, and no failure." if alike else "",
        markdown.bullets(
            f"not tried, {server} ({count}): {markdown.code(reason)}" for server, reason, count in table.not_tried
        ),
    ]


def _list_marks(table: Table, row: Row) -> str:
    """`✗ uvicorn, daphne · ✓ granian`: servers by what was found, those that failed first; without those not tried."""
    by_mark: dict[str, list[str]] = {}
    for server, entry, text in zip(table.servers, row.entries, row.marks, strict=True):
        if entry is not None and entry.outcome != "n/a":
            by_mark.setdefault(text, []).append(server)
    first = sorted(by_mark, key=lambda text: text not in FAILED.values())
    return " · ".join(f"{text} {', '.join(by_mark[text])}" for text in first)


def _describe_check(check: CheckInfo) -> str:
    """What a check expects, in whose words, and what a failure means."""
    escape = markdown.escape
    said = f" “{escape(check.quote)}”" if check.quote and check.quote != OURS else ""
    means = f" If it fails: {escape(check.consequence)}" if check.consequence else ""
    return f"`{check.name}` ({LEVELS[check.level]}; {escape(check.source)}): {escape(check.expectation)}{said}{means}"


def _render_html(run: CheckRun, made: Sequence[Table]) -> str:
    """The contents of `check.html`: one page that loads nothing, and is whole without its script."""
    script, digest = embed_script()
    can = dangers.list_capabilities(run)
    return read_template(Path(__file__).parent / "template.html.j2").render(
        run=run,
        tables=[(table, table.narrowed) for table in made],
        kinds=KIND_NAMES,
        scores=scores(run),
        risks={server: dangers.list_risks(made, server) for server in can.by_server},
        no_danger=_NO_DANGER,
        can=can,
        words=_CAN,
        levels=LEVELS,
        ours=OURS,
        mark=mark,
        meaning=MEANING,
        describe=describe,
        summarise=summarise,
        plural=plural,
        shortened=lambda evidence: bounded(evidence, _PAGE_CHARACTERS),
        style=embed_style(),
        script=script,
        script_digest=digest,
    )
