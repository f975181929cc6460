"""The log of a process: its end, and the one line in it that gives the reason of a failure."""

from __future__ import annotations

import re
from collections import deque
from itertools import dropwhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

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


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log; empty if there is no such file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, lines)).rstrip()
    except FileNotFoundError:
        return ""


def quote_reason(path: Path) -> str:
    """The reason of a failure according to a log, as the end of an error message; empty if the log gives none."""
    line = find_reason(tail(path, _SEARCHED_LINES))
    return f"; it said: {line}" if line else ""


def find_reason(text: str) -> str:
    """The exception of a log's last traceback, else its last line that says more than that a worker has ended.

    It is cut to `REASON_CHARACTERS`.
    """
    lines = [_GROUP.sub("", _COLOUR.sub("", line)) for line in text.splitlines()]
    starts = [number for number, line in enumerate(lines, 1) if _TRACEBACK in line]
    found = _exception(lines[starts[-1] :]) if starts else ""
    found = found or next((line for line in reversed(lines) if _may_be_reason(line) and not line[0].isspace()), "")
    plain = " ".join(_LEVEL.sub("", found).split())
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
    return re.search(r"\w", line) is not None and _END_OF_WORKER.search(line) is None
