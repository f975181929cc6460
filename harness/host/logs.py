"""The log of a process: kept small, its end, and the one line in it that gives the reason of a failure."""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from itertools import dropwhile
from typing import TYPE_CHECKING, Self

from harness.host.files import open_new, storing

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

LARGEST_BYTES = 8_000_000
"""A log that has grown beyond this loses its middle."""
KEPT_BYTES = 64_000
"""So much of its beginning and of its end is left then."""
LEFT_OUT = b"\n[harness: the middle of this log is left out, since it grew too large]\n"
_LOOK_S = 0.2
"""How often the size of a log is looked at."""
TAIL_BYTES = 8_000
"""A tail has at most this much: a log may be one line."""
REASON_CHARACTERS = 200
"""A reason is cut to this length."""
_SEARCHED_LINES = 200
"""The reason is searched for in this many lines at the end of a log: more than a long traceback has."""

_TRACEBACK = "Traceback (most recent call last):"
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_GROUP = re.compile(r"^\s*\|\s?")
"""The start of each line of a traceback that belongs to an exception group."""
_LEVEL = re.compile(r"^(?:\[[^\]]*\]\s*)+|^(?:CRITICAL|ERROR|WARNING|INFO):\s+")
"""Time, process and level, which granian, gunicorn and uvicorn write before a message."""
_END_OF_WORKER = re.compile(
    r"Unexpected exit from worker|Worker \(pid:|worker process died|Shutting down: Master"
    r"|Reason: (?:Worker|App) failed|(?:Application|lifespan) startup failed(?:\. Exiting\.)?$"
    r"|no app loaded|hr_instance_read"
)
"""Lines in which servers only say that a worker, or the server itself, has ended; the reason is above them."""
_TABLE = re.compile(
    r"^Type\s+Name\s|^Response time percentiles|^Error report$|^# occurrences\s|\s\|\s+[\d.]+\s|\s(?:[\d.]+\s+){6,}"
)
"""Lines of the tables in which Locust reports its statistics when it ends."""


class Log:
    """A log that a process writes; as a context manager it is kept from filling the disk.

    The process writes straight into the file, which costs it nothing, and a thread of ours cuts what becomes too large.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def open(self) -> BinaryIO:
        """Empty the file and open it for a process, which then writes at the end of it, wherever that is.

        Raises `StorageError`.
        """
        with storing(self.path):
            open_new(self.path).close()
            return open_new(self.path, append=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Look at it for the last time."""
        self._ended.set()
        self._keeper.join()

    def _keep(self) -> None:
        while not self._ended.wait(_LOOK_S):
            shorten(self.path)
        shorten(self.path)


def shorten(path: Path) -> None:
    """Cut the middle out of a log that is too large; lines written in that moment may be lost."""
    with suppress(OSError):
        if path.stat().st_size <= LARGEST_BYTES:
            return
        end = _read_end(path, KEPT_BYTES)
        os.truncate(path, KEPT_BYTES)
        with path.open("ab") as file:
            file.write(LEFT_OUT + end)


def tail(path: Path, lines: int = 20, most_bytes: int = TAIL_BYTES) -> str:
    """The last lines of a log; empty if there is no such file."""
    try:
        text = _read_end(path, most_bytes).decode(errors="replace").replace("\r\n", "\n")
        is_whole = path.stat().st_size <= most_bytes
    except FileNotFoundError:
        return ""
    every = text.rstrip().split("\n")
    sign = "…" if len(every) <= lines and not is_whole else ""
    return sign + "\n".join(every[-lines:])


def _read_end(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most_bytes))
        return file.read(most_bytes)


def quote_reason(path: Path) -> str:
    """The reason of a failure according to a log, as the end of an error message; empty if the log gives none."""
    line = find_reason(tail(path, _SEARCHED_LINES, KEPT_BYTES))
    return f"; it said: {line}" if line else ""


def quote_exception(path: Path) -> str:
    """The last exception in a server's log, as a reason for wrong answers; empty if there is none."""
    found = find_exception(tail(path, _SEARCHED_LINES, KEPT_BYTES))
    return f"the server's log says: {found}" if found else ""


def find_reason(text: str) -> str:
    """The exception of a log's last traceback, else its last line that says more than that a worker has ended.

    It is cut to `REASON_CHARACTERS`.
    """
    found = find_exception(text)
    if found:
        return found
    lines = _plain_lines(text)
    return _shorten(next((line for line in reversed(lines) if _may_be_reason(line) and not line[0].isspace()), ""))


def find_exception(text: str) -> str:
    """The exception of a log's last traceback, cut to `REASON_CHARACTERS`; empty if there is none."""
    lines = _plain_lines(text)
    starts = [number for number, line in enumerate(lines, 1) if _TRACEBACK in line]
    return _shorten(_exception(lines[starts[-1] :])) if starts else ""


def _plain_lines(text: str) -> list[str]:
    return [_GROUP.sub("", _COLOUR.sub("", line)) for line in text.splitlines()]


def _shorten(line: str) -> str:
    plain = " ".join(_LEVEL.sub("", line).split())
    return plain if len(plain) <= REASON_CHARACTERS else f"{plain[: REASON_CHARACTERS - 1]}…"


def _exception(lines: list[str]) -> str:
    """The lines after the frames of a traceback, up to a blank line or another message.

    The text of an exception may have several lines; gunicorn repeats it in another line.
    """
    found = ""
    for line in dropwhile(lambda line: not line or line[0].isspace(), lines):
        if not _may_be_reason(line) or _LEVEL.match(line):
            break
        if line not in found:
            found += f" {line}"
    return found


def _may_be_reason(line: str) -> bool:
    said = re.search(r"\w", line) is not None and _TABLE.search(line) is None
    return said and _END_OF_WORKER.search(line) is None
