"""`harness check`: what works on each server, found by trying it."""

from __future__ import annotations

import platform
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table as Grid

from harness import catalog, cpus, guard, packages, run
from harness.check import report
from harness.check.survey import Survey, checks
from harness.check.target import Bench
from harness.cli.app import INTERRUPTED, MISSED_GATE, NOTHING_MEASURED, app
from harness.model import PROTOCOLS, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.check.model import Check, Entry
    from harness.check.report import Findings
    from harness.model import Protocol, Server

FAULTY_CHECK = 4
"""Exit status when a check itself went wrong: all others were tried."""
_COLOURS = {"✓": "green", "✗": "bold red", "–": "dim", "!": "bold magenta", "": "dim"}
_FIRST_WIDTH = 40


@app.command("check")
def check_(
    servers: Annotated[
        str, typer.Option(help="Names from `harness list`, with commas; or all.", metavar="A,B")
    ] = "uvicorn,hypercorn,daphne,granian",
    protocols: Annotated[
        str, typer.Option(help=f"Of {', '.join(PROTOCOLS)}, with commas; or all.", metavar="A,B")
    ] = "all",
    checks_: Annotated[
        str, typer.Option("--checks", help="Names of checks, with commas; or all.", metavar="A,B")
    ] = "all",
    fail_on: Annotated[
        str, typer.Option(help="Exit with 1 when one of these checks fails; any for every one.", metavar="A,B")
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for results.")] = Path("results"),
    format_: Annotated[str, typer.Option("--format", help="What is printed: text or json.", metavar="FORMAT")] = "text",
) -> None:
    """Try what each server does: framing, limits, broken requests, streaming, disconnects, ASGI, shutdown.

    A failed check is a finding and no fault: the exit status is 0 once all was tried, unless --fail-on says otherwise.
    """
    if format_ not in ("text", "json"):
        raise UsageError(f"--format: expected text or json, found {format_}")
    chosen: Sequence[Server] = _chosen("servers", catalog.servers(), servers, _name)
    spoken: Sequence[Protocol] = _chosen("protocols", PROTOCOLS, protocols, str)
    asked: Sequence[Check] = _chosen("checks", checks(), checks_, _name)
    gating = "all" if fail_on == "any" else fail_on
    gates = {each.name for each in _chosen("fail-on", asked, gating, _name)} if fail_on else set()
    absent = catalog.not_installed(chosen)
    # Progress goes where it does not mix with JSON.
    console = Console(highlight=False, stderr=format_ == "json")
    survey = Survey(chosen, spoken, asked, absent, lambda _: None)
    started = datetime.now(UTC)
    with _progress(console, survey), guard.guard() as token, run.certificates() as tls:
        try:
            entries = survey.run(Bench(sys.executable, tls, token, cpus.available()))
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
    found = _findings(started, survey, entries)
    page = report.write(found, out / f"{found.id}-check")
    if format_ == "json":
        print(report.encode(found).decode())
    else:
        show(console, found, page)
    raise typer.Exit(exit_status(found, gates))


def _chosen(option: str, entries: Sequence[Any], names: str, name_of: Callable[[Any], str]) -> Sequence[Any]:
    """The entries of these names; raises `UsageError` for a name that is not among them."""
    if names == "all":
        return entries
    by_name = {name_of(entry): entry for entry in entries}
    for name in names.split(","):
        if name not in by_name:
            raise UsageError(f"--{option}: expected any of {', '.join(by_name)}, found {name!r}")
    return [by_name[name] for name in dict.fromkeys(names.split(","))]


def _name(entry: Check | Server) -> str:
    return entry.name


@contextmanager
def _progress(console: Console, survey: Survey) -> Iterator[None]:
    """A bar on a terminal, nothing elsewhere: the tables come soon."""
    total = sum(len(survey.jobs(tls=tls)) for _ in survey.servers for tls in (False, True))
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        lock = threading.Lock()

        def watch(entry: Entry) -> None:
            with lock:
                bar.update(task, advance=1, description=f"{entry.server} · {entry.protocol} · {entry.check}")

        survey.watch = watch
        yield


def _findings(started: datetime, survey: Survey, entries: Sequence[Entry]) -> Findings:
    installed = {server.name: version for server in survey.servers if (version := catalog.version_of(server))}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return report.Findings(
        schema=report.CHECK_SCHEMA,
        id=f"{started:%Y-%m-%dT%H-%M-%S}",
        started_at=started.isoformat(timespec="seconds"),
        argv=tuple(sys.argv),
        setting=report.Setting(python, platform.platform(), installed, packages.installed()),
        checks=tuple(report.Question.of(check) for check in survey.checks),
        results=tuple(entries),
    )


def show(console: Console, found: Findings, page: Path) -> None:
    """The tables, what failed in a line each, and where the evidence is."""
    for table in report.tables(found):
        if not console.is_terminal:
            console.width = _FIRST_WIDTH + sum(len(server) + 3 for server in table.servers)
        grid = Grid(title=f"\n{table.title}", title_justify="left", box=None, pad_edge=False)
        grid.add_column("", no_wrap=True)
        for server in table.servers:
            grid.add_column(server, justify="center", overflow="fold")
        for row in table.rows:
            grid.add_row(row.check.name, *(f"[{_COLOURS[mark]}]{mark}[/]" if mark else "" for mark in row.marks))
        grid.add_row("passed", *map(table.passed, table.servers), style="bold")
        console.print(grid)
        for check, entry in table.failures:
            console.print(f"{entry.server} · {check.name}: {entry.summary}", markup=False, soft_wrap=True)
        for server, reason, count in table.not_tried:
            if count == len(table.rows):  # why single ones were not tried stands in the page
                console.print(f"{server} · not tried: {reason}", markup=False, soft_wrap=True, style="dim")
    console.print(f"\n{report.MEANING}", markup=False)
    console.print(f"Evidence: {page}", markup=False, soft_wrap=True)


def exit_status(found: Findings, gates: set[str]) -> int:
    """0 when all was tried; 1 a gate, 3 nothing could be tried, 4 a check went wrong itself, which is told."""
    outcomes = {entry.outcome for entry in found.results}
    if not outcomes & {"pass", "fail", "error"}:
        return NOTHING_MEASURED
    if "error" in outcomes:
        for entry in found.results:
            if entry.outcome == "error":
                place = f"{entry.server} · {entry.protocol} · {entry.check}"
                print(f"harness: {place}: the check itself went wrong\n{entry.evidence}", file=sys.stderr)
        return FAULTY_CHECK
    return MISSED_GATE if any(entry.outcome == "fail" and entry.check in gates for entry in found.results) else 0
