"""What a process has said: the end of its log, and the one line there that tells why it failed."""

from __future__ import annotations

import re
from collections import deque
from itertools import dropwhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TELLING_CHARACTERS = 200
_LOOKED_AT = 200
"""Lines at the end of a log among which the telling one is looked for: more than a long traceback has."""

_TRACEBACK = "Traceback (most recent call last):"
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_GROUP = re.compile(r"^\s*\|\s?")
"""What tracebacks within an exception group begin their lines with."""
_LEVEL = re.compile(r"^(?:\[[^\]]*\]\s*)+|^(?:CRITICAL|ERROR|WARNING|INFO):\s+")
"""Time, process and level, as granian, gunicorn and uvicorn write them ahead of a message."""
_EPILOGUE = re.compile(
    r"Unexpected exit from worker|Worker \(pid:|worker process died|Shutting down: Master"
    r"|Reason: (?:Worker|App) failed|(?:Application|lifespan) startup failed(?:\. Exiting\.)?$"
    r"|no app loaded|hr_instance_read"
)
"""What servers add to the reason itself: that a worker, or they themselves, have ended."""


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log; nothing when there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, lines)).rstrip()
    except FileNotFoundError:
        return ""


def said(path: Path) -> str:
    """What a log tells of a failure, to be put behind the words for it; nothing where it tells nothing."""
    line = telling(tail(path, _LOOKED_AT))
    return f"; it said: {line}" if line else ""


def telling(text: str) -> str:
    """The exception of a log's last traceback, else its last line that is more than the end of a worker; cut to fit."""
    lines = [_GROUP.sub("", _COLOUR.sub("", line)) for line in text.splitlines()]
    starts = [number for number, line in enumerate(lines, 1) if _TRACEBACK in line]
    found = _exception(lines[starts[-1] :]) if starts else ""
    found = found or next((line for line in reversed(lines) if _tells(line) and not line[0].isspace()), "")
    plain = " ".join(_LEVEL.sub("", found).split())
    return plain if len(plain) <= TELLING_CHARACTERS else f"{plain[: TELLING_CHARACTERS - 1]}…"


def _exception(lines: list[str]) -> str:
    """What follows the frames of a traceback, up to a blank line or another message.

    The words of an exception may be several lines; gunicorn says them once more on a line of their own.
    """
    found = ""
    for line in dropwhile(lambda line: not line or line[0].isspace(), lines):
        if not _tells(line) or _LEVEL.match(line):
            break
        if line not in found:
            found += f" {line}"
    return found


def _tells(line: str) -> bool:
    return re.search(r"\w", line) is not None and _EPILOGUE.search(line) is None
