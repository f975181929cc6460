"""What the harness can tell on this machine: widths of intervals, false differences, and differences that it finds.

python benchmarks/resolution.py widths           # uvicorn ÷ itself and granian ÷ uvicorn, in 30 s and in 2 min
python benchmarks/resolution.py detect           # an app that costs 5 % (2 %) more CPU time per request
python benchmarks/resolution.py bench            # `make bench`: its time, and its widest interval

All on plaintext over HTTP/1.1, in wall time with ceilings, starts and stops of servers, and the report. As many rounds
are measured as fit the time; two short runs before say how many.
"""

from __future__ import annotations

import argparse
import math
import re
import shlex
import statistics
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runs import FIGURES, ROOT, Run, describe, excludes_1, half_width, neighbour, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runs import Ratio

PLAINTEXT = ("--scenarios", "plaintext", "--protocols", "h1", "--warmup", "150ms")
PAIR = ("--servers", "uvicorn,granian", *PLAINTEXT)
QUIET, BUSY = "quiet", "beside a neighbour"
WIDTHS = {
    ("control", 30, QUIET): (0.010, 0.008),
    ("control", 30, BUSY): (0.025, 0.015),
    ("control", 120, QUIET): (0.005, 0.005),
    ("control", 120, BUSY): (0.012, 0.008),
    ("granian", 30, QUIET): (0.020, 0.017),
    ("granian", 30, BUSY): (0.025, 0.020),
    ("granian", 120, QUIET): (0.010, 0.008),
    ("granian", 120, BUSY): (0.015, 0.010),
}
"""Limits for half the width of the intervals of throughput and CPU, by pair, seconds and surroundings."""
DURATIONS_S = {30: 0.4, 60: 0.6, 120: 1.2, 180: 1.2}
"""Counted time of each case in a round, by the seconds that a run may take."""
FALSE_DIFFERENCES = 5 / 60
"""The limit for the share of control intervals that exclude 1."""
DETECT = {5.0: (60, 20, 19), 2.0: (180, 10, 9)}
"""For an app that costs so many percent more: seconds that a run may take, runs, and runs that have to tell."""
BENCH_S, BENCH_WIDTH = 360, 0.03
SPARE = 0.95
"""This share of the time is filled with rounds: their length varies."""
FEWEST_ROUNDS = 3
"""Fewer are not ranked."""
PROVISIONAL_TURNS = 2_000
"""Turns of the loop with which its cost is measured: much more than a few percent, so that they are known closely."""
APP = '''"""The reference app after a loop of {turns} turns in each request."""

from apps.asgi import app as reference


async def app(scope, receive, send):
    for _ in range({turns} if scope["type"] == "http" else 0):
        pass
    await reference(scope, receive, send)
'''


class Row(NamedTuple):
    """A row of the table: what was found, and whether that is within the limit."""

    title: str
    found: str
    limit: str
    met: bool


