"""Estimates over rounds, with 95 % intervals that are right for few rounds too. Pure.

With few rounds, a bootstrap of the mean that takes its interval from percentiles of the resamples is far too narrow:
with log-normal noise it covered the true value in 49 % (2 rounds), 75 % (3), 84 % (5) and 90 % (10) of simulated runs
instead of 95 % (`benchmarks/interval_simulations.py`; Hesterberg 2015, "What Teachers Should Know About the
Bootstrap", §4, gives the reason). So:

- A figure with one value per round gets Student's t-interval on logarithms: exact for log-normal noise with any number
  of rounds, and 94 to 96 % with heavy tails (t with 3 degrees of freedom) or with one round in ten off by 40 %.
- A percentile of merged histograms has no values per round that could be averaged. Here the bootstrap resamples rounds
  and gives a standard error, widened by √(n ÷ (n − 1)) and by Student's t. It covers p50 in 93 to 97 %, and p99 in
  92 to 96 % if rounds differ by a quarter of what requests differ by (σ 10 % and 40 %). If they differ by nearly as
  much (20 % and 30 %) it covers p99 in 80 to 93 %: too few of the slowest rounds have been measured then.

A single round has no interval: low and high are the value itself.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from harness.model.histogram import Histogram, bucket_range
from harness.model.summaries import Estimate, Latency, Ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.model.plan import Case

RESAMPLES = 1_000
"""This many resamples give a standard error to within 2 %. (Percentiles of resamples would need 10,000.)"""
TAIL = 10
"""A percentile is given only if at least this many requests were slower."""
PER_MILLE = {"p50": 500, "p90": 900, "p99": 990, "p99_9": 999}

T_97_5 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""These are Student's t at 97.5 % for 1 to 30 degrees of freedom (NIST/SEMATECH e-Handbook, 1.3.6.7.2)."""

LEAST_ROUNDS = 3
"""Fewer rounds say nothing about how they vary: Student's factor for two is 12.7, and one has no interval."""
_LARGEST_LOGARITHM = 700.0
"""A `float` reaches a little further."""
_TREND_CYCLES = 3
"""Fewer cycles of a round show no trend."""


def estimate(values: Sequence[float]) -> Estimate | None:
    """Estimate the median over rounds with its 95 % interval; None without values.

    The t-interval on logarithms is an interval for the median of log-normal noise. It is widened if it does not include
    the median of the sample. For a single value, and if a value is not positive and has no logarithm, the interval is
    the range of the values.
    """
    if not values:
        return None
    middle = statistics.median(values)
    if min(values) <= 0 or len(values) == 1:
        return Estimate(middle, min(values), max(values))
    low, high = _t_interval([math.log(value) for value in values])
    return Estimate(middle, min(middle, _exp(low)), max(middle, _exp(high)))


Key = tuple[int, int]
"""A round, and the block of it that a case was measured in."""

Turns = Mapping[Key, Mapping[int, float]]
"""A figure of a case by round and block, and within those by cycle."""


def _exp(logarithm: float) -> float:
    """The number with this logarithm; the end of an interval may be beyond all numbers, where rounds differ wildly."""
    return math.exp(max(-_LARGEST_LOGARITHM, min(logarithm, _LARGEST_LOGARITHM)))


def as_turns(figures: Mapping[Key, float]) -> Turns:
    """A figure that is known for whole rounds only."""
    return {key: {0: value} for key, value in figures.items()}


def paired_ratio(numerators: Turns, denominators: Turns) -> Ratio | None:
    """Ratio of a figure of two cases, with its 95 % interval; None without a round that has both (and both positive).

    There are two levels (Kalibera & Jones 2013, arXiv 2007.10899): within a round the median of the cycles' log ratios,
    as disturbances have heavy tails; over rounds, in which every server was started anew, Student's t. Swapping the two
    gives the inverse.
    """
    return ratio_of_logs(list(pair_turns(numerators, denominators).values()))


def ratio_of_logs(logs: Sequence[float]) -> Ratio | None:
    """The ratio with its 95 % interval, from its logarithm in each round; None without a round."""
    if not logs:
        return None
    middle = statistics.median(logs)
    low, high = _t_interval(logs)
    return Ratio(_exp(middle), _exp(min(low, middle)), _exp(max(high, middle)))


