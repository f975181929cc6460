"""What a run would do, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.naming import name_rtt
from harness.cli.terminal.trials import (
    CaseNames,
    describe_aside,
    describe_exclusions,
    describe_extent,
    describe_resolution,
)
from harness.text.numbers import duration, plural

if TYPE_CHECKING:
    from harness.cli.terminal.screen import Screen
    from harness.model.plan import Plan, Selection


def show_plan(screen: Screen, plan: Plan, selection: Selection, *, every_start: bool = False) -> None:
    """Print what a run would do, with `every_start` in full."""
    names = CaseNames.of(plan)
    screen.paragraph(
        f"{describe_extent(plan, selection)}, about {duration(plan.estimate_s)}; "
        f"seed {selection.conditions.seed}, baseline {names.naming.name(selection.baseline)}"
    )
    if aside := describe_aside(plan, selection):
        screen.hanging("  ", aside)
    if resolution := describe_resolution(plan, selection):
        screen.hanging("  ", resolution)
    if every_start:
        for number, blocks in enumerate(plan.rounds, 1):
            for block in blocks:
                transport = "TLS" if block.configs[0].tls else "clear"
                servers = ", ".join(names.candidate(config) for config in block.configs)
                screen.hanging(f"  round {number}  ", f"together ({transport}): {servers}")
                for cases in block.measurements:
                    numbers = ", ".join(str(each) for each in sorted({case.users for case in cases}))
                    far = f", {name_rtt(cases[0].rtt_s)}" if names.levels.distances else ""
                    what = f"{cases[0].scenario} {cases[0].protocol}, {numbers} users{far}"
                    screen.hanging("      ", f"{what}: {plural(len(cases), 'turn')}")
    for line in describe_exclusions(plan):
        screen.say(f"  {line}")
