"""The client's side of one HTTP/2 connection (RFC 9113) without sockets: bytes in, ended streams and bytes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.load import http2_frames as frames
from harness.load.bounds import OVERHEAD_BYTES, add_overhead, describe_overhead
from harness.load.exchange import RESET, Failure, excerpt
from harness.load.http2_frames import ProtocolError, TooLargeError
from harness.load.http2_messages import HeadReader, MalformedError, NotProcessed, Stream
from harness.load.http2_streams import Streams
from harness.model.blocks import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_BYTES = 16 * 1024 * 1024
"""Flow-control window for the server, on each stream and on the connection; as large as in browsers."""
_SETTINGS = {
    # The default, sent as browsers do: without it nginx adds fields to its table that it never uses.
    frames.HEADER_TABLE_SIZE: frames.HEADER_TABLE_BYTES,
    frames.ENABLE_PUSH: 0,
    frames.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
}


class Connection:
    """Processes any bytes without raising; every stream ends exactly once."""

    def __init__(self, scheme: str, base: str, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.output = bytearray(frames.PREFACE)
        """The bytes to send; the caller empties it."""
        self.output += frames.settings(_SETTINGS)
        self.output += frames.window_update(0, WINDOW_BYTES - frames.INITIAL_WINDOW_BYTES)
        self.streams = Streams(scheme, base, self.output)
        self._closed = False
        self._heads = HeadReader()
        self._rest = b""
        self._block: tuple[int, int, bytearray] | None = None
        """Stream id, flags and beginning of a header block that CONTINUATION frames will complete."""
        self._received_bytes = 0
        """Like `Stream.received_bytes`, for all streams."""
        self._max_body_bytes = max_body_bytes
        self._overhead_bytes = 0
        """Beside the content, since an answer last made progress."""
        self._at_ns = 0
        """When the last bytes came."""
        self._settings_received = False
        self._goaway_text = ""

    @property
    def finished(self) -> bool:
        """Whether no answer can arrive any more."""
        return self._closed or not (self.streams.usable or self.streams.open)

    def receive(self, data: bytes, at_ns: int = 0) -> list[Stream]:
        """Process bytes from the server that came at a time; returns the streams that they ended."""
        self._at_ns = at_ns
        streams = self.streams
        ended = streams.ended = []
        if self._closed:
            return ended
        try:
            self._rest = self._split(self._rest + data if self._rest else data)
        except ProtocolError as error:
            self.output += frames.goaway(error.code)
            self._closed = True
            streams.close(Failure, error.kind, str(error))
        if ended:
            self._overhead_bytes = 0
        if self._received_bytes >= WINDOW_BYTES // 2:
            self.output += frames.window_update(0, self._received_bytes)
            self._received_bytes = 0
        streams.send_waiting()
        return ended

    def lose(self, reason: str, undelivered_bytes: int = 0) -> list[Stream]:
        """Process the end of the connection; returns the streams that it ended.

        Servers close idle connections, and may do so at the moment a request is sent: `undelivered_bytes` of what was
        sent last met a connection that was closed already.
        """
        streams = self.streams
        ended = streams.ended = []
        unseen = streams.sent_bytes() <= undelivered_bytes
        self._closed = True
        detail = f"{reason}{self._goaway_text} before the answer was complete"
        streams.close(NotProcessed if unseen else Failure, RESET, detail)
        return ended

    def _split(self, data: bytes) -> bytes:
        """Process the complete frames (most answers have two); returns the rest."""
        streams, known = self.streams.open, self._heads.known
        position, end = 0, len(data)
        while end - position >= frames.HEAD_BYTES:
            high, size, kind, flags, stream_id = frames.head.unpack_from(data, position)
            if high or size > frames.PAYLOAD_BYTES:
                found = f"a frame of {high << 16 | size} bytes"
                if self._settings_received:
                    raise TooLargeError(found, "FRAME_SIZE_ERROR")
                raise ProtocolError("FRAME_SIZE_ERROR", f"{found}; the server began with {excerpt(data)}")
            start = position + frames.HEAD_BYTES
            stop = start + size
            if stop > end:
                break
            payload = data[start:stop]
            position = stop
            stream = streams.get(stream_id)
            if stream is None or self._block is not None:
                self._process(kind, flags, stream_id & frames.LARGEST, payload)
            elif kind == frames.DATA and flags == frames.END_STREAM and stream.parts is None:
                self._received_bytes += size
                self._complete(stream, payload)
            elif kind == frames.HEADERS and flags == frames.END_HEADERS and stream.head is None and payload in known:
                stream.head = known[payload]
            else:
                self._process(kind, flags, stream_id, payload)
        return data[position:]

    def _complete(self, stream: Stream, body: bytes) -> None:
        try:
            answer = stream.finish(body)
        except MalformedError as error:
            self.streams.refuse(stream, str(error))
        else:
            self.streams.end(stream, answer)

    def _process(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Process one frame of any type; unknown types are ignored (RFC 9113, 4.1)."""
        if not self._settings_received and (kind != frames.SETTINGS or flags & frames.ACK):
            raise ProtocolError("PROTOCOL_ERROR", f"expected SETTINGS first, found a frame of type {kind}")
        if self._block is not None and kind != frames.CONTINUATION:
            raise ProtocolError("PROTOCOL_ERROR", f"expected CONTINUATION, found a frame of type {kind}")
        if kind != frames.WINDOW_UPDATE:  # a long upload causes many, and nothing is kept of them
            self._overhead_bytes += frames.HEAD_BYTES + len(payload)
            if self._overhead_bytes > OVERHEAD_BYTES:
                raise TooLargeError(
                    describe_overhead(f"frames without content, the last one {frames.frame_name(kind)}")
                )
        handler = self._HANDLERS.get(kind)
        if handler is not None:
            try:
                handler(self, flags, stream_id, payload)
            except MalformedError as error:
                self.streams.refuse(self.streams.open[stream_id], str(error))

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._received_bytes += len(payload)
        stream = self.streams.find(stream_id)
        body = frames.without_padding(frames.DATA, flags, payload)
        self._overhead_bytes = add_overhead(self._overhead_bytes, 0, len(body))
        if stream is None:
            return
        stream.add(body, self._at_ns, self._max_body_bytes)
        stream.received_bytes += len(payload)
        if flags & frames.END_STREAM:
            self._complete(stream, bytes(stream.parts or b""))
        elif stream.received_bytes >= WINDOW_BYTES // 2:
            self.output += frames.window_update(stream_id, stream.received_bytes)
            stream.received_bytes = 0

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.streams.find(stream_id)
        block = frames.without_padding(frames.HEADERS, flags, payload)
        self._add_block(stream_id, flags, flags, bytearray(block))

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is None or self._block[0] != stream_id:
            raise ProtocolError("PROTOCOL_ERROR", "CONTINUATION without a header block to continue")
        (_, first_flags, block), self._block = self._block, None
        block += payload
        self._add_block(stream_id, first_flags, flags, block)

    def _add_block(self, stream_id: int, first_flags: int, flags: int, block: bytearray) -> None:
        if not flags & frames.END_HEADERS:
            self._block = (stream_id, first_flags, block)
            return
        head = self._heads.read(bytes(block))
        stream = self.streams.find(stream_id)
        if stream is not None:
            last = first_flags & frames.END_STREAM > 0
            stream.begin(head, last=last)
            if stream.head is head:
                self._overhead_bytes = 0
            if last:
                self._complete(stream, bytes(stream.parts or b""))

    def _on_priority(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id == 0 or len(payload) != frames.PRIORITY_BYTES:
            raise ProtocolError("PROTOCOL_ERROR", f"PRIORITY of {len(payload)} bytes on stream {stream_id}")

    def _on_rst_stream(self, _flags: int, stream_id: int, payload: bytes) -> None:
        (code,) = frames.numbers(payload, 1)
        self.streams.assert_opened(stream_id)
        stream = self.streams.open.get(stream_id)
        if stream is not None:
            self.streams.end(stream, Failure(RESET, frames.error_name(code)))

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.assert_of_connection("SETTINGS", stream_id)
        if len(payload) % frames.setting.size or (flags & frames.ACK and payload):
            raise ProtocolError("FRAME_SIZE_ERROR", f"SETTINGS of {len(payload)} bytes")
        if not flags & frames.ACK:
            if not self._settings_received:
                self._settings_received = True
                self.streams.set(frames.MAX_CONCURRENT_STREAMS, frames.LARGEST)
            for name, value in frames.setting.iter_unpack(payload):
                self.streams.set(name, value)
            self.output += frames.frame(frames.SETTINGS, frames.ACK, 0)
            self.streams.send_bodies()

    def _on_push_promise(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        raise ProtocolError("PROTOCOL_ERROR", "PUSH_PROMISE, although push is disabled")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.assert_of_connection("PING", stream_id)
        frames.numbers(payload, 2)
        if not flags & frames.ACK:
            self.output += frames.frame(frames.PING, frames.ACK, 0, payload)

    def _on_goaway(self, _flags: int, stream_id: int, payload: bytes) -> None:
        frames.assert_of_connection("GOAWAY", stream_id)
        last_id, code = frames.numbers(payload[:8], 2)
        self._goaway_text = f" after GOAWAY ({frames.error_name(code)})"
        self.streams.abandon(last_id & frames.LARGEST)

    def _on_window_update(self, _flags: int, stream_id: int, payload: bytes) -> None:
        (increment,) = frames.numbers(payload, 1)
        self.streams.widen(stream_id, increment & frames.LARGEST)

    _HANDLERS: ClassVar[dict[int, Callable[[Connection, int, int, bytes], None]]] = {
        frames.DATA: _on_data,
        frames.HEADERS: _on_headers,
        frames.PRIORITY: _on_priority,
        frames.RST_STREAM: _on_rst_stream,
        frames.SETTINGS: _on_settings,
        frames.PUSH_PROMISE: _on_push_promise,
        frames.PING: _on_ping,
        frames.GOAWAY: _on_goaway,
        frames.WINDOW_UPDATE: _on_window_update,
        frames.CONTINUATION: _on_continuation,
    }
