"""Log-linear histograms of microseconds: three significant digits, exact to merge.

The layout is HdrHistogram's with 2048 sub-buckets (http://hdrhistogram.org): each value below 2048 µs has one bucket;
above, each doubling has 1024 buckets, so a bucket is never wider than 1/1024 of the values in it.

Why not the package hdrhistogram: it records one value at a time, where `harness.load.series` counts many with numpy, at
9 times as many values per CPU second (7 to 10 in 9 pairs, `benchmarks/histograms.py`, 2 virtual CPUs). On disk, counts
are in its encoding (`harness.model.hdr_histogram`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

SUB_BUCKET_BITS = 11
_HALF = 1 << (SUB_BUCKET_BITS - 1)


def bucket(value_us: int) -> int:
    """Number of the bucket that holds `value_us` (≥ 0)."""
    shift = max(0, value_us.bit_length() - SUB_BUCKET_BITS)
    return shift * _HALF + (value_us >> shift)


def bucket_range(index: int) -> tuple[int, int]:
    """Lowest and highest microsecond that bucket `index` holds."""
    shift = max(0, index // _HALF - 1)
    low = (index - shift * _HALF) << shift
    return low, low + (1 << shift) - 1


@dataclass(frozen=True)
class Histogram:
    """Counts by bucket, and the exact sum and maximum."""

    counts: Mapping[int, int] = field(default_factory=dict)
    sum_us: int = 0
    max_us: int = 0

    @classmethod
    def of(cls, values_us: Iterable[int]) -> Histogram:
        counts: dict[int, int] = {}
        total = top = 0
        for value in values_us:
            index = bucket(value)
            counts[index] = counts.get(index, 0) + 1
            total += value
            top = max(top, value)
        return cls(counts, total, top)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def mean_us(self) -> float:
        return self.sum_us / self.count if self.counts else 0.0

    @property
    def mean_residence_us(self) -> float:
        """How long a request in flight at any moment takes in all: the mean of the values weighted by themselves.

        A slow request is in flight for longer, so it is met more often than it is sent (the inspection paradox).
        """
        middles = [(sum(bucket_range(index)) / 2, count) for index, count in self.counts.items()]
        weighted = sum(middle * count for middle, count in middles)
        return sum(middle**2 * count for middle, count in middles) / weighted if weighted else 0.0

    def percentile(self, percent: float) -> int:
        """The value in µs that `percent` of the requests (0 to 100) do not exceed; 0 if there are none.

        Like HdrHistogram, this is the highest value of the bucket with that rank, but never more than the maximum.
        """
        count = self.count
        rank = max(1, math.ceil(round(count * percent / 100, 9)))
        for index, seen in self.cumulative():
            if seen >= rank:
                return min(bucket_range(index)[1], self.max_us)
        return 0

    def cumulative(self) -> Iterator[tuple[int, int]]:
        """Each bucket that is not empty, in order, with the number of requests up to and including it."""
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            yield index, seen

    @staticmethod
    def merge(histograms: Iterable[Histogram]) -> Histogram:
        """The sum of histograms, as exact as each of them."""
        counts: dict[int, int] = {}
        total = top = 0
        for histogram in histograms:
            for index, count in histogram.counts.items():
                counts[index] = counts.get(index, 0) + count
            total += histogram.sum_us
            top = max(top, histogram.max_us)
        return Histogram(counts, total, top)

    @staticmethod
    def merge_all(histograms: Iterable[Histogram | None]) -> Histogram | None:
        """The sum; None if one is missing, or there is none."""
        every = list(histograms)
        known = [each for each in every if each is not None]
        return Histogram.merge(known) if known and len(known) == len(every) else None
