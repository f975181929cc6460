"""What a harness leaves that was killed together with its guard is removed by the next guard, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from harness.host import certificates, guard
from tests.fault_table import Fault

KILLED = """
import os, signal, subprocess, sys
from harness.host import certificates, guard

with guard.guard() as token, certificates.issue() as tls:
    environment = {**os.environ, guard.VARIABLE: f"{token}/1"}
    left = subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True, stdout=subprocess.DEVNULL)
    (watching,) = (each for each in os.listdir("/proc") if each.isdecimal() and watches(each, token))
    print(left.pid, tls.key, flush=True)
    os.kill(int(watching), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""
WATCHES = """
def watches(pid, token):
    try:
        return open(f"/proc/{pid}/cmdline").read().endswith(f"{token}\\0")
    except OSError:
        return False
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_what_a_killed_harness_and_its_guard_leave_is_removed_by_the_next(temporary: Path, fault: Fault) -> None:
    killed = subprocess.run([sys.executable, "-c", WATCHES + KILLED], capture_output=True, text=True, check=False)
    pid, key = killed.stdout.split()
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert psutil.pid_exists(int(pid))
    assert Path(key).stat().st_mode & 0o777 == 0o600
    assert Path(key).parent.stat().st_mode & 0o777 == 0o700
    with guard.guard():
        pass
    assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    assert list(temporary.iterdir()) == []
    fault.report(
        name="harness and guard killed together (SIGKILL)",
        happened="the guard of the next command killed a process and removed a folder with a key",
        lost="nothing",
        left="nothing",
        told="nobody: there is nothing to do",
    )


def test_what_belongs_to_others_stays(temporary: Path) -> None:
    namespace, pid, start = guard.identify_owner().split(".")
    ended = f"{namespace}.{pid}.{int(start) - 1}"  # a process that had the same id before
    elsewhere = f"{int(namespace) + 1}.{pid}.{int(start) - 1}"
    kept = ["harness", "harness-", "harness-1.2.3-src", f"harness-{elsewhere}-x", f"x-{ended}-x", f"harness-{ended}"]
    for name in (*kept[:-1], f"harness-{ended}-old"):
        (temporary / name).mkdir()
    (temporary / kept[-1]).symlink_to(temporary / "harness")
    (temporary / f"harness-{ended}-file").touch()
    tokens = (f"{namespace}.{os.getpid()}.{start}-1", f"{elsewhere}-1/8001", "4f1c")
    processes = [subprocess.Popen(["sleep", "60"], env={guard.VARIABLE: token}) for token in tokens]
    try:
        with guard.guard(), guard.temporary_folder() as own:
            pass
        assert sorted(path.name for path in temporary.iterdir()) == sorted([*kept, f"harness-{ended}-file"])
        assert [process.poll() for process in processes] == [None, None, None]
        assert not own.exists()
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_the_key_of_a_certificate_is_for_its_owner_only(temporary: Path) -> None:
    before = os.umask(0)
    try:
        with certificates.issue() as tls:
            assert tls.key.stat().st_mode & 0o777 == 0o600
            assert tls.key.parent.stat().st_mode & 0o777 == 0o700
            assert b"PRIVATE KEY" in tls.key.read_bytes()
    finally:
        os.umask(before)
    assert list(temporary.iterdir()) == []
