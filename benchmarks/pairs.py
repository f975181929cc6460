"""Compares two ways of doing one thing: CPU time of each in turn, and the ratio of every pair."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS = 9


def compare(ours: Callable[[int], object], other_name: str, other: Callable[[int], object], count: int) -> None:
    """Print, for each pair, how often per CPU second each way does it, and the ratio; then the median ratio.

    Each way is a function that does it `count` times. The order changes from pair to pair, so that a drift of the
    machine's speed favours neither.
    """
    for way in (ours, other):
        way(count // 10)  # warm-up
    print(f"   ours/s   {other_name}/s   ratio")
    ratios = []
    for pair in range(PAIRS):
        ways = (ours, other) if pair % 2 == 0 else (other, ours)
        rates = {way: count / _cpu_s(way, count) for way in ways}
        ratios.append(rates[ours] / rates[other])
        print(f"{rates[ours]:9,.0f} {rates[other]:{len(other_name) + 4},.0f} {ratios[-1]:7.2f}")
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {PAIRS} pairs")


def _cpu_s(way: Callable[[int], object], count: int) -> float:
    began_s = time.process_time()
    way(count)
    return time.process_time() - began_s
