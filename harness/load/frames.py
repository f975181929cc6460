"""HTTP/2 frames (RFC 9113, 4 and 6) and header blocks (RFC 7541), apart from streams and sockets."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from struct import Struct

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple
from hpack.table import HeaderTable

from harness.load.exchange import Failure, Headers, Request

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
SETTING_ENABLE_PUSH, SETTING_MAX_STREAMS, SETTING_INITIAL_WINDOW, SETTING_MAX_FRAME = 2, 3, 4, 5

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
"""By code (RFC 9113, 7)."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD_BYTES = 9
FRAME_BYTES = 16_384
"""The longest payload that every peer takes, and that this client takes."""
LARGEST = 2**31 - 1
"""Of stream ids and of windows."""

frame_head = Struct(">BHBBL")
"""Length (its high byte, then the rest), type, flags, stream id."""
STREAM_ID_OFFSET = 5
uint32 = Struct(">L")
setting = Struct(">HL")

_KNOWN_AT_MOST = 1024
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")
_OF_CONNECTIONS = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}


class ProtocolError(Exception):
    """What the peer did that ends the connection; `code` is its name in RFC 9113, 7."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def error_name(code: int) -> str:
    """The name of an error code."""
    return ERROR_NAMES[code] if code < len(ERROR_NAMES) else f"error {code:#x}"


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    size = len(payload)
    return frame_head.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def goaway(code: str) -> bytes:
    """The end of a connection on which the peer started no streams."""
    return frame(GOAWAY, 0, 0, uint32.pack(0) + uint32.pack(ERROR_NAMES.index(code)))


def rst_stream(stream_id: int, code: str) -> bytes:
    """The end of one stream."""
    return frame(RST_STREAM, 0, stream_id, uint32.pack(ERROR_NAMES.index(code)))


def window_update(stream_id: int, increment: int) -> bytes:
    """Leave to send so many bytes more, on a stream or (0) on the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, uint32.pack(increment))


def without_padding(kind: int, flags: int, payload: bytes) -> bytes:
    """What a DATA or HEADERS frame holds, without its padding and its priority."""
    start, padding = 0, 0
    if flags & PADDED:
        if not payload:
            raise ProtocolError("FRAME_SIZE_ERROR", "no room for the length of the padding")
        start, padding = 1, payload[0]
    if kind == HEADERS and flags & PRIORITISED:
        start += 5
    if start + padding > len(payload):
        raise ProtocolError("PROTOCOL_ERROR", f"{padding} bytes of padding in a frame of {len(payload)}")
    return payload[start : len(payload) - padding]


def encode(request: Request, scheme: str, authority: str) -> bytes:
    """The HEADERS frame of a request for any stream of any connection: the stream id (0) is to be filled in.

    It names fields of the static table or spells them out, without Huffman coding: that costs servers about as much
    as the usual mix of indices and Huffman codes, and depends on nothing that was sent before.
    """
    pseudo = ((":method", request.method), (":scheme", scheme), (":authority", authority), (":path", request.path))
    fields = [*pseudo, ("accept", "*/*"), *((name.lower(), value) for name, value in request.headers)]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        fields.append(("content-length", str(len(request.body))))
    spelt = [NeverIndexedHeaderTuple(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    block = Encoder().encode(spelt, huffman=False)
    if len(block) > FRAME_BYTES:
        raise Failure("request", f"expected headers of at most {FRAME_BYTES} bytes, found {len(block)}")
    return frame(HEADERS, END_HEADERS | (0 if request.body else END_STREAM), 0, block)


@dataclass(frozen=True, slots=True)
class Head:
    """The fields of an answer, of an interim answer, or (status 0) of trailers."""

    status: int
    headers: Headers
    length: int | None
    """What content-length says."""
    problem: str | None
    """Why the message is malformed (RFC 9113, 8.2 and 8.3)."""


@functools.lru_cache(_KNOWN_AT_MOST)
def read_head(fields: tuple[tuple[bytes, bytes], ...]) -> Head:
    """What decoded fields say; the same object for the same fields, on whichever connection they came."""
    status, length, problem = 0, None, None
    for position, (name, value) in enumerate(fields):
        if name == b":status" and position == 0 and re.fullmatch(rb"[1-9]\d\d", value):
            status = int(value)
        elif not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value) or name in _OF_CONNECTIONS:
            problem = f"field {name!r} with value {value!r}"
        elif name == b"content-length":
            if not value.isdigit() or length not in {None, int(value)}:
                problem = f"content-length {value!r}"
            else:
                length = int(value)
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields if name != b":status")
    return Head(status, headers, length, problem)


class _WatchedTable(HeaderTable):
    """A dynamic table that knows whether it changed."""

    changed = False

    def add(self, name: bytes, value: bytes) -> None:
        before = len(self.dynamic_entries)
        super().add(name, value)
        # An entry larger than the table leaves an empty table as it was (RFC 7541, 4.4).
        self.changed = self.changed or before > 0 or len(self.dynamic_entries) > 0


class HeadReader:
    """Decodes the header blocks of one connection, those that it knows without a second look."""

    def __init__(self) -> None:
        self.known: dict[bytes, Head] = {}
        """Blocks of answers that mean this for as long as the dynamic table stays as it is."""
        self._decoder = Decoder()
        self._decoder.header_table = self._table = _WatchedTable()

    def read(self, block: bytes) -> Head:
        """Decode a whole block, in the order of arrival; raises `ProtocolError`."""
        self._table.changed = False
        try:
            fields = self._decoder.decode(block, raw=True)
        except HPACKError as error:
            raise ProtocolError("COMPRESSION_ERROR", str(error)) from error
        head = read_head(tuple((bytes(name), bytes(value)) for name, value in fields))
        resized = block[:1] and block[0] >> 5 == 1
        if self._table.changed or resized or len(self.known) >= _KNOWN_AT_MOST:
            self.known.clear()
        if not self._table.changed and not resized and head.problem is None and head.status >= 200:  # noqa: PLR2004 - RFC 9110, 15.2: 1xx are interim
            self.known[block] = head
        return head
