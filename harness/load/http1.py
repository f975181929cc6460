"""HTTP/1.1 (RFC 9112): one user, one connection, one request in flight."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from gevent import get_hub, getcurrent
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from harness.load.exchange import Answer, Failure, Request
from harness.load.transport import Endpoint, Transport

if TYPE_CHECKING:
    from greenlet import greenlet

    from harness.load.account import Account

ALPN = ("http/1.1",)
_LEARN_AT_MOST_BYTES = 256 * 1024


def encode(request: Request, authority: str) -> bytes:
    """The bytes of a request, body included."""
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {authority}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


class AnswerReader:
    """Parses one answer, without input or output of its own; interim answers (1xx) are passed over.

    `feed` raises `Failure` of kind `protocol` for what is not one whole HTTP/1.1 answer and nothing after it.
    """

    def __init__(self) -> None:
        self.expect_body = True
        """False after HEAD."""
        self.began = False
        self.reusable = False
        """May the connection be used again?"""
        self._parser = HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._head_done = False
        self._done = False
        self._surplus = False

    @property
    def raw(self) -> bytes:
        """All that was fed."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def feed(self, data: bytes) -> Answer | None:
        """Take what arrived; the answer once it is whole."""
        self.began = True
        self._parts.append(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            raise Failure("protocol", "the server switched protocols unasked") from error
        except HttpParserError as error:
            raise Failure("protocol", f"not HTTP/1.1: {error}") from error
        if self._head_done and not self.expect_body:
            self._surplus = not self.raw.endswith(b"\r\n\r\n")
            self._done = True
        if self._done and self._surplus:
            raise Failure("protocol", "more bytes than the answer has")
        return self._answer() if self._done else None

    def end_of_stream(self) -> Answer | None:
        """The answer, if the end of the connection is what delimits it (RFC 9112, 6.3)."""
        names = {name for name, _ in self._headers}
        if self._head_done and not names & {"content-length", "transfer-encoding"}:
            self.reusable = False
            return self._answer()
        return None

    def _answer(self) -> Answer:
        return Answer(self._status, tuple(self._headers), b"".join(self._body))

    def on_message_begin(self) -> None:
        self._surplus = self._done

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._head_done = self._status >= 200  # noqa: PLR2004 - RFC 9110, 15.2: 1xx are interim
        self.reusable = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._head_done:
            self._done = True
        else:
            self._headers.clear()


class Http1Client:
    """A user's connection, opened again whenever the server closed it within its rights."""

    def __init__(self, endpoint: Endpoint, account: Account) -> None:
        self.pending_since_ns = 0
        self._endpoint = endpoint
        self._account = account
        self._transport: Transport | None = None
        self._used = False
        self._request: Request
        self._waiter: greenlet | None = None
        self._held = b""
        self._reader = AnswerReader()
        self._arrived: Answer | Failure
        self._arrived_ns = 0

    def open(self) -> None:
        """Connect; raises `Failure`."""
        self._transport = transport = Transport(self._endpoint, self)
        self._used = False
        self._held = b""
        self._reader = AnswerReader()
        self._account.opened += 1
        if transport.alpn not in {None, *ALPN}:
            raise Failure("protocol", f"asked for HTTP/1.1, the server chose {transport.alpn}")
        self._account.negotiated = " ".join(filter(None, (transport.tls, "http/1.1")))

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def exchange(self, request: Request, intended_ns: int | None = None) -> Answer:
        """Send, wait for the whole answer, verify and record it; raises `Failure` when it is not right."""
        account = self._account
        account.started += 1
        written_ns = self.pending_since_ns = perf_counter_ns()
        try:
            answer = self._roundtrip(request)
        except Failure as failure:
            account.fail(request.method, request.name, failure, perf_counter_ns() - (intended_ns or written_ns))
            raise
        finally:
            self.pending_since_ns = 0
        series = account.series(request.method, request.name)
        series.intended(intended_ns or written_ns)
        series.written(written_ns)
        series.ended(self._arrived_ns)
        series.body_bytes += len(answer.body)
        return answer

    def give_up(self, failure: Failure) -> None:
        """End the request in flight with this failure."""
        self._wake(failure)

    def received(self, data: bytes, at_ns: int) -> None:
        """Bytes from the connection: the last right answer's again, or a part of them, or something to parse."""
        if self._waiter is None:
            self.close()
            return
        self._arrived_ns = at_ns
        request, reader = self._request, self._reader
        if not reader.began:
            data = self._held + data if self._held else data
            if data == request.learned:
                self._held = b""
                self._wake(request.learned_answer)
                return
            if request.learned is not None and request.learned.startswith(data):
                self._held = data
                return
            self._held = b""
        try:
            answer = reader.feed(data)
        except Failure as failure:
            self._wake(failure)
            return
        if answer is not None:
            self._wake(answer)

    def lost(self, reason: str) -> None:
        """The connection ended: with it the answer, if there is one that only this delimits."""
        if self._waiter is None:
            return
        answer = None
        try:
            if self._held:
                self._reader.feed(self._held)
            answer = self._reader.end_of_stream()
        except Failure:
            pass
        self._wake(answer or Failure("closed", f"{reason} before the whole answer"))

    def _roundtrip(self, request: Request) -> Answer:
        self._request = request
        if request.encoded is None:
            request.encoded = encode(request, self._endpoint.authority)
        arrived = self._send(request.encoded)
        if isinstance(arrived, Failure):
            # RFC 9112, 9.3.1: a server may close an idle connection just as it is used again.
            unanswered = self._used and not self._held and not self._reader.began
            self.close()
            if arrived.kind != "closed" or not unanswered:
                raise arrived
            self._account.resent += 1
            arrived = self._send(request.encoded)
            if isinstance(arrived, Failure):
                self.close()
                raise arrived
        self._used = True
        if self._reader.began:
            self._learn(request, arrived)
        return arrived

    def _send(self, wire: bytes) -> Answer | Failure:
        transport = self._transport
        if transport is None or not transport.alive:
            self._account.reopened += 1
            self.open()
            transport = self._transport
        assert transport is not None
        self._reader.expect_body = self._request.method != "HEAD"
        self._waiter = getcurrent()
        transport.write(wire)
        try:
            get_hub().switch()
        except BaseException:
            # Killed while waiting: what comes now belongs to nobody.
            self._waiter = None
            self.close()
            raise
        return self._arrived

    def _learn(self, request: Request, answer: Answer) -> None:
        """Verify what was parsed, and keep its bytes for the next time; closes what cannot be used again."""
        reader, self._reader = self._reader, AnswerReader()
        if not reader.reusable:
            self.close()
        request.verify(answer)
        if reader.reusable and len(reader.raw) <= _LEARN_AT_MOST_BYTES:
            request.learned, request.learned_answer = reader.raw, answer

    def _wake(self, arrived: Answer | Failure | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and arrived is not None:
            self._arrived = arrived
            waiter.switch()
