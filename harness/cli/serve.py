"""`harness serve`: one server with one app, to try it by hand."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.catalog import environments, listing, own_servers
from harness.cli.app import app, find_secrets
from harness.cli.options import OneApp, choose_settings, with_options
from harness.cli.terminal import Screen
from harness.host import certificates, cpus, guard, inherited, logs, process
from harness.model.errors import ServerError, UsageError
from harness.model.protocols import TLS_PROTOCOLS
from harness.model.targets import HOST, App, Launch, Server
from harness.plan.apps import find_app, read_app_settings
from harness.plan.servers import add_arguments, choose_started_servers, prepare_servers
from harness.plan.settings import MOST_PROCESSES
from harness.text.secrets import mask_argv

if TYPE_CHECKING:
    from harness.plan.settings import Settings
    from harness.text.secrets import Secrets

POLL_S = 0.2


@app.command("serve")
@with_options(
    given=choose_settings(
        "server", "app_dir", "factory", "python", "server_args", "env", "header", "ready_path", "ready_within"
    )
)
def serve(
    name: Annotated[str, typer.Argument(help="Server from `harness list`.", metavar="SERVER")] = "uvicorn",
    *,
    app_: OneApp = "asgi",
    given: dict[str, Any],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=MOST_PROCESSES)] = 1,
    tls: Annotated[bool, typer.Option("--tls", help="Serve over TLS, and HTTP/2 where the server has it.")] = False,
    print_: Annotated[
        bool, typer.Option("--print", help="Print its command with placeholders, as a start for --server, and end.")
    ] = False,
) -> None:
    """Start one server with one app, as in a trial, and keep it until Ctrl-C."""
    settings = read_app_settings(app_, given)
    (entry,) = choose_started_servers(settings, [name])
    if print_:
        Screen().say(own_servers.write_template(environments.apart(entry, []), workers, tls=tls))
        return
    chosen, interpreter = find_app(settings)
    servers, absent = prepare_servers(settings, [entry], [chosen], interpreter, Screen().say)
    for why in (*absent.values(), *listing.not_installed([chosen], interpreter).values()):
        raise UsageError(f"{name}: {why}")
    (entry,) = add_arguments(servers, settings.server_args)
    if not any((protocol in TLS_PROTOCOLS) is tls for protocol in entry.protocols):
        only = "in clear text" if tls else "over TLS"
        raise UsageError(f"--tls: expected it {'not ' if tls else ''}to be given, because {name} serves {only} only")
    if entry.max_workers is not None and workers > entry.max_workers:
        raise UsageError(f"--workers: expected at most {entry.max_workers} for {name}, found {workers}")
    _serve(
        entry,
        chosen,
        Launch(HOST, port, _target(entry, chosen), workers, None, entry.python or interpreter),
        settings,
        tls=tls,
    )


def _target(entry: Server, chosen: App) -> str:
    target = entry.target(chosen)
    if target is None:
        expected = f"an app with a WSGI callable, because {entry.name} serves WSGI only"
        raise UsageError(f"--app: expected {expected}, found {chosen.name}")
    return target


def _serve(entry: Server, chosen: App, launch: Launch, settings: Settings, *, tls: bool) -> None:
    """Serve until Ctrl-C or until the server ends; raises `ServerError` if it does not start."""
    screen, secrets = Screen(), find_secrets(settings)
    kept_out = inherited.list_kept_out(os.environ, [Path.cwd(), chosen.working_directory])
    screen.kept_out(kept_out, "--server-args and --env")
    with ExitStack() as stack:
        token = stack.enter_context(guard.guard())
        certificate = stack.enter_context(certificates.issue()) if tls else None
        folder = stack.enter_context(guard.temporary_folder())
        log = folder / "server.log"
        running = stack.enter_context(
            _started(screen, secrets, entry, chosen, replace(launch, tls=certificate), log, token, settings)
        )
        scheme = "https" if tls else "http"
        try:
            screen.say(f"{entry.name} answers on {scheme}://{launch.address} after {running.ready_s:.2f} s")
            screen.say(secrets.mask(shlex.join(mask_argv(running.argv))))
            if certificate:
                screen.say(
                    f"Trust it with: curl --cacert {certificate.authority} https://{launch.address}{chosen.ready_path}"
                )
            while running.ended is None:
                time.sleep(POLL_S)
        except KeyboardInterrupt:
            return
        screen.say(secrets.mask(f"{entry.name} ended with {running.ended}\n{logs.tail(log)}"))
        raise typer.Exit(1)


def _started(
    screen: Screen,
    secrets: Secrets,
    entry: Server,
    chosen: App,
    launch: Launch,
    log: Path,
    token: str,
    settings: Settings,
) -> process.Running:
    """Start the server. If it fails, print the end of its log, because the file is deleted with the command."""
    try:
        return process.start(
            entry, chosen, launch, cpus=cpus.available(), log=log, token=token, deadline_s=settings.ready_within
        )
    except ServerError as error:
        if error.log_tail:
            screen.say(secrets.mask(error.log_tail))
        raise ServerError(secrets.mask(str(error).removesuffix(f"; its log is {log}"))) from None
