"""`harness drill`: what users lose when a server is stopped, reloaded, recycled or killed."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.catalog import listing, packages
from harness.cli.app import app, find_secrets
from harness.cli.options import OneApp, OutFolder, OwnServers, choose_settings, format_option, with_options
from harness.cli.terminal import Screen, show_drill_progress, show_drill_run, show_faulty_drills
from harness.cli.tries import find_status, make_results_folder, name_run
from harness.drill import report, results
from harness.drill.runner import MOST_RPS, Runner, drills
from harness.drill.site import Site
from harness.host import cpus, facts, files, guard, inherited
from harness.model.errors import StorageError, UsageError
from harness.plan.apps import find_app, read_app_settings
from harness.plan.options import Option
from harness.plan.servers import choose_started_servers, prepare_servers
from harness.text.plain import neutralise
from harness.text.secrets import mask_argv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.drill.results import DrillRun
    from harness.model.targets import App, Server
    from harness.text.secrets import Secrets

_PATHS = {
    "asgi": {
        "slow_path": "/delay/1000",
        "large_path": "/bytes/1000000",
        "upload_path": "/echo",
        "websocket_path": "/ws/echo",
        "busy_path": "/cpu/40000",
    }
}
"""Of the apps of the catalogue: paths for drills that need others than the ordinary one."""
_PATH_OPTIONS = [
    Option("path", "Path that is requested all the time. [that of --ready-path]", "PATH"),
    Option("slow_path", "Path whose answer takes about a second, for requests in flight.", "PATH"),
    Option("large_path", "Path with a large answer, for slow readers. [--path]", "PATH"),
    Option("upload_path", "Path that takes a body by POST, for slow senders. [--path]", "PATH"),
    Option("websocket_path", "Path of a WebSocket, for idle ones.", "PATH"),
    Option("busy_path", "Path whose answer takes work, for the overload. [--path]", "PATH"),
]
"""Each sets the field of that name of a `Site`."""


@app.command("drill")
@with_options(
    given=choose_settings("server", "app_dir", "factory", "python", "env", "header", "ready_path", "ready_within"),
    paths=_PATH_OPTIONS,
)
def drill_(
    *,
    servers: OwnServers = "uvicorn,granian,gunicorn,hypercorn,daphne",
    drills_: Annotated[
        str, typer.Option("--drills", help="Comma-separated names of drills, or all.", metavar="A,B")
    ] = "all",
    app_: OneApp = "asgi",
    given: dict[str, Any],
    paths: dict[str, str | None],
    rate: Annotated[
        float | None,
        typer.Option(
            help=f"Requests per second, well below capacity. [{MOST_RPS:g}; with an app of your own at most a quarter "
            "of what the slowest server can do]",
            min=1,
            max=2000,
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Worker processes, where a drill has any.", min=1, max=64)] = 2,
    repeats: Annotated[int, typer.Option(help="Repetitions of each drill.", min=1, max=100)] = 3,
    out: OutFolder = Path("results"),
    format_: Annotated[str, format_option("text", "json")] = "text",
) -> None:
    """Stop, reload, recycle and kill each server under steady load, and count every request.

    The exit status is 0 once all drills were tried, whatever was lost. It is not 0 if a server does not start.
    """
    asked = listing.choose("drills", drills(), map(str.strip, drills_.split(",")))
    settings = read_app_settings(app_, {"servers": servers, **given})
    named: Sequence[Server] = choose_started_servers(settings, settings.servers)
    target, interpreter = find_app(settings)
    for why in listing.not_installed([target], interpreter).values():
        raise UsageError(f"--app: {why}")
    user_app = settings.app is not None
    known = _choose_paths(target, paths, user_app=user_app)
    screen = Screen(stderr=format_ == "json")
    chosen, absent = prepare_servers(settings, named, [target], interpreter, screen.say)
    started = datetime.now(UTC)
    private = bool(settings.env or settings.header or any(each.environment for each in chosen))
    folder = make_results_folder(out, started, "drill", private=private)
    with files.writing(out):
        files.make_folder(folder / "logs")
    kept_out = inherited.list_kept_out(os.environ, [Path.cwd(), target.working_directory])
    screen.kept_out(kept_out, "--env")
    with guard.guard() as token:
        make_site = partial(
            Site,
            app=target,
            python=interpreter,
            cpus=cpus.available(),
            token=token,
            folder=folder / "logs",
            workers=workers,
            rate_rps=rate or MOST_RPS,
            status=None if user_app else HTTPStatus.OK,
            ready_within_s=settings.ready_within,
            **known,
        )
        finds_rate = user_app and rate is None
        runner = Runner(list(map(make_site, chosen)), asked, repeats, absent, lambda _: None, finds_rate)
        describe = partial(_drill_run, started, runner, target, find_secrets(settings), kept_out)
        whole, fault = _run(screen, runner, lambda: report.save(describe(whole=False), folder))
    found = describe(whole=whole)
    with files.writing(out):
        page = report.write(found, folder)
    if format_ == "json":
        Screen().write(report.encode(found).decode())
    else:
        show_drill_run(screen, found, page)
    show_faulty_drills(Screen(stderr=True), found.results)
    if fault is not None:
        raise StorageError(f"{fault}; what was seen until then is kept")
    raise typer.Exit(exit_status(found))


def _choose_paths(target: App, given: dict[str, str | None], *, user_app: bool) -> dict[str, Any]:
    """The paths of a `Site`: those that were given, or else the app's; raises `UsageError` for one that is none."""
    chosen = {name: path for name, path in given.items() if path is not None}
    for name, path in chosen.items():
        if not path.startswith("/"):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option}: expected a path that begins with /, found {path or 'nothing'}")
    return {"path": target.ready_path, **({} if user_app else _PATHS.get(target.name, {})), **chosen}


