"""The HTTP/2 client and frames that end the connection (RFC 9113, 5.4.1), and those it acknowledges."""

from __future__ import annotations

import pytest

from harness.load import http2_frames as frames
from harness.load.exchange import Failure, get, post
from harness.load.http2_connection import Connection
from harness.load.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITISED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    settings,
    uint32,
    window_update,
)
from harness.load.http2_messages import Stream
from tests.http2_server import ANSWER, OK, SERVER_SETTINGS, WHOLE, fields, head, started

SETTINGS_ACK = frame(SETTINGS, ACK, 0)


def test_a_window_beyond_the_limit_ends_the_stream() -> None:
    connection, _ = started()
    upload = Stream(post("/", bytes(70_000), "text/plain"))
    connection.streams.send(upload)
    assert connection.receive(window_update(7, frames.LARGEST)) == []
    assert connection.receive(window_update(7, frames.LARGEST)) == [upload]


BOMB = b"\x40\x01a\x7f\xe9\x06" + b"b" * 1000 + b"\xbe" * 1000
"""A field of 1,000 bytes for the dynamic table, and 1,000 references to it."""
WRONG = {
    "DATA of no stream": (frame(DATA, 0, 0, b""), "PROTOCOL_ERROR"),
    "DATA of an idle stream": (frame(DATA, 0, 7, b""), "PROTOCOL_ERROR"),
    "DATA of the server's stream": (frame(DATA, 0, 2, b""), "PROTOCOL_ERROR"),
    "DATA after the end": (WHOLE + frame(DATA, 0, 1, b""), "STREAM_CLOSED"),
    "DATA padded with more than it holds": (frame(DATA, PADDED, 1, b"\2a"), "PROTOCOL_ERROR"),
    "DATA without the length of its padding": (frame(DATA, PADDED, 1), "FRAME_SIZE_ERROR"),
    "HEADERS of no stream": (head(0, OK), "PROTOCOL_ERROR"),
    "HEADERS of an idle stream": (head(7, OK), "PROTOCOL_ERROR"),
    "HEADERS after the end": (WHOLE + head(1, OK), "STREAM_CLOSED"),
    "HEADERS with half a priority": (frame(HEADERS, END_HEADERS | PRIORITISED, 1, bytes(4)), "PROTOCOL_ERROR"),
    "HEADERS that are none": (frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff"), "COMPRESSION_ERROR"),
    "a field from an empty table": (frame(HEADERS, END_HEADERS, 1, b"\xbe"), "COMPRESSION_ERROR"),
    "fields that unfold": (frame(HEADERS, END_HEADERS, 1, BOMB), "ENHANCE_YOUR"),
    "PRIORITY of no stream": (frame(PRIORITY, 0, 0, bytes(5)), "PROTOCOL_ERROR"),
    "PRIORITY of 4 bytes": (frame(PRIORITY, 0, 1, bytes(4)), "PROTOCOL_ERROR"),
    "RST_STREAM of no stream": (frame(RST_STREAM, 0, 0, bytes(4)), "PROTOCOL_ERROR"),
    "RST_STREAM of an idle stream": (frame(RST_STREAM, 0, 7, bytes(4)), "PROTOCOL_ERROR"),
    "RST_STREAM of 3 bytes": (frame(RST_STREAM, 0, 1, bytes(3)), "FRAME_SIZE_ERROR"),
    "SETTINGS of a stream": (frame(SETTINGS, 0, 1), "PROTOCOL_ERROR"),
    "SETTINGS of 5 bytes": (frame(SETTINGS, 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    "SETTINGS that acknowledge and set": (frame(SETTINGS, ACK, 0, bytes(6)), "FRAME_SIZE_ERROR"),
    "SETTINGS that allow pushes": (settings({frames.ENABLE_PUSH: 1}), "PROTOCOL_ERROR"),
    "SETTINGS with too large a window": (settings({frames.INITIAL_WINDOW_SIZE: 1 << 31}), "FLOW_CONTROL_ERROR"),
    "SETTINGS with too small frames": (settings({frames.MAX_FRAME_SIZE: 16_383}), "PROTOCOL_ERROR"),
    "SETTINGS with too large frames": (settings({frames.MAX_FRAME_SIZE: 1 << 24}), "PROTOCOL_ERROR"),
    "PUSH_PROMISE": (frame(PUSH_PROMISE, END_HEADERS, 1, uint32.pack(2) + fields(OK)), "PROTOCOL_ERROR"),
    "PING of a stream": (frame(PING, 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "PING of 7 bytes": (frame(PING, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "GOAWAY of a stream": (frame(GOAWAY, 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    "GOAWAY of 7 bytes": (frame(GOAWAY, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    "WINDOW_UPDATE of 0": (window_update(0, 0), "PROTOCOL_ERROR"),
    "WINDOW_UPDATE of an idle stream": (window_update(7, 1), "PROTOCOL_ERROR"),
    "WINDOW_UPDATE of 5 bytes": (frame(WINDOW_UPDATE, 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    "WINDOW_UPDATE beyond the limit": (window_update(0, frames.LARGEST), "FLOW_CONTROL_ERROR"),
    "CONTINUATION of nothing": (frame(CONTINUATION, END_HEADERS, 1), "PROTOCOL_ERROR"),
    "CONTINUATION of another stream": (frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 3), "PROTOCOL_ERROR"),
    "DATA amid HEADERS": (head(1, OK) + frame(HEADERS, 0, 3) + frame(DATA, END_STREAM, 1), "PROTOCOL_ERROR"),
    "CONTINUATION without end": (frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, bytes(16_384)) * 17, "ENHANCE_YOUR"),
    "a frame too large": (frame(0xBE, 0, 1, bytes(16_385)), "FRAME_SIZE_ERROR"),
    "a frame far too large": (b"\xff\xff\xff\0\0\0\0\0\1", "FRAME_SIZE_ERROR"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_frame_ends_the_connection_and_all_that_was_on_it(name: str) -> None:
    data, code = WRONG[name]
    connection, streams = started()
    ended = connection.receive(data)
    assert sorted(stream.id for stream in ended) == [1, 3, 5]
    failures = [stream.arrived for stream in streams if stream.arrived != ANSWER]
    assert all(isinstance(failure, Failure) and failure.detail.startswith(code) for failure in failures)
    assert len(failures) >= 2
    code_sent = next(index for index, error in enumerate(frames.ERROR_NAMES) if error.startswith(code))
    assert bytes(connection.output).endswith(frame(GOAWAY, 0, 0, uint32.pack(0) + uint32.pack(code_sent)))
    assert connection.finished
    assert connection.receive(WHOLE) == connection.lose("closed") == []


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", WHOLE, SETTINGS_ACK, frame(PING, 0, 0, bytes(8))]
)
def test_a_server_that_does_not_begin_with_settings_does_not_speak_http2(data: bytes) -> None:
    connection = Connection("http", "localhost")
    stream = Stream(get("/"))
    connection.streams.send(stream)
    assert connection.receive(data) == [stream]
    assert isinstance(stream.arrived, Failure)
    assert stream.arrived.kind == "protocol"


def test_settings_and_pings_are_acknowledged() -> None:
    connection, _ = started()
    ping = b"12345678"
    assert (
        connection.receive(SERVER_SETTINGS + frame(PING, 0, 0, ping) + SETTINGS_ACK + frame(PING, ACK, 0, ping)) == []
    )
    assert bytes(connection.output) == SETTINGS_ACK + frame(PING, ACK, 0, ping)
