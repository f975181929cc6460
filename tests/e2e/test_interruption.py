"""A run that is interrupted keeps what was measured, and can be resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.command import (
    ALONE,
    HARNESS,
    ONE,
    QUICK,
    THREE,
    TWO,
    assert_taking_turns,
    harness,
    names_of,
    records_of,
    slices_of,
    summary_of,
)
from tests.fault_table import Fault

Signals = Mapping[str, signal.Signals]
INTERRUPT = {"[1/": signal.SIGINT}
"""After the first trial."""


def interrupted(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None, by: Signals = INTERRUPT
) -> str:
    """Send signals to a run, each when a line begins with its text; return what it printed after the first one."""
    process = subprocess.Popen(
        [*HARNESS, "run", *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    rest = ""
    for text, number in by.items():
        for line in process.stdout:
            rest += line
            if line.startswith(text):
                break
        os.killpg(process.pid, number)
    end, _ = process.communicate(timeout=90)
    assert process.returncode == 130
    return rest + end


@pytest.mark.long
def test_an_interrupted_run_is_resumed_where_it_ended(tmp_path: Path) -> None:
    options = (*TWO, "--servers", "uvicorn,granian,hypercorn-h3", "--rounds", "2")
    interrupted(*ALONE, *options, cwd=tmp_path)
    folder = tmp_path / "results" / "latest"
    with (folder / "trials.jsonl").open("a") as file:
        file.write('{"case": {"server": "uvi')
    resume = ("run", *ALONE, *options, "--resume", "results/latest")
    other = harness(*resume, "--users", "3", cwd=tmp_path)
    assert other.returncode == 2
    assert other.stderr.startswith("harness: --resume: expected users 4, as in ")
    done = harness(*resume, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = records_of(folder)
    measured = {(each["case"]["server"], each["round"]) for each in records if each["position"] >= 0}
    assert measured == {("granian", 0), ("granian", 1), ("uvicorn", 0), ("uvicorn", 1)}
    assert [each["case"]["server"] for each in records if each["position"] < 0] == ["hypercorn-h3"]
    assert json.loads((folder / "run.json").read_text())["complete"]
    again = harness(*resume, cwd=tmp_path)
    assert again.returncode == 2
    assert "is complete" in again.stderr


def test_an_interrupted_run_is_resumed_with_whole_measurements(tmp_path: Path) -> None:
    interrupted(*QUICK, *TWO, "--rounds", "2", cwd=tmp_path)
    folder = tmp_path / "results" / "latest"
    kept, *_ = (folder / "trials.jsonl").read_text().splitlines(keepends=True)
    taken_up, *_ = records_of(folder)
    (folder / "trials.jsonl").write_text(kept)
    done = harness("run", *QUICK, *TWO, "--rounds", "2", "--resume", "results/latest", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ")[0] for line in done.stdout.splitlines() if line.startswith("[")]
    assert lines == ["[1/6]", "[2/6]", "[3/6]", "[4/6]", "[5/6]", "[6/6]"]
    first, *records = records_of(folder)
    assert first == taken_up
    assert [record["round"] for record in records] == [0, 0, 0, 1, 1, 1]
    for own in (records[:3], records[3:]):
        assert names_of(own) == THREE
        assert_taking_turns(own)
    summary = summary_of(folder)
    assert [case["rounds"] for case in summary["cases"]] == [2, 2, 2]
    counted = sum(each["requests"] for _, each in slices_of(records))
    assert sum(case["requests"] for case in summary["cases"]) == counted


@pytest.mark.parametrize(
    ("name", "by", "reported"),
    [
        ("Ctrl-C once", INTERRUPT, True),
        pytest.param("SIGTERM", {"[1/": signal.SIGTERM}, True, marks=pytest.mark.long),
        pytest.param("Ctrl-C twice", {**INTERRUPT, "Interrupted; ": signal.SIGINT}, False, marks=pytest.mark.long),
    ],
)
def test_an_interrupted_run_keeps_what_was_measured_and_leaves_nothing_running(
    name: str, by: Signals, tmp_path: Path, fault: Fault, *, reported: bool
) -> None:
    rest = interrupted(*ALONE, *ONE, "--rounds", "50", cwd=tmp_path, environment=fault.environment, by=by)
    left = fault.left()
    assert left == "nothing"
    assert "Interrupted; what was measured is kept." in rest
    assert "Report: " in rest or not reported  # a second Ctrl-C may come when it is already being written
    if not reported:
        assert harness("report", "results/latest", cwd=tmp_path).returncode == 0
    summary = summary_of(tmp_path / "results" / "latest")
    kept = len(records_of(tmp_path / "results" / "latest"))
    assert kept > 0
    assert summary["cases"][0]["requests"] > 0
    assert summary["run"]["complete"] is False
    fault.report(
        name=name,
        happened=f"{kept} of 50 rounds kept, exit status 130"
        + ("" if reported else "; harness report makes the report"),
        lost="the measurement under way",
        left=left,
        told="Interrupted; what was measured is kept.",
    )
