"""Estimates and ratios with their intervals: over rounds, over the cycles in them, and without rounds in common."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.intervals import (
    T_97_5,
    Key,
    Turns,
    _percentiles,
    as_turns,
    cycle_deviations,
    estimate,
    estimate_latency,
    has_tail,
    pair_turns,
    paired_ratio,
    unpaired_ratio,
    warming_ratio,
)
from harness.model.histogram import Histogram
from harness.model.summaries import Estimate, Latency, Ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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


def about(value: float) -> Any:
    """The number, compared with an allowance for rounding."""
    return pytest.approx(value)


def by_round(values: Sequence[float]) -> Turns:
    """A figure that is known for whole rounds."""
    return as_turns({(number, 0): value for number, value in enumerate(values)})


# Estimates


@pytest.mark.parametrize("freedom", range(1, 31))
def test_the_table_of_students_t_leaves_a_fortieth_of_the_density_above(freedom: int) -> None:
    # With x = √freedom · tan θ the distribution function is an integral of cos^(freedom − 1) over a finite range.
    angles = np.linspace(0, math.atan(T_97_5[freedom - 1] / math.sqrt(freedom)), 20_001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    assert 0.5 + scale * np.trapezoid(np.cos(angles) ** (freedom - 1), angles) == pytest.approx(0.975, abs=5e-5)


@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
@pytest.mark.parametrize("noise", [0.1, 0.2])
def test_intervals_include_the_true_value_in_93_of_100_runs_even_with_few_rounds(rounds: int, noise: float) -> None:
    chance = np.random.default_rng(20261120)
    runs = np.exp(noise * chance.standard_normal((3_000, 2, rounds)))
    intervals = [(estimate(a), paired_ratio(by_round(a), by_round(b))) for a, b in runs.tolist()]
    for several in zip(*intervals, strict=True):
        assert np.mean([each.low <= 1 <= each.high for each in several if each]) >= 0.93


@given(st.lists(POSITIVE, min_size=1, max_size=12))
def test_an_estimate_is_the_median_inside_its_interval(values: list[float]) -> None:
    found = estimate(values)
    assert found is not None
    assert found.median == statistics.median(values)
    assert 0 < found.low <= found.median <= found.high


def test_the_interval_is_students_on_logarithms() -> None:
    found = estimate([100.0, 200.0, 400.0])
    margin = 4.303 * math.log(2) / math.sqrt(3)
    assert found == Estimate(200.0, about(200 * math.exp(-margin)), about(200 * math.exp(margin)))


def test_a_single_round_is_its_own_interval_and_no_round_has_none() -> None:
    assert estimate([7.0]) == Estimate(7.0, 7.0, 7.0)
    assert estimate([]) is None


def test_if_a_value_has_no_logarithm_the_interval_is_the_range() -> None:
    assert estimate([0.0, 3.0, 1.0]) == Estimate(1.0, 0.0, 3.0)


@given(st.dictionaries(st.integers(0, 9), st.tuples(POSITIVE, POSITIVE), min_size=1))
def test_the_ratio_of_a_to_b_is_the_inverse_of_b_to_a(rounds: dict[int, tuple[float, float]]) -> None:
    a, b = (as_turns({(number, 0): pair[side] for number, pair in rounds.items()}) for side in (0, 1))
    there, back = paired_ratio(a, b), paired_ratio(b, a)
    assert there is not None
    assert back is not None
    for one, other in ((there.value, back.value), (there.low, back.high), (there.high, back.low)):
        assert one == pytest.approx(1 / other, rel=1e-6)


def test_ratios_are_paired_so_that_noise_common_to_a_round_cancels() -> None:
    machine = (1.0, 0.6, 1.3, 0.8)
    found = paired_ratio(by_round([300 * speed for speed in machine]), by_round(machine))
    assert logs(found) == pytest.approx([math.log(300)] * 3)


def test_only_rounds_that_both_have_are_paired() -> None:
    ours, theirs = {(0, 0): 10.0, (1, 0): 30.0, (2, 0): 0.0}, {(1, 0): 15.0, (2, 0): 5.0, (3, 0): 1.0}
    assert logs(paired_ratio(as_turns(ours), as_turns(theirs))) == pytest.approx([math.log(2)] * 3)
    assert paired_ratio(as_turns({(0, 0): 1.0}), as_turns({(1, 0): 1.0})) is None


# Turns


CYCLES = st.dictionaries(st.integers(0, 5), POSITIVE, max_size=6)
TURNS = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 1)), CYCLES, max_size=6)


@given(TURNS, TURNS)
def test_swapping_two_candidates_that_took_turns_inverts_every_rounds_ratio(ours: Turns, theirs: Turns) -> None:
    there, back = pair_turns(ours, theirs), pair_turns(theirs, ours)
    assert there == pytest.approx({key: -value for key, value in back.items()}, abs=1e-9)
    one, other = paired_ratio(ours, theirs), paired_ratio(theirs, ours)
    assert (one is None) == (other is None)
    if one is not None:
        value, low, high = logs(other)
        assert logs(one) == pytest.approx((-value, -high, -low), abs=1e-6)


def test_of_a_round_only_cycles_that_both_have_count_and_their_median_ratio_is_the_rounds() -> None:
    ours = {(0, 0): {0: 10.0, 1: 20.0, 2: 30.0, 3: 0.0}}
    theirs = {(0, 0): {1: 10.0, 2: 10.0, 3: 7.0, 4: 1.0}}
    assert pair_turns(ours, theirs) == {(0, 0): pytest.approx((math.log(2) + math.log(3)) / 2)}


def test_candidates_that_never_shared_a_block_are_paired_by_their_means_in_the_round() -> None:
    ours = {(0, 0): {0: 4.0, 1: 9.0}, (1, 1): {0: 5.0}}
    theirs = {(0, 1): {0: 3.0}, (1, 0): {0: 10.0}, (2, 0): {0: 1.0}}
    assert pair_turns(ours, theirs) == {(0, 0): pytest.approx(math.log(2)), (1, 0): pytest.approx(math.log(0.5))}


def test_where_two_candidates_shared_blocks_in_three_rounds_only_these_are_paired() -> None:
    ours = {**{(number, 0): {0: 4.0} for number in range(3)}, (3, 1): {0: 5.0}}
    theirs = {**{(number, 0): {0: 2.0} for number in range(3)}, (0, 1): {0: 9.0}, (3, 0): {0: 10.0}}
    assert pair_turns(ours, theirs) == {(number, 0): pytest.approx(math.log(2)) for number in range(3)}


def test_where_they_shared_fewer_the_other_rounds_count_by_their_means() -> None:
    ours = {(0, 1): {0: 4.0}, (1, 1): {0: 5.0}}
    theirs = {(0, 1): {0: 2.0}, (0, 0): {0: 9.0}, (1, 0): {0: 10.0}}
    assert pair_turns(ours, theirs) == {(0, 1): pytest.approx(math.log(2)), (1, 0): pytest.approx(math.log(0.5))}
    found = paired_ratio(ours, theirs)
    assert found is not None
    assert found.low < 1 < found.high  # one round alone would have no interval


def test_two_that_took_turns_with_the_same_third_are_paired_through_it_whatever_their_blocks_met() -> None:
    ours = {(0, 0): {0: 40.0}, (1, 1): {0: 4.0}}
    theirs = {(0, 1): {0: 2.0}, (1, 0): {0: 20.0}}
    common = {(0, 0): {0: 10.0}, (0, 1): {0: 1.0}, (1, 0): {0: 10.0}, (1, 1): {0: 1.0}}
    assert pair_turns(ours, theirs, common) == {(number, 0): pytest.approx(math.log(2)) for number in range(2)}


def quiet_rounds(chance: np.random.Generator, rounds: int = 4, cycles: int = 9) -> dict[Key, dict[int, float]]:
    """Cycles that differ by 1 %."""
    noise = np.exp(0.01 * chance.standard_normal((rounds, cycles)))
    return {(number, 0): dict(enumerate(row)) for number, row in enumerate(noise.tolist())}


@pytest.mark.parametrize("factor", [3, 1 / 3])
def test_a_cycle_that_is_off_by_three_times_hardly_moves_the_ratio(factor: float) -> None:
    chance = np.random.default_rng(20261120)
    ours, theirs = quiet_rounds(chance), quiet_rounds(chance)
    value, low, high = logs(paired_ratio(ours, theirs))
    ours[2, 0] = {**ours[2, 0], 4: factor * ours[2, 0][4]}
    assert logs(paired_ratio(ours, theirs)) == pytest.approx((value, low, high), abs=0.01)


def test_one_disturbed_cycle_does_not_change_what_the_cycles_vary_by() -> None:
    chance = np.random.default_rng(20261120)
    ours, theirs = quiet_rounds(chance, 1, 501), quiet_rounds(chance, 1, 501)
    ((deviation, count),) = cycle_deviations(ours, theirs).values()
    assert (deviation, count) == (pytest.approx(0.01 * math.sqrt(2), rel=0.1), 501)
    ours[0, 0][7] *= 3
    assert cycle_deviations(ours, theirs)[0, 0][0] == pytest.approx(deviation, rel=0.02)


def test_the_deviation_is_known_only_of_rounds_with_several_cycles_in_common() -> None:
    ours = {(0, 0): {0: 1.0}, (1, 0): {0: 1.0, 1: 2.0}, (2, 0): {0: 1.0, 1: 2.0}}
    theirs = {(0, 0): {0: 1.0}, (1, 0): {0: 1.0, 2: 2.0}, (2, 0): {0: 1.0, 1: 1.0}}
    assert cycle_deviations(ours, theirs) == {(2, 0): (pytest.approx(1.4826 * math.log(2) / 2), 2)}


def started_anew(
    chance: np.random.Generator, start_spread: float, machine: NDArray[np.float64], level: float = 1.0
) -> Turns:
    """A server that is a little faster or slower from start to start, on a machine of this speed in each cycle.

    Of its cycles, most differ by 2 % and one in ten by a factor of 1.5.
    """
    starts = start_spread * chance.standard_normal((len(machine), 1))
    disturbed = (chance.random(machine.shape) < 0.1) * chance.choice([-0.4, 0.4], machine.shape)
    noise = 0.02 * chance.standard_normal(machine.shape) + disturbed
    values = level * machine * np.exp(starts + noise)
    return {(number, 0): dict(enumerate(row)) for number, row in enumerate(values.tolist())}


@pytest.mark.parametrize(("rounds", "cycles"), [(3, 10), (8, 6), (12, 12)])
def test_the_interval_over_rounds_and_cycles_includes_the_true_ratio_in_95_of_100_runs(
    rounds: int, cycles: int
) -> None:
    chance = np.random.default_rng(20261120)
    held = 0
    for _ in range(400):
        machine = np.exp(0.3 * chance.standard_t(3, (rounds, cycles)))
        found = paired_ratio(started_anew(chance, 0.03, machine, 0.8), started_anew(chance, 0.01, machine))
        assert found is not None
        held += found.low <= 0.8 <= found.high
    assert 0.92 <= held / 400 <= 0.98


# Latency


@pytest.mark.parametrize(("per_mille", "least"), [(500, 20), (900, 100), (990, 1_000), (999, 10_000)])
def test_a_percentile_needs_ten_requests_beyond_it(per_mille: int, least: int) -> None:
    assert has_tail(least, per_mille)
    assert not has_tail(least - 1, per_mille)


def test_percentiles_without_ten_requests_beyond_them_are_left_out() -> None:
    found = estimate_latency([Histogram.of(range(500)), Histogram.of(range(499))], np.random.default_rng(1))
    assert found.p90 is not None
    assert (found.p99, found.p99_9) == (None, None)
    assert (
        estimate_latency([], np.random.default_rng(1))
        == estimate_latency([Histogram()], np.random.default_rng(1))
        == Latency()
    )


def test_percentiles_are_of_merged_histograms_and_not_averages_over_rounds() -> None:
    quick, slow = [1_000] * 9_000, [50_000] * 1_000
    found = estimate_latency([Histogram.of(quick), Histogram.of(slow)], np.random.default_rng(1))
    assert found.p90 is not None
    assert found.p90.median == np.percentile(quick + slow, 90, method="inverted_cdf") == 1_000


ROUNDS = st.lists(st.lists(st.integers(0, 10**6), min_size=1, max_size=30).map(Histogram.of), min_size=1, max_size=4)


@given(ROUNDS, st.data())
def test_resampling_by_weights_is_merging_rounds_that_often(rounds: list[Histogram], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(rounds), max_size=len(rounds)).filter(any))
    merged = Histogram.merge(each for each, times in zip(rounds, weights, strict=True) for _ in range(times))
    found = _percentiles(rounds, np.array([weights]), [500, 900, 990])
    assert np.minimum(found, merged.max_us).tolist() == [[merged.percentile(percent) for percent in (50, 90, 99)]]


def test_rounds_that_agree_have_narrow_latency_intervals_and_rounds_that_differ_have_wide_ones() -> None:
    chance = np.random.default_rng(1)
    requests = chance.lognormal(8, 0.3, (5, 2_000))
    agreeing = [Histogram.of(values.astype(int).tolist()) for values in requests]
    factors = [0.7, 0.9, 1.0, 1.1, 1.4]
    differing = [Histogram.of((f * values).astype(int).tolist()) for f, values in zip(factors, requests, strict=True)]
    widths = []
    for rounds in (agreeing, differing):
        p50 = estimate_latency(rounds, np.random.default_rng(1)).p50
        assert p50 is not None
        assert p50.low < p50.median < p50.high
        widths.append(p50.high / p50.low)
    assert 1 < widths[0] < 1.1
    assert widths[1] > 1.4


def test_the_interval_of_a_percentile_is_students_around_the_bootstraps_standard_error() -> None:
    # Two rounds are drawn as 2 + 0, 1 + 1 or 0 + 2; the median of the merged is the lower value in three draws of four.
    p50 = estimate_latency([Histogram.of([500] * 20), Histogram.of([2_000] * 20)], np.random.default_rng(1)).p50
    margin = 12.706 * math.log(4) * math.sqrt(3 / 16 * 2)
    assert p50 is not None
    assert p50.median == 500
    assert math.log(p50.high / 500) == pytest.approx(margin, rel=0.05)
    assert p50.low * p50.high == pytest.approx(500**2)


def test_the_maximum_is_the_largest_of_all_between_the_smallest_and_the_largest_of_the_rounds() -> None:
    rounds = [Histogram.of([5, 900]), Histogram.of([300]), Histogram.of([7])]
    assert estimate_latency(rounds, np.random.default_rng(1)).max == Estimate(900, 7, 900)


# Without rounds in common


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


def test_a_first_cycle_that_is_slower_than_later_ones_shows_a_short_warmup() -> None:
    turns = {(number, 0): {0: 800.0, 1: 1_000.0, 2: 1_010.0, 3: 990.0} for number in range(4)}
    found = warming_ratio(turns)
    assert found is not None
    assert found.value == pytest.approx(1.25)
    assert warming_ratio({(0, 0): {0: 800.0, 1: 1_000.0}}) is None


def test_rounds_that_differ_beyond_all_numbers_have_an_interval_all_the_same() -> None:
    found = estimate([1e-150, 1e150])
    assert found is not None
    assert 0 < found.low < found.median < found.high < math.inf
