"""When this process is killed and can clean up no more, a guard process ends what it started.

Every process of a run carries a token in its environment, `HARNESS_TOKEN`. The guard holds the reading end of a pipe
whose writing end only the harness has: end of file means that the harness is gone, however it went.

A token may be narrowed by a slash and a word, `4f1c/8001`: the processes of `4f1c` include those of `4f1c/8001`.
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
_LOOK_S = 0.02


@contextlib.contextmanager
def guard() -> Iterator[str]:
    """Keep a guard while the block runs; yield the token that the processes started in it must carry.

    What still carries it at the end is killed.
    """
    token = os.urandom(8).hex()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, token],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,  # a pipe that the harness writes to must end with the harness
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,  # Ctrl-C is for the harness
    )
    try:
        yield token
    finally:
        process.communicate()


def processes_of(token: str) -> list[int]:
    """The processes, as far as this user may look, whose environment held the token when they were started."""
    whole = f"{VARIABLE}={token}".encode()
    narrowed = whole + b"/"
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    return [pid for pid in pids if any(entry == whole or entry.startswith(narrowed) for entry in _environment(pid))]


def kill(pids: Iterable[int], how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - pathlib would double the guard's start and size
            return file.read().split(b"\0")
    except OSError:
        return []


def _watch(token: str) -> None:
    """Wait for the end of the harness, then kill until two looks in succession find nothing.

    One is not enough: a process that is just being started carries its parent's environment until it execs.
    """
    sys.stdin.buffer.read()
    quiet = 0
    while quiet < 2:  # noqa: PLR2004 - as the docstring says
        found = processes_of(token)
        kill(found)
        quiet = 0 if found else quiet + 1
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    _watch(sys.argv[1])
