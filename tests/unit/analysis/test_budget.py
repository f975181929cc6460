"""What time buys: variances are recovered from rounds that have them, and cycles and rounds are traded by them."""

from __future__ import annotations

import math
import random

import pytest

from harness.analysis.budget import (
    FEWEST_CYCLES,
    MOST_CYCLES,
    TYPICAL,
    Variances,
    choose_cycles,
    combine_variances,
    count_rounds_for,
    estimate_half_width,
    estimate_variances,
)
from harness.analysis.intervals import Turns, pair_turns


def simulate(
    chance: random.Random, rounds: int, cycles: int, of_cycles: float, of_starts: float
) -> tuple[Turns, Turns]:
    """A case and its baseline, whose log ratio varies by these standard deviations around 0.2."""
    ours: dict[tuple[int, int], dict[int, float]] = {}
    theirs: dict[tuple[int, int], dict[int, float]] = {}
    for number in range(rounds):
        start = chance.gauss(0.2, of_starts)
        machine = [1000 * math.exp(chance.gauss(0, 0.5)) for _ in range(cycles)]
        theirs[number, 0] = dict(enumerate(machine))
        ours[number, 0] = {n: each * math.exp(start + chance.gauss(0, of_cycles)) for n, each in enumerate(machine)}
    return ours, theirs


@pytest.mark.parametrize(("of_cycles", "of_starts"), [(0.05, 0.02), (0.02, 0.03), (0.1, 0.0)])
def test_variances_are_recovered_whatever_the_machine_does(of_cycles: float, of_starts: float) -> None:
    chance = random.Random(1)
    several = [estimate_variances(*simulate(chance, 20, 12, of_cycles, of_starts)) for _ in range(30)]
    found = combine_variances(each for each in several if each is not None)
    assert found is not None
    assert math.sqrt(found.of_cycles) == pytest.approx(of_cycles, rel=0.15)
    assert math.sqrt(found.of_starts) == pytest.approx(of_starts, abs=0.012)


def test_too_few_rounds_have_no_variances() -> None:
    assert estimate_variances(*simulate(random.Random(1), 2, 12, 0.05, 0.02)) is None
    assert estimate_variances(*simulate(random.Random(1), 5, 1, 0.05, 0.02)) is None
    assert combine_variances([]) is None


def test_where_starts_vary_most_rounds_are_bought_and_where_cycles_do_cycles() -> None:
    assert choose_cycles(Variances(0.02**2, 0.05**2), 2.0, 0.6) == FEWEST_CYCLES
    assert choose_cycles(Variances(0.2**2, 0.005**2), 2.0, 0.6) == MOST_CYCLES
    assert choose_cycles(Variances(0.05**2, 0.0), 2.0, 0.6) == MOST_CYCLES


def test_the_chosen_cycles_give_the_narrowest_interval_in_a_given_time() -> None:
    variances, fixed_s, cycle_s, time_s = Variances(0.06**2, 0.02**2), 3.0, 0.7, 600.0

    def width(cycles: int) -> float:
        rounds = time_s / (fixed_s + cycles * cycle_s)
        return math.sqrt((variances.of_starts + math.pi / 2 * variances.of_cycles / cycles) / rounds)

    best = min(range(FEWEST_CYCLES, MOST_CYCLES), key=width)
    assert abs(choose_cycles(variances, fixed_s, cycle_s) - best) <= 1


def test_the_estimated_width_is_that_of_simulated_rounds() -> None:
    chance, rounds, cycles = random.Random(2), 8, 10
    means = []
    for _ in range(400):
        logs = list(pair_turns(*simulate(chance, rounds, cycles, 0.05, 0.02)).values())
        means.append(sum(logs) / rounds)
    deviation = math.sqrt(sum((each - 0.2) ** 2 for each in means) / len(means))
    expected = estimate_half_width(Variances(0.05**2, 0.02**2), rounds, cycles)
    assert expected is not None
    assert math.log1p(expected) / 2.365 == pytest.approx(deviation, rel=0.12)
    assert estimate_half_width(Variances(0.05**2, 0.02**2), 1, cycles) is None


def test_the_rounds_for_a_precision_are_the_fewest_that_reach_it() -> None:
    rounds = count_rounds_for(TYPICAL, 10, 0.02)
    assert rounds is not None
    before, reached = (estimate_half_width(TYPICAL, each, 10) for each in (rounds - 1, rounds))
    assert before is not None
    assert reached is not None
    assert reached <= 0.02 < before
    assert count_rounds_for(TYPICAL, 10, 0.0001) is None
