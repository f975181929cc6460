"""A run as a folder of a repository or a site: pages, charts and numbers, and an index of all such folders."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from harness.host.files import make_folder, read_file, replace_file, storing
from harness.model.errors import UsageError
from harness.report import badge, render, sentences, snippet
from harness.report.formats import csv
from harness.report.links import find_dead_links
from harness.report.page import make_page
from harness.text.markdown import escape, table
from harness.text.numbers import NOTHING, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.analysis.results import Results
    from harness.model.run_info import RunInfo
    from harness.report.behaviour import Behaviour
    from harness.report.page import Chart, Page
    from harness.report.sections import Section

FILES = {
    "report.md": "this report as Markdown",
    "report.html": "this report as one page with all charts",
    "results.csv": "one figure a row, with unit, interval, rounds and verdict",
    "summary.json": "the same numbers and more, for programs",
    "latency.hlog": "response times of each case as an HdrHistogram log, for its tools",
    "badge.json": "the result in a few words, for shields.io",
    "snippet.md": "pieces that show this run on other pages",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_INDEXES = ("index.md", "README.md")
_Kind = TypeVar("_Kind", "_Summary", "_Badge")
_BEGIN, _END = "<!-- published runs -->", "<!-- end of published runs -->"


@dataclass(frozen=True)
class Place:
    """Where a run is to be published."""

    folder: Path
    replaced: str | None
    """The run that is there."""
    index: Path
    before: str
    """The text of the index until now."""


def find_place(to: Path, name: str | None, run: RunInfo) -> Place:
    """The folder of the run in `to`, and the index beside it; without a name, the folder has that of the run's day.

    Raises `UsageError` for a name, a folder or an index that will not do.
    """
    if to.exists() and not to.is_dir():
        raise UsageError(f"--to: expected a folder, found that {to} is something else")
    folder = to / (run.started_at[:10] if name is None else check_name(name))
    index = next((to / each for each in _INDEXES if (to / each).exists()), to / _INDEXES[-1])
    return Place(folder, _find_replaced(folder, run, named=name is not None), index, _read_index(index))


def publish(
    place: Place,
    results: Results,
    charts: Sequence[Chart],
    behaviour: Sequence[Behaviour] = (),
) -> int:
    """Write the run and the index, and return how many runs that lists.

    A published run in its place is replaced once all is written; files of others in its folder are kept. Charts are SVG
    only, since repositories keep what they had: PNG of ten servers takes as much as both SVG.
    Raises `StorageError`; what was published before is still there then.
    """
    run, comparisons, shares = results.run, results.comparisons, results.shares
    page = make_page(run, comparisons, charts, results.starts, results.trials, shares, FILES, behaviour)
    contents = render(run, comparisons, charts, page, shares, png=False)
    sections = [section for _, section in page.answers]
    contents |= {
        "results.csv": csv.write(run, comparisons).encode(),
        "badge.json": badge.make_badge(run, sections),
    }
    contents["snippet.md"] = _write_snippet(page, run, sections, contents, place.folder).encode()
    _check_links(contents, place.folder)
    to = place.folder.parent
    with storing(to):
        to.mkdir(parents=True, exist_ok=True)
    _replace_folder(place.folder, contents)
    runs = sorted(_list_runs(to), key=lambda each: (each.started_at, each.name), reverse=True)
    replace_file(place.index, _write_index(place.before, runs).encode())
    return len(runs)


def check_name(name: str) -> str:
    """The name, if it can be that of a folder and a part of an address; raises `UsageError`."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name: expected letters, digits, - and _ such as 2026-11, the first no - or _, found {name!r}"
        )
    return name


class _Run(msgspec.Struct):
    id: str
    started_at: str


class _Case(msgspec.Struct):
    server: str
    scenario: str
    protocol: str
    control: bool = False


class _Entry(msgspec.Struct):
    case: _Case


class _Summary(msgspec.Struct):
    """What the index shows of a `summary.json`."""

    run: _Run
    cases: list[_Entry]


class _Badge(msgspec.Struct):
    message: str


@dataclass(frozen=True)
class _Published:
    """A folder with a published run."""

    name: str
    started_at: str
    result: str
    compared: str
    files: tuple[str, ...]