def _run(screen: Screen, runner: Runner, save: Callable[[], None]) -> tuple[bool, StorageError | None]:
    """Carry out all drills, and save what was seen before each repetition.

    Return whether they came to their end, and what could not be written if that kept them from it.
    """
    with show_drill_progress(screen, runner.steps) as watch:

        def watch_and_save(place: str) -> None:
            save()
            watch(place)

        runner.watch = watch_and_save
        try:
            runner.run()
        except KeyboardInterrupt:
            return False, None
        except StorageError as error:
            return False, error
    return True, None


def _drill_run(
    started: datetime, runner: Runner, target: App, secrets: Secrets, kept_out: tuple[str, ...], *, whole: bool
) -> DrillRun:
    site = runner.sites[0]
    versions = {each.server.name: listing.version_of(each.server, each.python) for each in runner.sites}
    setting = results.Setting(
        python=str(facts.describe_python()),
        system=platform.platform(),
        cpu_model=facts.read_processor().model or platform.machine(),
        app=target.target,
        path=site.path,
        slow_path=site.slow_path,
        rate_rps=site.rate_rps,
        workers=site.workers,
        repeats=runner.repeats,
        servers={name: version for name, version in versions.items() if version},
        packages=packages.installed(site.python),
        kept_out=kept_out,
    )
    return results.DrillRun(
        schema=results.DRILL_SCHEMA,
        id=name_run(started),
        started_at=started.isoformat(timespec="seconds"),
        argv=mask_argv(sys.argv),
        setting=setting,
        drills=tuple(results.DrillInfo.of(each) for each in runner.drills),
        results=tuple(replace(each, reason=neutralise(secrets.mask(each.reason))) for each in runner.entries),
        whole=whole,
    )


def exit_status(found: DrillRun) -> int:
    """The exit status, that of all tries: whatever was lost, a drill that came to an answer is a good one."""
    return find_status({entry.outcome for entry in found.results}, {"seen"}, whole=found.whole)
