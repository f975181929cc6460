"""The outcome of every request of one load process: counted when it ends, then added to histograms.

Independent of Locust, sockets and the clock.
"""

from __future__ import annotations

import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.load.exchange import Failure
from harness.load.series import Batch, Counts, Events, Series, Tally
from harness.model.histogram import Histogram
from harness.model.results import Connections, Errors, LoadResult, RequestResult, Slice, StreamResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


UNANSWERED = "unanswered"
"""The kind of failure of a request that had no answer within the time limit."""
REPORTED = "reported"
"""The kind of failure that a Locust file reports as a text."""
EXCEPTION = "exception"
"""The kind of failure where a scenario or a Locust file raised an exception."""
ENDLESS = "endless"
"""The kind of failure of a task that did not end within `TASK_TIMEOUTS` times that limit."""
MOST_NAMES = 100
"""Requests of so many names have figures of their own, and all others have them in common: a Locust file that puts ids
into names has any number of them."""
OTHERS = ("", "all other names")
"""Method and name of those others."""
LONGEST_NAME = 200
"""A longer name is cut off."""
TASK_TIMEOUTS = 2
"""How long a task may last, in limits for an answer: its request in flight may use up one, and its rest another."""


class Stretch(NamedTuple):
    """The times of a slice in ns of the monotonic clock; `Slice` has the meaning of each."""

    cycle: int
    opened_ns: int
    start_ns: int
    end_ns: int
    drained_ns: int
    users: int = 0


EMPTY = Stretch(-1, 0, 0, 0, 0)
"""A stretch in which no request begins."""


@dataclass(frozen=True)
class Recorded:
    """The right answers to requests of one name in one slice."""

    method: str
    name: str
    batch: Batch
    body_bytes: int
    untimed: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    """When those ended that were reported without a response time (ns)."""
    events: Sequence[Events] = ()
    """Those of answers that were read as they came."""

    @property
    def finished(self) -> int:
        return int(self.batch.ended.size + self.untimed.size)


@dataclass(frozen=True)
class Failed:
    """A request without a right answer."""

    method: str
    name: str
    failure: Failure
    intended_ns: int
    ended_ns: int

    @property
    def response_ns(self) -> int:
        return self.ended_ns - self.intended_ns


class Account:
    """The counters of a candidate in a process; every started request ends as finished, failed or abandoned."""

    def __init__(self) -> None:
        self.started = 0
        self.failed = 0
        self.abandoned = 0
        """Requests whose users were killed while they waited."""
        self.queued = 0
        self.dropped = 0
        self.opened = 0
        self.resumed = 0
        """TLS handshakes that took up the session of an earlier connection."""
        self.reopened = 0
        self.resent = 0
        self.pushes = 0
        """Messages that WebSocket servers sent unasked."""
        self.negotiated = ""
        self.changes: dict[str, str] = {}
        """The first change of a body that was seen before, by the name of the request."""
        self._series: dict[tuple[str, str], Series] = {}
        self._failures: list[Failed] = []

    def series(self, method: str, name: str) -> Series:
        """The series in which right answers to requests with this name are counted."""
        key = (method, name)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series()
        return found

    def fail(self, method: str, name: str, failure: Failure, intended_ns: int, ended_ns: int) -> None:
        """Count a request without a right answer."""
        self.failed += 1
        self._failures.append(Failed(method, name, failure, intended_ns, ended_ns))

    def raised(self, name: str, error: BaseException, now_ns: int) -> None:
        """Count an exception that is not the failure of a request, with the last line of its traceback."""
        last_line = " ".join(traceback.format_exception_only(error)[-1].split())
        self.fail_task(name, Failure(EXCEPTION, last_line), now_ns)

    def fail_task(self, name: str, failure: Failure, at_ns: int) -> None:
        """Count a task that failed outside of its requests."""
        self.started += 1
        self.fail("task", name, failure, at_ns, at_ns)

    def take(self) -> tuple[list[Recorded], list[Failed]]:
        """The right answers and the failures since the last call."""
        recorded = []
        for (method, name), series in list(self._series.items()):
            found = Recorded(method, name, *series.take())
            if found.finished:
                recorded.append(found)
        failures, self._failures = self._failures, []
        return recorded, failures

    def failures(self) -> list[Failed]:
        """The failures since the last call of `take`, without removing them."""
        return list(self._failures)

    def longest_ns(self) -> int:
        """The longest response time that was recorded since the last `take`."""
        return max((series.longest_ns() for series in self._series.values()), default=0)


