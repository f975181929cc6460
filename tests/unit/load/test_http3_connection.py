"""One HTTP/3 connection without sockets and clocks, against aioquic's own server side."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from aioquic.buffer import Buffer, encode_uint_var
from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode, pull_quic_header
from hypothesis import given
from hypothesis import strategies as st

from harness.load.exchange import Answer, Failure, get, post
from harness.load.http2_messages import NotProcessed, Stream
from harness.load.http3 import configuration
from harness.load.http3_connection import Connection, GoawayReader, error_name, fields, reason

HOST = "127.0.0.1"
CLIENT, SERVER = ("client", 1), ("server", 2)
IDLE_S = 30.0
CONTROL_STREAM, GOAWAY, SETTINGS = 3, 7, 4


def frame(kind: int, payload: bytes) -> bytes:
    return encode_uint_var(kind) + encode_uint_var(len(payload)) + payload


@dataclass
class Pair:
    """A client, and a server that hears requests and answers what the test tells it to."""

    client: Connection
    settings: QuicConfiguration
    now_s: float = 0.0
    server: QuicConnection | None = None
    http: H3Connection | None = None
    heard: list[int] = field(default_factory=list)

    def settle(self) -> list[Stream]:
        """Hand datagrams to and fro, a millisecond on their way and later, until there are none; what has ended."""
        ended: list[Stream] = []
        quiet = 0
        while quiet < 3:
            self.now_s += 0.001
            there = self.to_server()
            back = self.to_client()
            ended += self.client.take_ended()
            quiet = 0 if there or back else quiet + 1
        return ended

    def to_server(self) -> int:
        datagrams = self.client.datagrams(self.now_s)
        for data in datagrams:
            if self.server is None:
                first = pull_quic_header(Buffer(data=data), host_cid_length=8).destination_cid
                self.server = QuicConnection(configuration=self.settings, original_destination_connection_id=first)
            self.server.receive_datagram(data, CLIENT, self.now_s)
        return len(datagrams)

    def to_client(self) -> int:
        assert self.server is not None
        while (event := self.server.next_event()) is not None:
            if self.http is None:
                self.http = H3Connection(self.server)
            self.heard += [
                each.stream_id for each in self.http.handle_event(event) if isinstance(each, HeadersReceived)
            ]
        datagrams = self.server.datagrams_to_send(self.now_s)
        for data, _ in datagrams:
            self.client.receive(data, self.now_s)
        return len(datagrams)

    def send(self, path: str = "/") -> Stream:
        stream = Stream(get(path))
        self.client.send(stream)
        return stream

    def answer(self, stream_id: int, body: bytes) -> None:
        assert self.http is not None
        self.http.send_headers(stream_id, [(b":status", b"200")])
        self.http.send_data(stream_id, body, end_stream=True)

    def send_goaway(self, stream_id: int) -> None:
        assert self.server is not None
        self.server.send_stream_data(CONTROL_STREAM, frame(GOAWAY, encode_uint_var(stream_id)))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    authority, chain, key = (folder / name for name in ("authority.pem", "certificate.pem", "key.pem"))
    issuer = trustme.CA()
    issued = issuer.issue_cert(HOST)
    issuer.cert_pem.write_to_path(str(authority))
    issued.cert_chain_pems[0].write_to_path(str(chain))
    issued.private_key_pem.write_to_path(str(key))
    return authority, chain, key


@pytest.fixture
def pair(certificate: tuple[Path, Path, Path]) -> Pair:
    authority, chain, key = certificate
    settings = QuicConfiguration(is_client=False, alpn_protocols=["h3"], idle_timeout=IDLE_S)
    settings.load_cert_chain(chain, key)
    pair = Pair(Connection(configuration(HOST, authority), f"{HOST}:1", SERVER, 0.0), settings)
    assert pair.settle() == []
    assert (pair.client.agreed, pair.client.usable, pair.client.closed) == ("h3", True, None)
    return pair


def used(pair: Pair) -> Pair:
    """A connection with one exchange behind it."""
    stream = pair.send()
    pair.settle()
    pair.answer(0, b"first")
    assert pair.settle() == [stream]
    assert isinstance(stream.arrived, Answer)
    return pair


def test_answers_reach_their_requests_in_whatever_order_they_come(pair: Pair) -> None:
    first, second = pair.send("/first"), pair.send("/second")
    assert pair.settle() == []
    assert pair.heard == [0, 4]
    pair.answer(4, b"second")
    assert pair.settle() == [second]
    pair.answer(0, b"first")
    assert pair.settle() == [first]
    assert second.arrived == Answer(200, (), b"second")
    assert first.arrived == Answer(200, (), b"first")
    assert not pair.client.open


def test_the_first_byte_of_a_body_in_several_parts_is_timed(pair: Pair) -> None:
    stream = pair.send()
    pair.settle()
    assert pair.http is not None
    pair.http.send_headers(0, [(b":status", b"200")])
    pair.settle()
    assert stream.first_byte_ns == 0
    before_s = pair.now_s
    pair.http.send_data(0, b"first ", end_stream=False)
    pair.settle()
    first_ns = stream.first_byte_ns
    assert before_s < first_ns / 1e9 < pair.now_s
    pair.http.send_data(0, b"second", end_stream=True)
    assert pair.settle() == [stream]
    assert stream.arrived == Answer(200, (), b"first second")
    assert stream.first_byte_ns == first_ns


def test_a_request_on_a_connection_that_the_server_has_closed_comes_back_at_once(pair: Pair) -> None:
    used(pair)
    assert pair.server is not None
    pair.server.close(ErrorCode.H3_NO_ERROR)
    pair.to_client()
    assert pair.client.take_ended() == []
    stream = pair.send()
    assert pair.client.datagrams(pair.now_s) == []
    assert pair.client.take_ended() == [stream]
    assert isinstance(stream.arrived, NotProcessed)
    assert stream.arrived.detail == "H3_NO_ERROR before the answer was complete"
    assert pair.client.finished


def test_a_request_in_flight_when_the_server_closes_ends_when_the_connection_has_drained(pair: Pair) -> None:
    stream = pair.send()
    pair.settle()
    assert pair.server is not None
    pair.server.close(ErrorCode.H3_INTERNAL_ERROR, reason_phrase="sorry")
    assert pair.settle() == []
    due_s = pair.client.timer_s
    assert due_s is not None
    assert due_s - pair.now_s < 1
    pair.client.expire(due_s)
    assert pair.client.take_ended() == [stream]
    assert str(stream.arrived) == "reset: H3_INTERNAL_ERROR (sorry) before the answer was complete"


@pytest.mark.parametrize("heard", [False, True])
def test_what_was_sent_on_a_connection_that_is_gone_is_an_error(pair: Pair, heard: bool) -> None:
    if heard:
        used(pair)
    sent = pair.send()
    assert pair.client.datagrams(pair.now_s) != []
    unsent = pair.send()
    pair.client.lose("gone")
    pair.client.lose("gone again")
    assert pair.client.take_ended() == [sent, unsent]
    assert [type(stream.arrived) for stream in (sent, unsent)] == [Failure, NotProcessed]
    assert pair.client.closed == "gone"


def test_goaway_ends_what_is_not_processed_and_leaves_the_rest_to_be_answered(pair: Pair) -> None:
    kept, refused = pair.send(), pair.send()
    pair.settle()
    pair.send_goaway(4)
    assert pair.settle() == [refused]
    assert isinstance(refused.arrived, NotProcessed)
    assert (pair.client.usable, pair.client.finished) == (False, False)
    pair.answer(0, b"kept")
    assert pair.settle() == [kept]
    assert isinstance(kept.arrived, Answer)
    assert pair.client.finished


def test_a_cancelled_request_ends_once_and_its_answer_is_ignored(pair: Pair) -> None:
    stream = pair.send()
    pair.settle()
    assert pair.client.cancel(stream)
    assert not pair.client.cancel(stream)
    pair.answer(0, b"late")
    assert pair.settle() == []
    used_again = pair.send()
    pair.settle()
    pair.answer(4, b"next")
    assert pair.settle() == [used_again]


def test_a_malformed_answer_fails_alone(pair: Pair) -> None:
    wrong, right = pair.send(), pair.send()
    pair.settle()
    assert pair.http is not None
    pair.http.send_headers(0, [(b":status", b"200"), (b"(odd)", b"")])
    pair.http.send_data(0, b"", end_stream=True)
    assert pair.settle() == [wrong]
    assert isinstance(wrong.arrived, Failure)
    assert wrong.arrived.kind == "protocol"
    pair.answer(4, b"right")
    assert pair.settle() == [right]


def test_an_idle_connection_ends_when_its_server_said_it_would(pair: Pair) -> None:
    due_s = pair.client.timer_s
    assert due_s is not None
    assert IDLE_S - 1 < due_s - pair.now_s <= IDLE_S
    pair.client.expire(due_s)
    assert pair.client.take_ended() == []
    assert (pair.client.closed, pair.client.usable) == ("INTERNAL_ERROR (Idle timeout)", False)


def test_a_request_that_cannot_be_encoded_has_failed(pair: Pair) -> None:
    with pytest.raises(Failure, match=r"^request: expected headers in latin-1"):
        pair.send("/€")
    assert not pair.client.open


def test_the_fields_of_a_request_begin_with_its_pseudo_headers() -> None:
    assert fields(get("/x"), "host:1") == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"host:1"),
        (b":path", b"/x"),
        (b"accept", b"*/*"),
    ]
    assert fields(post("/x", b"", "text/plain"), "host:1")[-2:] == [
        (b"content-type", b"text/plain"),
        (b"content-length", b"0"),
    ]


@given(st.integers(0, 2**62 - 4), st.lists(st.binary(max_size=80), max_size=3), st.data())
def test_goaway_is_found_however_the_control_stream_is_cut(
    lowest: int, grease: list[bytes], data: st.DataObject
) -> None:
    reader = GoawayReader()
    others = b"".join(frame(0x21, payload) for payload in grease)
    stream = encode_uint_var(0) + frame(SETTINGS, b"\x01\x00") + others + frame(GOAWAY, encode_uint_var(lowest))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [found for found in map(reader.feed, pieces) if found is not None] == [lowest]


def test_goaway_is_looked_for_on_the_control_stream_alone() -> None:
    reader = GoawayReader()
    assert reader.feed(encode_uint_var(2)) is None
    assert reader.feed(frame(GOAWAY, encode_uint_var(4))) is None


@pytest.mark.parametrize(
    ("code", "frame_type", "phrase", "words"),
    [
        (ErrorCode.H3_EXCESSIVE_LOAD, None, "", "H3_EXCESSIVE_LOAD"),
        (0xABC, None, "", "error 0xabc"),
        (QuicErrorCode.FLOW_CONTROL_ERROR, 8, "too much", "FLOW_CONTROL_ERROR (too much)"),
        (0x100 + 42, 6, "unknown authority", "TLS alert 42 (unknown authority)"),
    ],
)
def test_the_end_of_a_connection_is_explained(code: int, frame_type: int | None, phrase: str, words: str) -> None:
    assert reason(ConnectionTerminated(code, frame_type, phrase)) == words


def test_error_codes_have_their_names() -> None:
    assert error_name(0x10B) == "H3_REQUEST_REJECTED"
