"""`harness calibrate`: how fast the load generator itself is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from harness.cli.app import app
from harness.cli.terminal import Screen, show_ceiling, show_rate_ratios
from harness.host import certificates, cpus, guard
from harness.hosts.null import NULL
from harness.model.errors import UsageError
from harness.model.protocols import PROTOCOLS
from harness.plan.settings import MOST_ROUNDS
from harness.run.calibration import ceiling, others
from harness.run.load_process import ForkServer
from harness.text.numbers import significant


@app.command("calibrate")
def calibrate_(
    against: Annotated[
        str, typer.Option(help="Other generators to run in turn with ours: wrk,h2load.", metavar="A,B")
    ] = "",
    pairs: Annotated[int, typer.Option(help="How many times each comparison is repeated.", min=1, max=MOST_ROUNDS)] = 5,
) -> None:
    """Measure the load generator: its highest rate on each protocol, also against other generators.

    The target is a server that does nothing, and nginx too if it is installed.
    This tests the generator, not a server: run it on an idle machine.
    """
    screen = Screen()
    tools = {name for name in against.split(",") if name}
    if unknown := tools - {"wrk", "h2load"}:
        raise UsageError(f"--against: expected wrk, h2load or both, found {', '.join(sorted(unknown))}")
    if absent := others.find_missing(tools):
        raise UsageError(f"--against: expected {', '.join(sorted(absent))} to be installed, found no such command")
    placement = cpus.place(cpus.available())
    with guard.guard() as token, certificates.issue() as tls, ForkServer(token) as fork_server:
        generator = ceiling.Generator(sys.executable, placement, tls, token, fork_server, duration_s=others.DURATION_S)
        screen.say("Ceilings against the null server, best of three, 32 users:")
        for protocol in PROTOCOLS:
            found = ceiling.measure_ceilings(generator, [protocol], tries=3).get(protocol)
            show_ceiling(screen, protocol, found, spoken=protocol in NULL.protocols)
        targets = [others.start_null_server] + ([others.start_nginx] if not others.find_missing({"nginx"}) else [])
        for target in targets if tools else []:
            show_rate_ratios(screen, others.compare_all(target, tools, generator, pairs), pairs)
        with others.start_null_server(generator) as null:
            result = others.run_locust(others.Side(users=1000), "h1", null.url("h1"), generator)
        screen.say(f"Memory of one load process with 1,000 connections: {significant(result.memory_bytes / 1e6)} MB")
