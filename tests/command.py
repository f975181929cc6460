"""The command as tests call it, and what it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.run.trial_lines import unpack
from tests.contract_page import list_faults

HARNESS = (sys.executable, "-m", "harness")
QUICK = ("--rounds", "1", "--warmup", "50ms", "--duration", "200ms", "--users", "4")
ALONE = (*QUICK, "--no-control")
ONE = ("--servers", "uvicorn", "--scenarios", "plaintext", "--protocols", "h1")
TWO = ("--servers", "uvicorn,granian", "--scenarios", "plaintext", "--protocols", "h1")
SLICES = ("--duration", "300ms", "--slice", "100ms")
SOUND = {"valid", "client-limited", "network-limited"}
"""Verdicts on cases with right answers only: on a busy machine the load generator may be at its limit."""
THREE = [("granian", False), ("uvicorn", False), ("uvicorn", True)]
"""The names of the records of one round of TWO with its control."""


@dataclass(frozen=True)
class Done:
    """What came of a command within the process of the tests."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]
"""Takes the arguments of the command, and `cwd`."""


def harness(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Call the command, in the environment of `Fault` if what it leaves behind is to be found."""
    return subprocess.run(
        [*HARNESS, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def records_of(folder: Path) -> list[Any]:
    """The records of a run, in the order in which they were written, as plain values."""
    return [unpack(json.loads(line)) for line in (folder / "trials.jsonl").read_text().splitlines()]


def summary_of(folder: Path) -> Any:
    """The summary of a run, which keeps to its contract."""
    summary = json.loads((folder / "summary.json").read_text())
    assert list_faults(summary) == []
    return summary


def slices_of(records: list[Any]) -> list[tuple[Any, dict[str, int]]]:
    """Every slice with its record, in the order in which they began."""
    slices = [(record, each) for record in records for each in record["result"]["slices"]]
    return sorted(slices, key=lambda found: found[1]["opened_ns"])


def assert_taking_turns(records: list[Any]) -> None:
    """Only one case is under load at any moment, and each cycle has every case once."""
    slices = slices_of(records)
    for (_, before), (_, after) in pairwise(slices):
        assert before["drained_ns"] <= after["opened_ns"]
    cycles = [each["cycle"] for _, each in slices]
    assert cycles == sorted(cycles)
    assert set(Counter(cycles).values()) == {len(records)}
    for record in records:
        assert [each["cycle"] for each in record["result"]["slices"]] == sorted(set(cycles))
        assert len(record["slice_cpu_s"]) == len(set(cycles))
        assert all(cpu_s > 0 for cpu_s in record["slice_cpu_s"])


def names_of(records: list[Any]) -> list[tuple[str, bool]]:
    """The server of each record, and whether it is the control."""
    return sorted((record["case"]["server"], record["case"]["control"]) for record in records)
