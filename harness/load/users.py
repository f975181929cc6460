"""Locust users for scenarios: a request is written once and sent over any protocol.

Scenarios import them from `harness.load`, which has an example.
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
"""How long a user runs its tasks before it returns to Locust, which may stop it."""
_FAILED_PAUSE_S = 0.01
"""The pause after a failure, so that a stopped server does not cause millions of failures."""


class _Scenario(User):
    """The common part of both kinds: one connection, one exchange in flight, and the verification pass."""

    abstract = True
    drives_itself = True
    """Marks users that count in the account and wait at the gate; others are counted from Locust's request events."""
    client: Any
    _arrivals: Arrivals | None = None
    """The source of requests in an open loop; None during the verification pass and in a closed loop."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._steps = cast("list[Callable[[Any], None]]", list(self.tasks))
        self._paced = type(self).wait_time is not User.wait_time
        self.tasks = [_Scenario._turn]

    def on_start(self) -> None:
        """Connect; the first user then runs every task once (the verification pass), and all begin if that was right.

        The other users connect after it. If the server has closed the first user's connection, they only connect with
        their first request: such a server may serve one connection at a time, and an idle one would block it.
        """
        leader = _leader(self)
        if leader is not self and not gate.ready():
            passed.wait()
        try:
            if leader is self or gate.ready() or leader.client.is_open:
                self.client.open()
        except Failure as failure:
            account.started += 1
            account.fail("connect", "connect", failure, 0)
            passed.set()
            raise StopUser from failure
        account.clients.append(self.client)
        if leader is self and not gate.ready():
            for step in dict.fromkeys(self._steps):
                self._run(step)
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
        """The only task that Locust sees; it runs the scenario's tasks repeatedly without a switch between them."""
        steps = self._steps
        until_ns = perf_counter_ns() + _TURN_NS
        while True:
            self._run(steps[0] if len(steps) == 1 else random.choice(steps))  # noqa: S311 - a choice of task, not a secret
            if self._paced or perf_counter_ns() > until_ns:
                return

    def _run(self, step: Callable[[Any], None]) -> None:
        try:
            step(self)
        except Failure:
            # The client has counted it. The rest of the task needs the missing answer, so it is skipped.
            gevent.sleep(_FAILED_PAUSE_S)
        except (StopUser, StopTest, InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately):
            raise
        except Exception as error:  # noqa: BLE001 - a scenario may raise anything, which must be counted
            account.started += 1
            account.fail("task", step.__name__, Failure("scenario", repr(error)), 0)
            gevent.sleep(_FAILED_PAUSE_S)


class HttpScenario(_Scenario):
    """A user that sends HTTP requests over the protocol of the trial."""

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
        """Send a request and return the right answer; raises `Failure` if there is none."""
        return self._exchange(request)


class WebSocketScenario(_Scenario):
    """A user with one WebSocket to `path`; the server answers each message with one message."""

    abstract = True
    path: ClassVar[str] = "/"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client = WebSocketClient(_endpoint(environment, self.host, http1.ALPN), self.path, account)

    def send(self, message: Message) -> Answer:
        """Send a message and return the right answer; raises `Failure` if there is none."""
        return self._exchange(message)


_leaders: list[_Scenario] = []


def _leader(user: _Scenario) -> _Scenario:
    """The first user of this process, which is `user` if there was none yet."""
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
    """Cached, so that all users share one TLS context."""
    return Endpoint.of(url, Path(authority) if authority else None, alpn)


@functools.cache
def _pool(endpoint: Endpoint, streams: int) -> http2.Pool:
    return http2.Pool(endpoint, account, streams)


def _http3() -> Any:
    """The HTTP/3 module, imported only if needed because aioquic is an optional dependency."""
    return import_module("harness.load.http3")


@functools.cache
def _http3_pool(endpoint: Endpoint, streams: int, authority: str | None) -> http3.Pool:
    pool: http3.Pool = _http3().Pool(endpoint, account, streams, Path(authority) if authority else None)
    return pool


@events.init.add_listener  # type: ignore[untyped-decorator] # Locust's events have no types
def _require_aioquic(environment: Environment, **_: Any) -> None:
    """Exit with one line if the trial uses HTTP/3 and aioquic is not installed."""
    options: Any = environment.parsed_options
    if options.protocol == "h3":
        try:
            _http3()
        except ModuleNotFoundError as error:
            raise SystemExit(f"--protocol h3: expected aioquic, found {error}; pip install aioquic") from error


def _arrivals(environment: Environment, share: float) -> Arrivals | None:
    """The schedule of this process, which begins at the first call; None in a closed loop."""
    options: Any = environment.parsed_options
    if options.rate is None:
        return None
    index = getattr(environment.runner, "worker_index", 0)
    seed = options.arrivals_seed + index if options.arrivals == "poisson" else None
    return _shared_arrivals(options.rate, share, index, seed)


@functools.cache
def _shared_arrivals(rate_rps: float, share: float, index: int, seed: int | None) -> Arrivals:
    # The offset makes evenly spaced requests of several processes alternate instead of coinciding.
    start_ns = perf_counter_ns() + round(index * 1e9 / rate_rps)
    process_rps = rate_rps * share
    return Arrivals(
        Queue(uniform(process_rps, start_ns) if seed is None else poisson(process_rps, start_ns, seed)), account
    )
