"""Estimates over rounds, with 95 % intervals that hold for few rounds. Pure.

Rounds are few, and a bootstrap that takes its interval from percentiles of the resamples is far too narrow then:
with log-normal noise it covered the truth in 50 % (2 rounds), 76 % (3), 83 % (5) and 89 % (10) of simulated runs
where 95 % are claimed (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", §4, has the reason). So:

- A figure that each round has for itself gets Student's t-interval on its logarithms: exact for log-normal noise at any
  number of rounds, 94 to 96 % with heavy tails (t with 3 degrees of freedom) or with one round in ten off by 40 %.
- A percentile of merged histograms has no figure per round that could be averaged. There the bootstrap resamples rounds
  and gives a standard error, widened by √(n ÷ (n − 1)) and by Student's t. That covers p50 in 93 to 97 %, and p99 in
  92 to 96 % where rounds differ by a quarter of what requests do (σ 10 % and 40 %). Where they differ nearly as much
  (20 % and 30 %) it is 80 to 93 %: the far percentiles are then those of rounds that nobody has seen.

One round has no interval: low and high are the value itself.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

from harness.model.histogram import Histogram, bucket_range
from harness.model.summaries import Estimate, Latency, Ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

RESAMPLES = 1_000
"""A standard error needs no more: it is known to 2 %. (Percentiles of resamples would need 10,000.)"""
TAIL = 10
"""Requests that must lie beyond a percentile for it to be given."""
PER_MILLE = {"p50": 500, "p90": 900, "p99": 990, "p99_9": 999}

T_97_5 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t at 97.5 % for 1 to 30 degrees of freedom (NIST/SEMATECH e-Handbook, 1.3.6.7.2)."""


def estimate(values: Sequence[float]) -> Estimate | None:
    """Median over rounds with its 95 % interval; None without values.

    The t-interval on logarithms is one for the median of log-normal noise. It is stretched where it would leave the
    sample's own median out. Where a value is not positive there are no logarithms, and the range stands in, as it does
    for a single value.
    """
    if not values:
        return None
    middle = statistics.median(values)
    if min(values) <= 0 or len(values) == 1:
        return Estimate(middle, min(values), max(values))
    low, high = _t_interval([math.log(value) for value in values])
    return Estimate(middle, min(middle, math.exp(low)), max(middle, math.exp(high)))


def paired_ratio(numerators: Mapping[int, float], denominators: Mapping[int, float]) -> Ratio | None:
    """Ratio of two figures by round, over the rounds that have both (and both positive); None without such a round.

    The median of the log ratios and their t-interval, so that swapping the two gives the inverse.
    """
    logs = [
        math.log(numerators[number]) - math.log(denominators[number])
        for number in sorted(numerators.keys() & denominators.keys())
        if numerators[number] > 0 and denominators[number] > 0
    ]
    if not logs:
        return None
    middle = statistics.median(logs)
    low, high = _t_interval(logs)
    return Ratio(math.exp(middle), math.exp(min(low, middle)), math.exp(max(high, middle)))


def unpaired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio | None:
    """Ratio of two figures whose rounds have nothing in common; None without a positive value on either side.

    The ratio of the medians, with Welch's 95 % interval for two samples of unequal variance, on logarithms; swapping
    the two gives the inverse. Degrees of freedom are Welch and Satterthwaite's (NIST/SEMATECH e-Handbook, 1.3.5.3;
    B. L. Welch, Biometrika 34, 1947, 28 – 35), rounded down to a whole number, which never narrows the interval.
    A single value on either side leaves no interval.
    """
    above, below = ([value for value in side if value > 0] for side in (numerators, denominators))
    if not above or not below:
        return None
    middle = math.log(statistics.median(above)) - math.log(statistics.median(below))
    difference, margin = _welch([math.log(value) for value in above], [math.log(value) for value in below])
    low, high = (difference - margin, difference + margin) if margin is not None else (middle, middle)
    return Ratio(math.exp(middle), math.exp(min(low, middle)), math.exp(max(high, middle)))


