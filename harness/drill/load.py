"""Steady open load on a server, from a process of its own, while an experiment goes on."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from harness.drill.child import running
from harness.drill.model import Exchange, Requests
from harness.model.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.model.targets import Launch

CONNECTIONS = 32
"""Connections that are kept; when all are busy, others are opened for as long as they are needed."""
TIMEOUT_S = 5.0
"""A request without an answer after this time is unanswered."""
_END_S = 10.0
"""Time in which a client ends beyond the request timeout."""


@dataclass
class Traffic:
    """Requests that are sent, and how they ended; `exchanges` is complete once the load has been stopped."""

    exchanges: list[Exchange] = field(default_factory=list)
    lag_ms: float = 0.0
    """The longest time by which a request was started later than it was due: the client's own delay."""

    def in_flight(self, at_ns: int) -> list[Exchange]:
        """Those that were due before `at_ns` and ended after it."""
        return [each for each in self.exchanges if each.intended_ns < at_ns <= each.ended_ns]

    def due(self, since_ns: int, until_ns: int, name: str | None = None) -> list[Exchange]:
        """Those that were due in this time, of this name or of all."""
        return [
            each for each in self.exchanges if since_ns <= each.intended_ns < until_ns and name in (None, each.requests)
        ]


@contextmanager
def sending(
    launch: Launch,
    requests: Sequence[Requests],
    token: str,
    *,
    connections: int = CONNECTIONS,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[Traffic]:
    """Send requests for as long as the block lasts; after it, when all have ended, the traffic has its exchanges.

    Raises `LoadError` if the client fails.
    """
    specification = {
        "host": launch.host,
        "port": launch.port,
        "connections": connections,
        "timeout_s": timeout_s,
        "requests": [asdict(each) for each in requests],
    }
    with running("harness.drill.client", specification, token) as child:
        if child.output.readline() != b"ready\n":
            raise LoadError(f"expected right answers before the load, found {child.last_words()}")
        traffic = Traffic()
        yield traffic
        try:
            output, _ = child.process.communicate(timeout=timeout_s + _END_S)
        except subprocess.TimeoutExpired:
            raise LoadError(f"expected the client to end within {timeout_s + _END_S:g} s, found it busy") from None
        if child.process.returncode:
            raise LoadError(f"expected a record of the load, found {child.last_words()}")
        found = json.loads(output)
        traffic.lag_ms = found["lag_ms"]
        traffic.exchanges += [Exchange(*each) for each in found["exchanges"]]
