"""`harness report`, and what a run's records tell on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from harness import report
from harness.analysis.results import analyse
from harness.catalog import listing
from harness.cli.app import NOTHING_MEASURED, app
from harness.cli.options import LATEST, ByRequest, Run
from harness.cli.terminal import Screen, find_loss, show_ranking
from harness.run.directory import RunDirectory

if TYPE_CHECKING:
    from harness.analysis.results import Results


@app.command("report")
def report_(directory: Run = LATEST, *, by_request: ByRequest = False) -> None:
    """Draw the charts and write the report of a run again, from its records."""
    if not write_report(RunDirectory(directory), Screen(), requests=by_request).has_numbers:
        raise typer.Exit(NOTHING_MEASURED)


def read_results(directory: RunDirectory) -> Results:
    """What a run has found, from its records."""
    return analyse(directory.read_info(), directory.read_trials(), directory.read_starts())


def show_results(directory: RunDirectory, screen: Screen, *, requests: bool = False) -> Results:
    """Print the results of a run, with `requests` the figures of each request too, and return them."""
    results = read_results(directory)
    show_ranking(screen, results.run, results.comparisons, results.shares, requests=requests)
    return results


def write_report(directory: RunDirectory, screen: Screen, *, requests: bool = False) -> Results:
    """Print the results of a run as `show_results` does, write summary, charts and report, and return the results."""
    results = show_results(directory, screen, requests=requests)
    page = report.write(directory.path, results, report.draw(listing.charts(), results.run, results.comparisons))
    screen.say(f"Report: {page}")
    if find_loss():
        Screen(stderr=True).say(f"harness: nobody read the output to its end; the report is {page}")
    return results
