"""`harness run`, `plan` and `list`."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from msgspec.structs import replace

from harness.analysis.conditions import find_resume_mismatches
from harness.catalog import environments, listing
from harness.cli.app import INTERRUPTED, NOTHING_MEASURED, app, find_secrets, name_command
from harness.cli.options import with_settings
from harness.cli.report import write_report
from harness.cli.terminal import Screen, show_catalogue, show_plan, show_run_progress
from harness.host import limits
from harness.hosts.link import LiveLink
from harness.hosts.namespace import open_namespace_host
from harness.hosts.own_interface import open_interface
from harness.hosts.remote_host import open_remote_host, parse_address
from harness.hosts.server_host import LocalHost
from harness.model.errors import StorageError, UsageError, WorkersMissingError
from harness.model.link import NEAR
from harness.plan.contradictions import check_network
from harness.plan.load_sources import find_listening_address, place_processes
from harness.plan.options import ABOUT_SERVERS, read_settings
from harness.plan.schedule import make_plan
from harness.plan.selection import select
from harness.plan.servers import list_servers
from harness.run import stages
from harness.run.directory import RunDirectory
from harness.run.info import describe
from harness.run.masking import digest_values, is_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.analysis.results import Results
    from harness.hosts.server_host import ServerHost
    from harness.model.machine import Placement
    from harness.model.plan import Plan, Selection
    from harness.model.run_info import RunInfo
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
    directory, results = carry_out(settings, screen)
    conclude(directory, results, screen)
    screen.say(f"Into your documentation: {name_command()} publish {directory.path} --to docs/bench")


def conclude(directory: RunDirectory, results: Results, screen: Screen) -> None:
    """Say how to see the answer again; without one, end with the status for nothing that was measured."""
    screen.say(f"This answer again: {name_command()} show {directory.path}")
    if not results.is_answer:
        raise typer.Exit(NOTHING_MEASURED)


def carry_out(
    settings: Settings, screen: Screen, revisions: Sequence[tuple[Revision, str | None]] = ()
) -> tuple[RunDirectory, Results]:
    """Measure, and report it; return where the run is, and what it has found.

    `revisions` are those of `select`.
    """
    with open_server_host(settings, screen) as (host, placement):
        return _carry_out_on(host, settings, screen, placement, revisions)


@contextmanager
def open_server_host(settings: Settings, screen: Screen) -> Iterator[tuple[ServerHost | None, Placement]]:
    """Where servers run, None for this machine, and on which CPUs; raises `UsageError` where that cannot be."""
    check_network(settings)
    if settings.server_host is None:
        for name in ("bind", "server_python", "install"):
            if getattr(settings, name):
                raise UsageError(f"--{name.replace('_', '-')}: expected --server-host with it, found none")
        placement = place_processes(settings)
        with _open_local_host(settings, placement) as host:
            yield host, placement
        return
    with ExitStack() as stack:
        link = None
        if settings.interface is not None and _is_distant(settings):
            # This comes first, since an installation over there takes minutes.
            address = parse_address(settings.bind)
            own = stack.enter_context(open_interface(settings.interface, address, servers_here=False))
            link = LiveLink(address, own)
        url, python = settings.server_host, settings.server_python
        install_with = screen.say if settings.install else None
        remote = stack.enter_context(open_remote_host(url, settings.bind, python, install_with=install_with))
        remote.link = link or remote.link
        yield remote, place_processes(settings, remote)


@contextmanager
def _open_local_host(settings: Settings, placement: Placement) -> Iterator[ServerHost | None]:
    """The machine of the harness, where a link between it and the load can be far; else None."""
    if settings.netns:
        with open_namespace_host(placement, distant=_is_distant(settings)) as namespace_host:
            yield namespace_host
    elif settings.interface is not None and _is_distant(settings):
        address = find_listening_address(settings)
        with open_interface(settings.interface, address, servers_here=True) as own:
            yield LocalHost(placement.server, address, LiveLink(address, own))
    else:
        yield None


def _is_distant(settings: Settings) -> bool:
    """Is there anything to add to a link? Else no interface has to be changed."""
    return (settings.rtt, settings.loss) != ((NEAR.rtt_s,), NEAR.loss)


def _carry_out_on(
    host: ServerHost | None,
    settings: Settings,
    screen: Screen,
    placement: Placement,
    revisions: Sequence[tuple[Revision, str | None]],
) -> tuple[RunDirectory, Results]:
    before = RunDirectory(Path(settings.resume)).read_info() if settings.resume else None
    asked = settings if before is None else replace(settings, seed=before.conditions.seed)
    secrets = find_secrets(settings)
    selection = select(asked, lambda text: screen.say(secrets.mask(text)), revisions=revisions, host=host)
    plan = make_plan(selection)
    show_plan(screen, plan, selection)
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
        results = _measure(selection, plan, info, directory, placement, host, screen, requests=settings.by_request)
    return directory, results


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
) -> Results:
    """Measure, and report what was measured, also after an interruption and where the disk is full."""
    try:
        with show_run_progress(screen, plan, selection.baseline) as watch:
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
    with open_server_host(settings, screen) as (host, _):
        selection = select(settings, lambda text: screen.say(secrets.mask(text)), make=False, host=host)
    show_plan(screen, make_plan(selection), selection, every_start=True)


@app.command("list")
def list_() -> None:
    """List the available servers, apps and scenarios, and what each can do."""
    known = list_servers(read_settings({}, Path.cwd(), only=ABOUT_SERVERS))
    servers, apps = [environments.apart(each, []) for each in known], listing.apps()
    not_installed = {**listing.not_installed([*servers, *apps]), **environments.not_made(servers)}
    show_catalogue(Screen(), servers, apps, listing.scenarios(), not_installed)
