"""A running server as its supervisor sees it: processes that are signalled, watched, and told from each other."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.host.readiness import Readiness

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from harness.host.process import Running
    from harness.model.targets import App, Launch

POLL_S = 0.02
FIND_S = 10.0
"""Workers that have answered before answer again within this time."""
ORPHANS_S = 10.0
"""Workers that take new connections for so long after their parent's end go on for ever."""


class Supervised:
    """A running server and its processes."""

    def __init__(self, running: Running, app: App, launch: Launch) -> None:
        self.running = running
        self.launch = launch
        self._app = app

    def signal(self, number: signal.Signals, pid: int | None = None) -> int:
        """Send a signal to a process, the first one if none is given; return the time on the monotonic clock, in ns."""
        at_ns = time.monotonic_ns()
        with suppress(ProcessLookupError):
            os.kill(self.running.pid if pid is None else pid, number)
        return at_ns

    @property
    def ended(self) -> str | None:
        """How the first process ended, such as `exit status 1`; None while it runs."""
        return self.running.ended

    def processes(self) -> set[int]:
        """All processes of the server that are alive."""
        return self.running.processes()

    def workers(self) -> set[int]:
        """The processes that take connections, as far as is seen in one look."""
        return Readiness(self._app, self.launch, time.perf_counter(), self.processes).workers()

    def find_workers(self) -> set[int] | None:
        """The processes that take connections; None if fewer are found than were asked for."""
        seen: set[int] = set()

        def are_seen() -> bool:
            seen.update(self.workers())
            return len(seen) >= self.launch.workers

        return None if self.await_(are_seen, FIND_S) is None else seen

    def await_replaced(self, before: AbstractSet[int], number: int, within_s: float) -> int | None:
        """When all workers of before have ended and this many others take connections; None as in `await_workers`."""
        began = time.monotonic()
        gone = self.await_(lambda: self.ended is not None or not before & self.processes(), within_s)
        left_s = within_s - (time.monotonic() - began)
        return self.await_workers(number, left_s, without=before) if gone else None

    def await_workers(self, number: int, within_s: float, *, without: AbstractSet[int] = frozenset()) -> int | None:
        """When this many workers take connections, besides those `without`, which are dead or to be replaced.

        None if they do not within this time, or if the server ends.
        """
        seen: set[int] = set()

        def are_up() -> bool:
            nonlocal seen
            seen = (seen | self.workers()) & self.processes() - without
            return len(seen) >= number

        at_ns = self.await_(lambda: self.ended is not None or are_up(), within_s)
        return at_ns if self.ended is None else None

    def await_(self, condition: Callable[[], object], within_s: float) -> int | None:
        """When a condition has become true; None if it has not within this time."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() >= deadline:
                return None
            time.sleep(POLL_S)
        return time.monotonic_ns()
