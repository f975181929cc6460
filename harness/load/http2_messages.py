"""HTTP/2 messages (RFC 9113, 8): requests as header blocks (RFC 7541), and answers put together on their streams."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple
from hpack.table import HeaderTable

from harness.load import http2_frames as frames
from harness.load.exchange import Answer, Failure, Headers, Request
from harness.load.http2_frames import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

_KNOWN_AT_MOST = 1024
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")
_STATUS = re.compile(rb"[1-9][0-9][0-9]")
_OF_HTTP1 = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
_NO_STATUS, _SWITCHING, _FINAL = 0, 101, 200
_WITHOUT_BODY = {204, 304}


class NotProcessed(Failure):
    """The server has done nothing with the request, so it may be sent again."""


class MalformedError(Exception):
    """What is wrong with an answer while the connection is sound (RFC 9113, 8.1.1)."""


def encode(request: Request, scheme: str, authority: str) -> bytes:
    """The HEADERS frame of a request for any stream of any connection: the stream id (0) is to be filled in.

    It names fields of the static table or spells them out, without Huffman coding: that costs servers about as much
    as the usual mix of indices and Huffman codes, and depends on nothing that was sent before.
    """
    host, headers = request.addressed(authority)
    pseudo = ((":method", request.method), (":scheme", scheme), (":authority", host), (":path", request.path))
    fields = [*pseudo, ("accept", "*/*"), *((name.lower(), value) for name, value in headers)]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        fields.append(("content-length", str(len(request.body))))
    spelt = [NeverIndexedHeaderTuple(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    block = Encoder().encode(spelt, huffman=False)
    if len(block) > frames.PAYLOAD_BYTES:
        raise Failure("request", f"expected headers of at most {frames.PAYLOAD_BYTES} bytes, found {len(block)}")
    flags = frames.END_HEADERS | (0 if request.body else frames.END_STREAM)
    return frames.frame(frames.HEADERS, flags, 0, block)


@dataclass(frozen=True, slots=True)
class Head:
    """The fields of an answer, of an interim answer, or (status 0) of trailers."""

    status: int
    headers: Headers
    length: int | None
    """What content-length says."""
    problem: str | None
    """Why they are malformed (RFC 9113, 8.2 and 8.3)."""


@functools.lru_cache(_KNOWN_AT_MOST)
def read_head(fields: tuple[tuple[bytes, bytes], ...]) -> Head:
    """What decoded fields say; the same object for the same fields, on whichever connection they came."""
    status, length, problem = _NO_STATUS, None, None
    for position, (name, value) in enumerate(fields):
        if name == b":status" and position == 0 and _STATUS.fullmatch(value):
            status = int(value)
        elif not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name in _OF_HTTP1:
            problem = f"the field {name!r}: {value!r}"
        elif name == b"content-length":
            if not value.isdigit() or length not in {None, int(value)}:
                problem = f"the field {name!r}: {value!r}"
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
        # What is larger than the whole table leaves an empty one as it was (RFC 7541, 4.4).
        self.changed = self.changed or before > 0 or len(self.dynamic_entries) > 0


class HeadReader:
    """Decodes the header blocks of one connection, those that it knows without a second look."""

    def __init__(self) -> None:
        self.known: dict[bytes, Head] = {}
        """Blocks of final answers, which mean this for as long as the dynamic table stays as it is."""
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
        resized = block != b"" and block[0] >> 5 == 1
        if self._table.changed or resized:
            self.known.clear()
        elif head.status >= _FINAL and head.problem is None:
            if len(self.known) >= _KNOWN_AT_MOST:
                self.known.clear()
            self.known[block] = head
        return head


class Stream:
    """One request on its way, and what came of it."""

    id = 0
    """0 until it was sent."""
    head: Head | None = None
    parts: list[bytes] | None = None
    """The body so far, if it came in more than one piece."""
    received_bytes = 0
    """DATA frames with their padding, since the last WINDOW_UPDATE."""
    unsent: memoryview | None = None
    """What the windows do not allow to be sent yet."""
    window = 0
    arrived: Answer | Failure

    def __init__(self, request: Request, wake: Callable[[int], object] | None = None) -> None:
        self.request = request
        self.wake = wake
        """For the owner of the connection to call at the end, with the time; None when nobody waits any more."""

    def begin(self, head: Head, *, last: bool) -> None:
        """Take a block of fields: an interim answer's, the answer's, or its trailers; raises `MalformedError`."""
        if head.problem is not None:
            raise MalformedError(head.problem)
        if self.head is not None:
            if head.status or not last:
                raise MalformedError("expected trailers that end the answer, found other fields")
        elif head.status >= _FINAL:
            self.head = head
        elif last or head.status in {_NO_STATUS, _SWITCHING}:
            raise MalformedError(f"expected a final status, found {head.status or 'none'}")

    def add(self, part: bytes) -> None:
        """Take a part of the body; raises `MalformedError`."""
        if self.head is None:
            raise MalformedError("a body before its status")
        if self.parts is None:
            self.parts = []
        self.parts.append(part)

    def finish(self, body: bytes) -> Answer:
        """The whole answer: the last right one if it is the same again; raises `MalformedError`."""
        head, request = self.head, self.request
        if head is None:
            raise MalformedError("the end before its status")
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
