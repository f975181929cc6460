"""Which differences the harness detects on this machine: many runs, and how often each had the right result.

- A server against itself (`--aa`): a difference seen is a false one.
- uvicorn against uvicorn-h11, the same server with a slower parser and loop: no difference seen is a miss.
- `--precision 5%` for two servers: rounds and seconds until the ratios are that precise.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.analysis.case_rounds import collect
from harness.analysis.intervals import paired_ratio
from harness.analysis.summarise import PRECISE_FROM_ROUNDS
from harness.run.directory import RunDirectory

ONE = ("--scenarios", "plaintext", "--protocols", "h1")
PRECISION = 0.05
ROUND_ENDS_S = 4.0
"""The last trial of a round is assumed to last this long."""
QUICK = ("--warmup", "150ms", "--duration", "400ms")
"""The options of `make bench-quick`."""


def main() -> None:
    """Run all three and print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="runs of each kind")
    times: int = parser.parse_args().times
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        out = Path(folder)
        same = [against_itself(out) for _ in range(times)]
        print(
            f"no difference seen between a server and itself: throughput {sum(t for t, _ in same)} of {times}, ", end=""
        )
        print(f"CPU {sum(c for _, c in same)} of {times}\n", flush=True)
        seen = sum(separated(out) for _ in range(times))
        print(f"difference seen between uvicorn-h11 and uvicorn: {seen} of {times}\n", flush=True)
        for pair in ("uvicorn,granian", "uvicorn,uvicorn-h11", "uvicorn,hypercorn"):
            until_precise(out, pair)


def against_itself(out: Path) -> tuple[bool, bool]:
    """One run with `--aa`: do the intervals of throughput and of CPU per request include 1?"""
    cases, elapsed_s = run(out, "--servers", "uvicorn", "--aa", *ONE)
    ratios = cases["uvicorn-control"]["ratio_to_baseline"]
    print(f"uvicorn ÷ itself: throughput {shown(ratios['throughput'])}, CPU {shown(ratios['cpu'])}; {elapsed_s:.0f} s")
    return within(ratios["throughput"]), within(ratios["cpu"])


def separated(out: Path) -> bool:
    """One quick run of two servers that differ: do their ranks differ?"""
    cases, elapsed_s = run(out, "--servers", "uvicorn,uvicorn-h11", *ONE, *QUICK)
    ratios = cases["uvicorn-h11"]["ratio_to_baseline"]
    ranks = [cases[server]["rank"] for server in ("uvicorn", "uvicorn-h11")]
    reasons = "; ".join(reason for case in cases.values() for reason in case["reasons"])
    ratio = shown(ratios["throughput"]) if ratios else f"no ratio ({reasons})"
    print(f"uvicorn-h11 ÷ uvicorn: {ratio}, ranks {ranks}; {elapsed_s:.0f} s", flush=True)
    return ranks == [1, 2]


def until_precise(out: Path, servers: str) -> None:
    """One run with `--precision 5%`: after how many rounds and seconds each of the two ratios was that precise."""
    cases, elapsed_s = run(out, "--servers", servers, "--precision", "5%", *ONE)
    _, server = servers.split(",")
    case = cases[server]
    directory = RunDirectory(out / "latest")
    began = datetime.fromisoformat(directory.read_info().started_at)
    reached = {}
    for rounds in range(PRECISE_FROM_ROUNDS, case["rounds"] + 1):
        records = [record for record in directory.read_trials() if record.round < rounds]
        ours, theirs = (found for name in servers.split(",") for found in collect(records) if found.case.server == name)
        ended_s = (datetime.fromisoformat(records[-1].started_at) - began).total_seconds() + ROUND_ENDS_S
        for figure in ("throughput_rps", "cpu_us_per_request"):
            ratio = paired_ratio(getattr(theirs, figure), getattr(ours, figure))
            if ratio is not None and math.sqrt(ratio.high / ratio.low) - 1 <= PRECISION:
                reached.setdefault(figure, f"{rounds} rounds, {ended_s:.0f} s")
    ratios = case["ratio_to_baseline"]
    print(
        f"{server} ÷ uvicorn to ±5 %: run of {case['rounds']} rounds, {elapsed_s:.0f} s; "
        f"throughput {shown(ratios['throughput'])} after {reached.get('throughput_rps', 'none')}, "
        f"CPU {shown(ratios['cpu'])} after {reached.get('cpu_us_per_request', 'none')}",
        flush=True,
    )


def run(out: Path, *options: str) -> tuple[dict[str, Any], float]:
    """The cases of one run by their servers, and its duration in seconds."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "harness", "run", "--out", str(out), *options], check=True, stdout=subprocess.DEVNULL
    )
    elapsed_s = time.monotonic() - began
    summary = json.loads((out / "latest" / "summary.json").read_text())
    return {case["case"]["server"]: case for case in summary["cases"]}, elapsed_s


def within(ratio: dict[str, float]) -> bool:
    """Does the interval include 1?"""
    return ratio["low"] <= 1 <= ratio["high"]


def shown(ratio: dict[str, float]) -> str:
    """The text of a ratio with its interval."""
    return f"{ratio['value']:.3f} ({ratio['low']:.3f} – {ratio['high']:.3f})"


if __name__ == "__main__":
    main()
