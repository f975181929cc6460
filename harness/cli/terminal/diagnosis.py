"""`harness doctor` on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from harness.analysis import noise
from harness.model.plan import Conditions
from harness.text.numbers import TOO_FEW, is_telling, plural, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.diagnosis import Check
    from harness.analysis.noise import Noise
    from harness.cli.terminal.screen import Screen
    from harness.model.machine import Machine
    from harness.model.summaries import Ratio

_COLOURS = {"ok": "green", "note": "yellow", "problem": "bold red"}
_NAME_WIDTH = 15
_LEVEL_WIDTH = 7
_INDENT = " " * (_LEVEL_WIDTH + _NAME_WIDTH + 2)


def show_machine(screen: Screen, machine: Machine) -> None:
    """Print the machine in one line."""
    processor, system = machine.processor, machine.system
    parts = [
        processor.model or "a processor without a name",
        plural(len(processor.cpus), "CPU"),
        f"{(machine.ram.total_bytes or 0) / 1e9:.0f} GB",
        f"Linux {system.kernel}",
        system.os or "",
    ]
    screen.paragraph(", ".join(filter(None, parts)))


def show_checks(screen: Screen, checks: Sequence[Check]) -> None:
    """Print a line for each check; where it is not ok, also what would be and how to get there."""
    for check in checks:
        level = f"{check.level:{_LEVEL_WIDTH}} "
        screen.hanging(Text.assemble((level, _COLOURS[check.level]), f"{check.name:{_NAME_WIDTH}} "), check.found)
        if check.level != "ok":
            screen.hanging(_INDENT, f"right: {check.wanted}")
            screen.say(f"{_INDENT}to do: {check.fix}")  # may be a command, to be copied


def show_noise(screen: Screen, found: Noise) -> None:
    """Print what the measurement of the noise found."""
    samples = plural(len(found.samples_rps), "sample")
    lines = [f"{samples} of {found.window_s:.2g} s in {plural(found.rounds, 'round')}"]
    if found.samples_rps:
        lines.append(f"requests/s from {significant(min(found.samples_rps))} to {significant(max(found.samples_rps))}")
    lines.append(f"false difference in requests/s {_difference(found.throughput, found.resolves_throughput)}")
    lines.append(f"false difference in CPU per request {_difference(found.cpu, found.resolves_cpu)}")
    lines.append(_foretell(found))
    for line in (*lines, *found.reasons):
        screen.hanging(_INDENT, line)


def _foretell(found: Noise) -> str:
    """What a run will be able to tell on this machine."""
    usual = f"a run of {plural(Conditions.rounds, 'round')} × {Conditions.duration_s:g} s here"
    ratios = "ratios not known" if found.half_width is None else f"ratios to about ±{found.half_width:.1%}"
    marked = f"{found.disturbed} of {plural(len(found.samples_rps), 'sample')} were disturbed"
    absolute = f"absolute numbers will be marked, since {marked}" if found.disturbed else "absolute numbers undisturbed"
    return f"{usual}: {ratios}, {absolute}"


def _difference(ratio: Ratio | None, resolves: float | None) -> str:
    if ratio is None or resolves is None:
        return "not known"
    telling = is_telling(ratio.low, ratio.high)
    interval = f"{ratio.low - 1:+.1%} to {ratio.high - 1:+.1%}" if telling else TOO_FEW
    return f"{ratio.value - 1:+.1%} ({interval}); resolves {resolves:.1%} in {noise.ROUNDS} rounds"
