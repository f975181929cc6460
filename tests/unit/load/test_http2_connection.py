"""The HTTP/2 client's side of a connection, with the library h2 as the server, all in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load import http2_frames as frames
from harness.load.exchange import Answer, Failure, Request, get, post
from harness.load.http2_connection import WINDOW_BYTES, Connection
from harness.load.http2_messages import Stream


@dataclass(frozen=True)
class Planned:
    """An answer, and the frames to send it in."""

    answer: Answer
    piece_bytes: int = 10_000
    padding: int | None = None
    interim: bool = False
    trailers: bool = False


@dataclass
class Peer:
    """h2 in the server's place: answers the requests in the order of their ends."""

    settings: dict[SettingCodes, int] = field(default_factory=dict)
    planned: Iterator[Planned] = field(default_factory=lambda: itertools.repeat(Planned(Answer(200, (), b"ok"))))
    answers: bool = True

    def __post_init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.h2.local_settings = Settings(client=False, initial_values=self.settings)
        self.h2.max_inbound_frame_size = self.h2.local_settings.max_frame_size
        self.h2.initiate_connection()
        self.requests: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytearray] = {}
        self.resets: dict[int, int] = {}
        self.whole: list[int] = []

    def take(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self.on(event)

    def on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            self.requests[event.stream_id] = dict(event.headers)  # type: ignore[arg-type]  # decoded as asked for
            self.bodies[event.stream_id] = bytearray()
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamReset):
            self.resets[event.stream_id] = event.error_code
        elif isinstance(event, StreamEnded):
            self.whole.append(event.stream_id)
            if self.answers:
                self.answer(event.stream_id, next(self.planned))

    def answer(self, stream_id: int, planned: Planned) -> None:
        if planned.interim:
            self.h2.send_headers(stream_id, [(":status", "103"), ("link", "</style.css>")])
        answer, size = planned.answer, planned.piece_bytes
        fields = [(":status", str(answer.status)), *answer.headers]
        self.h2.send_headers(stream_id, [(name.encode(), value.encode("latin-1")) for name, value in fields])
        pieces = [answer.body[start : start + size] for start in range(0, len(answer.body), size)] or [b""]
        for piece in pieces[:-1]:
            self.h2.send_data(stream_id, piece, pad_length=planned.padding)
        self.h2.send_data(stream_id, pieces[-1], end_stream=not planned.trailers, pad_length=planned.padding)
        if planned.trailers:
            self.h2.send_headers(stream_id, [("x-checksum", "1")], end_stream=True)


def talk(connection: Connection, peer: Peer, piece_bytes: int = 100_000) -> list[Stream]:
    """Carry bytes to and fro until neither has any; the streams that ended."""
    ended: list[Stream] = []
    while True:
        sent = bytes(connection.output)
        connection.output.clear()
        peer.take(sent)
        received = peer.h2.data_to_send()
        if not sent and not received:
            return ended
        for start in range(0, len(received), piece_bytes):
            ended += connection.receive(received[start : start + piece_bytes])


def connect(**settings: int) -> tuple[Connection, Peer]:
    peer = Peer({SettingCodes[name]: value for name, value in settings.items()})
    connection = Connection("http", "localhost:80")
    assert talk(connection, peer) == []
    return connection, peer


def send(connection: Connection, *requests: Request) -> list[Stream]:
    streams = [Stream(request) for request in requests]
    for stream in streams:
        connection.streams.send(stream)
    return streams


