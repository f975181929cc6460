"""The order of the stages: the only file that knows it.

For each round, for each server in shuffled order: start it, then for each of its cases a trial (one unmeasured pass,
warm-up, window) beside the sampler, the record written at once; stop it. Reports come later, from the files.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis import summarise
from harness.host import certificates, guard
from harness.model.loads import Sweep, load_of
from harness.plan.schedule import only, swept
from harness.run.calibration.ceiling import Generator, ceilings
from harness.run.rounds import Bench

if TYPE_CHECKING:
    from harness.model.machine import Placement
    from harness.model.plan import Plan, Selection
    from harness.model.protocols import Protocol
    from harness.model.results import RunInfo
    from harness.model.targets import Tls
    from harness.run.directory import RunDirectory
    from harness.run.rounds import Watcher

CEILING_TRIES = 3


def measure(
    selection: Selection, plan: Plan, info: RunInfo, directory: RunDirectory, placement: Placement, watch: Watcher
) -> None:
    """Find the generator's ceilings, then do what the plan says, and write every record the moment it is known.

    A server or a generator that fails costs its trials a number, not the run its others. What an interrupted run has
    found already, in the same directory, is not done again.
    """
    info = replace(info, complete=False)
    directory.write_info(info)
    with guard.guard() as token, certificates.issue() as tls:
        info = replace(info, ceilings=info.ceilings or _ceilings(selection, plan, placement, tls, token))
        directory.write_info(info)
        bench = Bench(selection, info, directory, placement, token, tls, watch, plan.trial_count, plan.estimate_s)
        bench.begin(plan.exclusions)
        for number, stints in enumerate(plan.rounds):
            bench.round(number, stints)
        if isinstance(load_of(selection.load), Sweep):
            _sweep(bench, plan)
        elif selection.precision is not None:
            _until_precise(bench, plan, selection.precision)
        directory.write_info(replace(info, complete=True))


def _ceilings(selection: Selection, plan: Plan, placement: Placement, tls: Tls, token: str) -> dict[Protocol, float]:
    """What the generator reaches at most on each protocol of the plan."""
    generator = Generator(
        sys.executable, placement, tls, token, selection.users, selection.streams, selection.load_processes
    )
    spoken = dict.fromkeys(case.protocol for stints in plan.rounds[:1] for stint in stints for case in stint.cases)
    own = next((scenario for scenario in selection.scenarios if not scenario.ours), None)
    return ceilings(generator, list(spoken), min(CEILING_TRIES, selection.rounds), own)


def _sweep(bench: Bench, plan: Plan) -> None:
    """The rounds in open loops, at shares of what each case reached in the closed ones."""
    rounds = swept(bench.selection, summarise.reached_rps(bench.records))
    bench.total += sum(len(stint.cases) for stints in rounds for stint in stints)
    for number, stints in enumerate(rounds, len(plan.rounds)):
        bench.round(number, stints)


def _until_precise(bench: Bench, plan: Plan, precision: float) -> None:
    """Further rounds of the cases whose intervals are still too wide."""
    baseline = (bench.info.baseline, bench.info.baseline_app)
    for number, stints in enumerate(plan.further, len(plan.rounds)):
        left = only(stints, summarise.imprecise(bench.records, baseline, precision))
        if not left:
            return
        bench.total += sum(len(stint.cases) for stint in left)
        bench.round(number, left)
