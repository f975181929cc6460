"""HTTP/2: frames that a server must refuse.

A stream error may be taken for a connection error (RFC 9113 §5.4.1), which passes. So does a connection that is closed
without GOAWAY, which §5.4.1 only asks for with SHOULD.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.check.cases.malformed_http2 import (
    STREAM,
    connections_refused,
    flood,
    refused,
    streams_refused,
)
from harness.check.clients.h2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    DEFAULT_FRAME_BYTES,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    any_frame,
)
from harness.check.model import Check, Finding
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.cases.malformed_http2 import Form
    from harness.check.clients.h2_raw import Raw
    from harness.check.model import Force
    from harness.check.target import Target

SILENCE_S = 2.0
LARGEST_WINDOW = 2**31 - 1
BODY = b"body"


def _frame(kind: int, flags: int, stream_id: int, body: bytes = b"") -> Form:
    return lambda raw, _: raw.send(any_frame(kind, flags, stream_id, body))


def _open(raw: Raw, path: str, *more: tuple[str, str]) -> None:
    """A request whose body is still to come."""
    raw.send_fields(STREAM, raw.request_fields(path, "POST", *more), END_HEADERS)


def _opened(kind: int, flags: int, body: bytes, *more: tuple[str, str]) -> Form:
    """A frame on a stream whose body is still to come."""

    def form(raw: Raw, path: str) -> None:
        _open(raw, path, *more)
        raw.send(any_frame(kind, flags, STREAM, body))

    return form


def _settings(key: int, value: int) -> Form:
    return _frame(SETTINGS, 0, 0, struct.pack(">HI", key, value))


def _window(stream_id: int, increment: int) -> Form:
    return _frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", increment))


def _too_long(raw: Raw) -> bytes:
    return bytes(raw.settings.get(MAX_FRAME_SIZE, DEFAULT_FRAME_BYTES) + 1)


def _long_data(raw: Raw, path: str) -> None:
    _open(raw, path)
    raw.send(any_frame(DATA, 0, STREAM, _too_long(raw)))


def _long_fields(raw: Raw, path: str) -> None:
    fields = raw.encoded(raw.request_fields(path))
    raw.send(any_frame(HEADERS, END_HEADERS | END_STREAM, STREAM, fields.ljust(len(_too_long(raw)), b"\x82")))


def _fields_on(*stream_ids: int) -> Form:
    """Right requests, one after the other."""

    def form(raw: Raw, path: str) -> None:
        for stream_id in stream_ids:
            raw.send_fields(stream_id, raw.request_fields(path))

    return form


def _after_end(raw: Raw, path: str) -> None:
    raw.send_fields(STREAM, raw.request_fields(path.replace("/echo", "/late")))
    raw.send(any_frame(DATA, 0, STREAM, BODY))


def _within_fields(kind: int, flags: int, stream_id: int, body: bytes) -> Form:
    """A frame between HEADERS and the CONTINUATION that is due."""

    def form(raw: Raw, path: str) -> None:
        fields = raw.encoded(raw.request_fields(path))
        raw.send(any_frame(HEADERS, END_STREAM, STREAM, fields[:10]), any_frame(kind, flags, stream_id, body))
        raw.send(any_frame(CONTINUATION, END_HEADERS, STREAM, fields[10:]))

    return form


def _section(body: bytes) -> Form:
    return _frame(HEADERS, END_HEADERS | END_STREAM, STREAM, body)


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, HTTP2_PROTOCOLS, f"{expectation}.", f"RFC 9113 {source}", run, force=force)


CHECKS = (
    _check(
        "h2-stream-zero",
        "Streams' frames on stream 0",
        "DATA, HEADERS, RST_STREAM and CONTINUATION on stream 0 MUST be a connection error",
        "§6.1, §6.2, §6.4, §6.10",
        connections_refused(
            {
                "DATA": _frame(DATA, 0, 0, BODY),
                "HEADERS": _fields_on(0),
                "RST_STREAM": _frame(RST_STREAM, 0, 0, bytes(4)),
                "CONTINUATION": _frame(CONTINUATION, END_HEADERS, 0, BODY),
            }
        ),
    ),
    _check(
        "h2-connection-frames",
        "The connection's frames on a stream",
        "SETTINGS and PING on a stream MUST be a connection error",
        "§6.5, §6.7",
        connections_refused({"SETTINGS": _frame(SETTINGS, 0, 1), "PING": _frame(PING, 0, 1, bytes(8))}),
    ),
    _check(
        "h2-idle-stream",
        "Frames on an idle stream",
        "Any frame but HEADERS and PRIORITY on an idle stream MUST be a connection error",
        "§5.1",
        connections_refused(
            {
                "DATA": _frame(DATA, END_STREAM, STREAM, BODY),
                "RST_STREAM": _frame(RST_STREAM, 0, STREAM, struct.pack(">I", 8)),
                "WINDOW_UPDATE": _window(STREAM, 1),
            }
        ),
    ),
    _check(
        "h2-stream-id",
        "Stream numbers even or going down",
        "Streams that a client opens MUST have odd numbers that go up; else a connection error",
        "§5.1.1",
        connections_refused({"stream 2": _fields_on(2), "stream 1 after 3": _fields_on(3, 1)}),
    ),
    _check(
        "h2-half-closed",
        "DATA after END_STREAM",
        "DATA on a stream that the client has ended MUST be a stream error",
        "§5.1, §6.1",
        streams_refused({"DATA after END_STREAM": _after_end}),
    ),
    _check(
        "h2-frame-too-large",
        "Frame larger than allowed",
        "A frame above SETTINGS_MAX_FRAME_SIZE MUST be a connection error, DATA a stream error at least",
        "§4.2",
        refused(
            {"DATA": _long_data, "HEADERS": _long_fields},
            lambda outcome: outcome.connection_refused or (outcome.form == "DATA" and outcome.stream_refused),
        ),
    ),
    _check(
        "h2-frame-size",
        "Frames of a wrong fixed size",
        "PING, SETTINGS, RST_STREAM and WINDOW_UPDATE of a wrong size MUST be a connection error",
        "§6.4, §6.5, §6.7, §6.9",
        connections_refused(
            {
                "PING of 7": _frame(PING, 0, 0, bytes(7)),
                "SETTINGS of 5": _frame(SETTINGS, 0, 0, bytes(5)),
                "SETTINGS ACK of 6": _frame(SETTINGS, ACK, 0, struct.pack(">HI", 1, 4096)),
                "WINDOW_UPDATE of 3": _frame(WINDOW_UPDATE, 0, 0, bytes(3)),
                "RST_STREAM of 3": _opened(RST_STREAM, 0, bytes(3)),
            }
        ),
    ),
    _check(
        "h2-settings-value",
        "Settings out of range",
        "SETTINGS with values out of range MUST be a connection error",
        "§6.5.2",
        connections_refused(
            {
                "ENABLE_PUSH 2": _settings(ENABLE_PUSH, 2),
                "INITIAL_WINDOW_SIZE 2³¹": _settings(INITIAL_WINDOW_SIZE, 2**31),
                "MAX_FRAME_SIZE 1": _settings(MAX_FRAME_SIZE, 1),
            }
        ),
    ),
    _check(
        "h2-window-overflow",
        "Window beyond 2³¹-1",
        "A WINDOW_UPDATE beyond 2³¹-1 MUST end the stream or the connection (FLOW_CONTROL_ERROR)",
        "§6.9.1",
        streams_refused(
            {
                "connection": _window(0, LARGEST_WINDOW),
                "stream": _opened(WINDOW_UPDATE, 0, struct.pack(">I", LARGEST_WINDOW)),
            }
        ),
    ),
    _check(
        "h2-window-no-increment",
        "WINDOW_UPDATE by 0",
        "WINDOW_UPDATE by 0 MUST be a stream error; on stream 0, a connection error",
        "§6.9",
        streams_refused({"connection": _window(0, 0), "stream": _opened(WINDOW_UPDATE, 0, bytes(4))}),
    ),
    _check(
        "h2-hpack",
        "Field sections that do not decode",
        "A decoding error in a field section MUST be a connection error (COMPRESSION_ERROR)",
        "§4.3",
        connections_refused(
            {
                "index 0": _section(b"\x80"),
                "index beyond the tables": _section(b"\xff\x80\x01"),
                "string cut off": _section(b"\x00\x0aabc"),
                "table larger than allowed": _section(b"\x3f\xe1\xff\x03\x82"),
                "Huffman code of EOS": _section(b"\x00\x84\xff\xff\xff\xff\x01a"),
            }
        ),
    ),
    _check(
        "h2-continuation-order",
        "CONTINUATION out of order",
        "Between HEADERS and its CONTINUATION no other frame may come, nor CONTINUATION elsewhere: it MUST be an error",
        "§6.2, §6.10",
        connections_refused(
            {
                "PING between": _within_fields(PING, 0, 0, bytes(8)),
                "CONTINUATION of another stream between": _within_fields(CONTINUATION, 0, 3, b"\x82"),
                "CONTINUATION after END_HEADERS": _opened(CONTINUATION, END_HEADERS, b"\x82"),
            }
        ),
    ),
    _check(
        "h2-push-promise",
        "PUSH_PROMISE from the client",
        "A client cannot push: PUSH_PROMISE MUST be a connection error",
        "§8.4",
        connections_refused({"PUSH_PROMISE": _opened(PUSH_PROMISE, END_HEADERS, struct.pack(">I", 2) + b"\x82")}),
    ),
    _check(
        "h2-padding-too-long",
        "Padding longer than its frame",
        "Padding as long as the frame's payload or longer MUST be a connection error",
        "§6.1",
        connections_refused({"DATA": _opened(DATA, PADDED | END_STREAM, b"\x0aabc")}),
    ),
    _check(
        "h2-header-flood",
        "Headers without an end",
        "A server has to bound what it takes in; here it takes less than 8 MiB of CONTINUATION",
        "§10.5, §10.5.1",
        flood,
        force="expected",
    ),
)
