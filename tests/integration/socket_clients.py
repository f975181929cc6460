"""Clients with one exchange in flight on real sockets: what their tests share."""

from __future__ import annotations

import select
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gevent
import trustme

from harness.load import http1
from harness.load.account import Account
from harness.load.client import SerialClient
from harness.load.exchange import Answer, Failure, Headers, Message, Request, get
from harness.load.http1 import Http1Client
from harness.load.transport import Endpoint
from harness.load.websocket import WebSocketClient
from tests.integration.scripted_server import HOST, Connection, Script

T = TypeVar("T")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
HELLO = HEAD + b"Content-Length: 5\r\n\r\nhello"
GET = get("/", expected_body=b"hello")
MEGABYTES = bytes(index % 251 for index in range(1 << 20)) * 20


def hello() -> Request:
    """A request that has learned nothing yet."""
    return get("/", expected_body=b"hello", expected_type="text/plain")


def run(action: Callable[..., T], *arguments: Any) -> T:
    """In a greenlet, as users run."""
    greenlet = gevent.spawn(action, *arguments)
    try:
        result: T = greenlet.get(timeout=20)
        return result
    finally:
        greenlet.kill()


def outcome(client: SerialClient[Any], exchange: Request | Message) -> Answer | Failure:
    try:
        answer = client.exchange(exchange)
    except Failure as failure:
        assert client.pending_since_ns == 0
        return failure
    assert client.pending_since_ns == 0
    return answer


def kind(found: Answer | Failure) -> str | int:
    """Of a failure its kind, of an answer its status."""
    return found.kind if isinstance(found, Failure) else found.status


@dataclass
class User:
    """A client, and the account it counts in."""

    client: SerialClient[Any]
    account: Account
    finished: int = 0
    """Requests that ended, with a right answer or without."""

    def ask(self, *exchanges: Request | Message) -> list[Answer | Failure]:
        """One exchange after the other; whatever becomes of them, all are accounted for."""
        found = run(lambda: [outcome(self.client, exchange) for exchange in exchanges])
        recorded, failures = self.account.take()
        right = sum(each.batch.ended.size for each in recorded)
        self.finished += right + len(failures)
        assert self.account.started == self.finished + self.account.abandoned
        return found

    def ask_too_late(self, exchange: Request | Message, end: threading.Event) -> Answer | Failure:
        """Let the server end the connection, and write a request before the client has read that end."""

        def ask() -> Answer | Failure:
            end.set()
            transport = self.client._transport
            assert transport is not None
            select.select([transport._socket], [], [], 20)  # the hub does not run meanwhile
            return outcome(self.client, exchange)

        return run(ask)

    @property
    def connections(self) -> tuple[int, int, int]:
        """Opened, of these again, and requests sent again."""
        return self.account.opened, self.account.reopened, self.account.resent


@contextmanager
def websocket_user_of(
    address: str, authority: Path | None = None, path: str = "/ws", headers: Headers = (), **options: Any
) -> Iterator[User]:
    """A WebSocket client of the server at this address, not yet connected; options as for the client."""
    account = Account()
    scheme = "http" if authority is None else "https"
    endpoint = Endpoint.of(f"{scheme}://{address}", authority, http1.ALPN)
    client = WebSocketClient(endpoint, path, account, headers, **options)
    yield User(client, account)
    run(client.close)


@contextmanager
def user_of(address: str, authority: Path | None = None, alpn: tuple[str, ...] = http1.ALPN) -> Iterator[User]:
    """An HTTP/1.1 client of the server at this address; over TLS if there is an authority."""
    account = Account()
    scheme = "http" if authority is None else "https"
    client = Http1Client(Endpoint.of(f"{scheme}://{address}", authority, alpn), account)
    run(client.open)
    yield User(client, account)
    run(client.close)


@dataclass(frozen=True)
class Tls:
    """What a server needs for TLS, and what a client must trust."""

    certificate: trustme.LeafCert
    authority: Path

    def context(self, *alpn: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.configure_cert(context)
        context.set_alpn_protocols(list(alpn))
        return context


def issue_tls(folder: Path) -> Tls:
    """A certificate for the servers of these tests, by a new authority."""
    path = folder / "authority.pem"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(path))
    return Tls(authority.issue_cert(HOST), path)


def answers(*answers: bytes) -> Script:
    """A connection with an answer to each request, closed by the client."""

    def script(connection: Connection) -> None:
        connection.answer(*answers)
        assert connection.rest() == b""

    return script


def then_closes(*answers: bytes) -> Script:
    """A connection with an answer to each request, closed by the server."""
    return lambda connection: connection.answer(*answers)


def wait_until(condition: Callable[[], bool]) -> None:
    """Until the client has seen what the server did."""
    with gevent.Timeout(20):
        while not condition():
            gevent.sleep(0.001)


def wait_until_lost(client: SerialClient[Any]) -> None:
    wait_until(lambda: client._transport is None or not client._transport.alive)
