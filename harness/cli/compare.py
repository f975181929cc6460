"""`harness compare`: two runs, or two servers of runs, compared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.analysis.compare import compare
from harness.analysis.comparison import Side
from harness.analysis.gates import parse_gates
from harness.cli.app import MISSED_GATE, NOTHING_MEASURED, app
from harness.cli.options import format_option
from harness.cli.terminal import Screen, show_comparison
from harness.model.errors import UsageError
from harness.model.plan import REFERENCE_APP
from harness.report import compare_markdown
from harness.report.compare import encode, make_page, write_contrast
from harness.run.directory import RunDirectory
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.comparison import RunComparison
    from harness.analysis.conditions import Contrast


@app.command("compare")
def compare_(
    a: Annotated[str, typer.Argument(help="The run or server before: RUN, or RUN:SERVER.", metavar="A")],
    b: Annotated[str, typer.Argument(help="The run or server after: RUN, or RUN:SERVER.", metavar="B")],
    fail_if: Annotated[
        str,
        typer.Option(
            help="Comma-separated limits on how B may differ: throughput<-5%,p99>10%; also p50, cpu, memory, ready.",
            metavar="GATES",
        ),
    ] = "",
    format_: Annotated[str, format_option("text", "markdown", "json")] = "text",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs made under different conditions too, and say what differs.")
    ] = False,
) -> None:
    """Compare two runs, or two servers.

    Two runs are compared case by case. Two servers are compared in the cases
    that are otherwise equal. If both are in one run, they are paired cycle by
    cycle where they took turns, which detects smaller differences.

    A run before a change and one after, with a limit on what it may cost:

        harness run --out before

        harness run --out after

        harness compare before/latest after/latest --fail-if "throughput<-5%"

    Two versions of a server, in one run:

        harness run --servers granian@2.8.5,granian@2.8.7

        harness compare results/latest:granian@2.8.5 results/latest:granian@2.8.7

    A limit is a gate: it is missed if the whole interval lies beyond it.

    Exit status: 1 a gate was missed, 2 the runs were made under different
    conditions, or bad usage, 3 a gate could not be checked, or nothing could
    be compared, 0 otherwise.
    """
    gates = parse_gates(fail_if)
    comparison = compare(*_read_sides(a, b), gates)
    if comparison.unlike and not anyway:
        raise UsageError(_refusal(comparison.unlike))
    screen = Screen()
    if format_ == "json":
        screen.write(encode(comparison).decode())
    elif format_ == "markdown":
        screen.write(compare_markdown.render(make_page(comparison)))
    else:
        show_comparison(screen, make_page(comparison))
    raise typer.Exit(_status(comparison))


def _read_sides(a: str, b: str) -> tuple[Side, Side]:
    """Both sides; raises `UsageError` if they are the same, or a run and a server."""
    ours, theirs = _side("A", a), _side("B", b)
    if (ours.server is None) != (theirs.server is None):
        raise UsageError(f"A and B: expected a server after the colon on both sides or on neither, found {a} and {b}")
    if (ours.info.id, ours.server) == (theirs.info.id, theirs.server):
        raise UsageError(f"A and B: expected two runs or two servers, found {a} and {b} to be the same")
    return ours, theirs


def _side(name: str, text: str) -> Side:
    """The run and server of an argument. A colon separates them, unless the whole text is the folder of a run."""
    folder, colon, server = text.rpartition(":")
    if not colon or os.path.exists(f"{text}/run.json"):  # noqa: PTH110 - a path that cannot exist is no error here
        folder, server = text, ""
    directory = RunDirectory(Path(folder))
    info = directory.read_info()
    records = [record for record in directory.read_trials() if not record.case.aside]
    if not records:
        raise UsageError(f"{name}: expected a run with trials, found none in {directory.path / 'trials.jsonl'}")
    servers = sorted({record.case.label for record in records})
    if folder != text and server not in servers:
        found = f"{server or 'nothing'}{suggest(server, servers)}"
        raise UsageError(f"{name}: expected any of {', '.join(servers)} after the colon, found {found}")
    starts = [start for start in directory.read_starts() if start.config.app != REFERENCE_APP]
    return Side(text, info, records, starts, server or None)


def _refusal(unlike: Sequence[Contrast]) -> str:
    differences = "; ".join(map(write_contrast, unlike))
    return f"expected runs made under the same conditions, found A → B: {differences}; --anyway compares them too"


def _status(comparison: RunComparison) -> int:
    outcomes = {each.outcome for each in comparison.gates}
    if "missed" in outcomes:
        return MISSED_GATE
    compared = any(each.finding != "not compared" for each in comparison.differences)
    return NOTHING_MEASURED if "not checked" in outcomes or not compared else 0
