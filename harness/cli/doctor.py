"""`harness doctor`: what disturbs measurements on this machine, and how much."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from harness.analysis import diagnosis, noise
from harness.catalog import listing
from harness.cli.app import MISSED_GATE, app
from harness.cli.options import format_option
from harness.cli.terminal import Screen, show_checks, show_machine, show_noise, show_run_progress
from harness.host import cpus, facts, guard
from harness.model.errors import UsageError
from harness.plan.options import read_settings
from harness.plan.schedule import make_plan
from harness.plan.selection import select
from harness.plan.settings import MOST_ROUNDS, Settings
from harness.run import stages
from harness.run.directory import RunDirectory
from harness.run.info import describe

if TYPE_CHECKING:
    from harness.analysis.noise import Noise
    from harness.model.machine import Placement

DOCTOR_SCHEMA = 1
"""Version of what `--format json` prints; it goes up on an incompatible change."""


@app.command("doctor")
def doctor_(
    server: Annotated[str, typer.Option(help="Server whose noise is measured.", metavar="NAME")] = "uvicorn",
    rounds: Annotated[
        int, typer.Option(help="Rounds of the noise measurement.", metavar="N", min=2, max=MOST_ROUNDS)
    ] = noise.ROUNDS,
    duration: Annotated[str, typer.Option(help="Counted time of each trial.", metavar="TIME")] = "500ms",
    with_noise: Annotated[
        bool, typer.Option("--noise/--no-noise", help="Also measure the noise: the server against itself.")
    ] = True,
    server_cpus: Annotated[str | None, typer.Option(help="CPUs for the server, such as 0-3,8.", metavar="CPUS")] = None,
    load_cpus: Annotated[str | None, typer.Option(help="CPUs for the load.", metavar="CPUS")] = None,
    format_: Annotated[str, format_option("text", "json")] = "text",
) -> None:
    """Check what on this machine disturbs measurements, say how to fix it, and measure the noise.

    It takes about half a minute, or a few seconds with --no-noise.

    Exit status: 0 if there is no problem, 1 if there is one.
    """
    if "@" in server:
        raise UsageError(f"--server: expected a server as it is installed here, without @ and version, found {server}")
    listing.find("server", listing.servers(), server)
    settings = _settings(server, rounds, duration, server_cpus, load_cpus)
    processor = facts.read_processor()
    placement = cpus.place(
        cpus.available(), 1, processor.cpus, server_cpus=settings.server_cpus, load_cpus=settings.load_cpus
    )
    machine = facts.read_machine()
    checks = list(diagnosis.diagnose(machine, placement))
    screen = Screen() if format_ == "text" else None
    if screen:
        show_machine(screen, machine)
        show_checks(screen, checks)
    found = None
    if with_noise:
        found = _measure_noise(settings, placement, screen)
        checks.append(noise.judge_noise(found))
        if screen:
            show_checks(screen, checks[-1:])
            show_noise(screen, found)
    worst = diagnosis.find_worst(checks)
    if not screen:
        answer = {"schema": DOCTOR_SCHEMA, "worst": worst, "checks": checks, "noise": found, "machine": machine}
        Screen().write(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    if worst == "problem":
        raise typer.Exit(MISSED_GATE)


def _settings(server: str, rounds: int, duration: str, server_cpus: str | None, load_cpus: str | None) -> Settings:
    """The settings of a run with a control. It ignores harness.toml, which is for runs."""
    given = {
        "servers": server,
        "scenarios": "plaintext",
        "protocols": "h1",
        "rounds": str(rounds),
        "duration": duration,
        "warmup": "200ms",
        "server_cpus": server_cpus,
        "load_cpus": load_cpus,
    }
    return read_settings(given, directory=None)


def _measure_noise(settings: Settings, placement: Placement, screen: Screen | None) -> Noise:
    """Measure the server against itself; without a screen, say nothing."""
    selection = select(settings, (screen or Screen()).say)
    plan = make_plan(selection)
    info = describe(selection, placement)
    server = selection.baseline.server
    if screen:
        screen.say(f"\nNoise: {server} against itself, about {plan.estimate_s:.0f} s …")
    progress = show_run_progress(screen, plan) if screen and screen.is_terminal else nullcontext(lambda _: None)
    with guard.temporary_folder() as folder, progress as watch:
        directory = RunDirectory.create(folder, info.id)
        stages.measure(selection, plan, info, directory, placement, watch)
        return noise.estimate_noise(directory.read_trials(), server)
