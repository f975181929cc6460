"""`harness compare`: two runs, two servers or apps of runs, or two revisions of an app, compared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace

from harness.analysis.compare import compare
from harness.analysis.comparison import Side
from harness.analysis.gates import parse_gates
from harness.cli.app import MISSED_GATE, NOTHING_MEASURED, app
from harness.cli.options import ConfigFile, file_option, format_option, hiding_secrets, with_options
from harness.cli.run import carry_out
from harness.cli.terminal import Screen, show_comparison
from harness.host import worktrees
from harness.host.files import replace_file, storing
from harness.host.worktrees import BASE, HEAD
from harness.model.errors import UsageError
from harness.model.plan import REFERENCE_APP
from harness.plan.options import list_options, read_settings
from harness.plan.settings import SERVERS
from harness.report import compare_junit, compare_markdown
from harness.report.compare import encode, make_page, write_contrast
from harness.run.directory import RunDirectory
from harness.text.numbers import join
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.comparison import RunComparison
    from harness.analysis.conditions import Contrast
    from harness.host.worktrees import Revisions
    from harness.plan.settings import Settings

_SIDE = "RUN, RUN:SERVER or RUN:APP."


@app.command("compare")
@with_options("With --base: options of harness run", given=list_options())
def compare_(
    a: Annotated[str | None, typer.Argument(help=f"What was before: {_SIDE}", metavar="A", show_default=False)] = None,
    b: Annotated[str | None, typer.Argument(help=f"What is after: {_SIDE}", metavar="B", show_default=False)] = None,
    *,
    base: Annotated[
        str | None,
        typer.Option(
            help="In place of A and B: measure your app as it is against this revision of it, in one run.",
            metavar="REVISION",
            show_default=False,
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="With --base: this revision in place of the working directory as it is.",
            metavar="REVISION",
            show_default=False,
        ),
    ] = None,
    base_python: Annotated[
        str | None,
        typer.Option(
            help="With --base: the interpreter or environment of the base, where it needs other packages.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    fail_if: Annotated[
        str,
        typer.Option(
            help="Comma-separated limits on how B may differ: throughput<-5%,p99>10%; also p50, p90, p95, cpu, memory, "
            "ready, and errors>0.1%: how many more of its requests may fail.",
            metavar="GATES",
        ),
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 3 if a gate is not clear.")] = False,
    junit: Annotated[Path | None, file_option("--junit", "Write the gates to this file, in JUnit's XML.")] = None,
    summary: Annotated[
        Path | None,
        file_option("--summary", "Add the comparison to this file, in Markdown, as to $GITHUB_STEP_SUMMARY."),
    ] = None,
    format_: Annotated[str, format_option("text", "markdown", "json")] = "text",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs made under different conditions too, and say what differs.")
    ] = False,
    config_file: ConfigFile = None,
    given: dict[str, Any],
) -> None:
    """Compare two runs, two servers or apps, or two revisions of your app.

    Two runs are compared case by case. Two servers, or two apps, are compared
    in the cases that are otherwise equal. If both are in one run, they are
    paired cycle by cycle where they took turns, which detects smaller
    differences.

    Your app as it is, against the revision that it will be merged into:

        harness compare --base main --app shop.main:app --fail-if "cpu>5%"

    A run before a change and one after, with a limit on what it may cost:

        harness run --out before

        harness run --out after

        harness compare before/latest after/latest --fail-if "throughput<-5%"

    Two versions of a server, in one run:

        harness run --servers granian@2.8.5,granian@2.8.7

        harness compare results/latest:granian@2.8.5 results/latest:granian@2.8.7

    A limit is a gate: it is missed if the whole interval lies beyond it, and
    not clear if the limit lies within.

    Exit status: 1 a gate was missed, 2 the runs were made under different
    conditions, or bad usage, 3 a gate could not be checked, nothing could be
    compared, or with --strict a gate is not clear, 0 otherwise.
    """
    gates = parse_gates(fail_if)
    if not gates:
        _refuse_options({"strict": strict, "junit": junit}, without="fail-if")
    if base is None:
        _refuse_options({"head": head, "base_python": base_python, "config": config_file, **given}, without="base")
        sides = _read_sides(a, b)
    elif a is not None:
        raise UsageError(f"--base: expected neither A nor B with it, found {a}")
    else:
        sides = _measure_revisions(base, head, base_python, _read_settings(given, config_file))
    comparison = compare(*sides, gates)
    if comparison.unlike and not anyway:
        raise UsageError(_refusal(comparison.unlike))
    _show(comparison, format_)
    if summary is not None:
        with storing(summary), summary.open("a") as file:
            file.write(compare_markdown.render(make_page(comparison)))
    if junit is not None:
        replace_file(junit, compare_junit.render(comparison, strict=strict).encode())
    raise typer.Exit(_status(comparison, strict=strict))


def _refuse_options(given: Mapping[str, object], *, without: str) -> None:
    """Raise `UsageError` for the first of these options that is given, as the one that it needs is not."""
    for name, value in given.items():
        if value not in (None, False, []):
            raise UsageError(f"--{name.replace('_', '-')}: expected --{without} with it, found none")


def _show(comparison: RunComparison, format_: str) -> None:
    screen, page = Screen(), make_page(comparison)
    if format_ == "json":
        screen.write(encode(comparison).decode())
    elif format_ == "markdown":
        screen.write(compare_markdown.render(page, compare_markdown.LONGEST_COMMENT))
    else:
        show_comparison(screen, page)


def _read_settings(given: Mapping[str, Any], config_file: Path | None) -> Settings:
    """The settings of a run of two revisions; raises `UsageError` for what they cannot be measured with."""
    settings = read_settings(given, Path.cwd(), config_file)
    if settings.app is None:
        raise UsageError("--base: expected --app with it, found none")
    if settings.resume is not None:
        raise UsageError("--resume: expected none with --base, whose revisions are checked out anew")
    for each in settings.server:
        if each.runs_at is not None and each.name in settings.servers:
            raise UsageError(f"--base: expected servers that are started for it, found {each.name}, which runs already")
    if given.get("servers") is None and settings.servers[: len(SERVERS)] == SERVERS:
        # One server is enough to tell two revisions apart: a server of one's own, if there is one.
        settings = replace(settings, servers=settings.servers[len(SERVERS) :] or SERVERS[:1])
    return replace(settings, with_reference="off") if settings.with_reference == "auto" else settings


def _measure_revisions(base: str, head: str | None, base_python: str | None, settings: Settings) -> tuple[Side, Side]:
    """Measure both in one run; what is told of it goes to standard error."""
    screen = Screen(stderr=True)
    with hiding_secrets(settings), worktrees.check_out(base, head) as revisions:
        if revisions.requirements and base_python is None:
            screen.say(_tell_of_requirements(revisions))
        directory, _ = carry_out(settings, screen, [(revisions.base, base_python), (revisions.head, None)])
    return _read_sides(f"{directory.path}:{BASE}", f"{directory.path}:{HEAD}")


def _tell_of_requirements(revisions: Revisions) -> str:
    files = join(list(revisions.requirements))
    return (
        f"! {files} changed between base ({revisions.base.commit}) and head ({revisions.head.commit}), and both run in "
        "one environment, that of --python: if they need other packages, name an environment for the base too, by "
        "--base-python"
    )


def _read_sides(a: str | None, b: str | None) -> tuple[Side, Side]:
    """Both sides; raises `UsageError` if they are the same, or a run and a server."""
    if a is None or b is None:
        raise UsageError(f"A and B: expected two runs or servers, or --base, found {a or 'nothing'}")
    ours, theirs = _side("A", a), _side("B", b)
    if (ours.server is None, ours.app is None) != (theirs.server is None, theirs.app is None):
        raise UsageError(f"A and B: expected servers, apps or nothing after both colons, found {a} and {b}")
    if (ours.info.id, ours.server, ours.app) == (theirs.info.id, theirs.server, theirs.app):
        raise UsageError(f"A and B: expected two runs or two servers, found {a} and {b} to be the same")
    return ours, theirs


def _side(name: str, text: str) -> Side:
    """The run and server or app of an argument, after a colon, unless the whole text is the folder of a run."""
    folder, colon, candidate = text.rpartition(":")
    if not colon or os.path.exists(f"{text}/run.json"):  # noqa: PTH110 - a path that cannot exist is no error here
        folder, candidate = text, ""
    directory = RunDirectory(Path(folder))
    info = directory.read_info()
    records = [record for record in directory.read_trials() if not record.case.aside]
    if not records:
        raise UsageError(f"{name}: expected a run with trials, found none in {directory.path / 'trials.jsonl'}")
    servers = sorted({record.case.label for record in records})
    known = [*servers, *sorted({record.case.app for record in records})]
    if folder != text and candidate not in known:
        found = f"{candidate or 'nothing'}{suggest(candidate, known)}"
        raise UsageError(f"{name}: expected any of {', '.join(known)} after the colon, found {found}")
    starts = [start for start in directory.read_starts() if start.config.app != REFERENCE_APP]
    server = candidate if candidate in servers else None
    return Side(text, info, records, starts, server, (candidate or None) if server is None else None)


def _refusal(unlike: Sequence[Contrast]) -> str:
    differences = "; ".join(map(write_contrast, unlike))
    return f"expected runs made under the same conditions, found A → B: {differences}; --anyway compares them too"


def _status(comparison: RunComparison, *, strict: bool) -> int:
    outcomes = {each.outcome for each in comparison.gates}
    if "missed" in outcomes:
        return MISSED_GATE
    compared = any(each.finding != "not compared" for each in comparison.differences)
    undecided = {"not checked", "not clear"} if strict else {"not checked"}
    return NOTHING_MEASURED if outcomes & undecided or not compared else 0
