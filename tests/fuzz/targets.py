"""One function for each wire parser: it takes any bytes, and fails unless the parser keeps its promises.

What the parser makes of them is returned: right answers and counted failures, never another exception, and what it
keeps meanwhile has bounds. The bytes say themselves in which pieces, and how often over, they arrive.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from aioquic.h3.connection import H3_ALPN
from aioquic.quic.events import HandshakeCompleted, StreamDataReceived
from gevent import getcurrent
from wsproto.events import Request as Handshake

from harness.load import bounds, http2_frames, http3
from harness.load.account import Account
from harness.load.exchange import Answer, Failure, Message, Request, get, post
from harness.load.http1 import AnswerReader
from harness.load.http2_connection import Connection as Http2Connection
from harness.load.http2_messages import Stream
from harness.load.http3_connection import Connection as Http3Connection
from harness.load.transport import RECEIVE_BYTES, Endpoint
from harness.load.websocket import WebSocketClient
from tests.http2_server import head
from tests.pieces import cut

MAX_BODY_BYTES = 64 * 1024
"""The longest body in these tests: repeated bytes exceed it soon."""
MOST_BYTES = 3 * bounds.OVERHEAD_BYTES // 2
"""So many repeated bytes arrive, unless the part is shorter than 8 bytes."""
MOST_TIMES = 50_000
_REPEATED = 0x80
KINDS = {"protocol", "too large", "closed", "reset", "refused", "handshake"}
Arrived = Answer | Failure
_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def arrange(data: bytes, places: Sequence[int], *, repeated_from: int | None = None) -> bytes:
    """The input of a target for these bytes, cut at these places (below 2¹⁶); the end may come over and over."""
    cuts = [*([] if repeated_from is None else [repeated_from]), *places][:7]
    flag = 0 if repeated_from is None else _REPEATED
    return bytes([len(cuts) | flag]) + b"".join(place.to_bytes(2, "big") for place in cuts) + data


def _arrive(given: bytes) -> list[bytes]:
    """The pieces that an input asks for."""
    count = given[0] & 0x07
    places = [int.from_bytes(given[at : at + 2], "big") for at in range(1, 1 + 2 * count, 2)]
    data = given[1 + 2 * count :]
    if not data:
        return []
    if given[0] & _REPEATED and places:
        start = places[0] % len(data)
        part = data[start:]
        data = data[:start] + part * min(MOST_BYTES // len(part), MOST_TIMES)
        places += range(0, MOST_BYTES, RECEIVE_BYTES)
    return cut(data, places)


def _assert_all_right(arrived: list[Arrived]) -> list[Arrived]:
    for each in arrived:
        if isinstance(each, Answer):
            assert isinstance(each.body, bytes)
            assert len(each.body) <= MAX_BODY_BYTES
        else:
            assert isinstance(each, Failure)
            assert each.kind in KINDS
            assert len(each.detail) < 1_000
    return arrived


def read_http1(given: bytes) -> list[Arrived]:
    """An answer to GET or HEAD, up to its end or that of the connection."""
    found: list[Arrived] = []
    for expect_body in (True, False):
        reader = AnswerReader(MAX_BODY_BYTES)
        reader.expect_body = expect_body
        arrived: Answer | Failure | None = None
        try:
            for piece in _arrive(given):
                arrived = reader.feed(piece)
                assert len(reader._body) <= MAX_BODY_BYTES
                assert reader._overhead_bytes <= bounds.OVERHEAD_BYTES
                if arrived is not None:
                    break
        except Failure as failure:
            arrived = failure
        else:
            arrived = arrived or reader.end_of_stream()
        if arrived is not None:
            found.append(arrived)
    return _assert_all_right(found)


def read_http2(given: bytes) -> list[Arrived]:
    """What a server sends on a connection with three requests, after its SETTINGS or at once."""
    found: list[Arrived] = []
    for beginning in (http2_frames.settings({}), b""):
        connection = Http2Connection("http", "localhost", MAX_BODY_BYTES)
        streams = [Stream(request) for request in (get("/"), Request("HEAD", "/"), post("/", bytes(70_000), "a/b"))]
        for stream in streams:
            connection.streams.send(stream)
        ended = connection.receive(beginning) if beginning else []
        for piece in _arrive(given):
            before = len(connection.output)
            ended += connection.receive(piece)
            # It answers less than it got, beside the body that the windows allow and three times the end of a stream.
            assert len(connection.output) - before <= 2 * len(piece) + 71_000
            assert len(connection._rest) < http2_frames.HEAD_BYTES + http2_frames.PAYLOAD_BYTES
            assert connection._overhead_bytes <= bounds.OVERHEAD_BYTES or connection.finished
            assert all(len(stream.parts or b"") <= MAX_BODY_BYTES for stream in streams)
        ended += connection.lose("closed")
        assert sorted(id(stream) for stream in ended) == sorted(map(id, streams))
        found += [stream.arrived for stream in streams]
    return _assert_all_right(found)


def read_websocket(given: bytes) -> list[Arrived]:
    """What a server sends in place of its handshake, or after it."""
    found: list[Arrived] = []
    for accepted in (True, False):
        client = WebSocketClient(Endpoint("localhost", 1, max_body_bytes=MAX_BODY_BYTES), "/", Account())
        handshake = client._connection.send(Handshake(host="localhost", target="/"))
        client._message, client._waiter = Message(b"ask"), getcurrent()
        if accepted:
            (key,) = (line[19:] for line in handshake.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
            token = base64.b64encode(hashlib.sha1(key + _ACCEPT_GUID).digest())
            answer = client._read(
                b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: "
                + token
                + b"\r\n\r\n"
            )
            assert isinstance(answer, Answer)
        for piece in _arrive(given):
            arrived = client._read(piece)
            assert len(client._body) <= MAX_BODY_BYTES
            if arrived is not None:
                found.append(arrived)
                break
            assert client._overhead_bytes <= bounds.OVERHEAD_BYTES
    return _assert_all_right(found)


def read_http3(given: bytes) -> list[Arrived]:
    """What a server sends on the stream of a request, or on its own stream; QUIC itself is aioquic's."""
    found: list[Arrived] = []
    for stream_id in (0, 3):
        connection = Http3Connection(http3.configuration("localhost", None), "localhost", "peer", 0.0, MAX_BODY_BYTES)
        connection._process(HandshakeCompleted(H3_ALPN[0], early_data_accepted=False, session_resumed=False))
        streams = [Stream(get("/")), Stream(get("/"))]
        for stream in streams:
            connection.send(stream)
        for piece in _arrive(given):
            if connection.closed is not None:
                break
            connection._process(StreamDataReceived(data=piece, end_stream=False, stream_id=stream_id))
            assert connection._overhead_bytes <= bounds.OVERHEAD_BYTES or connection.closed is not None
            assert all(len(stream.parts or b"") <= MAX_BODY_BYTES for stream in streams)
        connection.lose("closed")
        ended = connection.take_ended()
        assert sorted(id(stream) for stream in ended) == sorted(map(id, streams))
        found += [stream.arrived for stream in streams]
    return _assert_all_right(found)


