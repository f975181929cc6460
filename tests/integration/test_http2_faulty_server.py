"""The HTTP/2 client on real sockets: a server that refuses, stays silent or closes, and users that leave."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import gevent
import gevent.event
import gevent.socket
import pytest
from gevent.server import StreamServer
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event, RequestReceived, StreamReset
from h2.settings import SettingCodes

from harness.host.process import free_port
from harness.load.account import Account
from harness.load.exchange import Failure, get
from harness.load.http2 import Http2Client, Pool
from harness.load.transport import Endpoint
from tests.integration.stream_clients import echoed, together

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"


def echo(connection: H2Connection, stream_id: int, path: str) -> None:
    connection.send_headers(stream_id, [(":status", "200")])
    connection.send_data(stream_id, path.encode(), end_stream=True)


def refuse(connection: H2Connection, stream_id: int, _: str) -> None:
    connection.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)


def stay_silent(_: H2Connection, __: int, ___: str) -> None:
    """Send nothing."""


FAULTS = {"/refused": refuse, "/silent": stay_silent}
"""What the server does instead of answering a path with itself; after `/close` it also closes the connection."""


class FaultyServer:
    """Answers a path with itself, except for the paths of `FAULTS`."""

    def __init__(self, **settings: int) -> None:
        self.settings: dict[SettingCodes | int, int] = {SettingCodes[name]: value for name, value in settings.items()}
        self.connections = 0
        self.resets: list[tuple[int, int]] = []
        self.request_received = gevent.event.Event()
        self.reset_received = gevent.event.Event()

    @contextlib.contextmanager
    def serving(self) -> Iterator[Endpoint]:
        listener = StreamServer((HOST, 0), self.serve)
        listener.start()
        yield Endpoint(HOST, listener.server_port)
        listener.stop(timeout=0)

    def serve(self, stream: gevent.socket.socket, _: tuple[str, int]) -> None:
        self.connections += 1
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        connection.update_settings(self.settings)
        with contextlib.suppress(ConnectionError), stream:
            stream.sendall(connection.data_to_send())
            while data := stream.recv(65_536):
                paths = [self.answer(connection, event) for event in connection.receive_data(data)]
                stream.sendall(connection.data_to_send())
                if "/close" in paths:
                    return

    def answer(self, connection: H2Connection, event: Event) -> str | None:
        if isinstance(event, StreamReset):
            self.resets.append((event.stream_id, event.error_code))
            self.reset_received.set()
        if not isinstance(event, RequestReceived):
            return None
        assert event.stream_id is not None
        path = dict(event.headers)[b":path"].decode()
        FAULTS.get(path, echo)(connection, event.stream_id, path)
        self.request_received.set()
        return path


def clients(endpoint: Endpoint, account: Account, count: int) -> list[Http2Client]:
    """All on one connection."""
    pool = Pool(endpoint, account, streams=count)
    users = [pool.client() for _ in range(count)]
    for user in users:
        user.open()
    return users


def test_a_connection_that_died_idle_is_opened_again() -> None:
    account = Account()
    with FaultyServer().serving() as endpoint:
        (client,) = clients(endpoint, account, 1)
        for path in ("/close", "/close", "/"):
            client.exchange(echoed(path))
    assert (account.failed, account.opened, account.reopened) == (0, 3, 2)


def test_what_was_in_flight_when_the_server_closed_has_failed() -> None:
    account = Account()
    server = FaultyServer()
    with server.serving() as endpoint:
        waiting, closing = clients(endpoint, account, 2)
        late = gevent.spawn(waiting.exchange, get("/silent"))
        server.request_received.wait()
        closing.exchange(echoed("/close"))
        with pytest.raises(Failure, match=r"^reset: closed by the server before the answer was complete$"):
            together(late)
    assert (account.started, account.failed) == (2, 1)


def test_a_request_that_is_refused_is_an_error_and_the_connection_goes_on() -> None:
    account = Account()
    with FaultyServer().serving() as endpoint:
        (client,) = clients(endpoint, account, 1)
        with pytest.raises(Failure, match=r"^reset: REFUSED_STREAM$"):
            client.exchange(get("/refused"))
        client.exchange(echoed("/"))
    assert (account.failed, account.resent, account.opened) == (1, 0, 1)


def test_a_wrong_answer_fails_every_time() -> None:
    account = Account()
    with FaultyServer().serving() as endpoint:
        (client,) = clients(endpoint, account, 1)
        wrong = get("/wrong", expected_body=b"/right")
        for _ in range(2):
            with pytest.raises(Failure, match=r"^body: expected '/right', found '/wrong'$"):
                client.exchange(wrong)
    assert account.failed == 2


def test_a_user_who_is_killed_while_waiting_breaks_nothing() -> None:
    account = Account()
    server = FaultyServer()
    with server.serving() as endpoint:
        killed, other = clients(endpoint, account, 2)
        waiting = gevent.spawn(killed.exchange, get("/silent"))
        server.request_received.wait()
        waiting.kill()
        for _ in range(3):
            other.exchange(echoed("/"))
        server.reset_received.wait()
        assert killed.pending_since_ns == 0
        killed.exchange(echoed("/"))
    assert server.resets == [(1, ErrorCodes.CANCEL)]
    assert (account.failed, account.abandoned, account.opened) == (0, 1, 1)


def test_after_a_timeout_the_watcher_and_the_user_go_on() -> None:
    account = Account()
    server = FaultyServer()
    with server.serving() as endpoint:
        (client,) = clients(endpoint, account, 1)
        waiting = gevent.spawn(client.exchange, get("/silent"))
        server.request_received.wait()
        assert client.pending_since_ns > 0
        client.give_up(Failure("timeout", "too late"))
        client.give_up(Failure("timeout", "given up already"))
        with pytest.raises(Failure, match=r"^timeout: too late$"):
            together(waiting)
        client.exchange(echoed("/"))
        client.give_up(Failure("timeout", "nothing in flight"))
    assert server.resets == [(1, ErrorCodes.CANCEL)]
    assert (account.failed, account.opened) == (1, 1)


def test_a_user_who_is_killed_and_given_up_at_once_is_not_woken_again() -> None:
    account = Account()
    server = FaultyServer()

    def use(client: Http2Client) -> None:
        try:
            client.exchange(get("/silent"))
        except gevent.GreenletExit:
            gevent.sleep(0.001)

    with server.serving() as endpoint:
        (client,) = clients(endpoint, account, 1)
        killed = gevent.spawn(use, client)
        server.request_received.wait()
        killed.kill(block=False)
        client.give_up(Failure("timeout", "too late"))
        together(killed)
    assert (account.failed, account.abandoned) == (0, 1)


def test_users_above_the_servers_limit_take_turns() -> None:
    account = Account()
    server = FaultyServer(MAX_CONCURRENT_STREAMS=1)

    def use(client: Http2Client) -> None:
        for number in range(20):
            client.exchange(echoed(f"/{number}"))

    with server.serving() as endpoint:
        users = clients(endpoint, account, 3)
        users[0].exchange(echoed("/first"))
        together(*(gevent.spawn(use, user) for user in users))
    assert (account.started, account.failed, server.connections) == (61, 0, 1)


def test_the_last_user_to_leave_closes_the_connection() -> None:
    account = Account()
    with FaultyServer().serving() as endpoint:
        first, last = clients(endpoint, account, 2)
        first.close()
        last.exchange(echoed("/"))
        last.close()
        last.close()
        last.open()
        last.exchange(echoed("/"))
    assert (account.failed, account.opened, account.reopened) == (0, 2, 0)


def test_no_server_at_all() -> None:
    account = Account()
    client = Pool(Endpoint(HOST, free_port(HOST)), account, streams=1).client()
    with pytest.raises(Failure, match=r"^connect: "):
        client.open()
    with pytest.raises(Failure, match=r"^connect: "):
        client.exchange(get("/"))
    assert (account.failed, account.opened) == (1, 0)