def tally_service(recorded: Iterable[Recorded]) -> Histogram:
    """The service times of right answers."""
    tally = Tally()
    for each in recorded:
        tally.add(each.batch.ended - each.batch.written)
    return tally.histogram()


class Counters:
    """What the counters of an account gain from one call to the next."""

    NAMES = ("started", "abandoned", "queued", "dropped", "opened", "resumed", "reopened", "resent", "pushes")

    def __init__(self, account: Account) -> None:
        self._account = account
        self._before = self._read()

    def gained(self) -> dict[str, int]:
        """The increase of each counter since the last call."""
        before, self._before = self._before, self._read()
        return {name: now - before[name] for name, now in self._before.items()}

    def _read(self) -> dict[str, int]:
        return {name: getattr(self._account, name) for name in self.NAMES}


class _NameTally:
    """Adds up the requests of one name."""

    def __init__(self) -> None:
        self.response = Tally()
        self.stream: _StreamTally | None = None
        self.answers: defaultdict[int, float] = defaultdict(float)
        """Right answers by the number of the slice."""
        self.requests = 0
        self.errors = 0
        self.unanswered = 0

    def result(self, method: str, name: str, slices: int) -> RequestResult:
        answers = tuple(self.answers[number] for number in range(slices))
        response = self.response.histogram()
        stream = None if self.stream is None else self.stream.result()
        return RequestResult(method, name, answers, self.requests, response, self.errors, self.unanswered, stream)

    def add_events(self, recorded: Recorded, stretch: Stretch) -> None:
        """Add the events of the answers to requests that began in the counted stretch."""
        self.stream = self.stream or _StreamTally()
        for answer, times in recorded.events:
            intended_ns, ended_ns = int(recorded.batch.intended[answer]), recorded.batch.ended[answer]
            if stretch.start_ns <= intended_ns < stretch.end_ns:
                # The end is when the last bytes were received, the event when they had been parsed.
                self.stream.add(intended_ns, np.minimum(np.frombuffer(times, np.int64), ended_ns))


class _StreamTally:
    """Adds up the events of answers that were read as they came."""

    def __init__(self) -> None:
        self._events = 0
        self._first_event = Tally()
        self._gap = Tally()

    def add(self, intended_ns: int, times: Counts) -> None:
        self._events += int(times.size)
        self._first_event.add(times[:1] - intended_ns)
        self._gap.add(np.diff(times))

    def result(self) -> StreamResult:
        return StreamResult(self._events, self._first_event.histogram(), self._gap.histogram())


