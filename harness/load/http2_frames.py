"""HTTP/2 frames (RFC 9113, 4 and 6): their numbers, and how to write and read one.

Why not the package h2: it runs a state machine and makes objects for every event, which a load generator does not need.
With these frames the client does 40 times as many small exchanges per CPU second (37 to 42 in 9 pairs) if answers
repeat, and 2.6 times as many (2.6 to 3.1) if each has different headers (`benchmarks/http2_codec.py`, 2 virtual CPUs).
"""

from __future__ import annotations

from struct import Struct

from harness.load.bounds import TOO_LARGE

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
_NAMES = (
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
HEADER_TABLE_BYTES = 4096

ERROR_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
"""The position of a name is its error code (RFC 9113, 7)."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
PAYLOAD_BYTES = 16_384
"""Every endpoint accepts payloads up to this length (RFC 9113, 4.2), and this client accepts no longer ones."""
LARGEST_PAYLOAD_BYTES = 2**24 - 1
PRIORITY_BYTES = 5
INITIAL_WINDOW_BYTES = 65_535
"""Flow-control window of a stream and of the connection until it is changed (RFC 9113, 6.9.2)."""
LARGEST = 2**31 - 1
"""The largest stream id and the largest window."""

head = Struct(">BHBBL")
"""The fields of a frame header: length (its high byte, then the rest), type, flags, stream id."""
STREAM_ID_OFFSET = 5
uint32 = Struct(">L")
setting = Struct(">HL")


class ProtocolError(Exception):
    """An error of the server that ends the connection; `code` is its name in RFC 9113, 7."""

    kind = "protocol"
    """The kind of the failures that it causes."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class TooLargeError(ProtocolError):
    """What the server sends exceeds a bound."""

    kind = TOO_LARGE

    def __init__(self, detail: str, code: str = "ENHANCE_YOUR_CALM") -> None:
        super().__init__(code, detail)


def error_name(code: int) -> str:
    """The name of an error code."""
    return ERROR_NAMES[code] if code < len(ERROR_NAMES) else f"error {code:#x}"


def frame_name(kind: int) -> str:
    """The name of a type of frame."""
    return _NAMES[kind] if kind < len(_NAMES) else f"type {kind}"


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    size = len(payload)
    return head.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame with these values."""
    return frame(SETTINGS, 0, 0, b"".join(setting.pack(*item) for item in values.items()))


def goaway(code: str) -> bytes:
    """A GOAWAY frame; its last stream id is 0, because servers open no streams."""
    return frame(GOAWAY, 0, 0, uint32.pack(0) + uint32.pack(ERROR_NAMES.index(code)))


def rst_stream(stream_id: int, code: str) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, uint32.pack(ERROR_NAMES.index(code)))


def window_update(stream_id: int, increment: int) -> bytes:
    """Allow the server to send `increment` more bytes on a stream, or on the connection (0)."""
    return frame(WINDOW_UPDATE, 0, stream_id, uint32.pack(increment))


def without_padding(kind: int, flags: int, payload: bytes) -> bytes:
    """The content of a DATA or HEADERS frame, without padding and priority; raises `ProtocolError`."""
    start, padding = 0, 0
    if flags & PADDED:
        if not payload:
            raise ProtocolError("FRAME_SIZE_ERROR", "expected the length of the padding, found an empty frame")
        start, padding = 1, payload[0]
    if kind == HEADERS and flags & PRIORITISED:
        start += PRIORITY_BYTES
    if start + padding > len(payload):
        raise ProtocolError("PROTOCOL_ERROR", f"{padding} bytes of padding in a frame of {len(payload)}")
    return payload[start : len(payload) - padding]


def assert_of_connection(name: str, stream_id: int) -> None:
    """Raise `ProtocolError` if a frame for the whole connection names a stream."""
    if stream_id:
        raise ProtocolError("PROTOCOL_ERROR", f"{name} on stream {stream_id}")


def numbers(payload: bytes, count: int) -> tuple[int, ...]:
    """The 32-bit numbers of a frame that must hold exactly `count` of them; raises `ProtocolError`."""
    if len(payload) != 4 * count:
        raise ProtocolError("FRAME_SIZE_ERROR", f"expected {4 * count} bytes, found {len(payload)}")
    return tuple(number for (number,) in uint32.iter_unpack(payload))