def main() -> None:
    """Measure what was asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=("widths", "detect", "bench"))
    parser.add_argument("--within", type=int, choices=(30, 120), help="widths: seconds [both]")
    parser.add_argument("--cost", type=float, choices=tuple(DETECT), help="detect: percent [both]")
    parser.add_argument("--beside", choices=("nobody", "neighbour", "both"), default="both", help="widths, bench")
    parser.add_argument("--times", type=int, help="runs of each kind [widths: 1, detect: 20 and 10]")
    parser.add_argument("--rounds", type=int, help="rounds of each run, instead of as many as fit")
    parser.add_argument("--slice", default="auto", help="as for `harness run`")
    options = parser.parse_args()
    measure = ("--slice", options.slice)
    surroundings = {"nobody": [QUIET], "neighbour": [BUSY], "both": [QUIET, BUSY]}[options.beside]
    rows: list[Row] = []
    if "widths" in options.parts:
        for around in surroundings:
            seconds = [options.within] if options.within else [30, 120]
            rows += measure_widths(around, seconds, options.times or 1, options.rounds, measure)
    if "detect" in options.parts:
        costs = [options.cost] if options.cost else DETECT
        rows += [row for cost in costs for row in detect(cost, options.times, options.rounds, measure)]
    if "bench" in options.parts:
        rows += [row for around in surroundings for row in measure_bench(around)]
    print("\n| | found | limit | |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.title} | {row.found} | {row.limit} | {'met' if row.met else '**missed**'} |")


def measure_widths(
    around: str, seconds: Iterable[int], times: int, rounds: int | None, measure: Sequence[str]
) -> list[Row]:
    """Runs of the pair: how wide the intervals are, in the median of the runs, and how often the control is wrong."""
    rows, every = [], []
    with neighbour() if around == BUSY else nullcontext():
        for limit_s in seconds:
            sized = choose_size(limit_s, (*PAIR, *measure), rounds)
            found = [run(*PAIR, *measure, *sized) for _ in range(times)]
            for each in found:
                tell(each, f"{around}: uvicorn ÷ itself", each.control)
                tell(each, f"{around}: granian ÷ uvicorn", each.ratios(server="granian"))
            every += found
            pairs = {
                "control": ("uvicorn ÷ itself", [each.control for each in found]),
                "granian": ("granian ÷ uvicorn", [each.ratios(server="granian") for each in found]),
            }
            wall_s = statistics.median(each.wall_s for each in found)
            for pair, (title, ratios) in pairs.items():
                limits = WIDTHS[pair, limit_s, around]
                rows.append(judge_widths(f"{title}, {limit_s} s, {around}", ratios, limits, wall_s, limit_s))
    return [*rows, judge_controls(around, every)]


def judge_controls(where: str, runs: Sequence[Run]) -> Row:
    """How many intervals of a server's ratio to itself exclude 1."""
    controls = [ratio for each in runs for ratio in each.control.values() if ratio is not None]
    wrong = sum(map(excludes_1, controls))
    limit = math.ceil(FALSE_DIFFERENCES * len(controls))
    title = f"the control called different, {where}"
    return Row(title, f"{wrong} of {len(controls)} intervals", f"≤ {limit}", wrong <= limit)


def judge_widths(
    title: str, ratios: Sequence[dict[str, Ratio | None]], limits: tuple[float, float], wall_s: float, limit_s: float
) -> Row:
    """The median half widths of throughput and CPU beside their limits."""
    widths = [
        statistics.median([half_width(ratio) if (ratio := each[figure]) else float("inf") for each in ratios])
        for figure in ("throughput", "cpu")
    ]
    found = " / ".join(f"±{100 * width:.1f} %" for width in widths)
    limit = " / ".join(f"≤ {100 * each:g} %" for each in limits)
    within = all(width <= each for width, each in zip(widths, limits, strict=True))
    return Row(title, f"{found} in {wall_s:.0f} s", limit, within and wall_s <= limit_s)


def choose_size(limit_s: int, options: Sequence[str], rounds: int | None, checkout: Path = ROOT) -> tuple[str, ...]:
    """The options for as many rounds as fit the time, which two short runs tell."""
    duration = ("--duration", f"{DURATIONS_S[limit_s]}s")
    if rounds is None:
        few, more = FEWEST_ROUNDS, 2 * FEWEST_ROUNDS
        took_s = [run(*options, *duration, "--rounds", str(count), checkout=checkout).wall_s for count in (few, more)]
        round_s = max(0.1, (took_s[1] - took_s[0]) / (more - few))
        rounds = max(FEWEST_ROUNDS, int((SPARE * limit_s - took_s[0]) / round_s) + few)
        print(f"{took_s[0] - few * round_s:.1f} s for each run, {round_s:.1f} s a round: {rounds} rounds", flush=True)
    return (*duration, "--rounds", str(rounds))


