"""A run that is interrupted keeps what was measured, and can be resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
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


def interrupted(*arguments: str, cwd: Path) -> str:
    """Interrupt a run after its first trial; return what it printed from then on."""
    process = subprocess.Popen(
        [*HARNESS, "run", *arguments], cwd=cwd, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("[1/"):
            break
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=90)
    assert process.returncode == 130
    return rest


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
    kept = (folder / "trials.jsonl").read_text().splitlines(keepends=True)[0]
    (folder / "trials.jsonl").write_text(kept)
    done = harness("run", *QUICK, *TWO, "--rounds", "2", "--resume", "results/latest", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.partition(" ")[0] for line in done.stdout.splitlines() if line.startswith("[")]
    assert lines == ["[1/6]", "[2/6]", "[3/6]", "[4/6]", "[5/6]", "[6/6]"]
    first, *records = records_of(folder)
    assert first == json.loads(kept)
    assert [record["round"] for record in records] == [0, 0, 0, 1, 1, 1]
    for own in (records[:3], records[3:]):
        assert names_of(own) == THREE
        assert_taking_turns(own)
    summary = summary_of(folder)
    assert [case["rounds"] for case in summary["cases"]] == [2, 2, 2]
    counted = sum(each["requests"] for _, each in slices_of(records))
    assert sum(case["requests"] for case in summary["cases"]) == counted


def test_an_interrupted_run_keeps_what_was_measured_and_leaves_nothing_running(tmp_path: Path) -> None:
    rest = interrupted(*ALONE, *ONE, "--rounds", "50", cwd=tmp_path)
    assert "Report: " in rest
    summary = summary_of(tmp_path / "results" / "latest")
    assert summary["cases"][0]["requests"] > 0
    assert summary["run"]["complete"] is False
