"""Locust users for scenarios: a request is written once and sent over any protocol.

Scenarios import them from `harness.load`, which has an example.
"""

from __future__ import annotations

import functools
import random
from contextlib import suppress
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
from harness.load import plugin as _plugin  # noqa: F401 - a scenario brings the options and listeners along
from harness.load.account import ENDLESS, TASK_TIMEOUTS, UNANSWERED, Account
from harness.load.exchange import Answer, AnyAnswer, Failure, Headers, Message, Request
from harness.load.lane import limit_idle, stage
from harness.load.own_requests import OwnRequests, merge_headers
from harness.load.transport import Endpoint
from harness.load.websocket import WebSocketClient
from harness.model.login import Login, LoginAnswer, LoginError, log_in
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from harness.load import http3
    from harness.load.lane import Lane
    from harness.model.protocols import Protocol

_TURN_NS = 20_000_000
"""How long a user runs its tasks before it returns to Locust, which may stop it."""
_CLOSE_WAIT_S = 0.01
"""How soon after an answer a server that keeps no connection has closed it."""
LOGIN = "login"
"""The name and the kind under which a login that failed is counted."""
_FAILED_PAUSE_S = 0.01
"""The pause after a failure, so that a stopped server does not cause millions of failures."""


class _Scenario(User):
    """The common part of both kinds: one connection, one exchange in flight, and the gate of the candidate's lane."""

    abstract = True
    drives_itself = True
    """Marks users that count in an account and wait at a gate; others are counted from Locust's request events."""
    idle_connections: ClassVar[int] = 0
    """So many more connections to the server are held open, of all users together, and carry nothing."""
    protocol: Protocol = "h1"
    client: Any
    sender: Any
    """The client, or what sends the user's own requests with it."""
    lane: Lane

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._steps = cast("list[Callable[[Any], None]]", list(self.tasks))
        self._paced = type(self).wait_time is not User.wait_time
        self.tasks = [_Scenario._turn]
        self.lane = stage.assign(type(self))
        self._number = self.lane.join(type(self))
        options: Any = environment.parsed_options
        self.protocol = options.harness_protocol

    def _make_client(self, account: Account) -> Any:
        """A client whose connections and requests count in this account."""
        raise NotImplementedError

    def on_start(self) -> None:
        """Connect; the first user of a lane then runs every task once (the verification pass).

        The other users connect after it. If the server has closed the first user's connection, they only connect with
        their first request: such a server may serve one connection at a time, and an idle one would block it.
        """
        lane = self.lane
        leader = self._number == 0
        kind = "connect"
        if self._number >= stage.needed_users:
            return  # the gate never lets it through: Locust starts equally many users in all processes
        if not leader:
            lane.verified.wait()
        elif self.idle_connections:
            self._hold_idle()
        try:
            if leader or lane.keeps_connections:
                with lane.connecting:
                    self.client.open()
            self.client.reuses = lane.keeps_connections
            lane.clients[self._number] = self.client
            kind = LOGIN
            self._begin_session()
        except Failure as failure:
            now_ns = perf_counter_ns()
            held = lane.count_idle()
            beside = failure if held is None else Failure(failure.kind, f"{failure.detail}, beside {held:,} idle ones")
            lane.account.started += 1
            lane.account.fail(kind, kind, beside, now_ns, now_ns)
            lane.right = False
            lane.verified.set()
            raise StopUser from failure
        try:
            if leader:
                with stage.verifying:
                    self._verify()
                    gevent.sleep(_CLOSE_WAIT_S)
        finally:
            # A task may end its user, for whom the others do not wait.
            if leader:
                lane.keeps_connections = self.client.is_open
                lane.right = lane.right and lane.account.failed == 0
                lane.verified.set()
            self.client.reuses = lane.keeps_connections
            lane.ready += 1

    def _begin_session(self) -> None:
        """Do what a user does once, which does not count; raises `Failure`."""

    def _hold_idle(self) -> None:
        """Open this process's share of the idle connections of its lane, as many as it may."""
        account = Account()
        share = stage.share(self.idle_connections)
        self.lane.hold([self._make_client(account) for _ in range(limit_idle(share, len(stage.lanes)))])

    def _verify(self) -> None:
        """Run every task once; a server that does not answer one of them would make each other task wait as well."""
        account = self.lane.account
        options: Any = self.environment.parsed_options
        limit_s = TASK_TIMEOUTS * options.harness_request_timeout
        for step in dict.fromkeys(self._steps):
            try:
                with gevent.Timeout(limit_s), suppress(InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately):
                    self._run(step)
            except gevent.Timeout:
                account.fail_task(step.__name__, Failure(ENDLESS, f"not ended after {limit_s:g} s"), perf_counter_ns())
                return
            if any(failed.failure.kind == UNANSWERED for failed in account.failures()):
                return

    def disconnect(self, *, resume: bool = False) -> None:
        """End the user's connection; its next request opens another one, and takes that much longer.

        With `resume`, the TLS session is taken up again, if the server has sent a ticket; else the handshake is whole.
        Over HTTP/2 and HTTP/3, the users who share the connection go on with the new one.
        """
        self.client.disconnect(resume=resume)

    def on_stop(self) -> None:
        self.client.close()
        self.lane.clients.pop(self._number, None)

    def _exchange(self, exchange: Request | Message) -> Answer:
        arrivals = self.lane.arrivals
        answer: Answer = self.sender.exchange(exchange, None if arrivals is None else arrivals.wait(self._number))
        return answer

    def _turn(self) -> None:
        """The only task that Locust sees; it runs the scenario's tasks repeatedly without a switch between them."""
        steps, lane, number = self._steps, self.lane, self._number
        until_ns = perf_counter_ns() + _TURN_NS
        while True:
            if number >= lane.admitted:
                lane.wait(number)
            lane.busy += 1
            try:
                self._run(steps[0] if len(steps) == 1 else random.choice(steps))  # noqa: S311 - a choice of task, not a secret
            finally:
                lane.busy -= 1
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
            self.lane.account.raised(step.__name__, error, perf_counter_ns())
            gevent.sleep(_FAILED_PAUSE_S)


