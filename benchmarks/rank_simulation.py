"""How often equal servers get different ranks, in simulated rounds with the blocks that a plan has.

python benchmarks/rank_simulation.py     # ten seconds

Cycles vary by 5 %, starts by 2 %, and the machine by 10 % from cycle to cycle and by 5 % from block to block.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.summarise import summarise
from harness.host.facts import read_machine
from harness.model.histogram import Histogram
from harness.model.loads import Saturate
from harness.model.plan import Candidate, Case, Conditions
from harness.model.records import Record
from harness.model.results import Connections, Errors, LoadResult, Slice
from harness.model.run_info import Environment, RunInfo
from harness.plan.blocks import make_round
from harness.plan.schedule import add_controls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUNS = 300
ROUNDS, CYCLES, TOGETHER = 7, 6, 6
BASELINE = Candidate("0", "asgi")
NONE = Histogram()
RESULT = LoadResult((), 1, 1, 0, Errors(), NONE, NONE, NONE, Connections(1), 0.5)


def main() -> None:
    """Print the share of runs in which a server has another rank than the best, though all are equal."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    run = RunInfo("", "", (), Environment("", read_machine(), {}, (), ()), BASELINE, Conditions(seed=1))
    for servers in (2, 4, 9):
        chance, shuffle = np.random.default_rng(1), random.Random(1)  # noqa: S311 - a simulation, not a secret
        told_apart = sum(len(rank_equals(servers, chance, shuffle, run)) > 1 for _ in range(RUNS))
        print(f"{servers} equal servers, {ROUNDS} rounds: some got another rank in {told_apart / RUNS:.0%} of runs")


def rank_equals(servers: int, chance: np.random.Generator, shuffle: random.Random, run: RunInfo) -> set[int | None]:
    """The ranks of servers that are equal, in one simulated run."""
    cases = [Case(str(number), "asgi", "plaintext", "h1", Saturate()) for number in range(servers)]
    cases += add_controls(cases, BASELINE)
    records = list(simulate(cases, chance, shuffle))
    (comparison,) = summarise(records, (), run)
    return {each.rank for each in comparison.candidates}


def simulate(cases: Sequence[Case], chance: np.random.Generator, shuffle: random.Random) -> Iterator[Record]:
    """The records of all rounds."""
    for number in range(ROUNDS):
        for block, planned in enumerate(make_round(cases, BASELINE, TOGETHER, 1.0, shuffle)):
            machine = 1_000 * np.exp(0.05 * chance.standard_normal() + 0.1 * chance.standard_normal(CYCLES))
            for case in (case for measured in planned.measurements for case in measured):
                noise = 0.02 * chance.standard_normal() + 0.05 * chance.standard_normal(CYCLES)
                slices = tuple(
                    Slice(cycle, 0, 0, 1_000_000_000, 1_000_000_000, rate, round(rate), round(rate), 1.0)
                    for cycle, rate in enumerate((machine * np.exp(noise)).tolist())
                )
                yield Record(case, number, 0, "valid", result=replace(RESULT, slices=slices), block=block)


if __name__ == "__main__":
    main()
