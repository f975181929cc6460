"""How often do the 95 % intervals cover the true ratio? Short runs are resampled from the rounds of a long one.

The argument is the folder of a long run with a control, such as that of

    harness run --servers uvicorn,granian --scenarios plaintext --protocols h1 --rounds 60 --duration 2s

Its rounds are the population: the ratio of two candidates over all of them is the true value. Short runs are resampled
from it, at random with replacement or as consecutive rounds (which keeps the machine's drift), and each gets an
interval computed as in a report. The goals: the interval covers the true value in at least 93 % of runs, and a
difference between the baseline and its control, where the true ratio is 1, is seen in at most 5 %. (A sample of one
round repeated is drawn again: real rounds never give the same number twice, and an interval of zero width would miss.)

It also says how much of the variance of rounds comes from their cycles, the rest being that of starts, and how wide the
intervals are with the first few cycles of each round: more cycles help only where the cycles' share is large.
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.case_rounds import collect
from harness.analysis.intervals import as_turns, cycle_deviations, pair_turns, paired_ratio
from harness.analysis.precision import PRECISE_FROM_ROUNDS
from harness.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from harness.analysis.case_rounds import CaseRounds
    from harness.analysis.intervals import Turns
    from harness.model.summaries import Ratio

ROUNDS = (2, 3, 5, 10, 20)
CYCLES = (1, 2, 3, 5, 10, 20)
RUNS = 4_000
RESAMPLES = 2_000
PRECISION = 0.05
LEASTS, MOST = (5, PRECISE_FROM_ROUNDS), 20
"""The precision is tested from these numbers of rounds on, and no more than this many rounds are added."""


@dataclass(frozen=True)
class Pair:
    """One figure of two candidates."""

    title: str
    ours: Turns
    theirs: Turns

    @cached_property
    def logs(self) -> NDArray[np.float64]:
        """The log ratios, one for each round: the median of its cycles'."""
        return np.array(list(pair_turns(self.ours, self.theirs).values()))

    @property
    def true_log_ratio(self) -> float:
        return float(self.logs.mean())

    @property
    def deviation_of_cycles(self) -> float | None:
        """The standard deviation that rounds would have by their cycles alone; None where they have one cycle each."""
        deviations = cycle_deviations(self.ours, self.theirs).values()
        # The variance of a median of n values is about π/2 ÷ n times theirs.
        variances = [math.pi / 2 * deviation**2 / count for deviation, count in deviations]
        return math.sqrt(statistics.fmean(variances)) if variances else None

    @property
    def most_cycles(self) -> int:
        """How many cycles the longest round has."""
        return max((len(cycles) for cycles in self.ours.values()), default=0)

    def shorten(self, cycles: int) -> Pair:
        """The same with the first cycles of each round only."""
        sides = (
            {key: dict(sorted(own.items())[:cycles]) for key, own in side.items()} for side in (self.ours, self.theirs)
        )
        return Pair(self.title, *sides)


def main() -> None:
    """Read the run, resample it and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = RunDirectory(options.run)
    info = directory.read_info()
    valid = [record for record in directory.read_trials() if record.verdict == "valid"]
    by_server = {found.case.label: found for found in collect(valid)}
    name_of_baseline = info.baseline.server
    baseline, control = by_server[name_of_baseline], by_server.get(f"{name_of_baseline}-control")
    chance = np.random.default_rng(options.seed)
    for name, figure in FIGURES.items():
        for server, found in by_server.items():
            if found is not baseline and found is not control:
                pair = Pair(f"{name}, {server} ÷ {name_of_baseline}", figure(found), figure(baseline))
                report_coverage(pair, chance)
                report_levels(pair, chance)
        if control is not None:
            pair = Pair(f"{name}, {name_of_baseline} ÷ itself", figure(control), figure(baseline))
            report_false_differences(pair, chance)
            report_levels(pair, chance)


FIGURES: Mapping[str, Callable[[CaseRounds], Turns]] = {
    "throughput": lambda found: found.throughput_turns,
    "CPU": lambda found: found.cpu_turns,
    "p99": lambda found: found.p99_turns,
}


def interval(logs: NDArray[np.float64]) -> Ratio:
    """The interval that a report would show for these log ratios."""
    keys = [(number, 0) for number in range(logs.size)]
    ratios = dict(zip(keys, np.exp(logs).tolist(), strict=True))
    ratio = paired_ratio(as_turns(ratios), as_turns(dict.fromkeys(keys, 1.0)))
    assert ratio is not None  # noqa: S101 - every round has both
    return ratio


def draw(population: Pair, rounds: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Rounds of a short run, at random with replacement, not all of them the same."""
    while True:
        drawn = chance.choice(population.logs, rounds)
        if np.ptp(drawn) > 0:
            return drawn