VALUES = st.sampled_from(["", "a", "no-cache", "é", "x" * 900, "y" * 1_800])
HEADERS = st.lists(st.tuples(st.sampled_from(["date", "x-id", "cache-control", "server", "etag"]), VALUES), max_size=6)
BODIES = st.builds(lambda unit, times: unit * times, st.binary(max_size=40), st.integers(0, 1_500))
PLANNED = st.builds(
    Planned,
    st.builds(Answer, st.sampled_from([200, 201, 404, 500]), HEADERS.map(tuple), BODIES),
    st.integers(1_000, 16_000),
    st.none() | st.integers(0, 255),
    st.booleans(),
    st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.tuples(BODIES, PLANNED), min_size=1, max_size=4), min_size=1, max_size=4),
    st.integers(16_384, 70_000),
    st.integers(1_000, 100_000),
    st.integers(1, 5),
    st.integers(1, 20_000),
)
def test_every_request_gets_its_answer_whatever_the_frames(
    rounds: list[list[tuple[bytes, Planned]]], frame_bytes: int, window_bytes: int, at_most: int, piece_bytes: int
) -> None:
    connection, peer = connect(
        MAX_FRAME_SIZE=frame_bytes, INITIAL_WINDOW_SIZE=window_bytes, MAX_CONCURRENT_STREAMS=at_most
    )
    for together in rounds:
        peer.planned = iter([planned for _, planned in together])
        peer.whole.clear()
        streams = send(connection, *(post(f"/{body[:9]!r}", body, "text/plain") for body, _ in together))
        assert sorted(stream.id for stream in talk(connection, peer, piece_bytes)) == [s.id for s in streams]
        answers = dict(zip(peer.whole, (planned.answer for _, planned in together), strict=True))
        assert {stream.id: stream.arrived for stream in streams} == answers
        assert [bytes(peer.bodies[stream.id]) for stream in streams] == [body for body, _ in together]
    assert not connection.finished
    assert not peer.resets


def test_the_first_byte_of_a_body_in_several_frames_is_timed() -> None:
    connection, peer = connect()
    peer.answers = False
    in_parts, at_once = send(connection, get("/"), get("/"))
    talk(connection, peer)

    def receive(at_ns: int) -> None:
        connection.receive(peer.h2.data_to_send(), at_ns)

    peer.h2.send_headers(1, [(":status", "200")])
    peer.h2.send_data(1, b"")
    receive(1_000)
    assert in_parts.first_byte_ns == 0, "an empty frame has no byte"
    for at_ns in (2_000, 3_000):
        peer.h2.send_data(1, b"part")
        receive(at_ns)
    peer.h2.end_stream(1)
    peer.answer(3, Planned(Answer(200, (), b"whole")))
    receive(4_000)
    assert (in_parts.arrived, at_once.arrived) == (Answer(200, (), b"partpart"), Answer(200, (), b"whole"))
    assert (in_parts.first_byte_ns, at_once.first_byte_ns) == (2_000, 0)


def test_a_request_arrives_as_it_was_meant() -> None:
    connection, peer = connect()
    send(connection, Request("PUT", "/a?b=1", (("X-Mixed", "1"),), b"body"))
    talk(connection, peer)
    assert peer.requests[1] == {
        ":method": "PUT",
        ":scheme": "http",
        ":authority": "localhost:80",
        ":path": "/a?b=1",
        "accept": "*/*",
        "x-mixed": "1",
        "content-length": "4",
    }


def test_the_same_right_answer_again_is_the_very_object_that_was_verified() -> None:
    peers = [connect(), connect()]
    request = get("/")
    for connection, peer in peers * 2:
        peer.planned = itertools.repeat(Planned(Answer(200, (("server", "h2"),), b"right")))
        (stream,) = send(connection, request)
        talk(connection, peer)
        request.learned_answer = request.learned_answer or stream.arrived  # type: ignore[assignment]  # an answer
        assert stream.arrived is request.learned_answer
    for other in (Answer(200, (("server", "h2"),), b"wrong"), Answer(200, (("server", "h3"),), b"right")):
        connection, peer = peers[0]
        peer.planned = iter([Planned(other)])
        (stream,) = send(connection, request)
        talk(connection, peer)
        assert stream.arrived == other


def test_users_above_the_servers_limit_wait_for_their_turn() -> None:
    connection, peer = connect(MAX_CONCURRENT_STREAMS=2)
    peer.answers = False
    streams = send(connection, *[get("/")] * 5)
    assert talk(connection, peer) == []
    assert list(peer.requests) == [1, 3]
    connection.streams.cancel(streams[4])
    connection.streams.cancel(streams[0])
    assert talk(connection, peer) == []
    assert list(peer.requests) == [1, 3, 5]
    assert peer.resets == {1: ErrorCodes.CANCEL}
    peer.answers = True
    peer.answer(3, Planned(Answer(200, (), b"")))
    peer.answer(5, Planned(Answer(200, (), b"")))
    assert talk(connection, peer) == streams[1:4]


