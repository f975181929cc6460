"""The HTTP/1.1 client of the checks parses strictly, and keeps a transcript."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.check.clients.connection import Cut, Silent
from harness.check.clients.http1 import Http1
from harness.check.model import ProtocolFault

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pair:
    """A target that is one end of a pair of sockets."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.timeout_s = 5.0

    def connect(self, *_: Any, **__: Any) -> socket.socket:
        return self.client

    def connection(self, *sent: bytes, ends: bool = True) -> Http1:
        """A connection to a server that sends this."""
        for data in sent:
            self.server.sendall(data)
        if ends:
            self.server.shutdown(socket.SHUT_WR)
        return Http1(cast("Any", self))


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.client.close()
    pair.server.close()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_response_with_a_length_ends_there(pair: Pair) -> None:
    connection = pair.connection(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b \r\n\r\nokHTTP/1.1 204 \r\n\r\n")
    response = connection.response()
    assert (response.status, response.body, response.one(b"x-a")) == (200, b"ok", b"b")
    assert connection.response().status == 204
    assert connection.await_close(5)


def test_chunks_extensions_and_trailers_are_read(pair: Pair) -> None:
    connection = pair.connection(CHUNKED + b"3;a=b\r\none\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n")
    response = connection.response()
    assert response.body == b"one0123456789"
    assert response.trailers == [(b"x-sum", b"1")]


def test_a_response_without_a_length_ends_with_the_connection(pair: Pair) -> None:
    assert pair.connection(b"HTTP/1.0 200 OK\r\n\r\nall of it").response().body == b"all of it"


def test_a_reset_does_not_complete_a_response_without_a_length(pair: Pair) -> None:
    pair.client.sendall(b"what the server leaves unread")
    pair.server.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
    pair.server.close()
    with pytest.raises(Cut, match="reset before the end"):
        Http1(cast("Any", pair)).response()


def test_interim_responses_are_kept_with_the_final_one(pair: Pair) -> None:
    response = pair.connection(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").response()
    assert (response.status, response.interim) == (200, [100])


def test_the_response_to_head_has_no_body(pair: Pair) -> None:
    connection = pair.connection(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert connection.response("HEAD").body == b""
    assert connection.await_close(5)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        CHUNKED,
        CHUNKED + b"5\r\nfour",
        CHUNKED + b"4\r\nfour\r\n",
        CHUNKED + b"4\r\nfour\r\n0\r\n",
    ],
)
def test_a_response_that_is_cut_off_is_not_complete(sent: bytes, pair: Pair) -> None:
    connection = pair.connection(sent)
    with pytest.raises(Cut) as caught:
        connection.response()
    assert "× closed by the server" in str(caught.value)


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nspace : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbare: a\nb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    ],
)
def test_a_malformed_response_is_a_fault_with_its_transcript(sent: bytes, pair: Pair) -> None:
    with pytest.raises(ProtocolFault) as caught:
        pair.connection(sent).response()
    assert not isinstance(caught.value, Cut | Silent)
    assert "← " in str(caught.value)


def test_a_silent_server_differs_from_one_that_has_closed(pair: Pair) -> None:
    pair.timeout_s = 0.01
    connection = pair.connection(ends=False)
    assert not connection.await_close(0.01)
    with pytest.raises(Silent):
        connection.response()


def test_the_transcript_has_both_directions_in_order(pair: Pair) -> None:
    connection = pair.connection(b"HTTP/1.1 204 \r\n\r\n")
    connection.send(b"GET / HTTP/1.1\r\n\r\n")
    connection.response()
    assert connection.await_close(5)
    assert str(connection.transcript).splitlines() == [
        r"→ GET / HTTP/1.1\r\n\r\n",
        r"← HTTP/1.1 204 \r\n\r\n",
        "× closed by the server",
    ]


def test_ends_and_remarks_are_separate_lines(pair: Pair) -> None:
    connection = pair.connection()
    connection.remark("SIGTERM to the server")
    connection.remark("the app may answer now")
    assert connection.await_close(5)
    connection.close()
    assert str(connection.transcript).splitlines() == [
        "! SIGTERM to the server",
        "! the app may answer now",
        "× closed by the server",
        "× closed by the client",
    ]
