"""Locust users for scenarios: what they send is said once and goes over any protocol.

A scenario is an ordinary Locust file::

    class Plaintext(HttpScenario):
        hello = get("/plaintext", expected_body=b"Hello, World!")

        @task
        def read(self) -> None:
            self.send(self.hello)
"""

from __future__ import annotations

import functools
import random
from importlib import import_module
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, ClassVar, cast

import gevent
from locust import User, events
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)

from harness.load import http1, http2
from harness.load.arrivals import Arrivals, Queue, poisson, uniform
from harness.load.exchange import Answer, Failure, Message, Request
from harness.load.recorder import account, gate, passed
from harness.load.transport import Endpoint
from harness.load.websocket import WebSocketClient
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from harness.load import http3

_TURN_NS = 20_000_000
"""How long a user goes on with its tasks before Locust gets to see whether it shall stop."""
_FAILED_PAUSE_S = 0.01
"""After a failure, so that a dead server is not asked a million times."""


class _Scenario(User):
    """What both kinds have in common: one connection, one exchange in flight, and the pass before the window."""

    abstract = True
    drives_itself = True
    """Counts in the account and waits at the gate; what other user classes do is learned from Locust's events."""
    client: Any
    _arrivals: Arrivals | None = None
    """Whence requests come in an open loop; the pass before the window does without."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._steps = cast("list[Callable[[Any], None]]", list(self.tasks))
        self._paced = type(self).wait_time is not User.wait_time
        self.tasks = [_Scenario._turn]

    def on_start(self) -> None:
        """Connect; the first user then goes through every task once, and only if that was right all may begin.

        The others connect after that. Where the server has closed the first one's connection after its answer, not
        before their first request: such a server may serve one connection at a time, and an idle one would block it.
        """
        leader = _leader(self)
        if leader is not self and not gate.ready():
            passed.wait()
        try:
            if leader is self or gate.ready() or leader.client.stands:
                self.client.open()
        except Failure as failure:
            account.started += 1
            account.fail("connect", "connect", failure, 0)
            passed.set()
            raise StopUser from failure
        account.clients.append(self.client)
        if leader is self and not gate.ready():
            for step in dict.fromkeys(self._steps):
                self._take(step)
            passed.set()
        self._arrivals = _arrivals(self.environment, gate.get())

    def on_stop(self) -> None:
        self.client.close()
        if self.client in account.clients:
            account.clients.remove(self.client)

    def _exchange(self, exchange: Request | Message) -> Answer:
        arrivals = self._arrivals
        answer: Answer = self.client.exchange(exchange, None if arrivals is None else arrivals.wait())
        return answer

    def _turn(self) -> None:
        """The one task that Locust sees: the scenario's own, again and again, without a switch in between."""
        steps = self._steps
        until_ns = perf_counter_ns() + _TURN_NS
        while True:
            self._take(steps[0] if len(steps) == 1 else random.choice(steps))  # noqa: S311 - weights, no secrets
            if self._paced or perf_counter_ns() > until_ns:
                return

    def _take(self, step: Callable[[Any], None]) -> None:
        try:
            step(self)
        except Failure:
            # Counted where it was raised; the rest of the step would stand on an answer that is not there.
            gevent.sleep(_FAILED_PAUSE_S)
        except (StopUser, StopTest, InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately):
            raise
        except Exception as error:  # noqa: BLE001 - a scenario may fail in any way, and must not do so unseen
            account.started += 1
            account.fail("task", step.__name__, Failure("scenario", repr(error)), 0)
            gevent.sleep(_FAILED_PAUSE_S)


class HttpScenario(_Scenario):
    """A user who sends HTTP requests, over whichever HTTP protocol the trial speaks."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        options: Any = environment.parsed_options
        if options.protocol == "h3":
            endpoint = _endpoint(environment, self.host, _http3().ALPN)
            self.client = _http3_pool(endpoint, options.streams, options.authority).client()
        elif options.protocol in HTTP2_PROTOCOLS:
            self.client = _pool(_endpoint(environment, self.host, http2.ALPN), options.streams).client()
        else:
            self.client = http1.Http1Client(_endpoint(environment, self.host, http1.ALPN), account)

    def send(self, request: Request) -> Answer:
        """Send a request and return the right answer to it; raises `Failure` when there is none."""
        return self._exchange(request)


class WebSocketScenario(_Scenario):
    """A user with one WebSocket to `path`, on which each message is answered by one."""

    abstract = True
    path: ClassVar[str] = "/"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client = WebSocketClient(_endpoint(environment, self.host, http1.ALPN), self.path, account)

    def send(self, message: Message) -> Answer:
        """Send a message and return the right one that came back; raises `Failure` when there is none."""
        return self._exchange(message)


_leaders: list[_Scenario] = []


def _leader(user: _Scenario) -> _Scenario:
    """The first user of this process, which may be the one who asks."""
    if not _leaders:
        _leaders.append(user)
    return _leaders[0]


def _endpoint(environment: Environment, host: str | None, alpn: tuple[str, ...]) -> Endpoint:
    url = environment.host or host
    if url is None:
        raise ValueError("expected the server's address, found none; give one with -H http://127.0.0.1:8000")
    options: Any = environment.parsed_options
    return _shared_endpoint(url, options.authority, alpn)


@functools.cache
def _shared_endpoint(url: str, authority: str | None, alpn: tuple[str, ...]) -> Endpoint:
    """One TLS context for all users."""
    return Endpoint.of(url, Path(authority) if authority else None, alpn)


@functools.cache
def _pool(endpoint: Endpoint, streams: int) -> http2.Pool:
    return http2.Pool(endpoint, account, streams)


def _http3() -> Any:
    """The module, whose library is an extra: a plain import would ask it of everybody."""
    return import_module("harness.load.http3")


@functools.cache
def _http3_pool(endpoint: Endpoint, streams: int, authority: str | None) -> http3.Pool:
    pool: http3.Pool = _http3().Pool(endpoint, account, streams, Path(authority) if authority else None)
    return pool


@events.init.add_listener  # type: ignore[untyped-decorator] # Locust's events have no types
def _look_for_extras(environment: Environment, **_: Any) -> None:
    """End at once, in one line, if what the protocol needs is not installed."""
    options: Any = environment.parsed_options
    if options.protocol == "h3":
        try:
            _http3()
        except ModuleNotFoundError as error:
            raise SystemExit(f"--protocol h3: expected aioquic, found {error}; pip install aioquic") from error


def _arrivals(environment: Environment, share: float) -> Arrivals | None:
    """The schedule of this process, which begins when the first user asks for it; None in a closed loop."""
    options: Any = environment.parsed_options
    if options.rate is None:
        return None
    index = getattr(environment.runner, "worker_index", 0)
    seed = options.arrivals_seed + index if options.arrivals == "poisson" else None
    return _shared_arrivals(options.rate, share, index, seed)


@functools.cache
def _shared_arrivals(rate_rps: float, share: float, index: int, seed: int | None) -> Arrivals:
    # Evenly spaced requests of several processes fall between each other, not on each other.
    start_ns = perf_counter_ns() + round(index * 1e9 / rate_rps)
    own_rps = rate_rps * share
    return Arrivals(Queue(uniform(own_rps, start_ns) if seed is None else poisson(own_rps, start_ns, seed)), account)
