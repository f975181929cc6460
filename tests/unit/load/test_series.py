"""Recorded times and the histograms made of them."""

from __future__ import annotations

from array import array

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.load.series import Series, Tally, buckets
from harness.model.histogram import Histogram, bucket

DAY_NS = 86_400 * 10**9


@given(st.lists(st.lists(st.integers(0, DAY_NS), max_size=5), max_size=9))
def test_a_series_hands_over_each_time_once(rounds: list[list[int]]) -> None:
    series = Series()
    taken: list[list[int]] = []
    for times in rounds:
        for time_ns in times:
            if time_ns % 2:
                series.add_events(array("q", [time_ns]))
            if time_ns % 3 == 0:
                series.add_first_byte(time_ns + 1)
            series.intended(time_ns)
            series.written(time_ns + 1)
            series.ended(time_ns + 2)
            series.body_bytes += 1
            series.untimed(time_ns + 3)
        batch, body_bytes, untimed, events = series.take()
        assert batch.written.tolist() == [time_ns + 1 for time_ns in times]
        assert batch.ended.tolist() == [time_ns + 2 for time_ns in times]
        assert batch.first_byte.tolist() == [time_ns + (1 if time_ns % 3 == 0 else 2) for time_ns in times]
        assert body_bytes == len(times)
        assert [batch.intended[answer] for answer, _ in events] == [came for _, (came,) in events]
        assert len(events) == sum(time_ns % 2 for time_ns in times)
        assert untimed.tolist() == [time_ns + 3 for time_ns in times]
        taken.append(batch.intended.tolist())
    assert taken == rounds


DURATIONS = st.integers(-1_000, 2**36 * 1_000) | st.integers(0, 5_000_000)


@given(st.lists(st.lists(DURATIONS)))
def test_a_tally_is_the_histogram_of_all_that_was_added(batches: list[list[int]]) -> None:
    tally = Tally()
    for batch in batches:
        tally.add(np.array(batch, np.int64))
    values_us = [min(max(0, value // 1000), 2**36 - 1) for batch in batches for value in batch]
    assert tally.histogram() == Histogram.of(values_us)


@given(st.lists(st.integers(0, 2**36 - 1) | st.integers(0, 36).map(lambda bits: max(0, 2**bits - 1))))
def test_buckets_of_many_values_are_those_of_each(values_us: list[int]) -> None:
    assert buckets(np.array(values_us, np.int64)).tolist() == [bucket(value) for value in values_us]
