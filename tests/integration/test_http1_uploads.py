"""Large bodies of the HTTP/1.1 client on real sockets, and servers that end the connection meanwhile."""

from __future__ import annotations

import threading

import gevent
import pytest

from harness.load.exchange import post
from tests.integration.scripted_server import Connection, Script, scripted
from tests.integration.socket_clients import (
    HEAD,
    MEGABYTES,
    Tls,
    issue_tls,
    kind,
    user_of,
    wait_until,
)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return issue_tls(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("encrypted", [False, True])
def test_large_bodies_go_through_a_reader_with_little_room(tls: Tls, encrypted: bool) -> None:
    bodies = []

    def script(connection: Connection) -> None:
        for _ in range(2):
            bodies.append(connection.request()[1])
            connection.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(MEGABYTES) + MEGABYTES)

    context, authority = (tls.context("http/1.1"), tls.authority) if encrypted else (None, None)
    with scripted(script, context=context, receive_bytes=4096) as address, user_of(address, authority) as user:
        upload = post("/", MEGABYTES, "application/octet-stream", expected_body=MEGABYTES)
        assert [kind(found) for found in user.ask(upload, upload)] == [200, 200]
        assert bodies == [MEGABYTES] * 2


@pytest.mark.parametrize("end", [lambda _: None, Connection.reset], ids=["closed", "reset"])
def test_a_server_that_leaves_in_the_middle_of_an_upload_is_noticed(end: Script) -> None:
    def script(connection: Connection) -> None:
        connection.socket.recv(10)
        end(connection)

    with scripted(script) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(post("/", MEGABYTES, "text/plain"))] == ["reset"]


@pytest.mark.parametrize("end", [lambda _: None, Connection.reset], ids=["closed", "reset"])
def test_an_early_answer_to_an_upload_counts(end: Script) -> None:
    def script(connection: Connection) -> None:
        connection.socket.recv(10)
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        end(connection)
        ended.set()

    ended = threading.Event()
    with scripted(script) as address, user_of(address) as user:
        asking = gevent.spawn(user.ask, post("/", MEGABYTES, "text/plain", status=413))
        wait_until(lambda: user.client._waiter is not None)
        # The hub stands still meanwhile, and sees all of it at once.
        assert ended.wait(20)
        assert [kind(found) for found in asking.get(timeout=20)] == [413]


def test_an_upload_cut_off_by_a_reset_is_no_answer_that_ends_with_the_connection() -> None:
    def script(connection: Connection) -> None:
        connection.socket.recv(10)
        connection.send(HEAD + b"\r\nhello")
        connection.reset()

    with scripted(script) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(post("/", MEGABYTES, "text/plain"))] == ["reset"]
