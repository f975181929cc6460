"""Follows an answer while it comes: when each of its events came, and whether the client has had enough of it."""

from __future__ import annotations

from array import array
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from gevent import get_hub

from harness.load.exchange import Failure, media_type_of
from harness.model.event_stream import count_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.load.exchange import Headers
    from harness.model.event_stream import EventCounter, Stream

EVENTS = "events"
"""The kind of failure of an answer that had too few events."""


class Watch:
    """The events of one answer; `stop` is called in the hub, once, when a limit is reached."""

    def __init__(self, limit: Stream, stop: Callable[[], object]) -> None:
        self.times = array("q")
        """When each event came (ns of the monotonic clock)."""
        self.stopped_ns = 0
        """When a limit was reached; 0 before."""
        self.length = 0
        """So many bytes of the body came up to the limit."""
        self._limit = limit
        self._stop = stop
        self._counter: EventCounter | None = None
        self._timer: Any = None

    def feed(self, part: bytes, headers: Headers) -> None:
        """Look at a further part of the body, which has come just now."""
        if self.stopped_ns:
            return
        if self._counter is None:
            self._counter = count_events(media_type_of(headers))
        limit, at_ns, ends = self._limit, perf_counter_ns(), self._counter.feed(part)
        if limit.events is not None:
            ends = ends[: limit.events - len(self.times)]
        if ends and not self.times and limit.seconds is not None:
            self._timer = get_hub().loop.timer(limit.seconds)
            self._timer.start(self._stop_late, update=True)  # the loop's own time is that of its last turn
        self.times.extend([at_ns] * len(ends))
        if len(self.times) == limit.events:
            self.stopped_ns = at_ns
            self.length += ends[-1]
            get_hub().loop.run_callback(self._stop)  # whoever reads the answer is in the middle of it
        else:
            self.length += len(part)

    def finish(self, at_ns: int) -> None:
        """Take note of the end of the answer; raises `Failure` if it had too few events."""
        self._drop_timer()
        if not self.stopped_ns and self._counter is not None and self._counter.finish():
            self.times.append(at_ns)
        if len(self.times) < self._limit.at_least:
            raise Failure(EVENTS, f"expected at least {self._limit.at_least}, found {len(self.times)}")

    def _stop_late(self) -> None:
        self._drop_timer()
        if not self.stopped_ns:
            self.stopped_ns = perf_counter_ns()
            self._stop()

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
