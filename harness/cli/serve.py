"""`harness serve`: one server on one app, to look at it."""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from harness import catalog, cpus, guard, run, server
from harness.bench import HOST
from harness.cli.app import app
from harness.model import Launch, UsageError
from harness.show import Screen

POLL_S = 0.2


@app.command("serve")
def serve(
    name: Annotated[str, typer.Argument(help="Server from `harness list`.", metavar="SERVER")] = "uvicorn",
    app_: Annotated[str, typer.Option("--app", help="App of the catalogue, or MODULE:CALLABLE.")] = "asgi",
    app_dir: Annotated[Path, typer.Option(help="Folder that your own app is imported from.")] = Path(),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    tls: Annotated[bool, typer.Option("--tls", help="Serve over TLS, and HTTP/2 where the server has it.")] = False,
) -> None:
    """Start one server on one app, as a trial would, to look at it; Ctrl-C stops it."""
    (entry,) = catalog.choose("server", catalog.servers(), [name])
    chosen = catalog.own_app(app_, app_dir) if ":" in app_ else catalog.choose("app", catalog.apps(), [app_])[0]
    target = entry.target(chosen)
    if target is None:
        raise UsageError(f"--app: expected an app with a WSGI twin, for {entry.name} serves WSGI only; found {app_}")
    screen = Screen()
    with ExitStack() as stack:
        token = stack.enter_context(guard.guard())
        certificate = stack.enter_context(run.certificates()) if tls else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-")))
        launch = Launch(HOST, port, target, workers, certificate, sys.executable)
        everywhere = cpus.available()
        log = folder / "server.log"
        running = stack.enter_context(server.start(entry, chosen, launch, cpus=everywhere, log=log, token=token))
        screen.say(
            f"{entry.name} answers on {'https' if tls else 'http'}://{launch.address} after {running.ready_s:.2f} s"
        )
        screen.say(shlex.join(running.argv))
        if certificate:
            screen.say(
                f"Trust it with: curl --cacert {certificate.authority} https://{launch.address}{chosen.ready_path}"
            )
        try:
            while running.ended is None:
                time.sleep(POLL_S)
        except KeyboardInterrupt:
            return
        screen.say(f"{entry.name} ended with {running.ended}\n{server.log_tail(log)}")
        raise typer.Exit(1)
