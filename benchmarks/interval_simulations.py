"""How often 95 % intervals hold the truth, in simulated rounds with log-normal noise.

python benchmarks/interval_simulations.py     # about two minutes

Student's t and a percentile bootstrap over a few rounds; rounds that are added until an interval is narrow; two runs
without rounds in common. `interval_coverage.py` does it with rounds that were measured.
"""

from __future__ import annotations

import argparse
import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.intervals import as_turns, estimate, paired_ratio, unpaired_ratio

if TYPE_CHECKING:
    from harness.model.summaries import Ratio

RUNS = 3_000
"""Simulated runs of each kind: a share near 95 % is known to ±0.4 % (one standard error)."""
MOST_ROUNDS = 20
PRECISIONS = (0.02, 0.03, 0.05, 0.08, 0.10)


def main() -> None:
    """Print the share of intervals that hold the truth, which is 1 throughout."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    chance = np.random.default_rng(1)
    for rounds in (2, 3, 5, 10):
        t, bootstrap = cover_with_few(chance, rounds)
        print(f"{rounds} rounds, noise 15 %: Student's t {t:.1%}, percentile bootstrap of the mean {bootstrap:.1%}")
    for first in (5, 8):
        shares = [cover_with_stops(chance, first, *each) for each in product((0.04, 0.07, 0.10, 0.15), PRECISIONS)]
        print(f"rounds added until ±2 % to ±10 %, from {first} rounds on: {min(shares):.1%} to {max(shares):.1%}")
    for least in (2, 3, 5):
        sizes = [number for number in (2, 3, 5, 10, 35) if number >= least]
        noises = (0.05, 0.25)
        shares = [cover_two_runs(chance, *each) for each in product(sizes, sizes, noises, noises)]
        print(f"two runs of {least} to 35 rounds: {min(shares):.1%} to {max(shares):.1%}")


def cover_with_few(chance: np.random.Generator, rounds: int) -> tuple[float, float]:
    """The shares of Student's t on logarithms, and of a bootstrap that takes its interval from percentiles."""
    t = bootstrap = 0
    for _ in range(RUNS):
        logs = chance.normal(0, 0.15, rounds)
        found = estimate(np.exp(logs).tolist())
        assert found is not None  # noqa: S101 - all values are positive
        t += found.low <= 1 <= found.high
        low, high = np.percentile(chance.choice(logs, (400, rounds)).mean(axis=1), [2.5, 97.5])
        bootstrap += bool(low <= 0 <= high)
    return t / RUNS, bootstrap / RUNS


def cover_with_stops(chance: np.random.Generator, first: int, noise: float, precision: float) -> float:
    """The share where rounds are added until the interval is as narrow as `precision`, `first` at least."""
    held = 0
    for _ in range(RUNS):
        values = np.exp(chance.normal(0, noise, MOST_ROUNDS)).tolist()
        rounds = first
        while (found := ratio_to_1(values[:rounds])).half_width > precision and rounds < MOST_ROUNDS:
            rounds += 1
        held += found.low <= 1 <= found.high
    return held / RUNS


def ratio_to_1(values: list[float]) -> Ratio:
    """The ratio of a case with a value in each round to one that is always 1."""
    rounds = range(len(values))
    found = paired_ratio(as_turns({(n, 0): values[n] for n in rounds}), as_turns({(n, 0): 1.0 for n in rounds}))
    assert found is not None  # noqa: S101 - all values are positive
    return found


def cover_two_runs(
    chance: np.random.Generator, rounds: int, other_rounds: int, noise: float, other_noise: float
) -> float:
    """The share of Welch's interval for two runs without rounds in common."""
    held = 0
    for _ in range(RUNS):
        ours, theirs = (
            [math.exp(each) for each in chance.normal(0, sigma, number)]
            for sigma, number in ((noise, rounds), (other_noise, other_rounds))
        )
        found = unpaired_ratio(ours, theirs)
        assert found is not None  # noqa: S101 - all values are positive
        held += found.low <= 1 <= found.high
    return held / RUNS


if __name__ == "__main__":
    main()
