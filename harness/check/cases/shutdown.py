"""SIGTERM and SIGINT: requests in flight are completed, and no new ones are accepted."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.check.clients.connection import Silent
from harness.check.clients.h2 import Http2
from harness.check.clients.http1 import Http1, request
from harness.check.model import ANY_APP, HTTP1, HTTP1_CLEAR, Family, Finding, NotApplicable, ProtocolFault, failed
from harness.check.target import POLL_S, new_marker
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.check.clients.connection import Connection
    from harness.check.target import StartedServer, Target

CHECKS = Family(HTTP1, ANY_APP)

WAITING_S = 1.0
"""A new connection that has no response by then does not get one."""
NOTICE_S = 0.5
"""A server that abandons requests in flight on SIGTERM has done so by then."""
LARGE_BYTES = 64 * 1024 * 1024
"""More than sockets and queues hold."""
SMALL_BUFFER_BYTES = 16_384
UNREAD_TIMEOUTS = 2
"""Ten seconds: `docker stop` kills after this time."""
_UNREAD = "One client with a bad connection delays each deployment until SIGKILL, which cuts off all that is in flight."
_SOURCE = "RFC 9112 §9.5; what process supervisors rely on"


def terminate(server: StartedServer, connection: Connection, by: signal.Signals = signal.SIGTERM) -> None:
    """Send SIGTERM, or another signal, to the server, and note it in the transcript."""
    server.terminate(by)
    connection.remark(f"{by.name} to the server")


@contextmanager
def _in_flight(target: Target, by: signal.Signals = signal.SIGTERM) -> Iterator[tuple[StartedServer, Http1, str]]:
    """A server that has got a signal with a request in flight: the app waits at a gate, the marker of the request."""
    with target.fresh() as server:
        connection = Http1(server)
        marker = connection.call_app("/late")
        terminate(server, connection, by)
        yield server, connection, marker


@CHECKS.check(
    "shutdown-in-flight",
    "SIGTERM: request in flight completed",
    _SOURCE,
    level="expected",
    consequence="At each deployment users see failed requests, and writes may be half done.",
    danger="loses",
)
def request_in_flight(target: Target) -> Finding:
    """A server that gets SIGTERM completes the response in flight, then closes the connection and exits."""
    return _completes(target, signal.SIGTERM)


@CHECKS.check(
    "shutdown-sigint",
    "SIGINT: request in flight completed",
    _SOURCE,
    level="expected",
    protocols=HTTP1_CLEAR,
    consequence="Ctrl-C, and supervisors that stop by SIGINT, cut off what is in flight, or do not stop the server.",
    danger="loses",
)
def interrupted(target: Target) -> Finding:
    """A server that gets SIGINT completes the response in flight, then closes the connection and exits."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise NotApplicable("SIGINT is ignored here, and in all processes that are started here")
    return _completes(target, signal.SIGINT)


def _completes(target: Target, by: signal.Signals) -> Finding:
    with _in_flight(target, by) as (server, connection, marker):
        connection.readable(NOTICE_S)
        connection.remark("the app may answer now")
        server.open_gate(marker)
        try:
            response = connection.response()
        except ProtocolFault as fault:
            return failed(f"expected the request in flight answered, found {fault}")
        if response.body != b"late":
            return connection.failed(f"expected the request in flight answered, found {response}")
        if not connection.await_close(target.timeout_s):
            return connection.failed("expected the connection closed after the response, found it open")
        connection.close()  # over TLS a server may wait for this
        ended = server.await_end()
    if ended is None:
        alive = f"found it alive {target.timeout_s:g} s later"
        return connection.failed(f"expected the server to exit after the response, {alive}")
    return connection.passed(f"answered, closed, ended with {ended}")


