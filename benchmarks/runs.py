"""Runs of the harness for the benchmarks that measure it: what `summary.json` says, and how long it took."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
NEIGHBOUR = Path(__file__).with_name("neighbour.py")
FIGURES = ("throughput", "cpu", "p99")
"""The figures of which `summary.json` has ratios."""
NOTHING_RANKED = 3
"""The exit status of a run in which nothing could be measured or ranked; its summary says why."""

Ratio = dict[str, float]
"""`value`, `low` and `high`."""


@dataclass(frozen=True)
class Run:
    """One call of `harness run`."""

    summary: dict[str, Any]
    wall_s: float
    """From the start of the command to its end: ceilings, starts and stops of servers, and the report included."""

    @property
    def control(self) -> dict[str, Ratio | None]:
        """The ratios of the baseline to itself by figure, of a run with one comparison."""
        (control,) = self.summary["controls"]
        return {figure: control[figure] for figure in FIGURES}

    def case(self, **wanted: object) -> dict[str, Any]:
        """The case with these values, such as `server="granian"`, that is not a control."""
        (found,) = (
            each
            for each in self.summary["cases"]
            if not each["case"]["control"] and wanted.items() <= each["case"].items()
        )
        return dict(found)

    def ratios(self, **wanted: object) -> dict[str, Ratio | None]:
        """The ratios of that case to the baseline by figure."""
        return self.case(**wanted)["ratio_to_baseline"] or dict.fromkeys(FIGURES)


def run(*options: str, checkout: Path = ROOT) -> Run:
    """Call `harness run` with these options; its folder of results is deleted."""
    with tempfile.TemporaryDirectory(prefix="harness-") as out:
        began_s = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "harness", "run", "--out", out, *options],
            check=False,
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdout=subprocess.DEVNULL,
        )
        wall_s = time.monotonic() - began_s
        if ended.returncode not in {0, NOTHING_RANKED}:
            raise SystemExit(f"harness run {' '.join(options)}: expected exit status 0, found {ended.returncode}")
        summary = json.loads(Path(out, "latest", "summary.json").read_text())
        for case in summary["cases"]:
            if case["verdict"] not in {"valid", "unsupported"}:
                print(f"{case['name']} is {case['verdict']}: {'; '.join(case['reasons'])}", flush=True)
        return Run(summary, wall_s)


@contextmanager
def neighbour() -> Iterator[None]:
    """A neighbour that works 50 ms and sleeps 50 ms on every CPU."""
    process = subprocess.Popen([sys.executable, NEIGHBOUR], stdout=subprocess.PIPE)
    try:
        assert process.stdout  # noqa: S101 - it was asked for
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate()


def half_width(ratio: Ratio) -> float:
    """Half the width of an interval, relative: 0.02 is ±2 %."""
    return math.sqrt(ratio["high"] / ratio["low"]) - 1


def excludes_1(ratio: Ratio) -> bool:
    """Is a difference seen?"""
    return not ratio["low"] <= 1 <= ratio["high"]


def describe(ratio: Ratio | None) -> str:
    """A ratio with the width of its interval: `0.798 ±2.2 %`."""
    return "none" if ratio is None else f"{ratio['value']:.3f} ±{100 * half_width(ratio):.1f} %"
