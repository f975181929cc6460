"""The client of the checks reads strictly, and tells what went over the connection."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.clients.http1 import SHOWN_BYTES, Cut, Silent, Wire, shown
from harness.check.model import EVIDENCE_CHARACTERS, ProtocolFault, bounded

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pair:
    """A target that is one end of a pair of sockets."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.client.settimeout(5)

    def connect(self, **_: Any) -> socket.socket:
        return self.client

    def wire(self, *sent: bytes, ends: bool = True) -> Wire:
        """What a server that sends this looks like."""
        for data in sent:
            self.server.sendall(data)
        if ends:
            self.server.shutdown(socket.SHUT_WR)
        return Wire(cast("Any", self))


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.client.close()
    pair.server.close()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_an_answer_with_a_length_ends_there(pair: Pair) -> None:
    wire = pair.wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b \r\n\r\nokHTTP/1.1 204 \r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.body, answer.one(b"x-a")) == (200, b"ok", b"b")
    assert wire.answer().status == 204
    assert wire.closed(5)


def test_chunks_extensions_and_trailers_are_read(pair: Pair) -> None:
    wire = pair.wire(CHUNKED + b"3;a=b\r\none\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n")
    answer = wire.answer()
    assert answer.body == b"one0123456789"
    assert answer.trailers == [(b"x-sum", b"1")]


def test_an_answer_without_a_length_ends_with_the_connection(pair: Pair) -> None:
    assert pair.wire(b"HTTP/1.0 200 OK\r\n\r\nall of it").answer().body == b"all of it"


def test_a_reset_is_no_end_of_an_answer_that_the_connection_ends(pair: Pair) -> None:
    pair.client.sendall(b"what the server leaves unread")
    pair.server.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
    pair.server.close()
    with pytest.raises(Cut, match="reset before the end"):
        Wire(cast("Any", pair)).answer()


def test_interim_answers_stand_before_the_final_one(pair: Pair) -> None:
    answer = pair.wire(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").answer()
    assert (answer.status, answer.interim) == (200, [100])


def test_the_answer_to_head_has_no_body(pair: Pair) -> None:
    wire = pair.wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert wire.answer("HEAD").body == b""
    assert wire.closed(5)


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
def test_an_answer_that_is_cut_off_is_not_taken_for_whole(sent: bytes, pair: Pair) -> None:
    wire = pair.wire(sent)
    with pytest.raises(Cut) as caught:
        wire.answer()
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
def test_an_answer_that_is_not_well_formed_is_a_fault_with_its_story(sent: bytes, pair: Pair) -> None:
    with pytest.raises(ProtocolFault) as caught:
        pair.wire(sent).answer()
    assert not isinstance(caught.value, Cut | Silent)
    assert "← " in str(caught.value)


def test_a_silent_server_is_told_from_one_that_has_closed(pair: Pair) -> None:
    pair.client.settimeout(0.01)
    wire = pair.wire(ends=False)
    assert not wire.closed(0.01)
    with pytest.raises(Silent):
        wire.answer()


def test_the_story_tells_both_directions_in_order(pair: Pair) -> None:
    wire = pair.wire(b"HTTP/1.1 204 \r\n\r\n")
    wire.send(b"GET / HTTP/1.1\r\n\r\n")
    wire.answer()
    assert wire.closed(5)
    assert wire.story.splitlines() == [
        r"→ GET / HTTP/1.1\r\n\r\n",
        r"← HTTP/1.1 204 \r\n\r\n",
        "× closed by the server",
    ]


def test_ends_and_remarks_stand_on_lines_of_their_own(pair: Pair) -> None:
    wire = pair.wire()
    wire.remark("SIGTERM to the server")
    wire.remark("the app may answer now")
    assert wire.closed(5)
    wire.close()
    assert wire.story.splitlines() == [
        "! SIGTERM to the server",
        "! the app may answer now",
        "× closed by the server",
        "× closed by the client",
    ]


@given(st.binary(max_size=5000))
def test_bytes_are_shown_on_one_line_of_bounded_length(data: bytes) -> None:
    text = shown(data)
    assert text.isprintable()
    assert len(text) <= 4 * SHOWN_BYTES + 30


@given(st.text(max_size=10_000))
def test_evidence_is_bounded(text: str) -> None:
    assert len(bounded(text)) <= EVIDENCE_CHARACTERS
    assert bounded(text).startswith(text[:900])
