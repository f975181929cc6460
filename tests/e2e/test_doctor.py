"""`harness doctor` on the machine at hand, whatever it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.command import Command, harness

if TYPE_CHECKING:
    from pathlib import Path


def test_it_prints_its_checks_and_its_exit_status_says_whether_one_is_a_problem(tmp_path: Path) -> None:
    done = harness("doctor", "--no-noise", cwd=tmp_path)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    for name in ("other load", "CPUs", "governor", "virtual machine", "open files", "Python"):
        assert any(name in line for line in lines), name
    assert done.returncode == any(line.startswith("problem") for line in lines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_json_has_checks_machine_and_noise(tmp_path: Path) -> None:
    done = harness("doctor", "--rounds", "2", "--duration", "100ms", "--format", "json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["schema"] == 1
    levels = {check["level"] for check in answer["checks"]}
    assert levels <= {"ok", "note", "problem"}
    assert answer["worst"] in levels
    assert done.returncode == (answer["worst"] == "problem")
    assert answer["machine"]["processor"]["cpus"]
    assert answer["noise"]["rounds"] == 2
    assert len(answer["noise"]["samples_rps"]) == 4
    assert answer["noise"]["throughput"]["low"] <= answer["noise"]["throughput"]["high"]
    assert answer["noise"]["resolves_throughput"] >= 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--server", "nginx"), "--server: expected any of"),
        (("--server", "uvicorn@0.53.0"), "--server: expected a server as it is installed here, without @ and version"),
        (("--duration", "long"), "--duration: expected a time such as 2s"),
        (("--server-cpus", "x"), "--server-cpus: expected CPU numbers such as 0-3,8, found 'x'"),
    ],
)
def test_bad_usage_is_one_line_that_names_the_option(
    tmp_path: Path, arguments: tuple[str, ...], words: str, harness_here: Command
) -> None:
    done = harness_here("doctor", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
