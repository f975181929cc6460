"""What time buys: how precise a ratio gets with more cycles or with more rounds. Pure.

A round's ratio varies by its cycles and by the starts of its servers. More cycles average out the first alone, more
rounds both, and a round costs the starts and stops (Kalibera & Jones 2013, arXiv 2007.10899, section 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median, variance
from typing import TYPE_CHECKING

from harness.analysis.intervals import LEAST_ROUNDS, cycle_deviations, pair_cycles, t_97_5

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.analysis.intervals import Turns

OF_A_MEDIAN = math.pi / 2
"""The variance of the median of n values is about this much times theirs ÷ n."""
FEWEST_CYCLES, MOST_CYCLES = 3, 60
"""A median of fewer cycles is not robust; more are better spent on another round."""
MOST_ROUNDS = 200
"""More rounds than this are not proposed."""


@dataclass(frozen=True)
class Variances:
    """Of the logarithm of a ratio between two candidates that take turns."""

    of_cycles: float
    of_starts: float


TYPICAL = Variances(of_cycles=0.05**2, of_starts=0.02**2)
"""What is assumed before anything is measured: cycles vary by 5 %, starts by 2 %."""
TYPICAL_SLICE_S = 0.2
"""The length of the slices in such cycles."""


def estimate_variances(numerators: Turns, denominators: Turns) -> Variances | None:
    """The variances of two cases' ratio; None without enough rounds in which they took turns."""
    logs = list(pair_cycles(numerators, denominators).values())
    deviations = cycle_deviations(numerators, denominators).values()
    if len(logs) < LEAST_ROUNDS or not deviations:
        return None
    of_cycles = fmean(deviation**2 for deviation, _ in deviations)
    explained = fmean(OF_A_MEDIAN * deviation**2 / count for deviation, count in deviations)
    return Variances(of_cycles, max(0.0, variance(logs) - explained))


def combine_variances(several: Iterable[Variances]) -> Variances | None:
    """The usual variances of several ratios; None without any."""
    known = list(several)
    if not known:
        return None
    return Variances(median(each.of_cycles for each in known), median(each.of_starts for each in known))


def choose_cycles(variances: Variances, fixed_s: float, cycle_s: float) -> int:
    """How many cycles a round has so that a given time is best spent.

    `fixed_s` is what a round costs without its cycles, and `cycle_s` what each of them adds.
    """
    if variances.of_starts <= 0:
        return MOST_CYCLES
    best = math.sqrt(fixed_s / cycle_s * OF_A_MEDIAN * variances.of_cycles / variances.of_starts)
    return max(FEWEST_CYCLES, min(MOST_CYCLES, round(best)))


def estimate_half_width(variances: Variances, rounds: int, cycles: int) -> float | None:
    """Half the width of the 95 % interval of a ratio that this many rounds and cycles give: 0.02 for ±2 %.

    None for a single round, which has no interval.
    """
    if rounds < 2:  # noqa: PLR2004 - one round has no interval
        return None
    of_a_round = variances.of_starts + OF_A_MEDIAN * variances.of_cycles / max(1, cycles)
    return math.expm1(t_97_5(rounds - 1) * math.sqrt(of_a_round / rounds))


def count_rounds_for(variances: Variances, cycles: int, half_width: float) -> int | None:
    """How many rounds of so many cycles give an interval this narrow; None if more than `MOST_ROUNDS` do not."""
    for rounds in range(LEAST_ROUNDS, MOST_ROUNDS):
        if (reached := estimate_half_width(variances, rounds, cycles)) is not None and reached <= half_width:
            return rounds
    return None
