"""How the counted time of a block is cut into slices, and in which order its turns come. Pure."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

SHORTEST_S = 0.1
"""The shortest slice that is chosen: shorter ones favour servers that resume fast after a pause.

In longer ones there are fewer cycles, and the machine changes more from one candidate's turn to the next: with equal
counted time, uvicorn ÷ itself was known to ±0.9 % with 100 ms, 1.3 and 3.3 % with 200 ms, 6.3 % with 400 ms, and
granian ÷ uvicorn was 0.82, 0.82, 0.82 and 0.80 (`benchmarks/slice_length.py`, eight rounds, 2026-11-30).
"""
SHORTEST_OPEN_S = 2.0
"""The same in an open loop, where each slice begins with an empty queue: in a short one the queue cannot grow."""
OPEN_REQUESTS = 500
"""How many requests are due in a slice of an open loop, at least.

How long the queue takes to its usual length depends on the service time: p99 of slices of 500 service times is 0.99,
0.97 and 0.62 of p99 in the long run at 50, 80 and 95 % of the capacity (`benchmarks/open_loop_simulation.py`).
"""
LONGEST_S = 30.0
"""The longest slice that is chosen, however slow the answers are."""
SLICE_RESIDENCES = 5.0
"""A slice lasts at least this many residence times of the slowest candidate."""
LEAD_IN_S = 0.02
"""The shortest lead-in: all users begin at once, and the first answers come in a burst."""
LEAD_IN_RESIDENCES = 1.5
"""The lead-in lasts at least this many residence times, after which the slow requests are in flight as they will be."""
LEAD_IN_LONGEST_S = 10.0
"""The longest lead-in."""


def choose_slice_s(residence_us: Sequence[float], duration_s: float, rate_rps: float | None = None) -> float:
    """The counted time of a turn in one cycle, the same for all candidates; `rate_rps` is the highest that is offered.

    `residence_us` is the time that a request which is in flight at any moment takes in all, one for each candidate: the
    mean of the service times, each weighted by itself. Where one request in fifty takes 1.8 s and the others 1 ms, most
    users soon wait for a slow one, and only a slice much longer than that sees how many are answered.
    A slice may be longer than the counted time that was asked for, since a shorter one would be wrong.
    """
    slowest_s = max(residence_us, default=0) / 1e6
    least_s = SHORTEST_S if rate_rps is None else max(SHORTEST_OPEN_S, OPEN_REQUESTS / rate_rps)
    shortest_s = max(min(LONGEST_S, least_s), SLICE_RESIDENCES * slowest_s)
    if duration_s < shortest_s and SLICE_RESIDENCES * slowest_s <= duration_s:
        return duration_s
    return min(LONGEST_S, shortest_s)


def choose_lead_in_s(residence_us: Sequence[float]) -> float:
    """How long users send before anything counts, the same for all candidates."""
    slowest_s = max(residence_us, default=0) / 1e6
    return max(LEAD_IN_S, min(LEAD_IN_LONGEST_S, LEAD_IN_RESIDENCES * slowest_s))


def count_cycles(duration_s: float, slice_s: float) -> int:
    """How many slices make up the counted time, at least one."""
    return max(1, math.ceil(round(duration_s / slice_s, 6)))


def order_turns(groups: Sequence[Hashable], cycles: int, seed: int) -> Iterator[list[int]]:
    """For each cycle the numbers of the turns in a random order, so that none always follows the same one.

    Turns of one group, which are compared with each other, stay together: the machine changes less in a shorter time.
    """
    chance = random.Random(seed)  # noqa: S311 - a reproducible order, not a secret
    together: dict[Hashable, list[int]] = {}
    for turn, group in enumerate(groups):
        together.setdefault(group, []).append(turn)
    several = list(together.values())
    for _ in range(cycles):
        shuffled = (chance.sample(own, len(own)) for own in chance.sample(several, len(several)))
        yield [turn for own in shuffled for turn in own]


def divide_users(users: int, processes: int, index: int) -> int:
    """How many of a candidate's users run in one of several load processes."""
    return len(range(index, users, processes))
