"""`harness history`: the cases of several runs over time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from harness.analysis import summarise
from harness.analysis.history import PastRun, list_entries, make_history
from harness.catalog import packages
from harness.cli.app import DISTRIBUTION, NOTHING_MEASURED, app
from harness.cli.terminal import Screen, show_history
from harness.host.files import make_folder, read_file, replace_file
from harness.model.errors import UsageError
from harness.report.history import html, index
from harness.report.summary import decode
from harness.run.directory import STARTS, TRIALS, RunDirectory
from harness.run.former import STARTS as FORMER_STARTS
from harness.text.numbers import join, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.report.history.index import Index

PAGE, INDEX = "history.html", "history.sqlite"
_RUN, _SUMMARY = "run.json", "summary.json"
_FILES = (_RUN, TRIALS, STARTS, FORMER_STARTS, _SUMMARY)
"""What the figures of a run are read from."""
_RESULTS = Path("results")


@app.command("history")
def history_(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of runs, published ones too; those in results unless given.", metavar="RUN"),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for history.html and its index.", metavar="DIR")] = _RESULTS,
) -> None:
    """Show each case of several runs over time, and where it changed.

        harness history results/*

    Steps are marked only where intervals support them. Runs of other machines
    and of other conditions are apart, as harness compare would refuse them.

    The index, history.sqlite, is read and written so that only runs that are
    new are read in full; it can be deleted at any time.

    Exit status: 3 no run has a number.
    """
    screen = Screen()
    before, fault = index.read(out / INDEX)
    if fault:
        screen.say(f"! {out / INDEX} is damaged and made again from the runs: {fault}")
    found, left_out = read_runs(_list_given(runs), out, before)
    for line in left_out:
        screen.say(f"! left out: {line}")
    if not found:
        raise UsageError("expected folders of runs such as results/*, found none that can be read")
    make_folder(out)
    index.write(out / INDEX, found)
    measured = [run for _, run in found.values() if run.entries]
    if not measured:
        screen.say(f"No case of {plural(len(found), 'run')} has a number.")
        raise typer.Exit(NOTHING_MEASURED)
    from harness.report.history.page import make_page  # noqa: PLC0415 - matplotlib takes 0.4 s, for this command alone

    page = make_page(make_history(measured), left_out)
    replace_file(out / PAGE, html.render(page).encode())
    show_history(screen, page)
    screen.say(f"Page: {out / PAGE}")


def _list_given(runs: Iterable[Path] | None) -> list[Path]:
    if runs:
        return list(runs)
    try:
        return sorted(each for each in _RESULTS.iterdir() if each.is_dir())
    except FileNotFoundError:
        raise UsageError("expected folders of runs such as results/*, found no folder results") from None


def read_runs(folders: Iterable[Path], out: Path, before: Index) -> tuple[Index, list[str]]:
    """The runs in these folders, and why others are left out; files, and links to a run that is there too, are no runs.

    A run of `before` is read again only if its files have changed.
    """
    found: Index = {}
    places: dict[str, str] = {}
    left_out: list[str] = []
    given = {each.resolve(): each for each in reversed([*folders]) if not each.is_file()}
    no_runs = [str(each) for each in reversed(given.values()) if not _is_run(each)]
    if no_runs:
        left_out.append(f"{join(no_runs)}: expected a run, found neither {_RUN} nor {_SUMMARY}")
    for resolved, folder in reversed(given.items()):
        if str(folder) in no_runs:
            continue
        place = os.path.relpath(resolved, out.resolve())
        try:
            state = _describe_files(folder)
            known = before.get(place)
            run = known[1] if known is not None and known[0] == state else _read(folder, place)
        except UsageError as error:
            left_out.append(str(error))
            continue
        if (first := places.setdefault(run.info.id, place)) != place:
            left_out.append(f"{folder}: the same run as {first}, {run.info.id}, which counts once")
            continue
        if not run.entries:
            left_out.append(f"{folder}: no case has a number")
        found[place] = state, run
    return found, left_out


def _is_run(folder: Path) -> bool:
    return any(os.path.exists(folder / name) for name in (_RUN, _SUMMARY))  # noqa: PTH110 - an odd path is no error


def _describe_files(folder: Path) -> str:
    """The state of a run's files, by which a change is seen; raises `UsageError` where they cannot be looked at."""
    seen = [packages.version(DISTRIBUTION) or ""]
    for name in (*_FILES, "report.html"):
        try:
            status = (folder / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise UsageError(f"{folder}: expected a folder that can be read, found that {error.strerror}") from error
        seen.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(seen)


def _read(folder: Path, place: str) -> PastRun:
    """A run from its records, or where it was published without them from its summary; raises `UsageError`."""
    page = quote(f"{place}/report.html") if (folder / "report.html").is_file() else ""
    directory = RunDirectory(folder)
    if (folder / TRIALS).exists():
        info = directory.read_info()
        comparisons = summarise.summarise(directory.read_trials(), directory.read_starts(), info)
    elif (folder / _SUMMARY).exists():
        info, comparisons = decode(read_file(folder / _SUMMARY), folder / _SUMMARY)
        info = directory.read_info() if (folder / _RUN).exists() else info
    else:
        raise UsageError(f"{folder}: expected {TRIALS} or {_SUMMARY} beside {_RUN}, found neither")
    return PastRun(place, page, info, list_entries(info, comparisons))
