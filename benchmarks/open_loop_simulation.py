"""How long must a slice of an open loop be? Simulated queues that are empty when a slice begins.

python benchmarks/open_loop_simulation.py     # about two minutes

Poisson arrivals at one worker, whose service times are all the same, or exponential. A table shows p99 of the slices ÷
p99 in the long run, by the length of slices in service times. `open_loop_slices.py` measures the same on real servers,
where the noise of a shared machine hides it.
"""

from __future__ import annotations

import argparse

import numpy as np

SHARES = (0.50, 0.80, 0.95)
LENGTHS = (10, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""These are in service times."""
LONG_RUN = 100_000
SERVICES = 4_000_000
"""For each cell, so that slices are many where they are short; no more than `MOST` of them."""
MOST = 8_000


def main() -> None:
    """Print a row for each length, a column for each share of the capacity."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    chance = np.random.default_rng(1)
    for title, exponential in (("all service times the same", False), ("exponential service times", True)):
        print(f"\n{title}: p99 of slices ÷ p99 in the long run")
        print(f"| slice, service times | {' | '.join(f'{share:.0%}' for share in SHARES)} |")
        print(f"|---|{'---|' * len(SHARES)}")
        long_run = [find_p99(chance, share, LONG_RUN, exponential=exponential) for share in SHARES]
        for length in LENGTHS:
            cells = [
                find_p99(chance, share, length, exponential=exponential) / known
                for share, known in zip(SHARES, long_run, strict=True)
            ]
            print(f"| {length:,} | {' | '.join(f'{cell:.2f}' for cell in cells)} |", flush=True)


def find_p99(chance: np.random.Generator, share: float, length: float, *, exponential: bool) -> float:
    """p99 of the response times in slices of this length; all times are in service times."""
    slices = min(MOST, int(SERVICES / length))
    work, found = np.zeros(slices), []
    for _ in range(max(1, round(share * length))):
        work = np.maximum(0, work - chance.exponential(1 / share, slices))
        work += chance.exponential(1, slices) if exponential else 1
        found.append(work.copy())
    return float(np.percentile(np.concatenate(found), 99))


if __name__ == "__main__":
    main()
