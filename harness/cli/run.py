"""`harness run`, `plan`, `list` and `report`."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from harness import report
from harness.analysis import summarise
from harness.analysis.conditions import find_resume_mismatches
from harness.analysis.server_share import estimate_server_shares
from harness.analysis.summarise import RANKED_FROM_ROUNDS
from harness.catalog import environments, listing
from harness.cli.app import INTERRUPTED, NOTHING_MEASURED, app, find_secrets, name_command
from harness.cli.options import with_settings
from harness.cli.terminal import Screen, find_loss
from harness.host import limits
from harness.hosts.namespace import open_namespace_host
from harness.hosts.remote_host import open_remote_host
from harness.model.errors import StorageError, UsageError, WorkersMissingError
from harness.model.link import NEAR
from harness.model.results import USABLE
from harness.plan.load_sources import place_processes
from harness.plan.options import ABOUT_SERVERS, read_settings
from harness.plan.schedule import make_plan
from harness.plan.selection import select
from harness.plan.servers import list_servers
from harness.run import stages
from harness.run.directory import RunDirectory
from harness.run.info import describe
from harness.run.masking import digest_values, is_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.hosts.server_host import ServerHost
    from harness.model.machine import Placement
    from harness.model.plan import Plan, Selection
    from harness.model.results import Record, RunInfo, ServerStart
    from harness.model.server_share import ServerShare
    from harness.model.summaries import ComparisonSummary
    from harness.model.targets import Revision
    from harness.plan.settings import Settings


@app.command("run")
@with_settings
def measure(settings: Settings) -> None:
    """Measure, write the results, and report them.

    Servers run at the same time and take turns. They are started anew in every round, every answer is verified, and the
    report says which numbers are valid.
    """
    screen = Screen()
    directory, comparisons, rounds = carry_out(settings, screen)
    command = name_command()
    screen.say(f"This answer again: {command} show {directory.path}")
    check_measured(comparisons, rounds)
    screen.say(f"Into your documentation: {command} publish {directory.path} --to docs/bench")


def check_measured(comparisons: Sequence[ComparisonSummary], rounds: int) -> None:
    """End with the status for nothing that was measured, or ranked in so many planned rounds."""
    if not is_usable(comparisons) or (rounds >= RANKED_FROM_ROUNDS and not is_ranked(comparisons)):
        raise typer.Exit(NOTHING_MEASURED)


def carry_out(
    settings: Settings, screen: Screen, revisions: Sequence[tuple[Revision, str | None]] = ()
) -> tuple[RunDirectory, list[ComparisonSummary], int]:
    """Measure, and report it; return where the run is, what was measured, and the planned number of rounds.

    `revisions` are those of `select`.
    """
    with open_server_host(settings) as (host, placement):
        return _carry_out_on(host, settings, screen, placement, revisions)


@contextmanager
def open_server_host(settings: Settings) -> Iterator[tuple[ServerHost | None, Placement]]:
    """Where servers run, None for this machine, and on which CPUs; raises `UsageError` where that cannot be."""
    if settings.server_host is None:
        for name in ("bind", "server_python", "install"):
            if getattr(settings, name):
                raise UsageError(f"--{name.replace('_', '-')}: expected --server-host with it, found none")
        placement = place_processes(settings)
        distant = (settings.rtt, settings.loss) != ((NEAR.rtt_s,), NEAR.loss)
        with open_namespace_host(placement, distant=distant) if settings.netns else nullcontext() as host:
            yield host, placement
        return
    if settings.netns:
        raise UsageError("--netns: expected no --server-host with it, found one")
    with open_remote_host(settings.server_host, settings.bind, settings.server_python, make=settings.install) as remote:
        yield remote, place_processes(settings, remote)


def _carry_out_on(
    host: ServerHost | None,
    settings: Settings,
    screen: Screen,
    placement: Placement,
    revisions: Sequence[tuple[Revision, str | None]],
) -> tuple[RunDirectory, list[ComparisonSummary], int]:
    before = RunDirectory(Path(settings.resume)).read_info() if settings.resume else None
    asked = settings if before is None else replace(settings, seed=before.conditions.seed)
    secrets = find_secrets(settings)
    selection = select(asked, lambda text: screen.say(secrets.mask(text)), revisions=revisions, host=host)
    plan = make_plan(selection)
    screen.plan(plan, selection)
    _tell_of_running(selection, screen)
    info = dataclasses.replace(describe(selection, placement, host), planned=plan.cases)
    wanted = plan.most_connections + limits.OTHER_FILES
    if (allowed := limits.raise_open_files(wanted)) < wanted:
        screen.say(
            f"! expected {wanted} open files for each process, found {allowed} (ulimit -Hn): connections will fail"
        )
    screen.kept_out(info.environment.kept_out, "--server-args and --env")
    if before is None:
        directory = RunDirectory.create(Path(settings.out), info.id, private=is_private(selection))
        run_id = directory.path.name
        info = dataclasses.replace(info, id=run_id, given=digest_values(selection, run_id))
    else:
        directory = RunDirectory(Path(settings.resume or ""))
        _check_resumable(before, dataclasses.replace(info, given=digest_values(selection, before.id)))
        info = before
    with directory.lock():
        if before is None:
            screen.say("First, a few seconds per protocol to measure the load generator's ceiling.")
        else:
            directory.repair()
        comparisons = _measure(selection, plan, info, directory, placement, host, screen, requests=settings.by_request)
    return directory, comparisons, len(plan.rounds)


def _tell_of_running(selection: Selection, screen: Screen) -> None:
    """Say what is sent to servers that run already, and what cannot be known of them."""
    for server in selection.servers:
        at = server.runs_at
        if at is None:
            continue
        users = max(max(selection.levels(scenario)) for scenario in selection.scenarios)
        sent = f"up to {users} requests at a time are sent to {at.url}, which is neither started nor stopped"
        watched = at.pid is not None or at.cgroup is not None
        unknown = "" if watched else "; CPU and memory are unknown without --pid or --cgroup"
        screen.say(f"{server.name}: {sent}{unknown}")


def _measure(
    selection: Selection,
    plan: Plan,
    info: RunInfo,
    directory: RunDirectory,
    placement: Placement,
    host: ServerHost | None,
    screen: Screen,
    *,
    requests: bool,
) -> list[ComparisonSummary]:
    """Measure, and report what was measured, also after an interruption and where the disk is full."""
    try:
        with screen.progress(plan, selection.baseline) as watch:
            stages.measure(selection, plan, info, directory, placement, watch, host, screen.say)
    except KeyboardInterrupt:
        screen.say("Interrupted; what was measured is kept.")
        write_report(directory, screen, requests=requests)
        raise typer.Exit(INTERRUPTED) from None
    except WorkersMissingError as error:
        write_report(directory, screen, requests=requests)
        raise WorkersMissingError(f"{error}; what was measured until then is kept") from None
    except StorageError as error:
        with suppress(StorageError):
            write_report(directory, screen, requests=requests)
        raise StorageError(f"{error}; what was measured until then is kept") from error
    return write_report(directory, screen, requests=requests)


def _check_resumable(before: RunInfo, now: RunInfo) -> None:
    """Raise `UsageError` if the interrupted run is complete, or the options or the code are not those it had."""
    if before.complete:
        raise UsageError(f"--resume: expected an interrupted run, found that {before.id} is complete")
    for each in find_resume_mismatches(before, now):
        expected, found = each.a or "none", each.b or "none"
        raise UsageError(f"--resume: expected {each.name} {expected}, as in {before.id}, found {found}")


@app.command("plan")
@with_settings
def plan_(settings: Settings) -> None:
    """Show what a run would do, and how long it would take, without doing it.

    A user app is started once, to read its OpenAPI document.
    """
    screen = Screen()
    secrets = find_secrets(settings)
    with open_server_host(settings) as (host, _):
        selection = select(settings, lambda text: screen.say(secrets.mask(text)), make=False, host=host)
    screen.plan(make_plan(selection), selection, every_start=True)


@app.command("list")
def list_() -> None:
    """List the available servers, apps and scenarios, and what each can do."""
    known = list_servers(read_settings({}, Path.cwd(), only=ABOUT_SERVERS))
    servers, apps = [environments.apart(each, []) for each in known], listing.apps()
    not_installed = {**listing.not_installed([*servers, *apps]), **environments.not_made(servers)}
    Screen().catalogue(servers, apps, listing.scenarios(), not_installed)


@app.command("report")
def report_(
    directory: Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")] = Path("results/latest"),
    *,
    by_request: Annotated[bool, typer.Option("--by-request", help="Print the figures of each request too.")] = False,
) -> None:
    """Draw the charts and write the report of a run again, from its records."""
    if not is_measured(write_report(RunDirectory(directory), Screen(), requests=by_request)):
        raise typer.Exit(NOTHING_MEASURED)


def show_run(
    directory: RunDirectory, screen: Screen, *, requests: bool = False
) -> tuple[RunInfo, list[Record], list[ServerStart], list[ComparisonSummary], list[ServerShare]]:
    """Print the results of a run from its records; returns what was read and what was made of it."""
    info, trials, starts = directory.read_info(), directory.read_trials(), directory.read_starts()
    comparisons = summarise.summarise(trials, starts, info)
    shares = estimate_server_shares(trials, info)
    screen.ranking(info, comparisons, shares, requests=requests)
    return info, trials, starts, comparisons, shares


def write_report(directory: RunDirectory, screen: Screen, *, requests: bool = False) -> list[ComparisonSummary]:
    """Print the results of a run, and write summary, charts and report, all from its records.

    With `requests`, the figures of each request are printed too.
    """
    info, trials, starts, comparisons, shares = show_run(directory, screen, requests=requests)
    charts = report.draw(listing.charts(), info, comparisons)
    page = report.write(directory.path, info, comparisons, charts, starts, trials, shares)
    screen.say(f"Report: {page}")
    if find_loss():
        Screen(stderr=True).say(f"harness: nobody read the output to its end; the report is {page}")
    return comparisons


def is_measured(comparisons: Iterable[ComparisonSummary]) -> bool:
    """Does any case have a number?"""
    return any(each.measured for comparison in comparisons for each in comparison.summaries)


def is_usable(comparisons: Iterable[ComparisonSummary]) -> bool:
    """Does any case have a number that is right, if only as the least that the server can do?"""
    return any(each.measured and each.verdict in USABLE for comparison in comparisons for each in comparison.summaries)


def is_ranked(comparisons: Iterable[ComparisonSummary]) -> bool:
    """Does any case have a rank? In a sweep, where rates differ, a valid number is enough."""
    return any(
        each.rank is not None or (each.own_share is not None and each.verdict == "valid")
        for comparison in comparisons
        for each in comparison.summaries
    )
