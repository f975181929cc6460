from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.text.numbers import (
    count,
    duration,
    half_width,
    interval,
    is_telling,
    join,
    percent,
    plural,
    significant,
    span,
    tolerance,
)


@given(st.floats(0.001, 1e7))
def test_measured_numbers_keep_three_digits_and_all_before_the_point(value: float) -> None:
    shown = significant(value)
    assert float(shown.replace(",", "")) == pytest.approx(value, rel=0.00501)
    assert re.fullmatch(r"[\d,]+(\.\d+)?", shown)
    if value >= 100:
        assert shown == count(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12_345.4, "12,345"), (412.4, "412"), (99.96, "100"), (41.2, "41.2"), (3.4, "3.40"), (0.052, "0.0520")],
)
def test_zeros_that_are_significant_are_written(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.004, "0.4 %"),
        (0.05, "5 %"),
        (0.071, "7.1 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.434, "43 %"),
        (9, "900 %"),
    ],
)
def test_a_percentage_below_ten_has_a_tenth_if_there_is_one(share: float, text: str) -> None:
    assert percent(share) == text


def test_a_tolerance_has_the_digits_it_was_given() -> None:
    assert [tolerance(share) for share in (0.05, 0.0025, 0.125)] == ["±5 %", "±0.25 %", "±12.5 %"]


def test_one_thing_is_singular_and_any_other_number_plural() -> None:
    assert [plural(number, "case") for number in (0, 1, 2, 1_200)] == ["0 cases", "1 case", "2 cases", "1,200 cases"]


def test_a_span_of_equal_numbers_is_one_number() -> None:
    assert (span([9, 6, 7]), span([6, 6])) == ("6 to 9", "6")


def test_words_are_joined_as_in_a_sentence() -> None:
    assert [join(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


def test_a_duration_of_a_minute_or_more_has_minutes() -> None:
    assert [duration(seconds) for seconds in (0.4, 45, 200, 3_605)] == ["0 s", "45 s", "3 min 20 s", "60 min 05 s"]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (2.0, 2.0, ""),
        (2.0, 6.0, "2.00 – 6.00"),
        (2.0, 6.1, "too few rounds"),
        (0.0, 6.0, "too few rounds"),
        (0.0, 0.0, ""),
    ],
)
def test_an_interval_is_written_unless_its_ends_differ_by_more_than_three_times(
    low: float, high: float, text: str
) -> None:
    assert interval(low, high, significant) == text


@given(st.floats(0.01, 100), st.floats(0, 4))
def test_half_a_width_is_written_where_the_interval_is(middle: float, share: float) -> None:
    low, high = middle / (1 + share), middle * (1 + share)
    if abs((1 + share) ** 2 - 3) > 1e-6:
        assert (half_width(share) == "too few rounds") is not is_telling(low, high)
        assert half_width(0.012) == "±1.2 %"
