"""The client's side of one HTTP/3 connection (RFC 9114) on aioquic, without sockets or clocks: datagrams in and out.

As over HTTP/2, a `Stream` is one request in flight and its outcome. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from aioquic.buffer import Buffer, BufferReadError  # type: ignore[attr-defined] # they are not in its __all__
from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
    StreamReset,
)
from aioquic.quic.packet import QuicErrorCode

from harness.load import unique
from harness.load.bounds import OVERHEAD_BYTES, add_overhead, describe_overhead
from harness.load.exchange import RESET, Answer, Failure, Request
from harness.load.http2_frames import TooLargeError
from harness.load.http2_messages import MalformedError, NotProcessed, Stream, read_head
from harness.model.blocks import MAX_BODY_BYTES

if TYPE_CHECKING:
    from aioquic.quic.configuration import QuicConfiguration

ALPN = ("h3",)
_CONTROL, _GOAWAY = 0x00, 0x07
"""The type of the control stream and of the GOAWAY frame (RFC 9114, 6.2.1 and 7.2.6)."""
_ALERTS = 0x100
"""Transport errors from this code on are TLS alerts (RFC 9001, 4.8)."""


def fields(request: Request, base: str) -> list[tuple[bytes, bytes]]:
    """The header section of a request (RFC 9114, 4.3.1)."""
    host, path, headers = request.addressed(base)
    pseudo = ((":method", request.method), (":scheme", "https"), (":authority", host), (":path", path))
    found = [*pseudo, ("accept", "*/*"), *((name.lower(), value) for name, value in headers)]
    if request.body or request.method in {"POST", "PUT", "PATCH"}:
        found.append(("content-length", str(len(request.body))))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in found]


def reason(event: ConnectionTerminated) -> str:
    """Why a connection ended, for messages."""
    if event.frame_type is None:
        name = error_name(event.error_code)
    elif event.error_code >= _ALERTS:
        name = f"TLS alert {event.error_code - _ALERTS}"
    else:
        name = QuicErrorCode(event.error_code).name if event.error_code in set(QuicErrorCode) else "unknown error"
    return f"{name} ({event.reason_phrase})" if event.reason_phrase else name


def error_name(code: int) -> str:
    """The name of an HTTP/3 error code (RFC 9114, 8.1)."""
    return ErrorCode(code).name if code in set(ErrorCode) else f"error {code:#x}"


class GoawayReader:
    """Finds GOAWAY frames on a stream that the server opened, because aioquic ignores them."""

    def __init__(self) -> None:
        self._kind: int | None = None
        self._rest = b""

    def feed(self, data: bytes) -> int | None:
        """Read bytes; returns the lowest request id that the server will not process, if they contain a GOAWAY."""
        if self._kind not in {None, _CONTROL}:
            return None
        self._rest += data
        buffer = Buffer(data=self._rest)
        taken, lowest = 0, None
        try:
            if self._kind is None:
                self._kind = buffer.pull_uint_var()
                taken = buffer.tell()
            while self._kind == _CONTROL:
                frame, size = buffer.pull_uint_var(), buffer.pull_uint_var()
                payload = Buffer(data=buffer.pull_bytes(size))
                taken = buffer.tell()
                if frame == _GOAWAY:
                    lowest = payload.pull_uint_var()
        except BufferReadError:
            pass  # the frame is not complete yet
        self._rest = self._rest[taken:]
        return lowest


class Connection:
    """Processes any datagrams without raising; every stream ends exactly once."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        base: str,
        address: object,
        now_s: float,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self.open: dict[int, Stream] = {}
        """By QUIC stream id: 0, 4, 8, …; `Stream.id` counts from 1, because 0 means not sent."""
        self.agreed: str | None = None
        """The protocol that ALPN selected, after the handshake; empty if none."""
        self.closed: str | None = None
        """Why the connection ended; None while it is open."""
        self.usable = False
        """Can further requests be sent?"""
        self._base = base
        self._address = address
        self._quic = QuicConnection(configuration=configuration)
        self._http: H3Connection
        self._ended: list[Stream] = []
        self._max_body_bytes = max_body_bytes
        self._overhead_bytes = 0
        """Beside the content, since an answer last made progress."""
        self._at_ns = 0
        """When the last datagram came."""
        self._goaways: dict[int, GoawayReader] = {}
        self._goaway_text = ""
        self._sent = 0
        self._unsent = 0
        """Requests that are not in a datagram yet."""
        self._quic.connect(address, now=now_s)

    @property
    def finished(self) -> bool:
        """Whether no answer can arrive any more."""
        return self.closed is not None or (self.agreed is not None and not self.usable and not self.open)

    @property
    def timer_s(self) -> float | None:
        """When to call `expire`; None if never."""
        at_s: float | None = self._quic.get_timer()
        return at_s

    def send(self, stream: Stream) -> None:
        """Send a request; raises `Failure` if it cannot be encoded."""
        request = stream.request
        if request.placeholders:
            request = unique.fill(request, unique.draw_values(request.placeholders))
        try:
            header = fields(request, self._base)
        except UnicodeEncodeError as error:
            raise Failure("request", f"expected headers in latin-1, found {error}") from error
        quic_id: int = self._quic.get_next_available_stream_id()
        self._http.send_headers(quic_id, header, end_stream=not request.body)
        if request.body:
            self._http.send_data(quic_id, request.body, end_stream=True)
        self._sent += 1
        self._unsent += 1
        stream.id = self._sent
        self.open[quic_id] = stream

    def cancel(self, stream: Stream) -> bool:
        """Cancel a request that nobody waits for any more; returns whether it was still in flight."""
        stream.wake = None
        quic_id = next((quic_id for quic_id, other in self.open.items() if other is stream), None)
        if quic_id is None:
            return False
        del self.open[quic_id]
        self._abort(quic_id, ErrorCode.H3_REQUEST_CANCELLED)
        return True

    def close(self) -> None:
        """Close the connection without an error."""
        self.usable = False
        self._quic.close(error_code=ErrorCode.H3_NO_ERROR)

    def receive(self, data: bytes, now_s: float) -> None:
        """Process a datagram from the server."""
        self._at_ns = int(now_s * 1e9)
        self._quic.receive_datagram(data, self._address, now_s)

    def expire(self, now_s: float) -> None:
        """Process QUIC's timeouts that are due."""
        self._quic.handle_timer(now_s)

    def datagrams(self, now_s: float) -> list[bytes]:
        """The datagrams to send now."""
        found = [data for data, _ in self._quic.datagrams_to_send(now_s)]
        if not found and 0 < self._unsent == len(self.open) and (timer_s := self.timer_s) is not None:
            # No datagram for new requests, although nothing else is in flight: the server has closed the connection.
            # aioquic reports that after its draining period (RFC 9000, 10.2); these requests need not wait for it.
            self._quic.handle_timer(timer_s)
            self._process_events()
        self._unsent = 0
        return found

    def take_ended(self) -> list[Stream]:
        """The streams that ended since the last call."""
        self._process_events()
        ended, self._ended = self._ended, []
        return ended

    def lose(self, why: str) -> None:
        """Process the end of the connection: all open streams end."""
        if self.closed is not None:
            return
        self.usable = False
        self.closed = why
        # Servers close idle connections, and may do so at the moment a request is to be sent.
        for quic_id, stream in list(self.open.items()):
            outcome = NotProcessed if stream.id > self._sent - self._unsent else Failure
            self._end(quic_id, outcome(RESET, f"{why}{self._goaway_text} before the answer was complete"))

    def _process_events(self) -> None:
        while (event := self._quic.next_event()) is not None:
            self._process(event)

    def _process(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self.agreed = event.alpn_protocol or ""
            self.usable = self.agreed in ALPN
            if self.usable:
                self._http = H3Connection(self._quic)
            return
        if isinstance(event, ConnectionTerminated):
            self.lose(reason(event))
            return
        if isinstance(event, StreamReset) and event.stream_id in self.open:
            self._end(event.stream_id, Failure(RESET, error_name(event.error_code)))
        if self.agreed not in ALPN:
            return
        if isinstance(event, StreamDataReceived) and event.stream_id % 4:
            self._read_goaway(event)
        try:
            self._read_all(event)
        except TooLargeError as error:
            self._quic.close(error_code=ErrorCode.H3_EXCESSIVE_LOAD, reason_phrase=str(error))
            for quic_id in list(self.open):
                self._end(quic_id, Failure(error.kind, str(error)))
            self.lose(str(error))

    def _read_all(self, event: QuicEvent) -> None:
        """Add what arrived to the answers; raises `TooLargeError`."""
        content_bytes = 0
        for each in self._http.handle_event(event):
            self._read(each)
            if isinstance(each, DataReceived):
                content_bytes += len(each.data)
        if isinstance(event, StreamDataReceived):
            self._overhead_bytes = add_overhead(self._overhead_bytes, len(event.data), content_bytes)
            if self._overhead_bytes > OVERHEAD_BYTES:
                raise TooLargeError(describe_overhead("frames without content"), "H3_EXCESSIVE_LOAD")

    def _read_goaway(self, event: StreamDataReceived) -> None:
        lowest = self._goaways.setdefault(event.stream_id, GoawayReader()).feed(event.data)
        if lowest is None:
            return
        self.usable = False
        self._goaway_text = " after GOAWAY"
        for quic_id in [quic_id for quic_id in self.open if quic_id >= lowest]:
            self._end(quic_id, NotProcessed("refused", "the server is closing the connection"))

    def _read(self, event: H3Event) -> None:
        """Add an event to its answer; events of cancelled requests are ignored."""
        if not isinstance(event, HeadersReceived | DataReceived) or event.push_id is not None:
            return
        stream = self.open.get(event.stream_id)
        if stream is None:
            return
        try:
            if isinstance(event, DataReceived):
                if event.stream_ended and stream.parts is None:
                    self._end(event.stream_id, stream.finish(event.data))
                    return
                stream.add(event.data, self._at_ns, self._max_body_bytes)
            elif stream.head is None:
                stream.begin(read_head(tuple(event.headers)), last=event.stream_ended)
                if stream.head is not None:
                    self._overhead_bytes = 0
            if event.stream_ended:
                self._end(event.stream_id, stream.finish(bytes(stream.parts or b"")))
        except MalformedError as error:
            self._abort(event.stream_id, ErrorCode.H3_MESSAGE_ERROR)
            self._end(event.stream_id, Failure("protocol", str(error)))

    def _end(self, quic_id: int, arrived: Answer | Failure) -> None:
        stream = self.open.pop(quic_id)
        stream.arrived = arrived
        self._ended.append(stream)

    def _abort(self, quic_id: int, code: ErrorCode) -> None:
        self._quic.reset_stream(quic_id, code)
        with suppress(ValueError):  # the stream has been received completely, but QPACK cannot decode it yet
            self._quic.stop_stream(quic_id, code)