class HttpScenario(_Scenario):
    """A user that sends HTTP requests over the protocol of the trial."""

    abstract = True
    login: ClassVar[Login | None] = None
    """How each user logs in at its start; None if it does not."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        protocol = self.protocol
        alpn = _http3().ALPN if protocol == "h3" else http2.ALPN if protocol in HTTP2_PROTOCOLS else http1.ALPN
        self._endpoint = endpoint = _endpoint(environment, self.lane, self.host, alpn)
        host = next((value for name, value in stage.headers if name == "host"), endpoint.authority)
        self._origin = f"{'http' if endpoint.context is None else 'https'}://{host}"
        self.sender = self.client = self._make_client(self.lane.account)

    def _make_client(self, account: Account) -> Any:
        options: Any = self.environment.parsed_options
        # Who counts for itself has a connection of its own.
        streams = options.harness_streams if account is self.lane.account else 1
        if self.protocol == "h3":
            return _http3_pool(self._endpoint, account, streams, options.harness_authority).client()
        if self.protocol in HTTP2_PROTOCOLS:
            return _pool(self._endpoint, account, streams).client()
        return http1.Http1Client(self._endpoint, account)

    def log_in(self) -> Headers:
        """Log the user in, once at its start; return the headers of all its later requests.

        By default this sends `login`, if there is one, and keeps cookies, a bearer token and a CSRF token. Override it
        where an app wants something else; what `ask` sends does not count::

            def log_in(self):
                answer = self.ask(post("/token", b"name=ann&pin=1234", "application/x-www-form-urlencoded"))
                return (("authorization", f"Token {answer.json()['key']}"),)
        """
        if not isinstance(self.login, Login):  # a scenario may have a request of that name
            return ()
        try:
            return log_in(self.login, self._send_login, self._origin)
        except LoginError as error:
            raise Failure(LOGIN, str(error)) from error

    def ask(self, request: Request) -> Answer:
        """Send a request that does not count, within `log_in`; raises `Failure` if the answer is not right."""
        answer: Answer = self.client.ask(request)
        return answer

    def _send_login(self, method: str, path: str, headers: Headers, body: bytes) -> LoginAnswer:
        answer = self.ask(AnyAnswer(method, path, merge_headers(headers, stage.headers), body))
        return LoginAnswer(answer.status, answer.headers, answer.body)

    def _begin_session(self) -> None:
        if headers := merge_headers(self.log_in(), stage.headers):
            self.sender = OwnRequests(self.client, headers)

    def send(self, request: Request) -> Answer:
        """Send a request and return the right answer; raises `Failure` if there is none."""
        return self._exchange(request)


class WebSocketScenario(_Scenario):
    """A user with one WebSocket to `path`; the server answers each message with one message, or more."""

    abstract = True
    path: ClassVar[str] = "/"
    """Each connection has new values for placeholders in it and in `headers`."""
    headers: ClassVar[Headers] = ()
    """Sent with the handshake."""
    subprotocols: ClassVar[tuple[str, ...]] = ()
    """Offered to the server, which has to choose one of them (RFC 6455, 4.1)."""
    greeting: ClassVar[Message | tuple[Message, ...]] = ()
    """What is exchanged on each connection before anything counts, and whenever it is opened again.

    If the server speaks first, the first of these messages has no data.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        greeting = (self.greeting,) if isinstance(self.greeting, Message) else self.greeting
        if any(message.data is None for message in greeting[1:]):
            raise ValueError("greeting: expected data in each message but the first; `answers` awaits several")
        self._greeting = greeting
        self._endpoint = _endpoint(environment, self.lane, self.host, http1.ALPN)
        self.sender = self.client = self._make_client(self.lane.account)

    def _make_client(self, account: Account) -> WebSocketClient:
        return WebSocketClient(
            self._endpoint,
            self.path,
            account,
            merge_headers(self.headers, stage.headers),
            subprotocols=self.subprotocols,
            greeting=self._greeting,
            is_push=None if type(self).is_push is WebSocketScenario.is_push else self.is_push,
        )

    def is_push(self, answer: Answer) -> bool:  # noqa: ARG002 - what scenarios override
        """Did the server send this message unasked? It is then counted apart and answers nothing.

        `answer.sent` is the data of the message in flight. It must not wait for anything.
        """
        return False

    def send(self, message: Message) -> Answer:
        """Send a message and return the right answer, the last one of several; raises `Failure` if there is none."""
        return self._exchange(message)

    def notify(self, message: Message) -> None:
        """Send a message that nothing answers; it is not counted. Raises `Failure` if there is no connection."""
        self.client.notify(message)


