"""`harness worker`: load for a run of another host."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.terminal import Screen
from harness.host import addresses
from harness.model.errors import UsageError
from harness.model.plan import Conditions
from harness.plan.settings import LEAST_LOAD_MEMORY_BYTES, MOST_BYTES, MOST_PROCESSES
from harness.plan.values import read_size, read_time_s, write_size
from harness.run import worker as workers


@app.command("worker")
def worker(
    *,
    master: Annotated[
        str,
        typer.Option(
            help="--listen of harness run, such as 10.0.0.1:5557. That host sends Python code that is run here.",
            metavar="ADDRESS:PORT",
        ),
    ],
    processes: Annotated[int, typer.Option(help="Load workers to start.", min=1, max=MOST_PROCESSES)] = 1,
    wait: Annotated[str, typer.Option(help="Time to wait for a run, or for one that is gone.", metavar="TIME")] = "10m",
    name: Annotated[
        str, typer.Option(help="Name of this host in the results. [its host name]", show_default=False)
    ] = "",
    memory: Annotated[str, typer.Option(help="Memory that each load worker may use.", metavar="SIZE")] = write_size(
        Conditions.load_memory_bytes
    ),
) -> None:
    """Send load for `harness run --load-workers` on another host, in every measurement, until the run ends.

    Each worker is one of Locust's and uses one core. The versions of harness and Locust must be those of the run.
    """
    host, port = addresses.parse(master, "--master")
    try:
        wait_s = read_time_s(wait)
    except ValueError:
        raise UsageError(f"--wait: expected a time such as 90s or 10m, found {wait!r}") from None
    try:
        memory_bytes = read_size(memory)
    except ValueError:
        raise UsageError(f"--memory: expected a size such as 2GiB, found {memory!r}") from None
    if not LEAST_LOAD_MEMORY_BYTES <= memory_bytes <= MOST_BYTES:
        allowed = f"from {write_size(LEAST_LOAD_MEMORY_BYTES)} to {write_size(MOST_BYTES)}"
        raise UsageError(f"--memory: expected {allowed}, found {memory}")
    screen = Screen()
    status = workers.serve(host, port, processes, wait_s, name or None, screen.say, memory_bytes=memory_bytes)
    if status:
        raise typer.Exit(status)
