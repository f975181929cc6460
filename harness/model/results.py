"""What the load generator measured of a case: counts, histograms, slices. Units are in the names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.model.histogram import Histogram


@dataclass(frozen=True)
class Errors:
    """Requests without a right answer: how many of each kind, and the first example of each."""

    total: int = 0
    by_kind: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Connections:
    """The connections of a case's own users."""

    opened: int = 0
    """Those that they began with, and those that were opened in their slices."""
    reopened: int = 0
    """Connections opened again after the server closed one, which it may, or after a failure."""
    resent: int = 0
    """Requests sent again, because they met a connection that the server had closed before, or a GOAWAY said so."""
    negotiated: str = ""
    """The negotiated protocol: `http/1.1`, `h2`, `h2c`, `websocket`; over TLS after its version: `TLSv1.3 h2`."""
    resumed: int = 0
    """Connections whose TLS handshake took up the session of an earlier one."""
    idle: int | None = None
    """Connections that carried nothing beside those of the users, and were open at the end; None if there were none."""


@dataclass(frozen=True)
class Slice:
    """One turn of a case in one cycle. Times are in ns of the monotonic clock.

    From `opened_ns` on its users send; what they send counts from `start_ns` (the end of the lead-in) to `end_ns`; at
    `drained_ns` nothing was in flight any more, and the next candidate's turn began.
    """

    cycle: int
    opened_ns: int
    start_ns: int
    end_ns: int
    drained_ns: int
    answers: float
    """Right answers in the counted stretch, each by the share of its time that lies in it."""
    requests: int
    """Right answers to requests that began in the counted stretch."""
    finished: int
    """Right answers from `opened_ns` to `drained_ns`."""
    in_flight: float = 0.0
    """Requests in flight, on average over the counted stretch; only those that had a right answer."""
    users: int | None = None
    """Users that ran at its end; None in a run of an earlier version."""
    p99_us: int | None = None
    """The time that 99 % of the responses to requests that began in the counted stretch did not exceed.

    None without any, where several load processes have a part of them, and in a run of an earlier version.
    """

    @property
    def counted_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


def name_request(method: str, name: str) -> str:
    """`GET /items`, with the method once even if the name begins with it."""
    return name if name.startswith(f"{method} ") else f"{method} {name}".strip()


@dataclass(frozen=True)
class StreamResult:
    """The events of answers that were read as they came."""

    events: int
    first_event: Histogram
    """From the intended time to the first event."""
    gap: Histogram
    """From each event of an answer to its next one."""

    @staticmethod
    def merge(results: Iterable[StreamResult | None]) -> StreamResult | None:
        """The sum; None if there is none."""
        own = [each for each in results if each is not None]
        if not own:
            return None
        return StreamResult(
            sum(each.events for each in own),
            Histogram.merge(each.first_event for each in own),
            Histogram.merge(each.gap for each in own),
        )


@dataclass(frozen=True)
class RequestResult:
    """What the load generator measured of the requests with one method and name."""

    method: str
    name: str
    answers: tuple[float, ...]
    """Right answers in each slice, as `Slice.answers` counts them."""
    requests: int
    """Right answers to requests that began in a counted stretch."""
    response: Histogram
    """Response times, of which those without an answer within the time limit are a part."""
    errors: int = 0
    unanswered: int = 0
    stream: StreamResult | None = None
    """None unless answers were read as they came."""

    @property
    def label(self) -> str:
        return name_request(self.method, self.name)

    @staticmethod
    def merge(results: Iterable[RequestResult]) -> tuple[RequestResult, ...]:
        """One of each method and name, from those of the same slices in all load processes."""
        several: dict[tuple[str, str], list[RequestResult]] = {}
        for each in results:
            several.setdefault((each.method, each.name), []).append(each)
        return tuple(
            RequestResult(
                method,
                name,
                answers=tuple(map(sum, zip(*(each.answers for each in own), strict=True))),
                requests=sum(each.requests for each in own),
                response=Histogram.merge(each.response for each in own),
                errors=sum(each.errors for each in own),
                unanswered=sum(each.unanswered for each in own),
                stream=StreamResult.merge(each.stream for each in own),
            )
            for (method, name), own in several.items()
        )


@dataclass(frozen=True)
class LoadResult:
    """What the load generator measured of a case in one round.

    Every request that began in a counted stretch is in the histograms, however long it took; one without an answer is
    there with the time that it was waited for, and among the errors. Over all slices, `started` = `finished` +
    `abandoned`.
    """

    slices: tuple[Slice, ...]
    started: int
    finished: int
    """Requests that ended: with a right answer, or as an error."""
    abandoned: int
    """Requests whose users were killed while they waited."""
    errors: Errors
    response: Histogram
    """From the intended time to the complete answer; in a closed loop the same as `service`."""
    service: Histogram
    """From the write to the complete answer."""
    send_lag: Histogram
    """Time from the intended time to writing the request."""
    connections: Connections
    cpu_ratio: float
    """CPU seconds of the busiest generator process ÷ seconds of the counted stretches: 1.0 is one busy core."""
    unanswered: int = 0
    """Requests without an answer within the time limit; they are among the errors."""
    paused_ratio: float = 0.0
    """Share of the counted stretches for which a CPU quota paused a generator process, at most, of any."""
    memory_bytes: int = 0
    """The largest resident set size that a load process had."""
    checked: bool = True
    """Was the verification pass right?"""
    queued: int = 0
    """In an open loop, requests that were due when no user was free."""
    dropped: int = 0
    """In an open loop, requests that were due when the queue was full, and were not sent."""
    pushes: int = 0
    """Messages that a WebSocket server sent unasked, as the scenario says; they are no answers."""
    stopped_users: int = 0
    """Users that ended before the last slice did: they stopped themselves, or an exception ended them."""
    users_ready_s: float = 0.0
    """How long the users took to start: to connect, and to end their `on_start`. Counting began after it."""
    by_request: tuple[RequestResult, ...] = ()
    """The same by method and name; none in a run of an earlier version."""
    first_byte: Histogram | None = None
    """From the intended time to the first byte of the body; where there is no body, to the end of the answer.

    None where custom Locust users drove the trial, which report only the end, and in a run of an earlier version.
    """
    verified: bool = True
    """False where custom Locust users drove the trial: responses were checked only as far as their file checks them."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """For each request whose body was not the one that the app gave before the run: the first change."""
    load_workers: Mapping[str, float] = field(default_factory=dict)
    """The load workers on other hosts that took part, by name, with the `cpu_ratio` of each; none if load came from
    this host."""

    @property
    def requests(self) -> int:
        """Right answers to requests that began in a counted stretch."""
        return sum(each.requests for each in self.slices)

    @property
    def answers(self) -> float:
        """Right answers in the counted stretches, each by the share of its time that lies in them."""
        return sum(each.answers for each in self.slices)

    @property
    def counted_s(self) -> float:
        return sum(each.counted_s for each in self.slices)

    @property
    def throughput_rps(self) -> float:
        return self.answers / self.counted_s if self.counted_s > 0 else 0.0

    @property
    def in_flight(self) -> float:
        """Requests in flight, on average over the counted stretches; only those that had a right answer."""
        weighted = sum(each.in_flight * each.counted_s for each in self.slices)
        return weighted / self.counted_s if self.counted_s > 0 else 0.0
