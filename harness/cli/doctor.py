"""`harness doctor`: what on this machine will blur the numbers, and how much."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from harness.analysis import diagnosis, noise
from harness.catalog import listing
from harness.cli.app import MISSED_GATE, app
from harness.cli.terminal import Screen
from harness.host import cpus, facts
from harness.model.errors import UsageError
from harness.model.results import SCHEMA
from harness.plan.schedule import make_plan
from harness.plan.selection import select
from harness.plan.settings import Settings, read_settings
from harness.run import stages
from harness.run.directory import RunDirectory
from harness.run.info import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.diagnosis import Check
    from harness.analysis.noise import Noise
    from harness.model.machine import Machine, Placement
    from harness.model.summaries import Ratio

_COLOURS = {"ok": "green", "note": "yellow", "problem": "bold red"}
_NAME_WIDTH = 15
_LEVEL_WIDTH = 7


@app.command("doctor")
def doctor_(
    server: Annotated[str, typer.Option(help="Server whose noise is measured.", metavar="NAME")] = "uvicorn",
    rounds: Annotated[int, typer.Option(help="Rounds of that measurement.", metavar="N", min=2)] = noise.ROUNDS,
    duration: Annotated[str, typer.Option(help="Length of each of its windows.", metavar="TIME")] = "500ms",
    with_noise: Annotated[
        bool, typer.Option("--noise/--no-noise", help="Measure noise too: the same server under two names.")
    ] = True,
    server_cpus: Annotated[str | None, typer.Option(help="CPUs for the server, such as 0-3,8.", metavar="CPUS")] = None,
    load_cpus: Annotated[str | None, typer.Option(help="CPUs for the load.", metavar="CPUS")] = None,
    format_: Annotated[Literal["text", "json"], typer.Option("--format", help="How to say it.")] = "text",
) -> None:
    """Say what on this machine will blur the numbers, with the remedy for each, and measure its noise.

    It takes about half a minute, a few seconds with --no-noise.

    Exit status: 0 when nothing is a problem, 1 when something is.
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
    shown = Console(highlight=False) if format_ == "text" else None
    if shown:
        _heading(shown, machine)
        _tell(shown, checks)
    found = None
    if with_noise:
        found = _measure_noise(settings, placement, shown)
        checks.append(noise.judge(found))
        if shown:
            _tell(shown, checks[-1:])
            _details(shown, found)
    worst = diagnosis.worst(checks)
    if not shown:
        answer = {"schema": SCHEMA, "worst": worst, "checks": checks, "noise": found, "machine": machine}
        print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    if worst == "problem":
        raise typer.Exit(MISSED_GATE)


def _settings(server: str, rounds: int, duration: str, server_cpus: str | None, load_cpus: str | None) -> Settings:
    """Those of an A/A comparison; a file of settings is for runs, and is not read."""
    given = {"server_cpus": server_cpus, "load_cpus": load_cpus}
    with tempfile.TemporaryDirectory(prefix="harness-") as empty:
        return read_settings(
            {
                "servers": server,
                "scenarios": "plaintext",
                "protocols": "h1",
                "rounds": str(rounds),
                "duration": duration,
                "warmup": "200ms",
                "aa": True,
                **given,
            },
            Path(empty),
        )


def _measure_noise(settings: Settings, placement: Placement, shown: Console | None) -> Noise:
    screen = Screen()
    selection = select(settings, screen.say)
    plan = make_plan(selection)
    info = describe(selection, placement)
    if shown:
        shown.print(f"\nNoise: {selection.baseline} against itself, about {plan.estimate_s:.0f} s …", soft_wrap=True)
    progress = screen.progress(plan) if shown and shown.is_terminal else nullcontext(lambda _: None)
    with tempfile.TemporaryDirectory(prefix="harness-") as folder, progress as watch:
        directory = RunDirectory.create(Path(folder), info.id)
        stages.measure(selection, plan, info, directory, placement, watch)
        server = settings.servers[0]
        return noise.measured(directory.read_trials(), server)


def _heading(shown: Console, machine: Machine) -> None:
    processor, system = machine.processor, machine.system
    parts = [
        processor.model or "a processor without a name",
        f"{len(processor.cpus)} CPUs",
        f"{(machine.ram.total_bytes or 0) / 1e9:.0f} GB",
        f"Linux {system.kernel}",
        system.os or "",
    ]
    shown.print(", ".join(filter(None, parts)), markup=False, soft_wrap=True)


def _tell(shown: Console, checks: Sequence[Check]) -> None:
    indent = " " * (_LEVEL_WIDTH + _NAME_WIDTH + 2)
    for check in checks:
        line = Text.assemble(
            (f"{check.level:{_LEVEL_WIDTH}} ", _COLOURS[check.level]), f"{check.name:{_NAME_WIDTH}} {check.found}"
        )
        shown.print(line, soft_wrap=True)
        if check.level != "ok":
            shown.print(f"{indent}right: {check.wanted}\n{indent}to do: {check.fix}", markup=False, soft_wrap=True)


def _details(shown: Console, found: Noise) -> None:
    indent = " " * (_LEVEL_WIDTH + _NAME_WIDTH + 2)
    lines = [f"{len(found.samples_rps)} samples of {found.window_s:.2g} s in {found.rounds} rounds"]
    if found.samples_rps:
        lines.append(f"requests/s from {min(found.samples_rps):,.0f} to {max(found.samples_rps):,.0f}")
    lines.append(f"false difference in requests/s {_difference(found.throughput, found.resolves_throughput)}")
    lines.append(f"false difference in CPU per request {_difference(found.cpu, found.resolves_cpu)}")
    for line in (*lines, *found.reasons):
        shown.print(f"{indent}{line}", markup=False, soft_wrap=True)


def _difference(ratio: Ratio | None, resolves: float | None) -> str:
    if ratio is None or resolves is None:
        return "not known"
    interval = f"{ratio.low - 1:+.1%} to {ratio.high - 1:+.1%}"
    return f"{ratio.value - 1:+.1%} ({interval}); resolves {resolves:.1%} in {noise.ROUNDS} rounds"