TARGETS = {"http1": read_http1, "http2": read_http2, "websocket": read_websocket, "http3": read_http3}

_OK = b"HTTP/1.1 200 OK\r\n"
_frame = http2_frames.frame
SEEDS = {
    "http1": (
        _OK + b"content-length: 5\r\n\r\nhello",
        _OK + b"transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
        _OK + b"transfer-encoding: chunked\r\n\r\n",
        b"1\r\nz\r\n",
        b"5;",
        _OK + b"\r\n",
        _OK + b"x: ",
        b"HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n",
        b"HTTP/1.0 404 Not Found\r\nconnection: close\r\n\r\n",
        b"x: y\r\n",
    ),
    "http2": (
        head(1, (":status", "200")) + _frame(http2_frames.DATA, http2_frames.END_STREAM, 1, b"body"),
        head(1, (":status", "103"), ("link", "</a>")),
        head(3, (":status", "204"), flags=http2_frames.END_HEADERS | http2_frames.END_STREAM),
        _frame(http2_frames.HEADERS, 0, 1, b"\x88"),
        _frame(http2_frames.CONTINUATION, 0, 1, b"\x40\x01a\x01b"),
        _frame(http2_frames.CONTINUATION, http2_frames.END_HEADERS, 1, b"\xbe" * 20),
        _frame(http2_frames.DATA, 0, 1, b"part"),
        _frame(http2_frames.DATA, http2_frames.PADDED, 1, b"\2a  "),
        _frame(http2_frames.DATA, 0, 1),
        _frame(http2_frames.PING, 0, 0, bytes(8)),
        http2_frames.settings({http2_frames.INITIAL_WINDOW_SIZE: 1_000, http2_frames.MAX_CONCURRENT_STREAMS: 1}),
        http2_frames.window_update(0, 70_000),
        http2_frames.window_update(5, 1),
        http2_frames.rst_stream(3, "REFUSED_STREAM"),
        http2_frames.goaway("NO_ERROR"),
        _frame(0xBB, 0, 0, b"unknown"),
        _frame(http2_frames.PRIORITY, 0, 1, bytes(5)),
    ),
    "websocket": (
        b"\x81\x05hello",
        b"\x82\x7e\x01\x00" + bytes(256),
        b"\x01\x02he",
        b"\x00\x01l",
        b"\x80\x02lo",
        b"\x00\x00",
        b"\x89\x04ping",
        b"\x8a\x00",
        b"\x88\x02\x03\xe8",
        b"\x81\x7f" + bytes(8),
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n",
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
    ),
    "http3": (
        b"\x01\x03\x00\x00\xd9\x00\x04body",
        b"\x01\x03\x00\x00\xd9",
        b"\x00\x04body",
        b"\x00\x00",
        b"\x00\x04\x00",
        b"\x07\x01\x04",
        b"\x05\x02\x00\x00",
        b"\x21\x01a",
        b"\x01\x80\x00\xff\xff",
    ),
}
"""Whole messages and parts of them, to put together and to change."""
BEGINNINGS = {
    "http1": (b"", _OK, _OK + b"\r\n", _OK + b"transfer-encoding: chunked\r\n\r\n"),
    "http2": (b"", head(1, (":status", "200")), head(1, (":status", "200"), flags=0)),
    "websocket": (b"", b"\x01\x02he"),
    "http3": (b"", b"\x01\x03\x00\x00\xd9"),
}
"""What may come before a part that comes over and over."""