def detect(percent: float, times: int | None, rounds: int | None, measure: Sequence[str]) -> list[Row]:
    """How many runs tell an app from a copy that costs so many percent more CPU time per request.

    Both are apps of a copy of the catalogue: the reference app after a loop. How many turns cost as much is found by a
    run with many turns, in relation to the app itself, since the clock of a shared machine says little.
    """
    limit_s, usual_times, needed = DETECT[percent]
    times = times or usual_times
    needed = needed if times == usual_times else round(times * needed / usual_times)
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        checkout = Path(folder)
        make_checkout(checkout)
        options = ("--servers", "uvicorn", "--apps", "lean,costlier", *PLAINTEXT, *measure)
        write_apps(checkout, PROVISIONAL_TURNS)
        sized = choose_size(limit_s, options, rounds, checkout)
        ratio = run(*options, *sized, checkout=checkout).ratios(app="costlier")["cpu"]
        if ratio is None or ratio["low"] <= 1:
            raise SystemExit(f"expected the loop to cost CPU time, found {describe(ratio)}; use a quieter machine")
        turns = round(PROVISIONAL_TURNS * percent / 100 / (ratio["value"] - 1))
        print(f"{PROVISIONAL_TURNS} turns: CPU {describe(ratio)}; {turns} turns for {percent:g} %", flush=True)
        write_apps(checkout, turns)
        found = []
        for _ in range(times):
            each = run(*options, *sized, checkout=checkout)
            tell(each, f"costlier by {percent:g} %", each.ratios(app="costlier"))
            tell(each, "the control", each.control)
            found.append(each)
    costs = [ratio for each in found if (ratio := each.ratios(app="costlier")["cpu"]) is not None]
    told = sum(ratio["low"] > 1 for ratio in costs)
    median = statistics.median(ratio["value"] for ratio in costs) if costs else float("nan")
    wall_s = statistics.median(each.wall_s for each in found)
    title = f"an app that costs {percent:g} % more CPU time, told within {limit_s} s"
    text = f"{told} of {times} runs, median ratio {median:.3f}, {wall_s:.0f} s each"
    return [
        Row(title, text, f"≥ {needed}", told >= needed and wall_s <= limit_s),
        judge_controls(f"in runs of {limit_s} s", found),
    ]


def make_checkout(folder: Path) -> None:
    """A checkout whose apps can be added to; all else is this one's."""
    for name in ("harness", "scenarios"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "apps").mkdir()
    for path in (ROOT / "apps").glob("*.py"):
        (folder / "apps" / path.name).symlink_to(path)


def write_apps(checkout: Path, turns: int) -> None:
    """`lean` with an empty loop, and `costlier` with these turns."""
    for name, count in (("lean", 0), ("costlier", turns)):
        (checkout / "apps" / f"{name}.py").write_text(APP.format(turns=count))


def measure_bench(around: str) -> list[Row]:
    """One run with the options of `make bench`: how long it takes, and what it does not tell closely or at all."""
    recipe = re.search(r"^bench:.*\n\t\S+/harness run (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None  # noqa: S101 - the Makefile has it
    with neighbour() if around == BUSY else nullcontext():
        found = run(*shlex.split(recipe[1]))
    cases = [each for each in found.summary["cases"] if each["verdict"] != "unsupported"]
    without = [each for each in cases if not each["ratio_to_baseline"]]
    widths = [
        (half_width(ratio), f"{each['name']} on {each['case']['scenario']}, {each['case']['users']} users, {figure}")
        for each in cases
        for figure in ("throughput", "cpu")
        if (ratio := (each["ratio_to_baseline"] or {}).get(figure))
    ]
    widest, where = max(widths, default=(float("inf"), "no ratio"))
    return [
        Row(f"`make bench`, {around}", f"{found.wall_s:.0f} s", f"≤ {BENCH_S} s", found.wall_s <= BENCH_S),
        Row(
            f"its widest interval, {around}",
            f"±{100 * widest:.1f} % ({where})",
            f"≤ {100 * BENCH_WIDTH:g} %" if around == QUIET else "–",
            around == BUSY or widest <= BENCH_WIDTH,
        ),
        Row(f"its candidates without a ratio, {around}", str(len(without)), "0", not without),
    ]


def tell(each: Run, title: str, ratios: dict[str, Ratio | None]) -> None:
    """Print a run's ratios in a line."""
    found = ", ".join(f"{figure} {describe(ratios[figure])}" for figure in FIGURES)
    print(f"{title}: {found}; {each.wall_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
