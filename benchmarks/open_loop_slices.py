"""How long must a slice of an open loop be? Its p99 by the length of slices, at shares of the server's capacity.

python benchmarks/open_loop_slices.py --server uvicorn

A slice begins with an empty queue. Near the capacity the queue takes long to reach its usual length, so short slices
show a latency that is too low. The length to choose is the shortest from which p99 no longer changes. The capacity is
the rate in a closed loop; arrivals are Poisson's, as from independent clients.
"""

from __future__ import annotations

import argparse
import random
from typing import TYPE_CHECKING, Any

from runs import run

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARES = (50, 80, 95)
LENGTHS_S = (0.2, 0.5, 1, 2, 4)


def main() -> None:
    """Measure the capacity, then every length at every share, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="uvicorn")
    parser.add_argument("--rounds", type=int, default=5, help="of each run")
    parser.add_argument("--duration", default="8s", help="counted time in a round, the same for each length")
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS_S)), help="of slices, in seconds")
    parser.add_argument("--shares", default=",".join(map(str, SHARES)), help="of the capacity, in percent")
    options = parser.parse_args()
    lengths, shares = options.lengths.split(","), [int(part) for part in options.shares.split(",")]
    rounds = ("--rounds", str(options.rounds))
    common = ("--servers", options.server, "--scenarios", "plaintext", "--protocols", "h1", "--no-control", *rounds)
    capacity_rps = run(*common, "--duration", "2s").case()["throughput_rps"]["median"]
    print(f"{options.server}: {capacity_rps:,.0f} requests/s in a closed loop", flush=True)
    cells: dict[tuple[str, int], str] = {}
    plan = [(length, share) for length in lengths for share in shares]
    for length, share in random.sample(plan, len(plan)):
        rate = f"rate={capacity_rps * share / 100:.0f},arrivals=poisson"
        found = run(*common, "--load", rate, "--slice", f"{length}s", "--duration", options.duration)
        cells[length, share] = describe_p99(found.case())
        print(f"{length} s, {share} %: {cells[length, share]}", flush=True)
    print_table(cells, lengths, shares)


def describe_p99(case: dict[str, Any]) -> str:
    """p99 with its interval in ms, and the verdict where it is not valid."""
    p99 = case["latency_us"]["p99"]
    text = "–" if p99 is None else " ".join(f"{p99[name] / 1e3:.2f}" for name in ("low", "median", "high"))
    return text if case["verdict"] == "valid" else f"{text} {case['verdict']}"


def print_table(cells: dict[tuple[str, int], str], lengths: Sequence[str], shares: Sequence[int]) -> None:
    """A row for each length, a column for each share."""
    print(f"\n| slice, s | {' | '.join(f'p99 at {share} %, ms: low, value, high' for share in shares)} |")
    print(f"|---|{'---|' * len(shares)}")
    for length in lengths:
        print(f"| {length} | {' | '.join(cells[length, share] for share in shares)} |")


if __name__ == "__main__":
    main()
