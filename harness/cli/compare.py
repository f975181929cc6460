"""`harness compare`: two runs, or two candidates of runs, set against each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness.analysis.compare import compare
from harness.analysis.comparison import Side
from harness.analysis.gates import gates_of
from harness.cli.app import MISSED_GATE, NOTHING_MEASURED, app
from harness.model.errors import UsageError
from harness.report import compare_markdown
from harness.report.compare import COLUMNS, contrast, encode, page
from harness.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.comparison import RunComparison
    from harness.analysis.conditions import Contrast
    from harness.report.compare import Page, Row

FORMATS = ("text", "markdown", "json")
_COLOURS = {"worse": "red", "better": "green", "no difference seen": "", "not compared": "dim"}
_MARKS = {"✗": "bold red", "?": "yellow", "✓": "green"}
_LEFT = {"Case", "Figure", "Finding"}
_WRAPPED = {"Case", "Finding"}
"""Where there is no room for all."""
_FILE_WIDTH = 120
_TABLE_WIDTH = 1000
"""Of a table in a file, at most: no figure is cut off there."""


@app.command("compare")
def compare_(
    a: Annotated[str, typer.Argument(help="What was there before: RUN, or RUN:SERVER.", metavar="A")],
    b: Annotated[str, typer.Argument(help="What is set against it: RUN, or RUN:SERVER.", metavar="B")],
    fail_if: Annotated[
        str,
        typer.Option(
            help="Changes of B that are not to be, with commas: throughput<-5%,p99>10%; also p50, cpu, memory, ready.",
            metavar="GATES",
        ),
    ] = "",
    format_: Annotated[
        str, typer.Option("--format", help=f"What is printed: {', '.join(FORMATS)}.", metavar="FORMAT")
    ] = "text",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs that were not made alike, and say what differs.")
    ] = False,
) -> None:
    """Set one run against another, or one server against another.

    Two runs are compared case by case; with a server on both sides, cases
    that agree in all but the server are. If both sides are of one run, its
    rounds are paired, which tells smaller differences.

    A run before a change and one after, failing when it costs too much:

        harness run --out before

        harness run --out after

        harness compare before/latest after/latest --fail-if "throughput<-5%"

    Two versions of a server, in one run:

        harness run --servers granian@2.8.5,granian@2.8.7

        harness compare results/latest:granian@2.8.5 results/latest:granian@2.8.7

    A gate is missed when the whole interval lies beyond its limit. Exit
    status: 1 a gate was missed, 2 runs were not made alike, or bad usage,
    3 a gate could not be checked, or nothing could be compared, 0 otherwise.
    """
    gates = gates_of(fail_if)
    if format_ not in FORMATS:
        raise UsageError(f"--format: expected {', '.join(FORMATS)}, found {format_}")
    ours, theirs = _side("A", a), _side("B", b)
    if (ours.server is None) != (theirs.server is None):
        raise UsageError(f"A and B: expected a server after the colon on both sides or on neither, found {a} and {b}")
    if (ours.info.id, ours.server) == (theirs.info.id, theirs.server):
        raise UsageError(f"A and B: expected two runs or two servers, found {a} and {b} to be the same")
    comparison = compare(ours, theirs, gates)
    if comparison.unlike and not anyway:
        raise UsageError(_refusal(comparison.unlike))
    if format_ == "json":
        print(encode(comparison).decode())
    elif format_ == "markdown":
        print(compare_markdown.render(page(comparison)), end="")
    else:
        _show(page(comparison))
    raise typer.Exit(_status(comparison))


def _side(name: str, text: str) -> Side:
    """What an argument names; a colon parts the server from the run unless the whole is a run's folder."""
    folder, colon, server = text.rpartition(":")
    if not colon or os.path.exists(f"{text}/run.json"):  # noqa: PTH110 - a path that cannot be is one that is not
        folder, server = text, ""
    directory = RunDirectory(Path(folder))
    info, records = directory.read_info(), directory.read_trials()
    if not records:
        raise UsageError(f"{name}: expected a run with trials, found none in {directory.path / 'trials.jsonl'}")
    servers = sorted({record.case.label for record in records})
    if folder != text and server not in servers:
        raise UsageError(f"{name}: expected any of {', '.join(servers)} after the colon, found {server or 'nothing'}")
    return Side(text, info, records, directory.read_starts(), server or None)


def _refusal(unlike: Sequence[Contrast]) -> str:
    differences = "; ".join(map(contrast, unlike))
    return f"expected runs that were made alike, found A → B: {differences}; --anyway compares them all the same"


def _status(comparison: RunComparison) -> int:
    outcomes = {each.outcome for each in comparison.gates}
    if "missed" in outcomes:
        return MISSED_GATE
    compared = any(each.finding != "not compared" for each in comparison.differences)
    return NOTHING_MEASURED if "not checked" in outcomes or not compared else 0


def _show(page: Page) -> None:
    console = wide = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console, wide = (Console(highlight=False, markup=False, width=width) for width in (_FILE_WIDTH, _TABLE_WIDTH))
    console.print(page.title, style="bold")
    for line in (*page.headline, *page.sides):
        console.print(line)
    for gate in page.gates:
        console.print(f"{gate.mark} {gate.gate}: {gate.summary}", style=_MARKS[gate.mark])
        for detail in gate.details:
            console.print(f"    {detail}")
    if page.rows:
        console.print()
        wide.print(_table(page.rows))
    for title, lines in (("Not compared", page.uncompared), ("What changed", page.changes)):
        if lines:
            console.print(f"\n{title}", *(f"  {line}" for line in lines), sep="\n")
    console.print("", *page.notes, sep="\n")


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=name not in _WRAPPED)
    for row in rows:
        table.add_row(*(row.cells if row.first else ("", *row.cells[1:])), style=_COLOURS[row.finding])
    return table