def _find_replaced(target: Path, run: RunInfo, *, named: bool) -> str | None:
    """The run that the folder holds; raises `UsageError` for anything else, and for another run if nobody named it."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"--to: expected {target} to be a folder or nothing, found something else")
    if not target.exists():
        return None
    if (target / "trials.jsonl").exists():
        raise UsageError(f"--to: expected a folder for published runs, found the records of a run in {target}")
    found = _read(target / "summary.json", _Summary)
    if found is None and any(target.iterdir()):
        raise UsageError(f"--name: expected a published run in {target}, found other files; choose another name")
    if found is None:
        return None
    if not named and found.run.id != run.id:
        raise UsageError(
            f"--name: expected a name, since {target} holds another run, {found.run.id}; "
            f"--name {target.name} replaces that one"
        )
    return found.run.id


def _read(path: Path, kind: type[_Kind]) -> _Kind | None:
    """A file of a published run; None if there is none, or what is there is another's."""
    with suppress(FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(read_file(path), type=kind)
    return None


def _read_index(path: Path) -> str:
    """The index of before; raises `UsageError` if nothing in it says where the list of runs is."""
    try:
        text = read_file(path).decode()
    except FileNotFoundError:
        return f"# Published runs\n\n{_BEGIN}\n{_END}\n"
    except UnicodeDecodeError:
        raise UsageError(f"{path}: expected text in UTF-8, found something else") from None
    if not 0 <= text.find(_BEGIN) < text.find(_END):
        raise UsageError(f"{path}: expected the lines {_BEGIN} and {_END}, found no such place for the list; add them")
    return text


def _write_index(before: str, runs: Sequence[_Published]) -> str:
    """The index with the list of these runs in place of the one before."""
    rows = [[_link(each), each.started_at[:10], escape(each.result), escape(each.compared)] for each in runs]
    listed = table(["Run", "Day", "First", "Compared"], rows)
    return f"{before[: before.index(_BEGIN)]}{_BEGIN}\n\n{listed}\n\n{before[before.index(_END) :]}"


def _link(run: _Published) -> str:
    """Links to the pages of a run that there are."""
    shown = {"report.md": run.name, "report.html": "page", "results.csv": "CSV"}
    return " · ".join(f"[{text}]({run.name}/{file})" for file, text in shown.items() if file in run.files)


def _list_runs(to: Path) -> Iterable[_Published]:
    """The runs in the folders of `to`. Folders of other things are passed over."""
    for folder in to.iterdir():
        found = _read(folder / "summary.json", _Summary) if _NAME.fullmatch(folder.name) else None
        if found is None:
            continue
        result = _read(folder / "badge.json", _Badge)
        yield _Published(
            folder.name,
            found.run.started_at,
            result.message if result else NOTHING,
            _describe_cases([each.case for each in found.cases if not each.case.control]),
            tuple(each.name for each in folder.iterdir()),
        )


def _describe_cases(cases: Sequence[_Case]) -> str:
    """`uvicorn and granian on plaintext over h1 and h2`."""
    named = ((each.server for each in cases), (each.scenario for each in cases), (each.protocol for each in cases))
    servers, scenarios, protocols = (join(list(dict.fromkeys(names)) or ["nothing"]) for names in named)
    return f"{servers} on {scenarios} over {protocols}"


def _write_snippet(
    page: Page, run: RunInfo, sections: Sequence[Section], files: Mapping[str, bytes], target: Path
) -> str:
    answers = sentences.headline(run, sections)
    result = answers[0] if len(sections) > 1 and answers else " ".join(answer for answer, _ in page.answers[:1])
    pictures = [snippet.Picture.of(chart.name, files, f"{chart.title}: {result}") for chart in page.charts]
    return snippet.render(target.name, _find_root(target.parent), pictures)


def _find_root(to: Path) -> str:
    """The path to `to` from the root of its repository, with a slash at its end; empty at the root, and in none."""
    absolute = to.resolve()
    for above in (absolute, *absolute.parents):
        if (above / ".git").exists():
            inside = absolute.relative_to(above).as_posix()
            return "" if inside == "." else f"{inside}/"
    return ""


def _check_links(contents: Mapping[str, bytes], target: Path) -> None:
    """Raise an error, which would be one of this program, if a page that is to be written links to nothing."""
    roots = {f"{target.name}/", f"{_find_root(target.parent)}{target.name}/"}
    for page in ("report.md", "report.html", "snippet.md"):
        files = {f"{root}{name}" for root in roots for name in contents} if page == "snippet.md" else {*contents}
        if dead := find_dead_links(contents[page].decode(), files):
            raise RuntimeError(f"expected links of {page} to files that are published, found {', '.join(dead)}")


def _replace_folder(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder beside `target` and put it into its place, with what others have put there."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        make_folder(beside)
        make_folder(beside / "charts")
        for path, content in contents.items():
            replace_file(beside / path, content)
        with storing(target):
            if target.exists():
                for each in target.iterdir():
                    if not (beside / each.name).exists():
                        _take_over(each, beside / each.name)
                target.rename(old)
            beside.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for each in (beside, old):
            shutil.rmtree(each, ignore_errors=True)


def _take_over(path: Path, new: Path) -> None:
    """Copy a file or folder of others: the old place keeps its own until the new one is complete."""
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, new, symlinks=True)
    else:
        shutil.copy2(path, new, follow_symlinks=False)