def pair_turns(numerators: Turns, denominators: Turns, common: Turns | None = None) -> dict[Key, float]:
    """Log ratios by round.

    Of the rounds in which the two took turns, if there are enough of them; where there are not, the others count too:
    by what both took turns with (`common`), or by the means of both in the round, which did not meet the same machine.
    """
    found = pair_cycles(numerators, denominators)
    for fill_in in (_pair_through(numerators, denominators, common or {}), _pair_means(numerators, denominators)):
        if len(found) < LEAST_ROUNDS:
            known = {number for number, _ in found}
            found |= {(number, 0): value for number, value in fill_in.items() if number not in known}
    return dict(sorted(found.items()))


def pair_cycles(numerators: Turns, denominators: Turns) -> dict[Key, float]:
    """Log ratios of the rounds in which the two took turns: the median of the cycles that have both figures."""
    logs = {key: _log_ratios(numerators[key], denominators[key]) for key in numerators.keys() & denominators}
    return {key: statistics.median(several) for key, several in sorted(logs.items()) if several}


def _pair_through(numerators: Turns, denominators: Turns, common: Turns) -> dict[int, float]:
    """Log ratios by round of two that took turns with the same third, in whichever block."""
    return _subtract(*(_average(pair_cycles(each, common).items()) for each in (numerators, denominators)))


def _pair_means(numerators: Turns, denominators: Turns) -> dict[int, float]:
    """Log ratios by round of the means of all cycles."""
    logs = (
        [(key, math.log(value)) for key, cycles in turns.items() for value in cycles.values() if value > 0]
        for turns in (numerators, denominators)
    )
    return _subtract(*map(_average, logs))


def _average(logs: Iterable[tuple[Key, float]]) -> dict[int, float]:
    """The mean in each round."""
    by_round: dict[int, list[float]] = {}
    for (number, _), value in logs:
        by_round.setdefault(number, []).append(value)
    return {number: statistics.fmean(values) for number, values in by_round.items()}


