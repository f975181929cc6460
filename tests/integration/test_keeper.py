"""What was done is taken back when the harness ends, however it ends; the commands here write to files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.hosts import keeper

PROGRAM = Path(keeper.__file__)
WITHIN_S = 30.0
OWNER = """
import subprocess, sys
kept = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
kept.stdout.readline()
print(kept.pid, flush=True)
kept.wait()
"""
"""A process that has a keeper."""


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def argv(claim: list[list[str]], last: list[list[str]]) -> list[str]:
    return [sys.executable, "-I", "-S", str(PROGRAM), json.dumps(claim), json.dumps(last)]


@contextmanager
def started(claim: list[list[str]], last: list[list[str]], folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        argv(claim, last), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def ask(process: subprocess.Popen[str], commands: list[list[str]]) -> str | None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(commands) + "\n")
    process.stdin.flush()
    return answer(process)


def answer(process: subprocess.Popen[str]) -> str | None:
    assert process.stdout is not None
    found: str | None = json.loads(process.stdout.readline())
    return found


def test_commands_run_until_one_fails_and_the_last_ones_whatever_fails(tmp_path: Path) -> None:
    last = [shell("exit 3"), ["/nowhere/tc"], shell("echo last >> log")]
    with started([shell("echo claimed >> log")], last, tmp_path) as process:
        assert answer(process) is None
        assert ask(process, [shell("echo one >> log"), shell("echo two >> log")]) is None
        failing = ["sh", "-c", "echo cannot >&2; exit 1"]
        assert ask(process, [failing, shell("echo never >> log")]) == f"cannot ({' '.join(failing)})"
        assert ask(process, [["/nowhere/tc"]]) == "/nowhere/tc: No such file or directory"
    assert (tmp_path / "log").read_text().split() == ["claimed", "one", "two", "last"]
    assert process.returncode == 0


def test_what_another_one_has_claimed_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "claimed").mkdir()
    with started([["mkdir", "claimed"]], [["rmdir", "claimed"]], tmp_path) as process:
        assert "File exists" in (answer(process) or "")
        process.wait(WITHIN_S)
    assert (tmp_path / "claimed").is_dir()


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_harness_is_killed_all_is_taken_back(tmp_path: Path, killed: signal.Signals) -> None:
    """What ends a terminal's or a service's processes does not keep it from that."""
    kept = argv([["mkdir", "claimed"]], [["rmdir", "claimed"]])
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, *kept], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert (tmp_path / "claimed").is_dir()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, each)
        owner.send_signal(killed)
    until_s = time.monotonic() + WITHIN_S
    while (tmp_path / "claimed").exists():
        assert time.monotonic() < until_s
        time.sleep(0.02)
