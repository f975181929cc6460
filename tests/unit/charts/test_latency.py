from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.charts import latency
from harness.charts.latency import BEYOND, LEAST, tail
from harness.model.histogram import Histogram
from tests.drawings import words_in
from tests.reported import COMPARISONS, RUN


def test_lines_that_are_not_valid_are_hollow_and_missing_ones_noted() -> None:
    said = "\n".join(words_in(latency.draw(COMPARISONS, RUN)))
    assert "granian client-limited (hollow)" in said
    assert "uvicorn unsupported" in said
    assert "daphne failed" in said


@given(st.lists(st.integers(1, 5_000_000), min_size=LEAST, max_size=400))
def test_the_percentile_curve_agrees_with_the_histogram_and_stops_where_ten_requests_lie_beyond(
    values: list[int],
) -> None:
    histogram = Histogram.of(values)
    curve = tail(histogram)
    assert all(lower <= upper for (_, lower), (_, upper) in pairwise(curve))
    for at, milliseconds in curve:
        assert milliseconds == histogram.percentile(100 * (1 - 10**-at)) / 1000
    assert 10 ** -curve[-1][0] * len(values) == pytest.approx(BEYOND)


def test_too_few_requests_make_no_curve() -> None:
    assert tail(Histogram()) == []
    assert tail(Histogram.of([1000] * (LEAST - 1))) == []