def bootstrap(logs: NDArray[np.float64], chance: np.random.Generator) -> tuple[float, float]:
    """The interval of a percentile bootstrap over rounds."""
    draws = chance.choice(logs, size=(RESAMPLES, logs.size)).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return math.exp(low), math.exp(high)


def report_coverage(population: Pair, chance: np.random.Generator) -> None:
    """Print how often the true value is covered, and how wide the intervals are."""
    true_ratio = math.exp(population.true_log_ratio)
    spread = statistics.stdev(population.logs.tolist())
    size = population.logs.size
    print(f"\n{population.title}: {true_ratio:.3f} over {size} rounds, standard deviation {100 * spread:.1f} %")
    print("  rounds  covered    consecutive  bootstrap  half width, median")
    for rounds in (each for each in ROUNDS if each <= size):
        drawn = [interval(draw(population, rounds, chance)) for _ in range(RUNS)]
        consecutive = [interval(population.logs[at : at + rounds]) for at in range(size - rounds + 1)]
        poorer = [bootstrap(draw(population, rounds, chance), chance) for _ in range(RUNS // 10)]
        covered = share(ratio.low <= true_ratio <= ratio.high for ratio in drawn)
        in_consecutive = share(ratio.low <= true_ratio <= ratio.high for ratio in consecutive)
        percentile = share(low <= true_ratio <= high for low, high in poorer)
        width = statistics.median(each.half_width for each in drawn)
        print(f"  {rounds:6}  {covered:7}  {in_consecutive:>13}  {percentile:>9}  ±{100 * width:.1f} %")
    for least in LEASTS:
        stopped = [until_precise(population, least, chance) for _ in range(RUNS)]
        covered = share(ratio.low <= true_ratio <= ratio.high for ratio, _ in stopped)
        needed = statistics.median(rounds for _, rounds in stopped)
        reached = share(rounds < MOST for _, rounds in stopped)
        print(
            f"  until ±{100 * PRECISION:g} %, {least} to {MOST} rounds: covered {covered}, "
            f"median {needed:g} rounds, reached before {MOST} in {reached}"
        )


def until_precise(population: Pair, least: int, chance: np.random.Generator) -> tuple[Ratio, int]:
    """Add rounds one by one until the interval is narrow enough, as `--precision` does; the ratio and the rounds."""
    logs = draw(population, MOST, chance)
    for rounds in range(least, MOST):
        ratio = interval(logs[:rounds])
        if ratio.half_width <= PRECISION:
            return ratio, rounds
    return interval(logs), MOST


def report_false_differences(population: Pair, chance: np.random.Generator) -> None:
    """Print how often a difference is seen between a server and its control, with a random sign in each round."""
    print(f"\n{population.title}: difference seen, although there is none")
    for rounds in (each for each in ROUNDS if each <= population.logs.size):
        signs = chance.choice([-1, 1], size=(RUNS, rounds))
        drawn = [interval(draw(population, rounds, chance) * sign) for sign in signs]
        consecutive = [interval(population.logs[at : at + rounds]) for at in range(population.logs.size - rounds + 1)]
        false = share(not ratio.low <= 1 <= ratio.high for ratio in drawn)
        in_consecutive = share(not ratio.low <= 1 <= ratio.high for ratio in consecutive)
        print(f"  {rounds:6} rounds: {false}, consecutive {in_consecutive}")


def report_levels(population: Pair, chance: np.random.Generator) -> None:
    """Print how much of the variance of rounds is that of cycles, and the widths with fewer cycles."""
    of_cycles = population.deviation_of_cycles
    if of_cycles is None:
        return
    of_rounds = statistics.stdev(population.logs.tolist())
    print(
        f"  standard deviation of rounds {100 * of_rounds:.2f} %, by {population.most_cycles} cycles alone "
        f"{100 * of_cycles:.2f} %: {min(1.0, (of_cycles / of_rounds) ** 2):.0%} of the variance"
    )
    for cycles in (each for each in CYCLES if each <= population.most_cycles):
        shorter = population.shorten(cycles)
        widths = [interval(draw(shorter, 5, chance)).half_width for _ in range(RUNS // 10)]
        value, width = math.exp(shorter.true_log_ratio), statistics.median(widths)
        print(f"  {cycles:6} cycles: {value:.3f}, half width with 5 rounds, median ±{100 * width:.1f} %")


def share(happened: Iterable[bool]) -> str:
    """The share of true values, in percent."""
    values = list(happened)
    return f"{100 * sum(values) / len(values):.1f} %"


if __name__ == "__main__":
    main()