class Ledger:
    """Adds up the slices of one turn in one process."""

    def __init__(self) -> None:
        self.checked = True
        self.stopped_users = 0
        self.users_ready_s = 0.0
        self.cpu_s = 0.0
        self.paused_s = 0.0
        self.memory_bytes = 0
        self.connections = 0
        """The connections that its users had opened before the first slice."""
        self.idle: int | None = None
        """The connections beside them that carried nothing, and are still open."""
        self.negotiated = ""
        self.changes: Mapping[str, str] = {}
        self._slices: list[Slice] = []
        self._counts: Counter[str] = Counter()
        self._right = 0
        self._failed = 0
        self._unanswered = 0
        self._service = Tally()
        self._response = Tally()
        self._first_byte = Tally()
        self._send_lag = Tally()
        self._names: dict[tuple[str, str], _NameTally] = {}
        self._error_kinds: Counter[str] = Counter()
        self._error_examples: dict[str, str] = {}

    def add(
        self, stretch: Stretch, recorded: Sequence[Recorded], failures: Sequence[Failed], counts: Mapping[str, int]
    ) -> None:
        """Add a slice; every request that began in its counted stretch counts, however long it took."""
        self._counts.update(counts)
        answers, in_flight_ns, requests, finished = 0.0, 0, 0, 0
        waited = [each.response_ns for each in failures if _counts_as_wait(each, stretch)]
        response_times = [np.array(waited, np.int64)]
        for each in recorded:
            counted = each.batch.begun_between(stretch.start_ns, stretch.end_ns)
            response_ns = counted.ended - counted.intended
            response_times.append(response_ns)
            self._response.add(response_ns)
            self._service.add(counted.ended - counted.written)
            self._first_byte.add(counted.first_byte - counted.intended)
            self._send_lag.add(counted.written - counted.intended)
            in_flight_ns += int(each.batch.in_flight_between(stretch.start_ns, stretch.end_ns).sum())
            untimed = int(((each.untimed >= stretch.start_ns) & (each.untimed < stretch.end_ns)).sum())
            own = self._of(each.method, each.name)
            own.response.add(response_ns)
            own_answers = each.batch.share_between(stretch.start_ns, stretch.end_ns) + untimed
            own.answers[len(self._slices)] += own_answers
            own.requests += counted.ended.size + untimed
            if each.events:
                own.add_events(each, stretch)
            answers += own_answers
            requests += counted.ended.size + untimed
            finished += each.finished
        self._right += finished
        self._fail(stretch, failures)
        self._slices.append(
            Slice(
                stretch.cycle,
                stretch.opened_ns,
                stretch.start_ns,
                stretch.end_ns,
                stretch.drained_ns,
                answers,
                requests,
                finished,
                in_flight_ns / max(1, stretch.end_ns - stretch.start_ns),
                stretch.users,
                _find_p99_us(np.concatenate(response_times)),
            )
        )

    def _of(self, method: str, name: str) -> _NameTally:
        key = method[:LONGEST_NAME], name[:LONGEST_NAME]
        if key not in self._names and len(self._names) >= MOST_NAMES:
            key = OTHERS
        return self._names.setdefault(key, _NameTally())

    def _fail(self, stretch: Stretch, failures: Sequence[Failed]) -> None:
        for each in failures:
            kind = each.failure.kind
            own = self._of(each.method, each.name)
            own.errors += 1
            self._failed += 1
            self._error_kinds[kind] += 1
            self._error_examples.setdefault(kind, f"{each.name}: {each.failure.detail}")
            if kind == UNANSWERED:
                self._unanswered += 1
                own.unanswered += 1
                if _counts_as_wait(each, stretch):
                    # Without it the percentiles would be too low: it took longer than the limit.
                    waited = np.array([each.response_ns])
                    self._response.add(waited)
                    self._service.add(waited)
                    self._first_byte.add(waited)
                    own.response.add(waited)

    @property
    def is_empty(self) -> bool:
        """Was nothing added yet?"""
        return not self._slices and not self._failed

    def add_failures(self, started: int, failures: Sequence[Failed]) -> None:
        """Add what went wrong before anything counted: connecting, the verification pass, the warm-up."""
        self._counts["started"] += started
        self._right += started - len(failures)
        self._fail(EMPTY, failures)

    def result(self, *, verified: bool) -> LoadResult:
        """The sum of all slices that were added."""
        counts = self._counts
        counted_s = sum(each.counted_s for each in self._slices)
        return LoadResult(
            slices=tuple(self._slices),
            started=counts["started"],
            finished=self._right + self._failed,
            unanswered=self._unanswered,
            abandoned=counts["abandoned"],
            errors=Errors(self._failed, dict(self._error_kinds), self._error_examples),
            response=self._response.histogram(),
            service=self._service.histogram(),
            first_byte=self._first_byte.histogram() if verified else None,
            send_lag=self._send_lag.histogram(),
            by_request=tuple(own.result(*key, len(self._slices)) for key, own in self._names.items()),
            connections=Connections(
                self.connections + counts["opened"],
                counts["reopened"],
                counts["resent"],
                self.negotiated,
                counts["resumed"],
                self.idle,
            ),
            cpu_ratio=self.cpu_s / counted_s if counted_s else 0.0,
            paused_ratio=self.paused_s / counted_s if counted_s else 0.0,
            memory_bytes=self.memory_bytes,
            checked=self.checked,
            queued=counts["queued"],
            dropped=counts["dropped"],
            pushes=counts["pushes"],
            verified=verified,
            changes=dict(self.changes),
            stopped_users=self.stopped_users,
            users_ready_s=self.users_ready_s,
        )


