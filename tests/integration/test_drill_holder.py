"""The process that holds connections open, against servers that close some of them or answer none."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from harness.drill.crowd import Connections, holding
from harness.host import guard
from harness.model.targets import HOST, Launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextmanager
def server(answer: Callable[[int], bytes | None]) -> Iterator[tuple[Launch, list[socket.socket]]]:
    """A server that sends a connection, by its number from 0, these bytes; None closes it, and b"" says nothing."""
    accepted: list[socket.socket] = []
    with socket.create_server((HOST, 0), backlog=128) as listening:

        def serve() -> None:
            while True:
                try:
                    made, _ = listening.accept()
                except OSError:
                    return
                made.recv(4096)
                said = answer(len(accepted))
                accepted.append(made)
                if said is None:
                    made.close()
                elif said:
                    made.sendall(said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield Launch(HOST, listening.getsockname()[1], "app:app"), accepted
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for each in accepted:
                each.close()


@pytest.fixture
def token() -> Iterator[str]:
    with guard.guard() as made:
        yield made


def test_all_are_held_and_those_that_the_server_closes_are_missed(token: str) -> None:
    with (
        server(lambda _: OK) as (launch, accepted),
        holding(launch, Connections(70, GET, answer=b" 200 "), token) as crowd,
    ):
        assert (crowd.opened, crowd.failure) == (70, "")
        assert crowd.count_open() == 70
        for each in accepted[:20]:
            each.shutdown(socket.SHUT_RDWR)
        assert crowd.count_open() == 50


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, "connection 41: closed without an answer"), (OK.replace(b"200", b"503"), "connection 41: HTTP/1.1 503 OK")],
)
def test_the_first_connection_that_is_not_served_ends_the_opening(
    token: str, said: bytes | None, expected: str
) -> None:
    with (
        server(lambda number: OK if number < 40 else said) as (launch, _),
        holding(launch, Connections(70, GET, answer=b" 200 "), token) as crowd,
    ):
        assert (crowd.opened, crowd.failure) == (40, expected)
        assert crowd.count_open() == 40


def test_headers_drip_in_as_they_are_told_to(token: str) -> None:
    connections = Connections(2, b"GET / H", b"X", answer=b" 200 ")
    with server(lambda _: OK) as (launch, accepted), holding(launch, connections, token) as crowd:
        assert crowd.opened == 2
        accepted[0].settimeout(10)
        assert accepted[0].recv(2) == b"X"


def test_a_slow_reader_leaves_the_rest_with_the_server(token: str) -> None:
    with (
        server(lambda _: OK) as (launch, accepted),
        holding(launch, Connections(1, GET, reads_slowly=True, answer=b" 200 "), token) as crowd,
    ):
        assert crowd.opened == 1
        accepted[0].settimeout(0.2)
        with pytest.raises(TimeoutError):
            accepted[0].sendall(bytes(16 * 1024 * 1024))