@CHECKS.check(
    "shutdown-refuses",
    "SIGTERM: no new connections",
    _SOURCE,
    level="expected",
    consequence=(
        "A load balancer that has not noticed yet keeps an old process busy, and its requests fail when that is killed."
    ),
    danger="hangs",
)
def no_new_connections(target: Target) -> Finding:
    """A server that gets SIGTERM accepts no new connections while it completes requests in flight."""
    with _in_flight(target) as (server, connection, marker):
        found = _refuses(server)
        connection.remark(f"the last new connection was {found}")
        server.open_gate(marker)
    if found == "served":
        served = f"found them served for {target.timeout_s:g} s"
        return connection.failed(f"expected new connections refused after SIGTERM, {served}")
    return connection.passed(f"a new connection is {found} while a request is in flight")


def _refuses(server: StartedServer) -> str:
    """What happens to new connections, as in `try_new_connection`; `served` if they are until the timeout."""
    deadline, closed = time.monotonic() + server.timeout_s, 0
    while time.monotonic() < deadline:
        found = try_new_connection(server)
        closed += found == "closed"
        if found in ("refused", "left waiting") or closed > 1:  # the first may have arrived together with the signal
            return found
        time.sleep(POLL_S)
    return "served"


def try_new_connection(server: StartedServer) -> str:
    """What happens to a new connection with a request: `refused`, `closed`, `left waiting` or `served`."""
    try:
        connection = Http1(server)
    except TimeoutError:  # a TLS handshake with a server that does not accept the connection
        return "left waiting"
    except OSError:
        return "refused"
    with connection:
        connection.timeout_s = WAITING_S
        try:
            connection.fetch("/hello", "Connection: close")
        except Silent:
            return "left waiting"
        except ProtocolFault:
            return "closed"
    return "served"


@CHECKS.check(
    "shutdown-idle",
    "SIGTERM: idle connections closed",
    _SOURCE,
    level="expected",
    consequence="Each deployment takes until the supervisor's patience ends, and then kills what is in flight.",
    danger="hangs",
)
def idle_connection(target: Target) -> Finding:
    """A server that gets SIGTERM closes idle connections and exits within 5 seconds."""
    with target.fresh() as server:
        connection = Http1(server)
        if connection.fetch("/hello").body != b"hello":
            return connection.failed("expected the response")
        terminate(server, connection)
        closed = connection.await_close(target.timeout_s)
        connection.close()  # over TLS a server may wait for this
        ended = server.await_end()
    if not closed:
        still_open = f"found it open {target.timeout_s:g} s after SIGTERM"
        return connection.failed(f"expected the idle connection closed, {still_open}")
    if ended is None:
        return connection.failed("expected the server to exit, found it alive")
    return connection.passed(f"closed, and the server ended with {ended}")


def _stops_while_unread(name: str) -> Callable[[Target], Finding]:
    """A check with a client that does not read a large response when the server gets SIGTERM."""

    def run(target: Target) -> Finding:
        marker = new_marker()
        path = f"/large?bytes={LARGE_BYTES}&marker={marker}"
        with target.fresh() as server:
            client: Connection
            if name == "h1":
                client = Http1(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)
                client.send(request(server, path))
            else:
                client = Http2(server, widens_windows=False)
                client.request(path)
            server.await_sent(marker, LARGE_BYTES, WAITING_S)
            terminate(server, client)
            limit_s = UNREAD_TIMEOUTS * target.timeout_s
            ended = server.await_end(limit_s)
            server.terminate(signal.SIGKILL)
        found = f"ended with {ended}" if ended else f"alive {limit_s:g} s after SIGTERM"
        return client.finding(ended is not None, f"a client that does not read its response: {found}")

    return run


CHECKS.add(
    "shutdown-unread",
    "SIGTERM: client that does not read",
    "A server exits within 10 seconds of SIGTERM, as long as Docker waits, although a client does not read a response.",
    _SOURCE,
    _stops_while_unread("h1"),
    level="expected",
    protocols=HTTP1_CLEAR,
    consequence=_UNREAD,
    danger="hangs",
)
CHECKS.add(
    "h2-shutdown-unread",
    "SIGTERM: client that does not read",
    "A server exits within 10 seconds of SIGTERM, as long as Docker waits, although a client does not read a response.",
    _SOURCE,
    _stops_while_unread("h2"),
    level="expected",
    protocols=HTTP2_PROTOCOLS,
    consequence=_UNREAD,
    danger="hangs",
)
