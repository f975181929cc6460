"""Many connections that are held open, by a process of its own, while an experiment goes on."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from harness.drill.child import running
from harness.model.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.model.targets import Launch


@dataclass(frozen=True)
class Connections:
    """Connections of one kind: what each of them sends and reads."""

    count: int
    first: bytes
    """Sent as soon as a connection is open."""
    piece: bytes = b""
    """Sent once a second; nothing if it is empty."""
    reads_slowly: bool = False
    """Does it read one byte a second, through a small buffer?"""
    answer: bytes = b""
    """What the first line of the answer to `first` has in it; nothing is awaited if it is empty."""


@dataclass
class Crowd:
    """Open connections."""

    opened: int
    """How many there were when all had been opened."""
    failure: str
    """Why there were not as many as wanted; empty if there were."""
    _questions: IO[bytes]
    _answers: IO[bytes]

    def count_open(self) -> int:
        """How many of them the server has not closed."""
        self._questions.write(b"\n")
        self._questions.flush()
        return int(self._answers.readline())


@contextmanager
def holding(launch: Launch, connections: Connections, token: str) -> Iterator[Crowd]:
    """Hold connections open for as long as the block lasts; raises `LoadError` if their process fails."""
    specification = {"host": launch.host, "port": launch.port, **asdict(connections)}
    for name in ("first", "piece", "answer"):
        specification[name] = specification[name].decode("latin-1")
    with running("harness.drill.holder", specification, token) as child:
        line = child.output.readline()
        if not line:
            raise LoadError(f"expected open connections, found {child.last_words()}")
        found = json.loads(line)
        yield Crowd(found["opened"], found["failure"], child.input, child.output)
