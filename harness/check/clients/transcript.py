"""What went over a connection, line by line, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

SHOWN_BYTES = 400
"""Of a longer run of bytes only the beginning and the end are shown."""


class Transcript:
    """Lines that begin with → (from the client), ← (from the server), × (an end) or ! (an event elsewhere)."""

    def __init__(self) -> None:
        self._lines: list[_Line | _Run] = []

    def add(self, arrow: str, words: str, kind: str = "", size_bytes: int = 0) -> None:
        """Add a line; consecutive lines of the same `kind` become one line with their count and total size."""
        last = self._lines[-1] if self._lines else None
        if kind and isinstance(last, _Line) and (last.arrow, last.kind) == (arrow, kind):
            last.count += 1
            last.size_bytes += size_bytes
            last.words = words
        else:
            self._lines.append(_Line(arrow, words, kind, size_bytes))

    def add_bytes(self, arrow: str, data: bytes) -> None:
        """Add raw bytes; consecutive bytes in one direction become one line."""
        last = self._lines[-1] if self._lines else None
        if not isinstance(last, _Run) or last.arrow != arrow:
            last = _Run(arrow)
            self._lines.append(last)
        last.add(data)

    def __str__(self) -> str:
        return "\n".join(map(str, self._lines))


@dataclass
class _Line:
    arrow: str
    words: str
    kind: str
    size_bytes: int
    count: int = 1

    def __str__(self) -> str:
        if self.count == 1:
            return f"{self.arrow} {self.words}"
        total = f", {self.size_bytes:,} bytes in total" if self.size_bytes else ""
        return f"{self.arrow} {self.count} × {self.kind}{total}, the last: {self.words}"


@dataclass
class _Run:
    """Bytes in one direction, of which only the first and the last are kept."""

    arrow: str
    first: bytes = b""
    last: bytes = b""
    size_bytes: int = 0

    def add(self, data: bytes) -> None:
        room = SHOWN_BYTES // 2 - len(self.first)
        self.first += data[:room]
        self.last = (self.last + data[room:])[-SHOWN_BYTES // 2 :]
        self.size_bytes += len(data)

    def __str__(self) -> str:
        hidden = self.size_bytes - len(self.first) - len(self.last)
        between = f" … {hidden:,} bytes … " if hidden else ""
        return f"{self.arrow} {_escaped(self.first)}{between}{_escaped(self.last)}"


def shown(data: bytes) -> str:
    """Bytes in one line: control and non-ASCII characters escaped, the middle of long ones left out."""
    run = _Run("")
    run.add(data)
    return str(run).strip()


def _escaped(data: bytes) -> str:
    return repr(data)[2:-1]
