"""The outcome of every request of one load process: counted when it ends, then added to histograms.

Independent of Locust, sockets and the clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.load.series import Batch, Series, Tally
from harness.model.histogram import Histogram
from harness.model.results import Connections, Errors, LoadResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.load.exchange import Failure

_FOREVER_NS = 2**62


class Client(Protocol):
    """The part of a user's client that the account uses."""

    pending_since_ns: int
    """When the request in flight was written (ns of the monotonic clock); 0 if there is none."""

    def give_up(self, failure: Failure) -> None:
        """End the request in flight with this failure."""


@dataclass(frozen=True)
class Folded:
    """The right answers to requests with one name since the last fold."""

    method: str
    name: str
    batch: Batch
    body_bytes: int


@dataclass(frozen=True)
class Failed:
    """A request without a right answer."""

    method: str
    name: str
    failure: Failure
    response_ns: int


class Account:
    """The counters of a process; every started request ends as finished, failed or abandoned."""

    def __init__(self) -> None:
        self.started = 0
        self.failed = 0
        self.abandoned = 0
        """Requests whose users were killed while they waited."""
        self.queued = 0
        self.dropped = 0
        self.opened = 0
        self.reopened = 0
        self.resent = 0
        self.negotiated = ""
        self.clients: list[Client] = []
        self.window = (_FOREVER_NS, _FOREVER_NS)
        """Start and end of the window in ns of the monotonic clock; set before the first fold after its start."""
        self._series: dict[tuple[str, str], Series] = {}
        self._failures: list[Failed] = []
        self._right = 0
        self._answers = 0
        self._service = Tally()
        self._response = Tally()
        self._send_lag = Tally()
        self._error_kinds: dict[str, int] = {}
        self._error_examples: dict[str, str] = {}

    def series(self, method: str, name: str) -> Series:
        """The series in which right answers to requests with this name are counted."""
        key = (method, name)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series()
        return found

    def fail(self, method: str, name: str, failure: Failure, response_ns: int) -> None:
        """Count a request without a right answer."""
        self.failed += 1
        self._error_kinds[failure.kind] = self._error_kinds.get(failure.kind, 0) + 1
        self._error_examples.setdefault(failure.kind, f"{name}: {failure.detail}")
        self._failures.append(Failed(method, name, failure, response_ns))

    def fold(self) -> Iterator[Folded]:
        """Move the recorded times into histograms, and yield them; the caller must exhaust the iterator."""
        start_ns, end_ns = self.window
        for (method, name), series in list(self._series.items()):
            batch, body_bytes = series.take()
            if batch.ended.size == 0:
                continue
            self._right += int(batch.ended.size)
            self._answers += batch.ending(start_ns, end_ns)
            inside = batch.inside(start_ns, end_ns)
            response_ns = inside.ended - inside.intended
            series.response.add(response_ns)
            self._response.add(response_ns)
            self._service.add(inside.ended - inside.written)
            self._send_lag.add(inside.written - inside.intended)
            yield Folded(method, name, batch, body_bytes)

    def take_failures(self) -> list[Failed]:
        """The failures since the last call."""
        taken, self._failures = self._failures, []
        return taken

    def result(self, cpu_ratio: float, *, checked: bool) -> LoadResult:
        """The result of the window; call it after the window has closed, directly after a fold."""
        response = self._response.histogram()
        return LoadResult(
            window_start_ns=self.window[0],
            window_end_ns=self.window[1],
            answers=self._answers,
            requests=response.count,
            started=self.started,
            finished=self._right + self.failed,
            abandoned=self.abandoned + sum(client.pending_since_ns > 0 for client in self.clients),
            errors=Errors(self.failed, self._error_kinds, self._error_examples),
            response=response,
            service=self._service.histogram(),
            send_lag=self._send_lag.histogram(),
            by_name=self._by_name(),
            connections=Connections(self.opened, self.reopened, self.resent, self.negotiated),
            cpu_ratio=cpu_ratio,
            checked=checked,
            queued=self.queued,
            dropped=self.dropped,
        )

    def _by_name(self) -> dict[str, Histogram]:
        """Requests with the same name count together, whatever their methods."""
        found: dict[str, Histogram] = {}
        for (_, name), series in self._series.items():
            found[name] = Histogram.merge([found.get(name, Histogram()), series.response.histogram()])
        return found


def merge(results: Sequence[LoadResult]) -> LoadResult:
    """Combine the results of all processes of a trial: sums, merged histograms, and the CPU of the busiest process.

    The windows have the same length and begin within a millisecond of each other; the result has the first one's.
    """
    errors = Errors(
        sum(result.errors.total for result in results),
        _sum(result.errors.by_kind for result in results),
        {kind: text for result in reversed(results) for kind, text in result.errors.examples.items()},
    )
    names = dict.fromkeys(name for result in results for name in result.by_name)
    counts = {
        name: sum(getattr(result, name) for result in results)
        for name in ("answers", "requests", "started", "finished", "abandoned", "queued", "dropped")
    }
    agreed = {result.connections.negotiated for result in results if result.started}
    return LoadResult(
        window_start_ns=results[0].window_start_ns,
        window_end_ns=results[0].window_end_ns,
        errors=errors,
        response=Histogram.merge(result.response for result in results),
        service=Histogram.merge(result.service for result in results),
        send_lag=Histogram.merge(result.send_lag for result in results),
        by_name={name: Histogram.merge(result.by_name.get(name, Histogram()) for result in results) for name in names},
        connections=Connections(
            sum(result.connections.opened for result in results),
            sum(result.connections.reopened for result in results),
            sum(result.connections.resent for result in results),
            " and ".join(sorted(agreed)),
        ),
        cpu_ratio=max(result.cpu_ratio for result in results),
        memory_bytes=max(result.memory_bytes for result in results),
        checked=all(result.checked for result in results),
        verified=all(result.verified for result in results),
        **counts,
    )


def _sum(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in several:
        total.update(counts)
    return dict(total)
