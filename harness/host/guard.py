"""A guard process kills what the harness started, even when the harness itself is killed and cannot clean up.

Every process of a run carries a token in its environment, `HARNESS_TOKEN`. The guard holds the reading end of a pipe,
and only the harness has the writing end, so end of file means that the harness has ended, for whatever reason.

A token may have a suffix after a slash, `4f1c/8001`: the processes of `4f1c` include those of `4f1c/8001`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIABLE = "HARNESS_TOKEN"
"""The environment variable that holds the token."""
_POLL_S = 0.02


@contextlib.contextmanager
def guard() -> Iterator[str]:
    """Run a guard during the block; yield the token that processes started in the block must carry.

    Processes that still carry it at the end of the block are killed.
    """
    token = os.urandom(8).hex()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, token],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # the guard must not keep open a pipe that the harness writes to
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,  # Ctrl-C is meant for the harness alone
    )
    try:
        yield token
    finally:
        process.communicate()


def processes_of(token: str) -> list[int]:
    """The processes whose environment held the token at their start, among those that this user may inspect."""
    exact = f"{VARIABLE}={token}".encode()
    prefix = exact + b"/"
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    return [pid for pid in pids if any(entry == exact or entry.startswith(prefix) for entry in _read_environment(pid))]


def kill(pids: Iterable[int], with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to each of these processes that still exists."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, with_signal)


def _read_environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - pathlib would double the guard's start and size
            return file.read().split(b"\0")
    except OSError:
        return []


def _watch(token: str) -> None:
    """Wait for the end of the harness, then kill its processes until two searches in a row find none.

    One is not enough: a process that is just being started has its parent's environment until it calls exec.
    """
    sys.stdin.buffer.read()
    quiet = 0
    while quiet < 2:  # noqa: PLR2004 - as the docstring says
        found = processes_of(token)
        kill(found)
        quiet = 0 if found else quiet + 1
        time.sleep(_POLL_S)


if __name__ == "__main__":
    _watch(sys.argv[1])
