"""The results of all drills as files: JSON for programs, Markdown, and a page."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.charts._files import DARK_SUFFIX, adapt, make_style
from harness.drill.tables import (
    CAPTION,
    MEANING,
    TITLE,
    details,
    explain_intervals,
    explain_lag,
    lead,
    overview,
    reasons,
    sentences,
)
from harness.host import files
from harness.text import markdown
from harness.text.templates import embed_svg, read_template

if TYPE_CHECKING:
    from harness.drill.results import DrillRun
    from harness.drill.tables import Table

_KINDS = {"✓": "good", "△": "fair", "✗": "bad"}
"""The class of a cell in HTML, by its sign."""


def encode(run: DrillRun) -> bytes:
    """The contents of `drill.json`."""
    return msgspec.json.format(msgspec.json.encode(run), indent=2)


def save(run: DrillRun, directory: Path) -> None:
    """Write `drill.json` alone, which is kept whatever ends the command."""
    files.replace_file(directory / "drill.json", encode(run))


def write(run: DrillRun, directory: Path) -> Path:
    """Write `drill.json`, `drill.md`, `drill.html` and the chart into a folder; return the path of the HTML page.

    The folder is made again if it has been removed.
    """
    from harness.drill import chart  # noqa: PLC0415 - it takes 0.4 s to import matplotlib, which no other command needs

    directory.mkdir(parents=True, exist_ok=True)
    charts = chart.encode(run)
    contents = {
        "drill.json": encode(run),
        **charts,
        "drill.md": _render_markdown(run, charted=bool(charts)).encode(),
        "drill.html": _render_html(run, charts.get("drill.svg", b"").decode()).encode(),
    }
    for name, content in contents.items():
        files.replace_file(directory / name, content)
    return directory / "drill.html"


def _render_html(run: DrillRun, svg: str) -> str:
    """The contents of `drill.html`, a page that has no script and loads nothing."""
    return read_template(Path(__file__).parent / "template.html.j2").render(
        run=run,
        title=TITLE,
        lead=lead(run),
        overview=overview(run),
        meaning=MEANING,
        sentences=sentences(run),
        chart=embed_svg(adapt(svg), "drill", f"{TITLE}. {CAPTION}") if svg else "",
        dark_charts=make_style(),
        notes=" ".join([explain_intervals(run), explain_lag(run)]).strip(),
        details=[(info, details(run, info), reasons(run, info)) for info in run.drills],
        commands=[(each.server, each.drill, shlex.join(each.argv)) for each in run.results if each.argv],
        kinds=_KINDS,
    )


def _render_markdown(run: DrillRun, *, charted: bool) -> str:
    """The contents of `drill.md`, with the chart if there is one."""
    shown = [markdown.picture("drill.svg", f"drill{DARK_SUFFIX}.svg", f"{TITLE}. {CAPTION}")] if charted else []
    escape, code = markdown.escape, markdown.code
    blocks = [
        "# Deployment drills",
        escape(lead(run)),
        "" if run.whole else "**Interrupted: missing repetitions were not tried.**",
        _markdown_table(overview(run)),
        MEANING,
        "## What endangers a deployment",
        markdown.bullets(
            f"**{escape(place)}**: {escape(meaning)}{f' What changes it: {escape(option)}.' if option else ''}"
            for place, meaning, option in sentences(run)
        ),
        "## Numbers",
        *shown,
        explain_intervals(run),
        explain_lag(run),
    ]
    for info in run.drills:
        blocks += [f"### {info.title}", escape(info.procedure), _markdown_table(details(run, info))]
        blocks.append(
            markdown.bullets(f"**{escape(place)}**: {escape(reason)}" for place, reason in reasons(run, info))
        )
    blocks += [
        "## Commands",
        markdown.bullets(
            f"**{each.server}**, {each.drill}: {code(shlex.join(each.argv))}" for each in run.results if each.argv
        ),
        f"No effect: {escape(', '.join(run.setting.kept_out))}" if run.setting.kept_out else "",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _markdown_table(table: Table) -> str:
    rows = [list(map(markdown.escape, row)) for row in table.rows]
    return markdown.table(["", *map(markdown.escape, table.servers)], rows)
