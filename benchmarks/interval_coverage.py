"""How often do the 95 % intervals cover the true ratio? Short runs are resampled from the rounds of a long one.

The argument is the folder of a long run with `--aa`, such as that of

    harness run --servers uvicorn,granian --aa --scenarios plaintext --protocols h1 --rounds 60 --duration 1s

Its rounds are the population: the ratio of two candidates over all of them is the true value. Short runs are resampled
from it, at random with replacement or as consecutive rounds (which keeps the machine's drift), and each gets an
interval computed as in a report. The goals: the interval covers the true value in at least 93 % of runs, and a
difference between the baseline and its control, where the true ratio is 1, is seen in at most 5 %. (A sample of one
round repeated is drawn again: real rounds never give the same number twice, and an interval of zero width would miss.)
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.case_rounds import CaseRounds, collect
from harness.analysis.intervals import paired_ratio
from harness.analysis.summarise import PRECISE_FROM_ROUNDS
from harness.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.analysis.case_rounds import CaseRounds
    from harness.model.summaries import Ratio

ROUNDS = (2, 3, 5, 10, 20)
RUNS = 4_000
RESAMPLES = 2_000
PRECISION = 0.05
LEASTS, MOST = (5, PRECISE_FROM_ROUNDS), 20
"""The precision is tested from these numbers of rounds on, and no more than this many rounds are added."""


@dataclass(frozen=True)
class Pair:
    """The log ratios of one figure of two candidates, one for each round."""

    title: str
    logs: np.ndarray

    @property
    def true_log_ratio(self) -> float:
        return float(self.logs.mean())


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
                report_coverage(pair(f"{name}, {server} ÷ {name_of_baseline}", found, baseline, figure), chance)
        if control is not None:
            report_false_differences(pair(f"{name}, {name_of_baseline} ÷ itself", control, baseline, figure), chance)


FIGURES: Mapping[str, Callable[[CaseRounds], Mapping[int, float]]] = {
    "throughput": lambda found: found.throughput_rps,
    "CPU": lambda found: found.cpu_us_per_request,
    "p99": lambda found: found.p99_us,
}


def pair(title: str, one: CaseRounds, other: CaseRounds, figure: Callable[[CaseRounds], Mapping[int, float]]) -> Pair:
    """Log ratios of the rounds in which both have the figure."""
    ours, theirs = figure(one), figure(other)
    both = sorted(ours.keys() & theirs.keys())
    return Pair(title, np.array([math.log(ours[number] / theirs[number]) for number in both]))


def interval(logs: Sequence[float]) -> Ratio:
    """The interval that a report would show for these log ratios."""
    ratio = paired_ratio({n: math.exp(log) for n, log in enumerate(logs)}, dict.fromkeys(range(len(logs)), 1.0))
    assert ratio is not None  # noqa: S101 - every round has both
    return ratio


def draw(population: Pair, rounds: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Rounds of a short run, at random with replacement, not all of them the same."""
    while True:
        drawn = chance.choice(population.logs, rounds)
        if np.ptp(drawn) > 0:
            return drawn


def bootstrap(logs: Sequence[float], chance: np.random.Generator) -> tuple[float, float]:
    """The interval of a percentile bootstrap over rounds."""
    draws = chance.choice(np.asarray(logs), size=(RESAMPLES, len(logs))).mean(axis=1)
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
        width = statistics.median(math.sqrt(ratio.high / ratio.low) - 1 for ratio in drawn)
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
        if math.sqrt(ratio.high / ratio.low) - 1 <= PRECISION:
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


def share(happened: Iterable[bool]) -> str:
    """The share of true values, in percent."""
    values = list(happened)
    return f"{100 * sum(values) / len(values):.1f} %"


if __name__ == "__main__":
    main()
