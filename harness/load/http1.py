"""HTTP/1.1 (RFC 9112): one user, one connection, one request in flight.

httptools parses answers: 6.5 times as many small ones per CPU second as h11 (4.8 to 6.8 in 9 pairs). An answer with the
same bytes as the last right one is not parsed at all, which is 216 times as fast again (116 to 225;
`benchmarks/http1_codec.py`, 2 virtual CPUs).
"""

from __future__ import annotations

import sys
from contextlib import suppress
from http.client import CONTINUE, OK, SWITCHING_PROTOCOLS
from time import perf_counter_ns
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from harness.load import unique
from harness.load.bounds import OVERHEAD_BYTES, TOO_LARGE, add_overhead, describe_body, describe_overhead
from harness.load.client import SerialClient
from harness.load.exchange import RESET, Answer, Failure, Request, excerpt
from harness.load.watch import Watch
from harness.model.blocks import MAX_BODY_BYTES

if TYPE_CHECKING:
    from harness.load.account import Account
    from harness.load.transport import Endpoint
    from harness.model.event_stream import Stream

ALPN = ("http/1.1",)
IDLE_FROM_S = 1.0
"""A connection without a request for so long may be closed at any moment, most often after 2 or 5 s.

Under load none is idle for so long but while it is not its candidate's turn, or while its user waits.
"""
_START = b"HTTP/1."
_LEARN_AT_MOST_BYTES = 256 * 1024
_COPIED_BYTES = 4096
"""Up to this length, a body that grows is cheaper as bytes than as a bytearray."""


def encode(request: Request, base: str) -> bytes:
    """The bytes of a request, including its body."""
    host, path, headers = request.addressed(base)
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in headers]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


def holds_body(beginning: bytes) -> bool:
    """Has a beginning of an answer that was right before a byte of the body, behind the length of a first chunk?"""
    head, _, rest = beginning.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding:" in head.lower():
        rest = rest.partition(b"\r\n")[2]
    return rest != b""


class AnswerReader:
    """Parses one answer from bytes it is given; interim answers (1xx) are skipped.

    `feed` raises `Failure` of kind `protocol` unless the bytes are one HTTP/1.1 answer with nothing after it, and of
    kind `too large` if they exceed the bounds.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.expect_body = True
        """False after HEAD."""
        self.began = False
        self.reusable = False
        """Can the connection be used again?"""
        self.size_bytes = 0
        self._parser = HttpResponseParser(self)
        self._parts: list[bytes] = []
        self.status = 0
        """Of the answer, or of an interim answer; 0 before the first."""
        self._headers: list[tuple[str, str]] = []
        self._body: bytes | bytearray = b""
        self._max_body_bytes = max_body_bytes
        self._overhead_bytes = 0
        self._fault = ""
        self._kind = "protocol"
        self._head_done = False
        self._done = False

    @property
    def raw(self) -> bytes:
        """All bytes it was given; empty if they are too many to be learned."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    @property
    def has_body(self) -> bool:
        """Has the first byte of the body come?"""
        return len(self._body) > 0

    def feed(self, data: bytes) -> Answer | None:
        """Parse at least one byte; returns the answer when it is complete."""
        if not self.began and not data.startswith(_START[: len(data)]):
            # The parser would skip empty lines and accept other versions.
            raise Failure("protocol", f"not HTTP/1.1: {excerpt(data)}")
        self.began = True
        self.size_bytes += len(data)
        self._parts.append(data)
        if self.size_bytes > _LEARN_AT_MOST_BYTES:
            self._parts.clear()
        body_bytes = len(self._body)
        view, surplus = memoryview(data), False
        try:
            # Feed the last byte separately: if the answer is complete before it, there are surplus bytes.
            self._parser.feed_data(view[:-1])
            surplus = self._done
            self._parser.feed_data(view[-1:])
        except (HttpParserError, HttpParserUpgrade) as error:
            surplus = self._done
            self._fault = self._fault or str(error)
        if surplus:
            raise Failure("protocol", "expected one answer, found more bytes after it")
        if self._fault:
            found = self._fault if self._kind == TOO_LARGE else f"not HTTP/1.1: {self._fault}"
            raise Failure(self._kind, found)
        if self._done:
            return self._answer()
        self._overhead_bytes = add_overhead(self._overhead_bytes, len(data), len(self._body) - body_bytes)
        if self._overhead_bytes > OVERHEAD_BYTES:
            what = "chunk extensions or trailers" if self._head_done else "headers or interim answers"
            raise Failure(TOO_LARGE, describe_overhead(what))
        return None

    def end_of_stream(self) -> Answer | None:
        """The answer, if the end of the connection delimits it (RFC 9112, 6.3)."""
        names = {name for name, _ in self._headers}
        if self._head_done and not names & {"content-length", "transfer-encoding"}:
            return self._answer()
        return None

    def _answer(self) -> Answer:
        return Answer(self.status, tuple(self._headers), bytes(self._body))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # a trailer field, which is not a header field (RFC 9110, 6.5.1)
        key, text = name.decode("latin-1").lower(), value.strip().decode("latin-1")
        if key == "transfer-encoding" and text.lower() != "chunked":
            self._fault = f"transfer coding {text}, which was not requested"
        self._headers.append((key, text))

    def on_headers_complete(self) -> None:
        self.status = status = self._parser.get_status_code()
        if status < CONTINUE:
            self._fault = f"status {status}"
        elif status == SWITCHING_PROTOCOLS:
            self._fault = "status 101 without a request to switch protocols"
        self._head_done = status >= OK  # lower ones are interim (RFC 9110, 15.2)
        if self._head_done and not self.expect_body:
            self._done = True
        self.reusable = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        body = self._body
        if len(body) > _COPIED_BYTES and isinstance(body, bytes):
            body = bytearray(body)
        body += data
        self._body = body
        if len(self._body) > self._max_body_bytes:
            self._body = b""
            self._kind, self._fault = TOO_LARGE, describe_body(self._max_body_bytes)

    def on_message_complete(self) -> None:
        if self._head_done:
            self._done = True
        else:
            self._headers.clear()