def _counts_as_wait(failed: Failed, stretch: Stretch) -> bool:
    """Was it waited for in vain, so that its time belongs to the response times of the stretch?"""
    return failed.failure.kind == UNANSWERED and stretch.start_ns <= failed.intended_ns < stretch.end_ns


def _find_p99_us(response_ns: Counts) -> int | None:
    if not response_ns.size:
        return None
    rank = -(-99 * response_ns.size // 100)
    return int(np.partition(response_ns, rank - 1)[rank - 1]) // 1000


def merge(results: Sequence[LoadResult]) -> LoadResult:
    """One result of a turn from those of all load processes: sums, merged histograms, and the CPU of the busiest.

    A slice begins in all processes within milliseconds and is equally long in all.
    """
    errors = Errors(
        sum(result.errors.total for result in results),
        _sum(result.errors.by_kind for result in results),
        {kind: text for result in reversed(results) for kind, text in result.errors.examples.items()},
    )
    counts = {
        name: sum(getattr(result, name) for result in results)
        for name in ("started", "finished", "unanswered", "abandoned", "queued", "dropped", "pushes", "stopped_users")
    }
    idle = [each for result in results if (each := result.connections.idle) is not None]
    agreed = {result.connections.negotiated for result in results if result.started}
    return LoadResult(
        slices=tuple(map(_merge_slice, zip(*(result.slices for result in results), strict=True))),
        errors=errors,
        response=Histogram.merge(result.response for result in results),
        service=Histogram.merge(result.service for result in results),
        first_byte=Histogram.merge_all(result.first_byte for result in results),
        send_lag=Histogram.merge(result.send_lag for result in results),
        by_request=RequestResult.merge(each for result in results for each in result.by_request),
        connections=Connections(
            sum(result.connections.opened for result in results),
            sum(result.connections.reopened for result in results),
            sum(result.connections.resent for result in results),
            " and ".join(sorted(agreed)),
            sum(result.connections.resumed for result in results),
            None if not idle else sum(idle),
        ),
        cpu_ratio=max(result.cpu_ratio for result in results),
        paused_ratio=max(result.paused_ratio for result in results),
        memory_bytes=max(result.memory_bytes for result in results),
        checked=all(result.checked for result in results),
        verified=all(result.verified for result in results),
        users_ready_s=max(result.users_ready_s for result in results),
        changes={name: text for result in reversed(results) for name, text in result.changes.items()},
        load_workers={name: ratio for result in results for name, ratio in result.load_workers.items()},
        **counts,
    )


def shift(result: LoadResult, find_ns: Callable[[int], int]) -> LoadResult:
    """The result on another clock, which at a time of this one shows so much more."""

    def move(each: Slice) -> Slice:
        by_ns = find_ns(each.opened_ns)
        times = {name: getattr(each, name) + by_ns for name in ("opened_ns", "start_ns", "end_ns", "drained_ns")}
        return replace(each, **times)

    return replace(result, slices=tuple(map(move, result.slices)))


def _merge_slice(parts: Sequence[Slice]) -> Slice:
    """The counted stretch is that of the first process; the slice is open from the first opening to the last end."""
    return replace(
        parts[0],
        opened_ns=min(part.opened_ns for part in parts),
        drained_ns=max(part.drained_ns for part in parts),
        answers=sum(part.answers for part in parts),
        requests=sum(part.requests for part in parts),
        finished=sum(part.finished for part in parts),
        in_flight=sum(part.in_flight for part in parts),
        users=sum(part.users or 0 for part in parts),
        p99_us=parts[0].p99_us if len(parts) == 1 else None,
    )


def _sum(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in several:
        total.update(counts)
    return dict(total)
