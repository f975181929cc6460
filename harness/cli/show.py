"""`harness show`: the answer of what was measured, checked or drilled before."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
import typer

from harness.check.report import CheckRun
from harness.cli.app import NOTHING_MEASURED, app
from harness.cli.options import LATEST, AnyRun, ByRequest
from harness.cli.report import show_results
from harness.cli.terminal import Screen, show_check_run, show_drill_run
from harness.drill.results import DrillRun
from harness.model.errors import UsageError
from harness.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Tries = TypeVar("Tries", CheckRun, DrillRun)


@app.command("show")
def show_(directory: AnyRun = LATEST, *, by_request: ByRequest = False) -> None:
    """Print the answer of a finished run again, and change no file.

    Exit status: 3 no case has a number.
    """
    screen = Screen()
    checks = _show_tries(screen, directory, "check", CheckRun, show_check_run)
    drills = _show_tries(screen, directory, "drill", DrillRun, show_drill_run)
    if (checks or drills) and not (directory / "run.json").exists():
        return
    results = show_results(RunDirectory(directory), screen, requests=by_request)
    page = directory / "report.html"
    screen.say(f"Report: {page}" if page.is_file() else f"No report yet: harness report {directory}")
    if not results.has_numbers:
        raise typer.Exit(NOTHING_MEASURED)


def _show_tries(
    screen: Screen, directory: Path, name: str, kind: type[Tries], show: Callable[[Screen, Tries, Path], None]
) -> bool:
    """Show checks or drills if the folder has them."""
    path = directory / f"{name}.json"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError:
        return False
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"expected what `harness {name}` writes, found {path}: {error}") from error
    show(screen, found, directory / f"{name}.html")
    return True
