"""What went over a connection, line by line, for people to read."""

from __future__ import annotations

from dataclasses import dataclass


class Story:
    """Lines with an arrow; like ones in a row become one."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []

    def tell(self, arrow: str, words: str, kind: str = "", octets: int = 0) -> None:
        """One more line: → from the client, ← from the server, × an end, ! what was done beside the connection.

        Lines of one `kind` are counted together.
        """
        last = self._lines[-1] if self._lines else None
        if kind and last is not None and (last.arrow, last.kind) == (arrow, kind):
            last.count += 1
            last.octets += octets
            last.words = words
        else:
            self._lines.append(_Line(arrow, words, kind, octets))

    def __str__(self) -> str:
        return "\n".join(map(str, self._lines))


@dataclass
class _Line:
    arrow: str
    words: str
    kind: str
    octets: int
    count: int = 1

    def __str__(self) -> str:
        if self.count == 1:
            return f"{self.arrow} {self.words}"
        octets = f", {self.octets:,} bytes in all" if self.octets else ""
        return f"{self.arrow} {self.count} × {self.kind}{octets}, the last: {self.words}"
