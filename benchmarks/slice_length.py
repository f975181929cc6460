"""How long must a slice be? The ratios of granian and of daphne to uvicorn by the length of their slices.

python benchmarks/slice_length.py --times 3

Each length is measured `--times` times, in an order that changes, with the same counted time. Slices that are too
short are biased: a server that picks up quickly after a pause looks faster than it is, and one that answers in batches
has too few of them in a slice. The length to choose is the shortest from which the ratio no longer changes.
"""

from __future__ import annotations

import argparse
import random
import statistics
from typing import TYPE_CHECKING

from runs import describe, half_width, run

if TYPE_CHECKING:
    from runs import Ratio

LENGTHS_MS = (20, 50, 100, 200, 400)
SERVERS = ("granian", "daphne")
FIGURES = ("throughput", "cpu")


def main() -> None:
    """Measure every length, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3, help="runs of each length")
    parser.add_argument("--rounds", type=int, default=8, help="of each run")
    parser.add_argument("--duration", default="1600ms", help="counted time of each case in a round")
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS_MS)), help="of slices, in milliseconds")
    parser.add_argument("--scenario", default="plaintext")
    options = parser.parse_args()
    lengths = options.lengths.split(",")
    found: dict[str, list[dict[str, dict[str, Ratio | None]]]] = {length: [] for length in lengths}
    for _ in range(options.times):
        for length in random.sample(lengths, len(lengths)):
            each = run(
                *("--servers", ",".join(("uvicorn", *SERVERS)), "--scenarios", options.scenario, "--protocols", "h1"),
                *("--slice", f"{length}ms", "--duration", options.duration, "--rounds", str(options.rounds)),
            )
            ratios = {"uvicorn": each.control} | {name: each.ratios(server=name) for name in SERVERS}
            found[length].append(ratios)
            print(f"{length} ms, {each.wall_s:.0f} s: ", end="")
            print(
                "; ".join(f"{name} ÷ uvicorn {describe(own['throughput'])}" for name, own in ratios.items()), flush=True
            )
    pairs = [(name, figure) for name in ("uvicorn", *SERVERS) for figure in FIGURES]
    print(f"\n| slice, ms | {' | '.join(f'{name} ÷ uvicorn, {figure}' for name, figure in pairs)} |")
    print(f"|---|{'---|' * len(pairs)}")
    for length in lengths:
        cells = (summarise([ratios[name][figure] for ratios in found[length]]) for name, figure in pairs)
        print(f"| {length} | {' | '.join(cells)} |")


def summarise(several: list[Ratio | None]) -> str:
    """The median of the runs' ratios, and of their half widths."""
    ratios = [ratio for ratio in several if ratio is not None]
    if not ratios:
        return "–"
    value = statistics.median(ratio["value"] for ratio in ratios)
    return f"{value:.3f} ±{100 * statistics.median(map(half_width, ratios)):.1f} %"


if __name__ == "__main__":
    main()
