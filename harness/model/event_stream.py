"""Answers that are read as they come: which of their parts is an event, and when the client has had enough. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

EVENT_STREAM = "text/event-stream"
_LINES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/json-lines",
        "application/json-seq",
        "application/stream+json",
    }
)
"""Media types with a JSON text in each line."""
_LINE_END = re.compile(rb"\r\n?|\n")
_DATA = re.compile(rb"(?:\xef\xbb\xbf)?data(?::|\Z)")
_NAME_BYTES = len(b"\xef\xbb\xbfdata:")
"""So much of a line says whether it is a field `data`, after a byte order mark too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """How an answer is read as it comes; without a limit it is read to its end.

    At its limit the client ends it, and the answer is right. One that ends before by itself is right too.
    """

    events: int | None = None
    """After so many events the client ends it."""
    seconds: float | None = None
    """So long after the first event the client ends it."""
    at_least: int = 1
    """An answer with fewer events is not right."""

    def __post_init__(self) -> None:
        if self.events is not None and self.events < 1:
            raise ValueError(f"Stream: expected events of at least 1, found {self.events}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"Stream: expected seconds of more than 0, found {self.seconds}")
        if self.at_least < 0 or (self.events is not None and self.at_least > self.events):
            most = "" if self.events is None else f" to {self.events}"
            raise ValueError(f"Stream: expected at_least from 0{most}, found {self.at_least}")


class EventCounter(Protocol):
    """Finds the events in a body that comes in parts; they are the same however it is cut."""

    def feed(self, part: bytes) -> list[int]:
        """Where events end in the next part."""

    def finish(self) -> bool:
        """Is the end of the body the end of one more event?"""


def count_events(media_type: str) -> EventCounter:
    """Make a counter for a body of this media type (lower case, without parameters).

    An event is in `text/event-stream` what a browser dispatches, in line-delimited JSON a line that is not blank, and
    in any other type a part as it comes.
    """
    if media_type == EVENT_STREAM:
        return _ServerSentEvents()
    return _Lines() if media_type in _LINES else _Parts()


class _ServerSentEvents:
    """WHATWG HTML, 9.2.6: a blank line ends an event; without a field `data` it is none, as comments are.

    Lines end with CR LF, LF or CR. A CR may be the last byte for long, so it ends a line before what follows is known.
    """

    def __init__(self) -> None:
        self._line = b""
        """The beginning of the line that has not ended yet."""
        self._has_data = False
        self._after_cr = False

    def feed(self, part: bytes) -> list[int]:
        ends = []
        start = int(self._after_cr and part.startswith(b"\n"))
        for match in _LINE_END.finditer(part, start):
            line = self._line + part[start : min(match.start(), start + _NAME_BYTES)]
            self._line, start = b"", match.end()
            if line:
                self._has_data = self._has_data or _DATA.match(line) is not None
            elif self._has_data:
                self._has_data = False
                ends.append(match.end())
        self._line = (self._line + part[start : start + _NAME_BYTES])[:_NAME_BYTES]
        self._after_cr = part.endswith(b"\r") or (self._after_cr and not part)
        return ends

    def finish(self) -> bool:
        return False  # "Once the end of the file is reached, any pending data must be discarded."


class _Lines:
    def __init__(self) -> None:
        self._has_text = False

    def feed(self, part: bytes) -> list[int]:
        ends, start = [], 0
        while (end := part.find(b"\n", start)) >= 0:
            if self._has_text or part[start:end].strip():
                ends.append(end + 1)
            self._has_text, start = False, end + 1
        self._has_text = self._has_text or bool(part[start:].strip())
        return ends

    def finish(self) -> bool:
        return self._has_text


class _Parts:
    def feed(self, part: bytes) -> list[int]:
        return [len(part)] if part else []

    def finish(self) -> bool:
        return False