@pytest.mark.parametrize("limits", [{SettingCodes.MAX_CONCURRENT_STREAMS: 100}, {}])
def test_before_the_server_has_spoken_only_as_many_are_sent_as_every_server_takes(
    limits: dict[SettingCodes, int],
) -> None:
    connection, peer = Connection("http", "localhost:80"), Peer(limits)
    streams = send(connection, *[get("/")] * 250)
    assert len(connection.streams.open) == 100
    assert talk(connection, peer) == streams
    send(connection, *[get("/")] * 250)
    assert len(connection.streams.open) == limits.get(SettingCodes.MAX_CONCURRENT_STREAMS, 250)


def test_a_large_body_waits_for_the_windows_and_others_go_on() -> None:
    connection, peer = connect(INITIAL_WINDOW_SIZE=20_000)
    peer.answers = False
    body = bytes(range(256)) * 4_000
    upload, small = send(connection, post("/", body, "text/plain"), get("/"))
    assert len(connection.output) < 21_000
    peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 50_000})
    assert talk(connection, peer) == []
    assert bytes(peer.bodies[1]) == body
    peer.answer(3, Planned(Answer(200, (), b"")))
    peer.answer(1, Planned(Answer(200, (), b"")))
    assert talk(connection, peer) == [small, upload]


def test_a_body_goes_out_in_frames_as_large_as_the_server_takes_once_it_takes_any() -> None:
    connection, peer = connect(INITIAL_WINDOW_SIZE=0, MAX_FRAME_SIZE=50_000)
    send(connection, post("/", bytes(45_000), "text/plain"))
    assert talk(connection, peer) == []
    connection.receive(frames.settings({frames.INITIAL_WINDOW_SIZE: 60_000}))
    assert connection.output.endswith(frames.frame(frames.DATA, frames.END_STREAM, 1, bytes(45_000)))


def test_an_early_answer_ends_the_upload() -> None:
    connection, peer = connect(INITIAL_WINDOW_SIZE=1_000)
    (stream,) = send(connection, post("/", bytes(5_000), "text/plain"))
    peer.take(bytes(connection.output))
    connection.output.clear()
    peer.h2.data_to_send()
    peer.answer(1, Planned(Answer(413, (), b"too large")))
    connection.receive(peer.h2.data_to_send())
    assert stream.arrived == Answer(413, (), b"too large")
    talk(connection, peer)
    assert peer.resets == {1: ErrorCodes.CANCEL}


def test_long_downloads_never_run_out_of_window() -> None:
    connection, peer = connect()
    peer.answers = False
    (stream,) = send(connection, get("/"))
    talk(connection, peer)
    peer.h2.send_headers(1, [(":status", "200")])
    piece = bytes(16_000)
    for _ in range(3 * WINDOW_BYTES // len(piece)):
        peer.h2.send_data(1, piece)
        talk(connection, peer)
    peer.h2.send_data(1, b"", end_stream=True)
    assert talk(connection, peer) == [stream]
    assert isinstance(stream.arrived, Answer)
    assert len(stream.arrived.body) > 2.9 * WINDOW_BYTES


@pytest.mark.parametrize("code", [ErrorCodes.REFUSED_STREAM, ErrorCodes.NO_ERROR, ErrorCodes.INTERNAL_ERROR])
def test_a_reset_ends_one_stream(code: ErrorCodes) -> None:
    connection, peer = connect()
    peer.answers = False
    reset, other = send(connection, get("/"), get("/"))
    talk(connection, peer)
    peer.h2.reset_stream(1, code)
    peer.answer(3, Planned(Answer(200, (), b"")))
    assert talk(connection, peer) == [reset, other]
    assert type(reset.arrived) is Failure
    assert (reset.arrived.kind, reset.arrived.detail) == ("reset", code.name)
    assert other.arrived == Answer(200, (), b"")
