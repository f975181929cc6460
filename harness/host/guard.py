"""A guard process kills what the harness started, even when the harness itself is killed and cannot clean up.

Every process of a run carries a token in its environment, `HARNESS_TOKEN`. The guard holds the reading end of a pipe,
and only the harness has the writing end, so end of file means that the harness has ended, for whatever reason.

Where the guard was killed too, that of the next command kills the processes and removes the temporary folders which
are left. Tokens and names of folders say which process they belong to by its namespace, id and start time, so that
another process which has got the same id later is not taken for it.

A token may have a suffix after a slash, `4f1c/8001`: the processes of `4f1c` include those of `4f1c/8001`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIABLE = "HARNESS_TOKEN"
"""The environment variable that holds the token."""
_POLL_S = 0.02
FOLDER = "harness"
"""Names of temporary folders begin with it."""


@contextlib.contextmanager
def guard() -> Iterator[str]:
    """Run a guard during the block; yield the token that processes started in the block must carry.

    Processes that still carry it at the end of the block are killed. Raises `UsageError` where no temporary files can
    be written.
    """
    folder, token = _find_temporary_folder(), f"{identify_owner()}-{os.urandom(4).hex()}"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, folder, token],
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


def identify_owner() -> str:
    """Name this process as no other of this machine ever will be: its namespace, its id, and when it was started."""
    return f"{_namespace()}.{os.getpid()}.{_read_start(os.getpid())}"


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that only this user may enter; removed at the end of the block, or by a guard after it was killed.

    Raises `UsageError` where none can be made.
    """
    folder = tempfile.mkdtemp(dir=_find_temporary_folder(), prefix=f"{FOLDER}-{identify_owner()}-")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find_temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        from harness.model.errors import UsageError  # noqa: PLC0415 - a guard that runs has the standard library only

        expected = "expected a folder for temporary files that can be written to"
        raise UsageError(f"{expected}, found none; mount one at /tmp, or set TMPDIR") from None


def processes_of(token: str) -> list[int]:
    """The processes whose environment held the token at their start, among those that this user may inspect."""
    return [pid for pid, found in _read_tokens() if found == token or found.startswith(f"{token}/")]


def kill(pids: Iterable[int], with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to each of these processes that still exists."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, with_signal)


def _read_tokens() -> list[tuple[int, str]]:
    """Every process with a token, as far as this user may inspect it."""
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    prefix = f"{VARIABLE}=".encode()
    return [
        (pid, entry.removeprefix(prefix).decode(errors="replace"))
        for pid in pids
        for entry in _read(f"/proc/{pid}/environ").split(b"\0")
        if entry.startswith(prefix)
    ]


def _read(path: str) -> bytes:
    """The content of a file; nothing if it cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would double the guard's start and size
            return file.read()
    except OSError:
        return b""


def _namespace() -> int:
    """The namespace in which process ids mean something."""
    return os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - as above


def _read_start(pid: int) -> str | None:
    """When a process was started, in clock ticks since boot (proc(5), field 22); None if it has ended."""
    state, *fields = _read(f"/proc/{pid}/stat").rpartition(b") ")[2].split() or (b"X",)
    return None if state in (b"Z", b"X") else fields[18].decode()


def _has_ended(owner: str) -> bool:
    """Has the process `identify_owner` named ended? No for other text, and for one of another namespace."""
    namespace, _, process = owner.partition(".")
    pid, _, start = process.partition(".")
    return namespace == str(_namespace()) and pid.isdecimal() and _read_start(int(pid)) != start


def _remove_leftovers(folder: str) -> None:
    """Kill the processes and remove the temporary folders of this user whose owners have ended.

    The guard's parent is spared: a harness that was started by such a process has the token of its parent.
    """
    uid = os.getuid()
    orphans = {pid for pid, token in _read_tokens() if _has_ended(token.partition("-")[0])} - {os.getppid()}
    kill(pid for pid in orphans if _is_owned(f"/proc/{pid}", uid))
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            kind, _, rest = entry.name.partition("-")
            if kind == FOLDER and _has_ended(rest.partition("-")[0]) and _is_owned(entry.path, uid):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_owned(path: str, uid: int) -> bool:
    """Is it a folder, and no link to one, of this user?"""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid


def _watch(folder: str, token: str) -> None:
    """Wait for the end of the harness, then kill its processes until two searches in a row find none.

    One is not enough: a process that is just being started has its parent's environment until it calls exec.
    Before, and in the end, remove what dead runs have left among the temporary files in `folder`.
    """
    _remove_leftovers(folder)
    sys.stdin.buffer.read()
    quiet = 0
    while quiet < 2:  # noqa: PLR2004 - as the docstring says
        found = processes_of(token)
        kill(found)
        quiet = 0 if found else quiet + 1
        time.sleep(_POLL_S)
    _remove_leftovers(folder)


if __name__ == "__main__":
    _watch(*sys.argv[1:])