class StreamReader(AnswerReader):
    """Parses an answer whose content a watch looks at as it comes."""

    def __init__(self, watch: Watch, max_body_bytes: int) -> None:
        super().__init__(max_body_bytes)
        self._watch = watch

    def feed(self, data: bytes) -> Answer | None:
        known = len(self._body)
        answer = super().feed(data)
        if len(self._body) > known:
            self._watch.feed(bytes(self._body[known:]), tuple(self._headers))
        return answer

    def cut(self) -> Answer:
        """The answer up to the limit that was reached."""
        return Answer(self.status, tuple(self._headers), bytes(self._body[: self._watch.length]))


class Http1Client(SerialClient[Request]):
    """A user's client, with one persistent connection."""

    def __init__(self, endpoint: Endpoint, account: Account) -> None:
        super().__init__(endpoint, account)
        self._base = sys.intern(endpoint.base)
        self._request: Request
        self._held = b""
        self._was_idle = False
        """Had the connection that was lost been idle before the request in flight?"""
        self._reader = AnswerReader()

    def open(self) -> None:
        """Connect; raises `Failure`."""
        self._transport = transport = self._connect(self)
        self._arrived_ns = perf_counter_ns()
        self._held = b""
        self._reader = AnswerReader(self._endpoint.max_body_bytes)
        if transport.alpn not in {None, *ALPN}:
            self.close()
            raise Failure("protocol", f"asked for HTTP/1.1, the server chose {transport.alpn}")
        self._account.negotiated = " ".join(filter(None, (transport.tls, "http/1.1")))

    def received(self, data: bytes, at_ns: int) -> None:
        """Bytes from the connection: the last right answer again, a beginning of it, or something to parse."""
        if self._waiter is None:
            # No request is in flight. The next answer could not be matched to its request.
            self.close()
            return
        self._arrived_ns = at_ns
        request, reader = self._request, self._reader
        if not reader.began:
            data = self._held + data if self._held else data
            learned = request.learned
            if learned is not None:
                if data == learned:
                    assert request.learned_answer is not None
                    self._held = b""
                    self._wake(request.learned_answer)
                    return
                if learned.startswith(data):
                    self._held = data
                    self._first_byte_ns = self._first_byte_ns or (at_ns if holds_body(data) else 0)
                    return
            self._held = b""
        try:
            answer = reader.feed(data)
        except Failure as failure:
            # Its traceback would keep the bytes for as long as the failure is kept.
            self._wake(failure.with_traceback(None))
            return
        if answer is not None:
            self._wake(answer)
        elif reader.has_body and not self._first_byte_ns:
            self._first_byte_ns = at_ns

    def lost(self, reason: str) -> None:
        """The connection ended, which may be the end of the answer (RFC 9112, 6.3)."""
        assert self._transport is not None
        idle_ns, self._arrived_ns = self.pending_since_ns - self._arrived_ns, perf_counter_ns()
        self._was_idle = idle_ns > IDLE_FROM_S * 1e9
        answer = None
        if self._transport.finished:
            # `_held` never completes an answer: it is the beginning of one with a length.
            answer = self._reader.end_of_stream()
        self._wake(answer or Failure(RESET, f"{reason} before the answer was complete"))

    def _roundtrip(self, sent: Request) -> Answer:
        self._request = sent
        if sent.encoded_for is self._base:
            wire = sent.encoded
        else:
            wire, _ = unique.encode(sent, self._base, self._encode)
            if sent.stream is not None:
                return self._read_stream(sent, sent.stream, wire)
        if self._transport is None or not self._transport.alive:
            self.reopen()
        self._reader.expect_body = sent.method != "HEAD"
        arrived = self._send(wire)
        if isinstance(arrived, Failure):
            if self._reopen_if_missed(wire):
                self._reader.expect_body = sent.method != "HEAD"
                arrived = self._send(wire)
            if isinstance(arrived, Failure):
                self.close()
                self._reader = AnswerReader()  # the old one holds what has arrived
                raise arrived
        if self._reader.began:
            self._learn(sent, arrived)
        if not self.reuses:
            self.close()
        return arrived

    def _is_missed(self, wire: bytes) -> bool:
        """Also where the server closed an idle connection at the moment when the bytes came, and never read them.

        A kernel resets a connection that is closed while it holds bytes that nobody has read (RFC 1122, 4.2.2.13).
        """
        crossed = self._transport is not None and self._transport.was_reset and self._was_idle
        return crossed or super()._is_missed(wire)

    def _read_stream(self, sent: Request, limit: Stream, wire: bytes) -> Answer:
        """Send, and read the answer as it comes, up to its limit.

        There it can only be ended with its connection (RFC 9112, 9.6), and another one is opened before the next
        request is due.
        """
        if self._transport is None or not self._transport.alive:
            self.reopen()
        arrived, watch = self._follow(sent, limit, wire)
        if isinstance(arrived, Failure) and not watch.stopped_ns and self._reopen_if_missed(wire):
            arrived, watch = self._follow(sent, limit, wire)
        reader, self._reader = self._reader, AnswerReader(self._endpoint.max_body_bytes)
        assert isinstance(reader, StreamReader)
        if watch.stopped_ns:
            arrived, self._arrived_ns = reader.cut(), watch.stopped_ns
        if watch.stopped_ns or isinstance(arrived, Failure) or not reader.reusable or not self.reuses:
            self.close()
        if isinstance(arrived, Failure):
            raise arrived
        if watch.stopped_ns and self.reuses:
            with suppress(Failure):  # the next request tries it again, and fails if that does
                self.open()
            self._arrived_ns = watch.stopped_ns
        self._verify(sent, arrived)
        self._keep_events(sent, watch)
        return arrived

    def _follow(self, sent: Request, limit: Stream, wire: bytes) -> tuple[Answer | Failure, Watch]:
        """Send, and wait until the answer ends or reaches its limit."""

        def stop() -> None:
            if self._reader is reader:  # else it has ended just before
                self._wake(reader.cut())

        watch = Watch(limit, stop)
        self._reader = reader = StreamReader(watch, self._endpoint.max_body_bytes)
        reader.expect_body = sent.method != "HEAD"
        return self._send(wire), watch

    def _encode(self, request: Request) -> bytes:
        return encode(request, self._base)

    def _came(self) -> str:
        reader = self._reader
        size, beginning = (reader.size_bytes, reader.raw) if reader.began else (len(self._held), self._held)
        if not size:
            return ""
        return f"{size} bytes, {excerpt(beginning)}" if beginning else f"{size} bytes with status {reader.status}"

    def _learn(self, request: Request, answer: Answer) -> None:
        """Verify the parsed answer and keep its bytes for comparison; close a connection that cannot be used again."""
        reader, self._reader = self._reader, AnswerReader(self._endpoint.max_body_bytes)
        if not reader.reusable:
            self.close()
        self._verify(request, answer)
        if reader.reusable and reader.size_bytes <= _LEARN_AT_MOST_BYTES:
            request.learned, request.learned_answer = reader.raw, answer