def _endpoint(environment: Environment, lane: Lane, host: str | None, alpn: tuple[str, ...]) -> Endpoint:
    url = lane.host or environment.host or host
    if not url:
        raise ValueError("expected the server's address, found none; give one with -H http://127.0.0.1:8000")
    options: Any = environment.parsed_options
    return _shared_endpoint(url, options.harness_authority, alpn, options.harness_max_body)


@functools.cache
def _shared_endpoint(url: str, authority: str | None, alpn: tuple[str, ...], max_body_bytes: int) -> Endpoint:
    """Cached, so that all users share one TLS context."""
    return Endpoint.of(url, Path(authority) if authority else None, alpn, max_body_bytes)


@functools.cache
def _pool(endpoint: Endpoint, account: Account, streams: int) -> http2.Pool:
    return http2.Pool(endpoint, account, streams)


def _http3() -> Any:
    """The HTTP/3 module, imported only if needed because aioquic is an optional dependency."""
    return import_module("harness.load.http3")


@functools.cache
def _http3_pool(endpoint: Endpoint, account: Account, streams: int, authority: str | None) -> http3.Pool:
    pool: http3.Pool = _http3().Pool(endpoint, account, streams, Path(authority) if authority else None)
    return pool


@events.init.add_listener  # type: ignore[untyped-decorator] # Locust's events have no types
def _require_aioquic(environment: Environment, **_: Any) -> None:
    """Exit with one line if the trial uses HTTP/3 and aioquic is not installed."""
    options: Any = environment.parsed_options
    if options.harness_protocol == "h3":
        try:
            _http3()
        except ModuleNotFoundError as error:
            raise SystemExit(f"--harness-protocol h3: expected aioquic, found {error}; pip install aioquic") from error
