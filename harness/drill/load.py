"""Steady open load on a server, from a process of its own, while an experiment goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.drill.model import Exchange, Requests
from harness.host import guard
from harness.model.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.model.targets import Launch

CONNECTIONS = 32
"""Connections that are kept; when all are busy, others are opened for as long as they are needed."""
TIMEOUT_S = 5.0
"""A request without an answer after this time is unanswered."""
_PACKAGES = Path(__file__).parents[2]
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
    path = os.pathsep.join([str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-m", "harness.drill.client"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, guard.VARIABLE: token},
        start_new_session=True,  # Ctrl-C is meant for the harness alone
    ) as process:
        try:
            assert process.stdin is not None  # noqa: S101 - for mypy
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(json.dumps(specification).encode() + b"\n")
            process.stdin.flush()
            if process.stdout.readline() != b"ready\n":
                raise _failed(process)
            traffic = Traffic()
            yield traffic
            output, _ = process.communicate(timeout=timeout_s + _END_S)
            if process.returncode:
                raise _failed(process)
            found = json.loads(output)
            traffic.lag_ms = found["lag_ms"]
            traffic.exchanges += [Exchange(*each) for each in found["exchanges"]]
        finally:
            process.kill()


def _failed(process: subprocess.Popen[bytes]) -> LoadError:
    process.kill()
    _, errors = process.communicate()
    lines = errors.decode(errors="replace").strip().splitlines()
    return LoadError(f"expected right answers before the load, found {lines[-1] if lines else 'that the client ended'}")


def now_ns() -> int:
    """The clock of `Exchange`."""
    return time.monotonic_ns()
