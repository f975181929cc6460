"""`harness publish` and `export`: a finished run for other pages and other programs."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness import report
from harness.analysis.narrowing import narrow
from harness.analysis.results import analyse
from harness.catalog import listing
from harness.cli.app import NOTHING_MEASURED, app
from harness.cli.options import LATEST, Run
from harness.cli.report import read_results
from harness.cli.terminal import Screen
from harness.model.errors import UsageError
from harness.report.behaviour import read_behaviour
from harness.report.export import list_formats
from harness.report.publish import Place, find_place, publish
from harness.run.directory import RunDirectory
from harness.run.masking import anonymise
from harness.text.numbers import plural
from harness.text.paths import MachinePaths

if TYPE_CHECKING:
    from harness.model.run_info import RunInfo


def _only(what: str) -> Any:
    return typer.Option(help=f"Only these {what} of the run, comma-separated.", metavar="A,B", show_default="all")


@app.command("publish")
def publish_(
    directory: Run = LATEST,
    *,
    to: Annotated[Path, typer.Option(help="Folder of all published runs, such as docs/bench.", metavar="DIR")],
    name: Annotated[
        str | None, typer.Option(help="Name of this one; the day of the run unless given.", metavar="NAME")
    ] = None,
    scenarios: Annotated[str, _only("scenarios")] = "",
    protocols: Annotated[str, _only("protocols")] = "",
    servers: Annotated[str, _only("servers")] = "",
    users: Annotated[str, _only("numbers of users")] = "",
) -> None:
    """Publish a run: pages, charts and numbers in a folder of your documentation, and an index of all runs there.

    A published run of the same name is replaced. Secrets, paths and the name of this machine are left out.
    """
    source = RunDirectory(directory)
    info = source.read_info()
    place = find_place(to, name, info)
    with source.lock():
        trials, starts = source.read_trials(), source.read_starts()
    paths = _find_paths(directory)
    run, trials, starts = anonymise(info, trials, starts, paths)
    wanted = {"scenarios": scenarios, "protocols": protocols, "servers": servers, "users": users}
    run, trials = narrow(run, trials, {name: text for name, text in wanted.items() if text})
    results = analyse(run, trials, starts)
    if not results.has_numbers:
        raise UsageError(f"expected a run with numbers, found none in {directory / 'trials.jsonl'}")
    charts = report.draw(listing.charts(), run, results.comparisons)
    behaviour = [
        replace(each, what=paths.leave_out(each.what), meaning=paths.leave_out(each.meaning))
        for each in read_behaviour(directory, run.environment.server_versions)
    ]
    listed = publish(place, results, charts, behaviour)
    _say_where(place, results.run, listed)


def _say_where(place: Place, run: RunInfo, listed: int) -> None:
    """Print what was published where, and in place of what; the index lists so many runs."""
    screen = Screen()
    before = "itself" if place.replaced == run.id else place.replaced
    instead = f", in place of {before}" if before else ""
    screen.say(f"Published {run.id}{instead}:")
    for path, what in (
        (place.folder / "report.md", "the report, for a code host or a site"),
        (place.folder / "report.html", "the same as one page"),
        (place.folder / "snippet.md", "pieces that show it on other pages"),
        (place.index, f"the index of {plural(listed, 'run')}"),
    ):
        screen.say(f"  {path}: {what}")
    if run.complete is False:
        screen.say("! The run was interrupted, and its pages say so.")


def _find_paths(directory: Path) -> MachinePaths:
    """The folders of this machine that results may name."""
    here = Path(__file__).parents[2]
    folders = (Path.home(), Path.cwd(), directory.absolute(), directory.resolve(), Path(sys.prefix), here)
    return MachinePaths([*map(str, folders), tempfile.gettempdir()], os.listdir("/"))  # noqa: PTH208 - names only


@app.command("export")
def export_(
    directory: Run = LATEST,
    *,
    format_: Annotated[
        str,
        typer.Option(
            "--format", help=f"What is printed: {', '.join(each.name for each in list_formats())}.", metavar="FORMAT"
        ),
    ],
) -> None:
    """Print the figures of a run for other programs.

    Exit status: 3 no case has a number.
    """
    chosen = listing.find("format", list_formats(), format_)
    results = read_results(RunDirectory(directory))
    Screen().write(chosen.write(results.run, results.comparisons))
    if not results.has_numbers:
        raise typer.Exit(NOTHING_MEASURED)
