"""Do the intervals hold what they claim? Runs that never took place, drawn from rounds that did.

Takes the folder of a long run with `--aa`, such as

    harness run --servers uvicorn,granian --aa --scenarios plaintext --protocols h1 --rounds 60 --duration 1s

and takes its rounds for the world: the ratio of two contestants over all of them is the truth. Short runs are drawn
from it, by chance with replacement or as rounds in succession (which keeps the machine's drift), and for each the
interval is made as a report makes it. Wanted: it covers the truth in at least 93 % of runs, and the baseline against
itself, where the truth is 1, is called different in at most 5 %. (Draws of the same round alone are drawn again: no
run measures one number twice, and an interval of no width misses for that.)
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.case_rounds import collect
from harness.analysis.intervals import paired_ratio
from harness.analysis.summarise import PRECISE_FROM_ROUNDS
from harness.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.analysis.case_rounds import Outcome
    from harness.model.summaries import Ratio

ROUNDS = (2, 3, 5, 10, 20)
RUNS = 4_000
RESAMPLES = 2_000
PRECISION = 0.05
LEASTS, MOST = (5, PRECISE_FROM_ROUNDS), 20
"""Rounds before the first look at whether a precision is reached, and when it is given up."""


@dataclass(frozen=True)
class Pair:
    """Two contestants and one figure of theirs: log ratios, round by round."""

    title: str
    logs: np.ndarray

    @property
    def truth(self) -> float:
        return float(self.logs.mean())


def main() -> None:
    """Read the run, draw from it, print what came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    directory = RunDirectory(options.run)
    info = directory.read_info()
    valid = [record for record in directory.read_trials() if record.verdict == "valid"]
    by_server = {found.case.server: found for found in collect(valid)}
    baseline, twin = by_server[info.baseline], by_server.get(info.twin or "")
    chance = np.random.default_rng(options.seed)
    for name, figure in FIGURES.items():
        for server, found in by_server.items():
            if found is not baseline and found is not twin:
                report_coverage(pair(f"{name}, {server} ÷ {info.baseline}", found, baseline, figure), chance)
        if twin is not None:
            report_false_differences(pair(f"{name}, {info.baseline} ÷ itself", twin, baseline, figure), chance)


FIGURES: Mapping[str, Callable[[Outcome], Mapping[int, float]]] = {
    "throughput": lambda found: found.throughput_rps,
    "CPU": lambda found: found.cpu_us_per_request,
    "p99": lambda found: found.p99_us,
}


def pair(title: str, one: Outcome, other: Outcome, figure: Callable[[Outcome], Mapping[int, float]]) -> Pair:
    """Log ratios of the rounds that both have."""
    ours, theirs = figure(one), figure(other)
    both = sorted(ours.keys() & theirs.keys())
    return Pair(title, np.array([math.log(ours[number] / theirs[number]) for number in both]))


def interval(logs: Sequence[float]) -> Ratio:
    """The interval of a report, from log ratios."""
    ratio = paired_ratio({n: math.exp(log) for n, log in enumerate(logs)}, dict.fromkeys(range(len(logs)), 1.0))
    assert ratio is not None  # noqa: S101 - every round has both
    return ratio


def draw(world: Pair, rounds: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Rounds of a short run, by chance with replacement, not all of them the same one."""
    while True:
        drawn = chance.choice(world.logs, rounds)
        if np.ptp(drawn) > 0:
            return drawn


def bootstrap(logs: Sequence[float], chance: np.random.Generator) -> tuple[float, float]:
    """What a percentile bootstrap over rounds would give."""
    draws = chance.choice(np.asarray(logs), size=(RESAMPLES, len(logs))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return math.exp(low), math.exp(high)


def report_coverage(world: Pair, chance: np.random.Generator) -> None:
    """How often the truth is covered, and how wide the intervals are."""
    truth = math.exp(world.truth)
    spread = statistics.stdev(world.logs.tolist())
    print(f"\n{world.title}: {truth:.3f} over {world.logs.size} rounds, a round varies by ±{100 * spread:.1f} %")
    print("  rounds  covered  in succession  bootstrap  half width, median")
    for rounds in (each for each in ROUNDS if each <= world.logs.size):
        drawn = [interval(draw(world, rounds, chance)) for _ in range(RUNS)]
        in_turn = [interval(world.logs[at : at + rounds]) for at in range(world.logs.size - rounds + 1)]
        poorer = [bootstrap(draw(world, rounds, chance), chance) for _ in range(RUNS // 10)]
        covered = share(ratio.low <= truth <= ratio.high for ratio in drawn)
        succession = share(ratio.low <= truth <= ratio.high for ratio in in_turn)
        percentile = share(low <= truth <= high for low, high in poorer)
        width = statistics.median(math.sqrt(ratio.high / ratio.low) - 1 for ratio in drawn)
        print(f"  {rounds:6}  {covered:7}  {succession:>13}  {percentile:>9}  ±{100 * width:.1f} %")
    for least in LEASTS:
        stopped = [until_precise(world, least, chance) for _ in range(RUNS)]
        covered = share(ratio.low <= truth <= ratio.high for ratio, _ in stopped)
        needed = statistics.median(rounds for _, rounds in stopped)
        reached = share(rounds < MOST for _, rounds in stopped)
        print(
            f"  until ±{100 * PRECISION:g} %, {least} to {MOST} rounds: covered {covered}, "
            f"{needed:g} rounds in the median, reached before {MOST} in {reached}"
        )


def until_precise(world: Pair, least: int, chance: np.random.Generator) -> tuple[Ratio, int]:
    """Rounds added one by one until the interval is narrow enough, as `--precision` does."""
    logs = draw(world, MOST, chance)
    for rounds in range(least, MOST):
        ratio = interval(logs[:rounds])
        if math.sqrt(ratio.high / ratio.low) - 1 <= PRECISION:
            return ratio, rounds
    return interval(logs), MOST


def report_false_differences(world: Pair, chance: np.random.Generator) -> None:
    """How often a server is called different from itself; which of the two comes first is drawn for each round."""
    print(f"\n{world.title}: called different though it is the same")
    for rounds in (each for each in ROUNDS if each <= world.logs.size):
        signs = chance.choice([-1, 1], size=(RUNS, rounds))
        drawn = [interval(draw(world, rounds, chance) * sign) for sign in signs]
        in_turn = [interval(world.logs[at : at + rounds]) for at in range(world.logs.size - rounds + 1)]
        false = share(not ratio.low <= 1 <= ratio.high for ratio in drawn)
        succession = share(not ratio.low <= 1 <= ratio.high for ratio in in_turn)
        print(f"  {rounds:6} rounds: {false}, in succession {succession}")


def share(happened: Iterable[bool]) -> str:
    """Of a sequence of truths, the share in percent."""
    values = list(happened)
    return f"{100 * sum(values) / len(values):.1f} %"


if __name__ == "__main__":
    main()
