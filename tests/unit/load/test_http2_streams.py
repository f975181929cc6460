"""How connections of the HTTP/2 client end, and what then becomes of the requests on them."""

from __future__ import annotations

import pytest
from hpack import Encoder, HeaderTuple
from hypothesis import given
from hypothesis import strategies as st

from harness.load import http2_frames as frames
from harness.load.exchange import Answer, Failure, get, post
from harness.load.http2_connection import Connection
from harness.load.http2_frames import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, frame, settings, uint32
from harness.load.http2_messages import NotProcessed, Stream
from tests.http2_server import ANSWER, LAST, OK, SERVER_SETTINGS, WHOLE, head, started


def goaway(last_id: int) -> bytes:
    return frame(GOAWAY, 0, 0, uint32.pack(last_id) + uint32.pack(0) + b"for people")


def test_goaway_leaves_the_streams_that_the_server_took_and_frees_the_others() -> None:
    connection, (first, second, third) = started()
    assert connection.receive(goaway(frames.LARGEST)) == []
    assert not connection.streams.usable
    assert not connection.finished
    assert connection.receive(goaway(3)) == [third]
    assert isinstance(third.arrived, NotProcessed)
    assert connection.receive(head(5, OK) + WHOLE) == [first]
    assert first.arrived == ANSWER
    assert connection.lose("closed by the server") == [second]
    assert type(second.arrived) is Failure
    assert second.arrived.detail == "closed by the server after GOAWAY (NO_ERROR) before the answer was complete"


def test_requests_that_wait_for_their_turn_go_elsewhere_after_goaway() -> None:
    connection, streams = started()
    waiting = Stream(get("/"))
    assert connection.receive(settings({frames.MAX_CONCURRENT_STREAMS: 3})) == []
    connection.streams.send(waiting)
    assert connection.receive(goaway(5)) == [waiting]
    assert isinstance(waiting.arrived, NotProcessed)
    assert waiting.id == 0
    assert connection.lose("closed") == streams


@pytest.mark.parametrize(("undelivered", "outcome"), [(0, NotProcessed), (17, NotProcessed), (-1, Failure)])
def test_what_met_a_connection_that_had_ended_was_not_processed(undelivered: int, outcome: type[Failure]) -> None:
    connection, streams = started()
    assert connection.receive(b"".join(head(sid, OK, flags=LAST) for sid in (1, 3, 5))) == streams
    late = [Stream(get("/")), Stream(post("/", b"body", "text/plain"))]
    for stream in late:
        connection.streams.send(stream)
    size = sum(len(stream.request.encoded) + len(stream.request.body) for stream in late)
    assert connection.lose("closed by the server", size + undelivered) == late
    assert {type(stream.arrived) for stream in late} == {outcome}


@pytest.mark.parametrize("heard", [b"", SERVER_SETTINGS, WHOLE[:-1]])
def test_a_connection_that_ends_otherwise_fails_what_was_on_it(heard: bytes) -> None:
    connection, streams = started()
    if heard:
        connection.receive(heard)
    assert connection.lose("closed by the server") == streams
    assert {type(stream.arrived) for stream in streams} == {Failure}


def test_stream_ids_run_out() -> None:
    connection = Connection("http", "localhost")
    connection.streams.next_id = frames.LARGEST
    last, waiting = Stream(get("/")), Stream(get("/"))
    connection.streams.send(last)
    assert not connection.streams.usable
    assert connection.receive(settings({frames.MAX_CONCURRENT_STREAMS: 1})) == []
    connection.streams.send(waiting)
    assert connection.receive(head(frames.LARGEST, OK, flags=LAST)) == [last, waiting]
    assert isinstance(waiting.arrived, NotProcessed)
    assert connection.finished


FRAMES = st.builds(
    frame, st.integers(0, 10), st.integers(0, 255), st.sampled_from([0, 1, 2, 3, 5, 7]), st.binary(max_size=30)
)
USUAL = st.sampled_from([WHOLE, head(3, OK), head(3, OK, flags=LAST), frame(DATA, END_STREAM, 3), goaway(3)])


@given(st.lists(st.one_of(FRAMES, USUAL, st.binary(max_size=30)), max_size=12), st.integers(1, 60))
def test_every_stream_ends_exactly_once_whatever_arrives(pieces: list[bytes], size: int) -> None:
    connection, streams = started()
    data = b"".join(pieces)
    ended = []
    for start in range(0, len(data), size):
        ended += connection.receive(data[start : start + size])
    ended += connection.lose("closed")
    assert sorted(stream.id for stream in ended) == [1, 3, 5]
    assert all(isinstance(stream.arrived, Answer | Failure) for stream in streams)


@given(st.binary(max_size=60))
def test_any_header_block_is_understood_or_refused(block: bytes) -> None:
    connection, (first, *_) = started()
    indexed = Encoder().encode([HeaderTuple(":status", "200"), HeaderTuple("server", "s")])
    connection.receive(frame(HEADERS, END_HEADERS, 3, indexed))
    connection.receive(frame(HEADERS, LAST, 1, block))
    if connection.finished or first.id not in connection.streams.open:
        assert isinstance(first.arrived, Answer | Failure)
