"""Buckets, percentiles and merging, compared with numpy on the same values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.histogram import Histogram, bucket, bucket_range

MICROSECONDS = st.integers(0, 2**40)
SAMPLES = st.lists(MICROSECONDS, min_size=1, max_size=200)
HISTOGRAMS = st.lists(MICROSECONDS, max_size=50).map(Histogram.of)
PERCENTS = st.sampled_from([0, 1, 25, 50, 90, 95, 99, 99.9, 99.99, 100]) | st.floats(0, 100)


@given(MICROSECONDS)
def test_a_value_lies_in_the_range_of_its_bucket(value: int) -> None:
    low, high = bucket_range(bucket(value))
    assert low <= value <= high


@given(st.integers(0, 40_000))
def test_both_ends_of_a_bucket_belong_to_it_and_the_next_bucket_follows_without_a_gap(index: int) -> None:
    low, high = bucket_range(index)
    assert bucket(low) == bucket(high) == index
    assert bucket_range(index + 1)[0] == high + 1


@given(st.integers(0, 2047))
def test_below_2048_microseconds_every_value_has_one_bucket(value: int) -> None:
    assert bucket_range(bucket(value)) == (value, value)


@given(MICROSECONDS)
def test_a_bucket_is_no_wider_than_a_thousandth_of_what_it_holds(value: int) -> None:
    low, high = bucket_range(bucket(value))
    assert high - low <= value / 1024


@given(SAMPLES, PERCENTS)
def test_a_percentile_is_numpys_rounded_up_to_the_end_of_its_bucket(values: list[int], percent: float) -> None:
    # The same rounding of count × percent as the histogram's, so that 99.9 % of 1,000 is 999 exactly.
    rank = max(1, int(np.ceil(round(len(values) * percent / 100, 9))))
    exact = int(np.percentile(values, 100 * (rank - 0.5) / len(values), method="inverted_cdf"))
    assert exact == sorted(values)[rank - 1]
    assert exact <= Histogram.of(values).percentile(percent) <= exact * (1 + 1 / 1024)


@pytest.mark.parametrize("percent", [50, 90, 99, 99.9])
def test_percentiles_of_a_long_run_agree_with_numpy(percent: float) -> None:
    values = np.random.default_rng(1).lognormal(8, 1, 10_007).astype(int)
    exact = np.percentile(values, percent, method="inverted_cdf")
    assert exact <= Histogram.of(values.tolist()).percentile(percent) <= exact * (1 + 1 / 1024)


def test_a_rank_that_is_a_whole_number_is_not_rounded_past_it() -> None:
    assert 41_000 * 99.9 / 100 > 40_959, "floating point gives slightly more"
    assert Histogram.of([1] * 40_959 + [2] * 41).percentile(99.9) == 1


@given(HISTOGRAMS, st.lists(PERCENTS, min_size=2))
def test_percentiles_never_fall(histogram: Histogram, percents: list[float]) -> None:
    found = [histogram.percentile(percent) for percent in sorted(percents)]
    assert found == sorted(found)


@given(SAMPLES)
def test_count_sum_mean_and_maximum_are_exact(values: list[int]) -> None:
    histogram = Histogram.of(values)
    assert (histogram.count, histogram.sum_us, histogram.max_us) == (len(values), sum(values), max(values))
    assert histogram.mean_us == sum(values) / len(values)
    assert histogram.percentile(100) == max(values)


@given(st.lists(SAMPLES, max_size=5))
def test_merging_is_counting_everything_in_one_histogram(parts: list[list[int]]) -> None:
    everything = Histogram.of(value for part in parts for value in part)
    assert Histogram.merge(map(Histogram.of, parts)) == everything


@given(HISTOGRAMS, HISTOGRAMS, HISTOGRAMS)
def test_merging_is_associative_and_commutative_and_the_empty_histogram_is_its_identity(
    a: Histogram, b: Histogram, c: Histogram
) -> None:
    merge = Histogram.merge
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])])
    assert merge([a, b]) == merge([b, a])
    assert merge([a, Histogram()]) == a


def test_an_empty_histogram_gives_zeros() -> None:
    empty = Histogram.merge([])
    assert (empty.count, empty.mean_us, empty.percentile(50), list(empty.cumulative())) == (0, 0.0, 0, [])


@given(SAMPLES)
def test_cumulative_counts_end_with_all_requests_in_rising_buckets(values: list[int]) -> None:
    steps = list(Histogram.of(values).cumulative())
    assert [index for index, _ in steps] == sorted({bucket(value) for value in values})
    assert steps[-1][1] == len(values)
