"""HTTP/2: frames that a server must refuse.

A server may treat a stream error as a connection error (RFC 9113 §5.4.1), so that passes. So does a connection that is
closed without GOAWAY, which §5.4.1 only recommends.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.check.cases.malformed_http2 import (
    AFTER_PING_S,
    GENERAL_CODES,
    STREAM,
    codes_named,
    connections_refused,
    refused,
    serves,
    streams_refused,
)
from harness.check.clients.h2_frames import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    DEFAULT_FRAME_BYTES,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    PADDED,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    any_frame,
)
from harness.check.clients.h2_raw import RawHttp2
from harness.check.model import Family, Finding, failed
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from harness.check.cases.malformed_http2 import Case
    from harness.check.target import Target

CHECKS = Family(HTTP2_PROTOCOLS)

LARGEST_WINDOW = 2**31 - 1
BODY = b"body"
FLOOD_BYTES = 8 * 1024 * 1024
"""No server should accept this many bytes of headers, unless it announces a higher limit."""
TOLERANCE = 1.5
"""Accepting this many times the announced limit is too much."""
PIECE_BYTES = 16_000
"""Larger than the dynamic table of HPACK, so that each piece is sent in full."""


def _frame(kind: int, flags: int, stream_id: int, body: bytes = b"") -> Case:
    return lambda raw, _: raw.send(any_frame(kind, flags, stream_id, body))


def _open(raw: RawHttp2, path: str, *more: tuple[str, str]) -> None:
    """Send a request without the end of its body."""
    raw.send_fields(STREAM, raw.request_fields(path, "POST", *more), END_HEADERS)


def _opened(kind: int, flags: int, body: bytes, *more: tuple[str, str]) -> Case:
    """A frame on a stream whose body has not ended."""

    def case(raw: RawHttp2, path: str) -> None:
        _open(raw, path, *more)
        raw.send(any_frame(kind, flags, STREAM, body))

    return case


def _settings(key: int, value: int) -> Case:
    return _frame(SETTINGS, 0, 0, struct.pack(">HI", key, value))


def _window(stream_id: int, increment: int) -> Case:
    return _frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", increment))


def _too_long(raw: RawHttp2) -> bytes:
    return bytes(raw.settings.get(MAX_FRAME_SIZE, DEFAULT_FRAME_BYTES) + 1)


def _long_data(raw: RawHttp2, path: str) -> None:
    _open(raw, path)
    raw.send(any_frame(DATA, 0, STREAM, _too_long(raw)))


def _long_fields(raw: RawHttp2, path: str) -> None:
    fields = raw.encoded(raw.request_fields(path))
    raw.send(any_frame(HEADERS, END_HEADERS | END_STREAM, STREAM, fields.ljust(len(_too_long(raw)), b"\x82")))


def _fields_on(*stream_ids: int) -> Case:
    """Well-formed requests, one after the other."""

    def case(raw: RawHttp2, path: str) -> None:
        for stream_id in stream_ids:
            raw.send_fields(stream_id, raw.request_fields(path))

    return case


def _after_end(raw: RawHttp2, path: str) -> None:
    raw.send_fields(STREAM, raw.request_fields(path.replace("/echo", "/late")))
    raw.send(any_frame(DATA, 0, STREAM, BODY))


def _within_fields(kind: int, flags: int, stream_id: int, body: bytes) -> Case:
    """A frame between HEADERS and the CONTINUATION that must follow it."""

    def case(raw: RawHttp2, path: str) -> None:
        fields = raw.encoded(raw.request_fields(path))
        raw.send(any_frame(HEADERS, END_STREAM, STREAM, fields[:10]), any_frame(kind, flags, stream_id, body))
        raw.send(any_frame(CONTINUATION, END_HEADERS, STREAM, fields[10:]))

    return case


def _section(body: bytes) -> Case:
    return _frame(HEADERS, END_HEADERS | END_STREAM, STREAM, body)


_TOO_LARGE = {"DATA": _long_data, "HEADERS": _long_fields}
_WRONG_SIZES = {
    "PING of 7": _frame(PING, 0, 0, bytes(7)),
    "SETTINGS of 5": _frame(SETTINGS, 0, 0, bytes(5)),
    "SETTINGS ACK of 6": _frame(SETTINGS, ACK, 0, struct.pack(">HI", 1, 4096)),
    "WINDOW_UPDATE of 3": _frame(WINDOW_UPDATE, 0, 0, bytes(3)),
    "RST_STREAM of 3": _opened(RST_STREAM, 0, bytes(3)),
}
_OVERFLOWS = {
    "connection": _window(0, LARGEST_WINDOW),
    "stream": _opened(WINDOW_UPDATE, 0, struct.pack(">I", LARGEST_WINDOW)),
}
_UNDECODABLE = {
    "index 0": _section(b"\x80"),
    "index beyond the tables": _section(b"\xff\x80\x01"),
    "string cut off": _section(b"\x00\x0aabc"),
    "table larger than allowed": _section(b"\x3f\xe1\xff\x03\x82"),
    "Huffman code of EOS": _section(b"\x00\x84\xff\xff\xff\xff\x01a"),
}

CHECKS.add(
    "h2-stream-zero",
    "Streams' frames on stream 0",
    "A server MUST treat DATA, HEADERS, RST_STREAM or CONTINUATION on stream 0 as a connection error.",
    "RFC 9113 §6.1, §6.2, §6.4, §6.10",
    connections_refused(
        {
            "DATA": _frame(DATA, 0, 0, BODY),
            "HEADERS": _fields_on(0),
            "RST_STREAM": _frame(RST_STREAM, 0, 0, bytes(4)),
            "CONTINUATION": _frame(CONTINUATION, END_HEADERS, 0, BODY),
        }
    ),
    quote="If a DATA frame is received whose Stream Identifier field is 0x00, the recipient MUST respond "
    "with a connection error (Section 5.4.1) of type PROTOCOL_ERROR.",
    consequence="Faulty or hostile clients keep connections that they should lose.",
)
CHECKS.add(
    "h2-connection-frames",
    "The connection's frames on a stream",
    "A server MUST treat SETTINGS or PING on a stream other than 0 as a connection error.",
    "RFC 9113 §6.5, §6.7",
    connections_refused({"SETTINGS": _frame(SETTINGS, 0, 1), "PING": _frame(PING, 0, 1, bytes(8))}),
    quote="If an endpoint receives a SETTINGS frame whose Stream Identifier field is anything other than "
    "0x00, the endpoint MUST respond with a connection error (Section 5.4.1) of type PROTOCOL_ERROR.",
    consequence="Faulty or hostile clients keep connections that they should lose.",
)
CHECKS.add(
    "h2-idle-stream",
    "Frames on an idle stream",
    "A server MUST treat any frame but HEADERS and PRIORITY on an idle stream as a connection error.",
    "RFC 9113 §5.1",
    connections_refused(
        {
            "DATA": _frame(DATA, END_STREAM, STREAM, BODY),
            "RST_STREAM": _frame(RST_STREAM, 0, STREAM, struct.pack(">I", 8)),
            "WINDOW_UPDATE": _window(STREAM, 1),
        }
    ),
    quote="Receiving any frame other than HEADERS or PRIORITY on a stream in this state MUST be treated as "
    "a connection error (Section 5.4.1) of type PROTOCOL_ERROR.",
    consequence="Faulty or hostile clients make the server keep state for streams that do not exist.",
)
CHECKS.add(
    "h2-stream-id",
    "Stream numbers even or going down",
    "A server MUST treat a new stream with an even number, or a lower one than before, as a connection error.",
    "RFC 9113 §5.1.1",
    connections_refused({"stream 2": _fields_on(2), "stream 1 after 3": _fields_on(3, 1)}),
    quote="An endpoint that receives an unexpected stream identifier MUST respond with a connection error "
    "(Section 5.4.1) of type PROTOCOL_ERROR.",
    consequence="The responses of two requests may be confused.",
    danger="mixes",
)
CHECKS.add(
    "h2-half-closed",
    "DATA after END_STREAM",
    "A server MUST treat DATA on a stream that the client has ended as a stream error.",
    "RFC 9113 §5.1, §6.1",
    streams_refused({"DATA after END_STREAM": _after_end}),
    quote="If an endpoint receives additional frames, other than WINDOW_UPDATE, PRIORITY, or RST_STREAM, "
    "for a stream that is in this state, it MUST respond with a stream error (Section 5.4.2) of type "
    "STREAM_CLOSED.",
    consequence="An app may get more data after a request was complete.",
)
CHECKS.add(
    "h2-frame-too-large",
    "Frame larger than allowed",
    "A server MUST treat a frame larger than SETTINGS_MAX_FRAME_SIZE as a connection error (FRAME_SIZE_ERROR, or a"
    " general code); for DATA a stream error passes.",
    "RFC 9113 §4.2, §5.4",
    refused(
        _TOO_LARGE,
        lambda treatment: (
            treatment.names(FRAME_SIZE_ERROR, *GENERAL_CODES)
            and (treatment.connection_refused or treatment.case == "DATA")
        ),
    ),
    quote="An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size defined in "
    "SETTINGS_MAX_FRAME_SIZE, exceeds any limit defined for the frame type, or is too small to "
    "contain mandatory frame data.",
    consequence="Hostile clients make the server hold frames of up to 16 MiB for each connection.",
)
CHECKS.add(
    "h2-frame-size",
    "Frames of a wrong fixed size",
    "A server MUST treat PING, SETTINGS, RST_STREAM or WINDOW_UPDATE of a wrong size as a connection error"
    " (FRAME_SIZE_ERROR, or a general code).",
    "RFC 9113 §5.4, §6.4, §6.5, §6.7, §6.9",
    connections_refused(_WRONG_SIZES, FRAME_SIZE_ERROR),
    quote="A RST_STREAM frame with a length other than 4 octets MUST be treated as a connection error "
    "(Section 5.4.1) of type FRAME_SIZE_ERROR.",
    consequence="The server and a faulty client disagree on the state of the connection.",
)
CHECKS.add(
    "h2-settings-value",
    "Settings out of range",
    "A server MUST treat SETTINGS with a value out of range as a connection error.",
    "RFC 9113 §6.5.2",
    connections_refused(
        {
            "ENABLE_PUSH 2": _settings(ENABLE_PUSH, 2),
            "INITIAL_WINDOW_SIZE 2³¹": _settings(INITIAL_WINDOW_SIZE, 2**31),
            "MAX_FRAME_SIZE 1": _settings(MAX_FRAME_SIZE, 1),
        }
    ),
    quote="Values outside this range MUST be treated as a connection error (Section 5.4.1) of type PROTOCOL_ERROR.",
    consequence="The server and a faulty client disagree on windows and sizes, and downloads stop.",
)
CHECKS.add(
    "h2-window-overflow",
    "Window beyond 2³¹-1",
    "A server MUST end the stream or the connection when WINDOW_UPDATE makes its window larger than 2³¹-1"
    " (FLOW_CONTROL_ERROR, or a general code).",
    "RFC 9113 §5.4, §6.9.1",
    refused(_OVERFLOWS, lambda treatment: treatment.names(FLOW_CONTROL_ERROR, *GENERAL_CODES)),
    quote="If a sender receives a WINDOW_UPDATE that causes a flow-control window to exceed this maximum, "
    "it MUST terminate either the stream or the connection, as appropriate.",
    consequence="A window that overflows lets the server send without a limit, or not at all.",
)
CHECKS.add(
    "h2-window-no-increment",
    "WINDOW_UPDATE by 0",
    "A server MUST treat WINDOW_UPDATE by 0 as a stream error, and on stream 0 as a connection error.",
    "RFC 9113 §6.9",
    streams_refused({"connection": _window(0, 0), "stream": _opened(WINDOW_UPDATE, 0, bytes(4))}),
    quote="A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window increment "
    "of 0 as a stream error (Section 5.4.2) of type PROTOCOL_ERROR; errors on the connection "
    "flow-control window MUST be treated as a connection error (Section 5.4.1).",
    consequence="Faulty or hostile clients keep connections that they should lose.",
)
CHECKS.add(
    "h2-hpack",
    "Field sections that do not decode",
    "A server MUST treat a field section that it cannot decode as a connection error (COMPRESSION_ERROR, or a"
    " general code).",
    "RFC 9113 §4.3, §5.4",
    connections_refused(_UNDECODABLE, COMPRESSION_ERROR),
    quote="A decoding error in a field block MUST be treated as a connection error (Section 5.4.1) of type "
    "COMPRESSION_ERROR.",
    consequence="Headers of later requests on the connection are decoded wrongly, which may mix up users behind "
    "a proxy.",
    danger="mixes",
)
CHECKS.add(
    "h2-error-codes",
    "Errors named exactly",
    "A server names an error by the code that the source has for it: FRAME_SIZE_ERROR, COMPRESSION_ERROR or"
    " FLOW_CONTROL_ERROR. A general code breaks no rule (§5.4).",
    "RFC 9113 §4.2, §4.3, §5.4, §6.9.1",
    codes_named(
        {
            FRAME_SIZE_ERROR: _TOO_LARGE | _WRONG_SIZES,
            COMPRESSION_ERROR: _UNDECODABLE,
            FLOW_CONTROL_ERROR: _OVERFLOWS,
        }
    ),
    level="expected",
    consequence="Those who debug a client see only that something was wrong, and not what.",
)
CHECKS.add(
    "h2-continuation-order",
    "CONTINUATION out of order",
    "A server MUST treat another frame between HEADERS and CONTINUATION, or CONTINUATION elsewhere, as a connection"
    " error.",
    "RFC 9113 §6.2, §6.10",
    connections_refused(
        {
            "PING between": _within_fields(PING, 0, 0, bytes(8)),
            "CONTINUATION of another stream between": _within_fields(CONTINUATION, 0, 3, b"\x82"),
            "CONTINUATION after END_HEADERS": _opened(CONTINUATION, END_HEADERS, b"\x82"),
        }
    ),
    quote="A receiver MUST treat the receipt of any other type of frame or a frame on a different stream "
    "as a connection error (Section 5.4.1) of type PROTOCOL_ERROR.",
    consequence="Headers of two requests may be mixed up.",
    danger="mixes",
)
CHECKS.add(
    "h2-push-promise",
    "PUSH_PROMISE from the client",
    "A server MUST treat PUSH_PROMISE from a client as a connection error.",
    "RFC 9113 §8.4",
    connections_refused({"PUSH_PROMISE": _opened(PUSH_PROMISE, END_HEADERS, struct.pack(">I", 2) + b"\x82")}),
    quote="Thus, servers MUST treat the receipt of a PUSH_PROMISE frame as a connection error (Section "
    "5.4.1) of type PROTOCOL_ERROR.",
    consequence="Faulty or hostile clients keep connections that they should lose.",
)
CHECKS.add(
    "h2-padding-too-long",
    "Padding longer than its frame",
    "A server MUST treat padding as long as the payload of its frame, or longer, as a connection error.",
    "RFC 9113 §6.1",
    connections_refused({"DATA": _opened(DATA, PADDED | END_STREAM, b"\x0aabc")}),
    quote="If the length of the padding is the length of the frame payload or greater, the recipient MUST "
    "treat this as a connection error (Section 5.4.1) of type PROTOCOL_ERROR.",
    consequence="The server may read beyond the frame, or give the app wrong data.",
)


@CHECKS.check(
    "h2-header-flood",
    "Headers without an end",
    "RFC 9113 §10.5, §10.5.1",
    level="expected",
    consequence="One connection can use up the memory of the server (CONTINUATION flood).",
    danger="memory",
)
def header_flood(target: Target) -> Finding:
    """A server accepts less than 8 MiB of headers in CONTINUATION frames without an end."""
    with RawHttp2(target) as raw:
        most = max(FLOOD_BYTES, TOLERANCE * raw.settings.get(MAX_HEADER_LIST_SIZE, 0))
        fields = raw.encoded(raw.request_fields("/hello"))
        raw.send(any_frame(HEADERS, END_STREAM, STREAM, fields))
        piece = any_frame(CONTINUATION, 0, STREAM, raw.encoded([("x-flood", "v" * PIECE_BYTES)])).serialize()
        sent = 0

        def stopped() -> bool:
            return raw.closed or raw.failed_by_server or raw.response(STREAM).over

        while sent < most and not stopped():
            raw.transmit(piece)
            raw.poll()
            sent += PIECE_BYTES
        found = "refused" if raw.run_until(stopped, AFTER_PING_S) else "accepted, and more would be"
        finding = raw.finding(stopped(), f"{sent:,} bytes of headers in CONTINUATION: {found}")
    return finding if serves(target) else failed(f"the server serves no more after {finding.evidence}")
