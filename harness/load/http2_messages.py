"""HTTP/2 messages (RFC 9113, 8): requests as header blocks (RFC 7541), and answers assembled from their frames."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple, OversizedHeaderListError
from hpack.table import HeaderTable

from harness.load import http2_frames as frames
from harness.load.bounds import OVERHEAD_BYTES, describe_body, describe_overhead
from harness.load.exchange import Answer, Failure, Headers, Request, excerpt
from harness.load.http2_frames import ProtocolError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.load.watch import Watch

_KNOWN_AT_MOST = 1024
_KNOWN_BYTES = 4096
"""Longer header blocks are not remembered."""
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")
_STATUS = re.compile(rb"[1-9][0-9][0-9]")
_OF_HTTP1 = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
_NO_STATUS, _SWITCHING, _FINAL = 0, 101, 200
_WITHOUT_BODY = {204, 304}


class NotProcessed(Failure):
    """The server has not processed the request, so it can be sent again."""


class MalformedError(Exception):
    """An answer is malformed, but the connection can go on (RFC 9113, 8.1.1)."""


def encode(request: Request, scheme: str, base: str) -> bytes:
    """The HEADERS frame of a request, valid on every connection; the stream id (0) must be filled in.

    Fields are indices into the static table or literals without Huffman coding. Servers decode them in about the same
    time as the usual mix of dynamic indices and Huffman codes, and they do not depend on earlier requests.
    """
    host, path, headers = request.addressed(base)
    pseudo = ((":method", request.method), (":scheme", scheme), (":authority", host), (":path", path))
    fields = [*pseudo, ("accept", "*/*"), *((name.lower(), value) for name, value in headers)]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        fields.append(("content-length", str(len(request.body))))
    literals = [NeverIndexedHeaderTuple(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    block = Encoder().encode(literals, huffman=False)
    if len(block) > frames.PAYLOAD_BYTES:
        raise Failure("request", f"expected headers of at most {frames.PAYLOAD_BYTES} bytes, found {len(block)}")
    flags = frames.END_HEADERS | (0 if request.body else frames.END_STREAM)
    return frames.frame(frames.HEADERS, flags, 0, block)


@dataclass(frozen=True, slots=True)
class Head:
    """The fields of an answer, of an interim answer, or of trailers (status 0)."""

    status: int
    headers: Headers
    length: int | None
    """The value of content-length."""
    problem: str | None
    """Why the fields are malformed (RFC 9113, 8.2 and 8.3)."""


def read_head(fields: tuple[tuple[bytes, bytes], ...]) -> Head:
    """The meaning of decoded fields; equal fields give the same object on every connection, unless they are long."""
    size = sum(len(name) + len(value) for name, value in fields)
    return _remember_head(fields) if size <= _KNOWN_BYTES else _read_head(fields)


def _read_head(fields: tuple[tuple[bytes, bytes], ...]) -> Head:
    status, length, problem = _NO_STATUS, None, None
    for position, (name, value) in enumerate(fields):
        if name == b":status" and position == 0 and _STATUS.fullmatch(value):
            status = int(value)
        elif not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name in _OF_HTTP1:
            problem = f"the field {excerpt(name)}: {excerpt(value)}"
        elif name == b"content-length":
            if not value.isdigit() or length not in {None, int(value)}:
                problem = f"the field {excerpt(name)}: {excerpt(value)}"
            else:
                length = int(value)
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields if name != b":status")
    return Head(status, headers, length, problem)


_remember_head = functools.lru_cache(_KNOWN_AT_MOST)(_read_head)


class _WatchedTable(HeaderTable):
    """A dynamic table that notes whether it changed."""

    changed = False

    def add(self, name: bytes, value: bytes) -> None:
        before = len(self.dynamic_entries)
        super().add(name, value)
        # An entry larger than the table only empties it (RFC 7541, 4.4); an empty one does not change.
        self.changed = self.changed or before > 0 or len(self.dynamic_entries) > 0


class HeadReader:
    """Decodes the header blocks of one connection, and remembers those that can be looked up the next time."""

    def __init__(self) -> None:
        self.known: dict[bytes, Head] = {}
        """Decoded blocks of final answers; they are valid until the dynamic table changes."""
        self._decoder = Decoder(OVERHEAD_BYTES)
        self._decoder.header_table = self._table = _WatchedTable()

    def read(self, block: bytes) -> Head:
        """Decode a complete block; blocks must come in the order of arrival. Raises `ProtocolError`."""
        self._table.changed = False
        try:
            fields = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError as error:
            raise TooLargeError(describe_overhead("headers when decoded")) from error
        except HPACKError as error:
            raise ProtocolError("COMPRESSION_ERROR", str(error)) from error
        head = read_head(tuple((bytes(name), bytes(value)) for name, value in fields))
        resized = block != b"" and block[0] >> 5 == 1
        if self._table.changed or resized:
            self.known.clear()
        elif head.status >= _FINAL and head.problem is None and len(block) <= _KNOWN_BYTES:
            if len(self.known) >= _KNOWN_AT_MOST:
                self.known.clear()
            self.known[block] = head
        return head


class Stream:
    """One request in flight, and its outcome."""

    id = 0
    """0 until the request is sent."""
    head: Head | None = None
    parts: bytearray | None = None
    """The body so far, if it arrives in several frames."""
    first_byte_ns = 0
    """When the first byte of the body came, if it arrives in several frames."""
    received_bytes = 0
    """Payload of DATA frames with padding, since the last WINDOW_UPDATE."""
    unsent: memoryview | None = None
    """The part of the request's body that the windows do not allow to send yet."""
    window = 0
    arrived: Answer | Failure

    def __init__(self, request: Request, wake: Callable[[int], object] | None = None) -> None:
        self.request = request
        self.wake = wake
        """Called at the end of the stream with the time in ns; None if nobody waits any more."""

    def begin(self, head: Head, *, last: bool) -> None:
        """Add the fields of an interim answer, of the answer or of its trailers; raises `MalformedError`."""
        if head.problem is not None:
            raise MalformedError(head.problem)
        if self.head is not None:
            if head.status or not last:
                raise MalformedError("expected trailers at the end of the answer, found other fields")
        elif head.status >= _FINAL:
            self.head = head
        elif last or head.status in {_NO_STATUS, _SWITCHING}:
            raise MalformedError(f"expected a final status, found {head.status or 'none'}")

    def add(self, part: bytes, at_ns: int, max_body_bytes: int) -> None:
        """Add a part of the body that has just come; raises `MalformedError`, or `TooLargeError` for the connection."""
        if self.head is None:
            raise MalformedError("expected the status first, found a body")
        if self.parts is None:
            self.parts = bytearray()
        if part and not self.parts:
            self.first_byte_ns = at_ns
        self.parts += part
        if len(self.parts) > max_body_bytes:
            self.parts.clear()
            raise TooLargeError(describe_body(max_body_bytes))

    def finish(self, body: bytes) -> Answer:
        """The complete answer, which is the same object if it equals the last right one; raises `MalformedError`."""
        head, request = self.head, self.request
        if head is None:
            raise MalformedError("expected the status first, found the end of the stream")
        answer = request.learned_answer
        if (
            answer is not None
            and answer.headers is head.headers
            and answer.status == head.status
            and answer.body == body
        ):
            return answer
        length = 0 if request.method == "HEAD" or head.status in _WITHOUT_BODY else head.length
        if length is not None and length != len(body):
            raise MalformedError(f"expected a body of {length} bytes, found {len(body)}")
        return Answer(head.status, head.headers, body)


class WatchedStream(Stream):
    """A stream whose content a watch looks at as it comes."""

    def __init__(self, request: Request, watch: Watch, wake: Callable[[int], object]) -> None:
        super().__init__(request, wake)
        self.parts = bytearray()  # it is not taken for one whose body comes at once
        self.watch = watch

    def add(self, part: bytes, at_ns: int, max_body_bytes: int) -> None:
        super().add(part, at_ns, max_body_bytes)
        if self.head is not None and part:
            self.watch.feed(part, self.head.headers)

    def finish(self, body: bytes) -> Answer:
        answer = super().finish(body)
        return replace(answer) if answer is self.request.learned_answer else answer  # its events were at other times

    def cut(self) -> Answer:
        """The answer up to the limit that was reached."""
        assert self.head is not None
        assert self.parts is not None
        return Answer(self.head.status, self.head.headers, bytes(self.parts[: self.watch.length]))