def _subtract(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[int, float]:
    """In the rounds that both have."""
    return {number: ours[number] - theirs[number] for number in ours.keys() & theirs.keys()}


def warming_ratio(turns: Turns) -> Ratio | None:
    """What later cycles reach ÷ the first one, with its 95 % interval: above 1 if a warm-up was too short.

    None without a round of at least three cycles.
    """
    ordered = {key: [each for _, each in sorted(cycles.items())] for key, cycles in turns.items()}
    enough = {key: cycles for key, cycles in ordered.items() if len(cycles) >= _TREND_CYCLES}
    later = as_turns({key: statistics.median(cycles[1:]) for key, cycles in enough.items()})
    return paired_ratio(later, as_turns({key: cycles[0] for key, cycles in enough.items()}))


def cycle_deviations(numerators: Turns, denominators: Turns) -> dict[Key, tuple[float, int]]:
    """For each round in which two cases took turns: deviation of the cycles' log ratios, and their number.

    The deviation is 1.4826 times the median absolute deviation, which is the standard deviation of normal noise and
    does not follow single disturbances.
    """
    found = {}
    for key in numerators.keys() & denominators:
        logs = _log_ratios(numerators[key], denominators[key])
        if len(logs) > 1:
            middle = statistics.median(logs)
            found[key] = 1.4826 * statistics.median(abs(each - middle) for each in logs), len(logs)
    return found


def _log_ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Of the cycles that have both figures."""
    both = sorted(ours.keys() & theirs.keys())
    return [math.log(ours[each] / theirs[each]) for each in both if ours[each] > 0 and theirs[each] > 0]


def unpaired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio | None:
    """Estimate the ratio of two figures without rounds in common; None if a side has no positive value.

    It is the ratio of the medians with Welch's 95 % interval for two samples of unequal variance, on logarithms;
    swapping the two gives the inverse. Degrees of freedom are Welch and Satterthwaite's (NIST/SEMATECH e-Handbook,
    1.3.5.3; B. L. Welch, Biometrika 34, 1947, 28 – 35), rounded down to a whole number, which never narrows the
    interval. With a single value on either side there is no interval.
    """
    above, below = ([value for value in side if value > 0] for side in (numerators, denominators))
    if not above or not below:
        return None
    middle = math.log(statistics.median(above)) - math.log(statistics.median(below))
    difference, margin = _welch([math.log(value) for value in above], [math.log(value) for value in below])
    low, high = (difference - margin, difference + margin) if margin is not None else (middle, middle)
    return Ratio(_exp(middle), _exp(min(low, middle)), _exp(max(high, middle)))


def has_tail(count: int, per_mille: int) -> bool:
    """Are there enough requests for this percentile, so that at least ten of them were slower?

    p50 needs 20 requests, p90 100, p99 1,000 and p99.9 10,000.
    """
    return count * (1000 - per_mille) >= TAIL * 1000


def estimate_latency(histograms: Sequence[Histogram], chance: np.random.Generator) -> Latency:
    """Estimate percentiles of the merged histograms of all rounds in µs, each with its 95 % interval.

    `max` is the largest value of all rounds. A maximum has no confidence interval, so its low and high are the smallest
    and the largest of the maxima of the rounds.
    """
    histograms = [histogram for histogram in histograms if histogram.counts]
    if not histograms:
        return Latency()
    merged = Histogram.merge(histograms)
    given = {name: per_mille for name, per_mille in PER_MILLE.items() if has_tail(merged.count, per_mille)}
    margins = _log_margins(histograms, list(given.values()), chance)
    estimates = {
        name: _around(merged.percentile(per_mille / 10), margin)
        for (name, per_mille), margin in zip(given.items(), margins, strict=True)
    }
    return Latency(**estimates, max=Estimate(merged.max_us, min(each.max_us for each in histograms), merged.max_us))


def make_chance(seed: int, case: Case) -> np.random.Generator:
    """Numbers of this case's own, so that other cases in the run do not change them."""
    digest = blake2b(f"{seed} {case!r}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))


def _around(value: float, log_margin: float) -> Estimate:
    return Estimate(value, value * _exp(-log_margin), value * _exp(log_margin))


def _t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval for the mean."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return mean, mean
    margin = t_97_5(len(values) - 1) * statistics.stdev(values, mean) / math.sqrt(len(values))
    return mean - margin, mean + margin


def _welch(ones: Sequence[float], others: Sequence[float]) -> tuple[float, float | None]:
    """Difference of two means and half the width of its 95 % interval, which is None with a single value."""
    difference = statistics.fmean(ones) - statistics.fmean(others)
    if len(ones) == 1 or len(others) == 1:
        return difference, None
    parts = [statistics.variance(side) / len(side) for side in (ones, others)]
    variance = sum(parts)
    if variance == 0:
        return difference, 0.0
    shares = [(part / variance) ** 2 / (len(side) - 1) for part, side in zip(parts, (ones, others), strict=True)]
    freedom = math.floor(1 / sum(shares) + 1e-9)  # rounding errors must not lower a whole number
    return difference, t_97_5(freedom) * math.sqrt(variance)


def t_97_5(freedom: int) -> float:
    """Student's t at 97.5 %; beyond the table its last value, which is at most 4 % too large."""
    return T_97_5[min(freedom, len(T_97_5)) - 1]


def _log_margins(
    histograms: Sequence[Histogram], per_mille: Sequence[int], chance: np.random.Generator
) -> NDArray[np.float64]:
    """Resample rounds for half the width of each percentile's interval on the logarithmic scale."""
    rounds = len(histograms)
    if rounds == 1:
        return np.zeros(len(per_mille))
    drawn = chance.multinomial(rounds, [1 / rounds] * rounds, size=RESAMPLES)
    weights, times = np.unique(drawn, axis=0, return_counts=True)  # there are only 126 ways to draw five rounds
    logs = np.log(np.maximum(_percentiles(histograms, weights, per_mille), 1))
    mean = np.average(logs, axis=0, weights=times)
    variance = np.average((logs - mean) ** 2, axis=0, weights=times)
    return t_97_5(rounds - 1) * np.sqrt(variance * rounds / (rounds - 1))


def _percentiles(
    histograms: Sequence[Histogram], weights: NDArray[np.int64], per_mille: Sequence[int]
) -> NDArray[np.float64]:
    """Percentiles in µs (resamples × percentiles); `weights` (resamples × rounds) is how often each round was drawn."""
    buckets = sorted(set().union(*(histogram.counts for histogram in histograms)))
    counts = np.array([[histogram.counts.get(each, 0) for each in buckets] for histogram in histograms], dtype=float)
    tops = np.array([bucket_range(each)[1] for each in buckets], dtype=float)
    cumulative = np.cumsum(weights @ counts, axis=1)
    ranks = np.ceil(cumulative[:, -1:] * np.asarray(per_mille) / 1000)
    columns = [tops[(cumulative < rank[:, None]).sum(axis=1)] for rank in ranks.T]
    return np.stack(columns, axis=1) if columns else np.empty((len(weights), 0))
