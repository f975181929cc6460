"""A soak: hours of steady load must cost neither the load process nor the server memory, descriptors or punctuality.

One load process sends 500 requests a second over 1,000 connections to uvicorn, in windows that each give one value of
every figure. A straight line through the values gives the slope per hour, with its 95 % interval by Student's t. Memory
and descriptors are read in the second half: in the first, caches fill, and the load process makes its histograms, one
for each window of a half, of which the send lag comes.

A figure is flat if the whole interval is within its limit, which is 5 % of its mean per hour, but at least 1 MB,
1 descriptor or 0.1 ms; it grows or falls if the whole interval is beyond. Otherwise it is unclear: the soak was too
short, or the machine too busy. Exit status 1: a figure grows.

    python benchmarks/soak.py --for 30m
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from harness.analysis.intervals import t_97_5
from harness.catalog import listing
from harness.host import cpus, guard, process
from harness.model.blocks import BlockOrder, Turn
from harness.model.targets import HOST, Launch
from harness.run import trial
from harness.run.calibration import ceiling
from harness.run.load_process import ForkServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.host.process import Running
    from harness.model.results import LoadResult

WINDOWS = 15
"""In each half."""
SAMPLE_S = 0.5
RELATIVE_LIMIT = 0.05
"""A slope per hour that is within this share of the mean is flat."""
LIMITS = {"MB": 1.0, "descriptors": 1.0, "ms": 0.1}
"""So is one that is within this, by unit."""
UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Slope:
    """A straight line through values over time."""

    mean: float
    per_hour: float
    margin: float
    """Half the width of the 95 % interval of `per_hour`."""

    def judge(self, limit: float) -> str:
        """`flat`, `grows`, `falls`, or `unclear` where the interval is too wide for the limit per hour."""
        low, high = self.per_hour - self.margin, self.per_hour + self.margin
        if -limit <= low and high <= limit:
            return "flat"
        if low > limit:
            return "grows"
        return "falls" if high < -limit else "unclear"


def fit(times_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit a line by least squares, with the interval of its slope; at least three values."""
    freedom = len(values) - 2
    middle_s, mean = statistics.fmean(times_s), statistics.fmean(values)
    spread = sum((at_s - middle_s) ** 2 for at_s in times_s)
    slope = sum((at_s - middle_s) * (value - mean) for at_s, value in zip(times_s, values, strict=True)) / spread
    left = sum((value - mean - slope * (at_s - middle_s)) ** 2 for at_s, value in zip(times_s, values, strict=True))
    margin = t_97_5(freedom) * math.sqrt(left / freedom / spread)
    return Slope(mean, slope * 3600, margin * 3600)


class Watch:
    """Samples memory and descriptors of the load process and of the server in a thread, until its block ends."""

    def __init__(self, running: Running, load_token: str) -> None:
        self.samples: dict[str, list[tuple[int, float]]] = defaultdict(list)
        """By figure: the time in ns of `perf_counter`, and the value."""
        self._server = psutil.Process(running.pid)
        self._load_token = load_token
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            load = [psutil.Process(pid) for pid in guard.processes_of(self._load_token)]
            if load:  # the one with the connections, not the one that has forked it
                self._sample("load process", max(load, key=psutil.Process.num_fds))
            self._sample("server", self._server)

    def _sample(self, name: str, sampled: psutil.Process) -> None:
        now_ns = time.perf_counter_ns()
        self.samples[f"{name}, MB"].append((now_ns, sampled.memory_info().rss / 1e6))
        self.samples[f"{name}, descriptors"].append((now_ns, sampled.num_fds()))


def gather(results: Sequence[LoadResult], samples: dict[str, list[tuple[int, float]]]) -> dict[str, Slope]:
    """The slope of every figure; each result has a window in either half, in a random order."""
    second = sorted((result.slices[1] for result in results), key=lambda each: each.start_ns)
    slopes = {}
    for name, sampled in samples.items():
        means = [
            statistics.fmean(value for at_ns, value in sampled if each.start_ns <= at_ns < each.end_ns)
            for each in second
        ]
        slopes[name] = fit([each.start_ns / 1e9 for each in second], means)
    middles_s = [statistics.fmean(each.start_ns for each in result.slices) / 1e9 for result in results]
    for percent in (50, 99):
        lags_ms = [result.send_lag.percentile(percent) / 1e3 for result in results]
        slopes[f"send lag p{percent}, ms"] = fit(middles_s, lags_ms)
    return slopes


def soak(length_s: float, rate_rps: float, users: int, server: str) -> tuple[list[LoadResult], dict[str, Slope]]:
    """Load a server for so long; the results of the windows, and the slopes."""
    placement = cpus.place(cpus.available())
    entry = listing.find("servers", listing.servers(), server)
    app = listing.find("apps", listing.apps(), "asgi")
    launch = Launch(HOST, process.free_port(HOST), app.target, python=sys.executable)
    window_s = length_s / (2 * WINDOWS)
    turns = tuple(Turn(0, users, rate_rps) for _ in range(WINDOWS))
    block = BlockOrder((f"http://{launch.address}",), turns, 1.0, 2 * window_s, window_s, 30.0, seed=0)
    with (
        guard.guard() as token,
        tempfile.TemporaryDirectory(prefix="harness-") as folder,
        ForkServer(f"{token}/load") as fork_server,
        process.start(
            entry, app, launch, cpus=placement.server, log=Path(folder, "server.log"), token=token
        ) as running,
        Watch(running, f"{token}/load") as watch,
    ):
        scenario, log = ceiling.find_smallest_scenario("h1").path, Path(folder, "load.log")
        results = trial.run(trial.Order(block, scenario, "h1", 1, None, placement.load, log, 1, fork_server))
    return results, gather(results, watch.samples)


def parse_length_s(text: str) -> float:
    """A length such as `30m`, in seconds."""
    return float(text[:-1]) * UNITS[text[-1]]


def main() -> int:
    """Soak, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--for", dest="length_s", type=parse_length_s, default="30m", metavar="TIME", help="30m")
    parser.add_argument("--rate", type=float, default=500, help="requests/s")
    parser.add_argument("--users", type=int, default=1000, help="connections")
    parser.add_argument("--server", default="uvicorn")
    options = parser.parse_args()
    results, slopes = soak(options.length_s, options.rate, options.users, options.server)
    requests, errors = sum(each.requests for each in results), sum(each.errors.total for each in results)
    unanswered, reopened = sum(each.unanswered for each in results), sum(e.connections.reopened for e in results)
    print(
        f"{requests:,} requests in {options.length_s:g} s to {options.server}: {errors} errors, {unanswered} unanswered"
    )
    print(f"{reopened:,} connections were opened again")
    print("figure                          mean   per hour    95 %      limit")
    grown = 0
    for name, slope in slopes.items():
        limit = max(LIMITS[name.rpartition(", ")[2]], RELATIVE_LIMIT * slope.mean)
        verdict = slope.judge(limit)
        grown += verdict == "grows"
        print(f"{name:27} {slope.mean:8.2f} {slope.per_hour:+10.2f} ±{slope.margin:<8.2f} {limit:7.2f}  {verdict}")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