def carries(count: int, per_mille: int) -> bool:
    """Whether `count` requests carry this percentile: at least ten of them must lie beyond it.

    p50 takes 20 requests, p90 100, p99 1,000 and p99.9 10,000.
    """
    return count * (1000 - per_mille) >= TAIL * 1000


def latency(histograms: Sequence[Histogram], chance: np.random.Generator) -> Latency:
    """Percentiles of the rounds' merged histograms in µs, each with its 95 % interval.

    `max` is the largest value of all rounds; a maximum has no confidence interval, so its low and high are the smallest
    and the largest of the rounds' maxima.
    """
    histograms = [histogram for histogram in histograms if histogram.counts]
    if not histograms:
        return Latency()
    merged = Histogram.merge(histograms)
    carried = {name: per_mille for name, per_mille in PER_MILLE.items() if carries(merged.count, per_mille)}
    margins = _log_margins(histograms, list(carried.values()), chance)
    estimates = {
        name: _around(merged.percentile(per_mille / 10), margin)
        for (name, per_mille), margin in zip(carried.items(), margins, strict=True)
    }
    return Latency(**estimates, max=Estimate(merged.max_us, min(each.max_us for each in histograms), merged.max_us))


def _around(value: float, log_margin: float) -> Estimate:
    return Estimate(value, value * math.exp(-log_margin), value * math.exp(log_margin))


def _t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval for the mean."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return mean, mean
    margin = _t(len(values)) * statistics.stdev(values, mean) / math.sqrt(len(values))
    return mean - margin, mean + margin


def _welch(ones: Sequence[float], others: Sequence[float]) -> tuple[float, float | None]:
    """Difference of two means and half the width of its 95 % interval; None for the latter with a single value."""
    difference = statistics.fmean(ones) - statistics.fmean(others)
    if len(ones) == 1 or len(others) == 1:
        return difference, None
    parts = [statistics.variance(side) / len(side) for side in (ones, others)]
    variance = sum(parts)
    if variance == 0:
        return difference, 0.0
    shares = [(part / variance) ** 2 / (len(side) - 1) for part, side in zip(parts, (ones, others), strict=True)]
    freedom = math.floor(1 / sum(shares) + 1e-9)  # what is whole but for rounding counts as whole
    return difference, _t(freedom + 1) * math.sqrt(variance)


def _t(rounds: int) -> float:
    """The factor for this many rounds; beyond the table its last value, which is at most 4 % too wide."""
    return T_97_5[min(rounds - 1, len(T_97_5)) - 1]


def _log_margins(
    histograms: Sequence[Histogram], per_mille: Sequence[int], chance: np.random.Generator
) -> NDArray[np.float64]:
    """Half the width of each percentile's interval on the logarithmic scale, by resampling rounds."""
    rounds = len(histograms)
    if rounds == 1:
        return np.zeros(len(per_mille))
    drawn = chance.multinomial(rounds, [1 / rounds] * rounds, size=RESAMPLES)
    weights, times = np.unique(drawn, axis=0, return_counts=True)  # five rounds can be drawn in 126 ways only
    logs = np.log(np.maximum(_percentiles(histograms, weights, per_mille), 1))
    mean = np.average(logs, axis=0, weights=times)
    variance = np.average((logs - mean) ** 2, axis=0, weights=times)
    return _t(rounds) * np.sqrt(variance * rounds / (rounds - 1))


def _percentiles(
    histograms: Sequence[Histogram], weights: NDArray[np.int64], per_mille: Sequence[int]
) -> NDArray[np.float64]:
    """Percentiles in µs (resamples × percentiles); `weights` (resamples × rounds) says how often each round is in."""
    buckets = sorted(set().union(*(histogram.counts for histogram in histograms)))
    counts = np.array([[histogram.counts.get(each, 0) for each in buckets] for histogram in histograms], dtype=float)
    tops = np.array([bucket_range(each)[1] for each in buckets], dtype=float)
    cumulative = np.cumsum(weights @ counts, axis=1)
    ranks = np.ceil(cumulative[:, -1:] * np.asarray(per_mille) / 1000)
    columns = [tops[(cumulative < rank[:, None]).sum(axis=1)] for rank in ranks.T]
    return np.stack(columns, axis=1) if columns else np.empty((len(weights), 0))
