"""Welch's interval for the ratio of two figures without rounds in common."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.intervals import unpaired_ratio
from harness.model.summaries import Ratio

POSITIVE = st.floats(1e-3, 1e7)
VALUES = st.lists(POSITIVE, min_size=1, max_size=8)
RUNS = 1_000

SLEEP_1 = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SLEEP_2 = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)
"""Extra hours of sleep by two drugs ("Student", The Probable Error of a Mean, Biometrika 6, 1908, 20)."""


def logs(ratio: Ratio | None) -> tuple[float, float, float]:
    assert ratio is not None
    return math.log(ratio.value), math.log(ratio.low), math.log(ratio.high)


def of_logs(*values: float) -> list[float]:
    return [math.exp(value) for value in values]


def test_the_interval_is_welchs_on_logarithms_as_in_the_textbook_example() -> None:
    # R, t.test(extra ~ group, data = sleep): t = −1.8608 for a difference of 0.75 − 2.33, with 17.776 degrees of
    # freedom. So the standard error is 1.58 ÷ 1.8608, and with 17 degrees t at 97.5 % is 2.110.
    value, low, high = logs(unpaired_ratio(of_logs(*SLEEP_1), of_logs(*SLEEP_2)))
    margin = 2.110 * 1.58 / 1.8608
    assert (low, high) == (pytest.approx(-1.58 - margin, abs=2e-4), pytest.approx(-1.58 + margin, abs=2e-4))
    assert value == pytest.approx(math.log((math.exp(0.0) + math.exp(0.7)) / 2) - math.log(sum(of_logs(1.6, 1.9)) / 2))


def test_degrees_of_freedom_are_those_of_welch_and_satterthwaite_rounded_down() -> None:
    # Variances of the means 1/3 and 5/3: 2² ÷ ((1/3)² ÷ 2 + (5/3)² ÷ 3) = 4.08, so t of 4 at 97.5 %, which is 2.776.
    _, low, high = logs(unpaired_ratio(of_logs(1, 2, 3), of_logs(2, 4, 6, 8)))
    assert (low, high) == (pytest.approx(-3 - 2.776 * math.sqrt(2)), pytest.approx(-3 + 2.776 * math.sqrt(2)))


def test_with_equal_variances_and_rounds_the_degrees_of_freedom_of_both_sides_add_up() -> None:
    # Variance 1, three rounds each: 4 degrees of freedom and a standard error of √(2/3).
    _, low, high = logs(unpaired_ratio(of_logs(1, 2, 3), of_logs(2, 3, 4)))
    assert high - low == pytest.approx(2 * 2.776 * math.sqrt(2 / 3))


def test_if_one_side_has_no_variance_the_degrees_of_freedom_are_those_of_the_other() -> None:
    _, low, high = logs(unpaired_ratio(of_logs(1, 2, 3), of_logs(2, 2, 2, 2)))
    assert (low, high) == (pytest.approx(-4.303 / math.sqrt(3)), pytest.approx(4.303 / math.sqrt(3)))


def test_equal_values_have_an_exact_ratio() -> None:
    assert unpaired_ratio([3.0] * 4, [2.0] * 3) == Ratio(pytest.approx(1.5), pytest.approx(1.5), pytest.approx(1.5))


@pytest.mark.parametrize("sides", [([2.0], [1.0, 1.5, 0.5]), ([1.0, 2.0, 3.0], [1.0])])
def test_with_a_single_value_on_either_side_there_is_no_interval(sides: tuple[list[float], list[float]]) -> None:
    assert unpaired_ratio(*sides) == Ratio(pytest.approx(2.0), pytest.approx(2.0), pytest.approx(2.0))


def test_without_a_positive_value_there_is_no_ratio() -> None:
    assert unpaired_ratio([], [1.0]) is None
    assert unpaired_ratio([1.0], [0.0]) is None
    assert unpaired_ratio([0.0, 2.0, 4.0], [1.0, 2.0]) == unpaired_ratio([2.0, 4.0], [1.0, 2.0])


@given(VALUES)
def test_the_ratio_of_a_figure_to_itself_is_exactly_one(values: list[float]) -> None:
    found = unpaired_ratio(values, values)
    assert found is not None
    assert found.value == 1
    assert found.low <= 1 <= found.high


@given(VALUES, VALUES, st.floats(0.01, 100))
def test_swapping_inverts_the_ratio_and_scaling_scales_it(
    ours: list[float], theirs: list[float], factor: float
) -> None:
    value, low, high = logs(unpaired_ratio(ours, theirs))
    swapped = logs(unpaired_ratio(theirs, ours))
    assert swapped == pytest.approx((-value, -high, -low), abs=1e-6)
    scaled = logs(unpaired_ratio([factor * each for each in ours], theirs))
    shift = math.log(factor)
    assert scaled[0] == pytest.approx(value + shift, abs=1e-6)


@pytest.mark.parametrize("rounds", [(2, 2), (3, 5), (5, 5), (10, 3), (25, 35)])
@pytest.mark.parametrize("noise", [(0.1, 0.1), (0.05, 0.25)])
def test_the_interval_includes_the_true_ratio_in_93_of_100_runs_for_few_rounds_and_unequal_noise(
    rounds: tuple[int, int], noise: tuple[float, float]
) -> None:
    chance = np.random.default_rng(20261120)
    held = 0
    for _ in range(RUNS):
        ours, theirs = (
            np.exp(width * chance.standard_normal(number)).tolist() for number, width in zip(rounds, noise, strict=True)
        )
        found = unpaired_ratio(ours, theirs)
        assert found is not None
        held += found.low <= 1 <= found.high
    assert held / RUNS >= 0.93
