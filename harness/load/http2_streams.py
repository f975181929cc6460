"""The streams of one HTTP/2 connection (RFC 9113, 5): which are open, what they may send, and how they end."""

from __future__ import annotations

import sys
from collections import deque

from harness.load import http2_frames as frames
from harness.load import unique
from harness.load.exchange import RESET, Answer, Failure, Request
from harness.load.http2_frames import ProtocolError
from harness.load.http2_messages import NotProcessed, Stream, encode

_OPEN_AT_FIRST = 100
"""The limit on open streams before the server has sent one. Servers should not allow fewer (RFC 9113, 6.5.2), and some
end the connection if there are more."""


class Streams:
    """All requests in flight; the bytes to send for them are added to `output`, which the caller empties."""

    def __init__(self, scheme: str, base: str, output: bytearray) -> None:
        self.open: dict[int, Stream] = {}
        self.ended: list[Stream] = []
        """Streams in the order in which they ended; the caller replaces the list."""
        self.usable = True
        """Can further requests be sent?"""
        self.next_id = 1
        self._output = output
        self._scheme, self._base = scheme, sys.intern(base)
        self._waiting: deque[Stream] = deque()
        self._reset_ids: set[int] = set()
        self._open_at_most = _OPEN_AT_FIRST
        self._payload_bytes = frames.PAYLOAD_BYTES
        self._initial_window = self._window = frames.INITIAL_WINDOW_BYTES

    def send(self, stream: Stream) -> None:
        """Send a request, or keep it until the server allows a stream; raises `Failure` if it cannot be encoded."""
        request = stream.request
        if request.encoded_for is self._base:
            encoded, body = request.encoded, request.body
        else:
            encoded, body = unique.encode(request, self._base, self._encode)
        if len(self.open) >= self._open_at_most:
            self._waiting.append(stream)
            return
        stream.id = stream_id = self.next_id
        self.next_id = stream_id + 2
        self.open[stream_id] = stream
        output = self._output
        start = len(output)
        output += encoded
        frames.uint32.pack_into(output, start + frames.STREAM_ID_OFFSET, stream_id)
        if body:
            stream.unsent = memoryview(body)
            stream.window = self._initial_window
            self._send_body(stream)
        if stream_id == frames.LARGEST:
            self.usable = False

    def _encode(self, request: Request) -> bytes:
        return encode(request, self._scheme, self._base)

    def send_waiting(self) -> None:
        """Send requests that were kept, as far as the server allows it; end them unsent if the connection ends."""
        while self._waiting and (len(self.open) < self._open_at_most or not self.usable):
            stream = self._waiting.popleft()
            if self.usable:
                self.send(stream)
            else:
                stream.arrived = NotProcessed(RESET, "the connection ended before the request was sent")
                self.ended.append(stream)

    def find(self, stream_id: int) -> Stream | None:
        """The open stream; None if this client reset it. Raises `ProtocolError` if it has ended or was never opened."""
        stream = self.open.get(stream_id)
        if stream is None and stream_id not in self._reset_ids:
            self.assert_opened(stream_id)
            raise ProtocolError("STREAM_CLOSED", f"a frame on stream {stream_id} after its end")
        return stream

    def assert_opened(self, stream_id: int) -> None:
        """Raise `ProtocolError` unless the stream was opened."""
        if stream_id % 2 == 0 or stream_id >= self.next_id:
            raise ProtocolError("PROTOCOL_ERROR", f"a frame on stream {stream_id}, which was never opened")

    def end(self, stream: Stream, arrived: Answer | Failure) -> None:
        """End a stream with its outcome, because of a frame from the server."""
        del self.open[stream.id]
        if stream.unsent is not None:
            stream.unsent = None
            if isinstance(arrived, Answer):
                self._output += frames.rst_stream(stream.id, "CANCEL")
        stream.arrived = arrived
        self.ended.append(stream)

    def refuse(self, stream: Stream, problem: str) -> None:
        """End a stream because of an error of the server (RFC 9113, 5.4.2)."""
        self._reset(stream, "PROTOCOL_ERROR")
        self.end(stream, Failure("protocol", problem))

    def cancel(self, stream: Stream) -> bool:
        """Cancel a request that nobody waits for any more; returns whether it was still in flight."""
        stream.wake = None
        if stream in self._waiting:
            self._waiting.remove(stream)
        elif stream.id in self.open:
            self._reset(stream, "CANCEL")
            del self.open[stream.id]
            if self.usable:
                self.send_waiting()
        else:
            return False
        return True

    def abandon(self, last_id: int) -> None:
        """Process GOAWAY: the server processes no streams above `last_id`."""
        self.usable = False
        for stream in list(self.open.values()):
            if stream.id > last_id:
                self._reset_ids.add(stream.id)
                self.end(stream, NotProcessed("refused", "the server is closing the connection"))

    def close(self, outcome: type[Failure], kind: str, detail: str) -> None:
        """End all open streams with this outcome, because the connection has ended."""
        self.usable = False
        for stream in list(self.open.values()):
            self.end(stream, outcome(kind, detail))
        self.send_waiting()

    def sent_bytes(self) -> int:
        """How many bytes the requests of the open streams have, frames around bodies left out."""
        return sum(len(stream.request.encoded) + len(stream.request.body) for stream in self.open.values())

    def set(self, name: int, value: int) -> None:
        """Apply a setting of the server (RFC 9113, 6.5.2); raises `ProtocolError`."""
        if name == frames.ENABLE_PUSH and value != 0:
            raise ProtocolError("PROTOCOL_ERROR", "ENABLE_PUSH from a server, expected 0")
        if name == frames.MAX_CONCURRENT_STREAMS:
            self._open_at_most = value
        elif name == frames.INITIAL_WINDOW_SIZE:
            for stream in self.open.values():
                stream.window += value - self._initial_window
            if max([value, *(stream.window for stream in self.open.values())]) > frames.LARGEST:
                raise ProtocolError("FLOW_CONTROL_ERROR", f"a window of {value} bytes")
            self._initial_window = value
        elif name == frames.MAX_FRAME_SIZE:
            if not frames.PAYLOAD_BYTES <= value <= frames.LARGEST_PAYLOAD_BYTES:
                raise ProtocolError("PROTOCOL_ERROR", f"frames of {value} bytes")
            self._payload_bytes = value

    def widen(self, stream_id: int, increment: int) -> None:
        """Process WINDOW_UPDATE for a stream or for the connection (0); raises `ProtocolError`."""
        if stream_id == 0:
            self._window += increment
            if increment == 0 or self._window > frames.LARGEST:
                raise ProtocolError(
                    "FLOW_CONTROL_ERROR" if increment else "PROTOCOL_ERROR",
                    f"a window of {self._window} bytes after {increment} more",
                )
            self.send_bodies()
            return
        self.assert_opened(stream_id)
        stream = self.open.get(stream_id)
        if stream is None:
            return
        stream.window += increment
        if increment == 0 or stream.window > frames.LARGEST:
            self.refuse(stream, f"a window of {stream.window} bytes after {increment} more")
        else:
            self._send_body(stream)

    def send_bodies(self) -> None:
        """Send as much of all bodies as the windows allow."""
        for stream in self.open.values():
            if stream.unsent is not None:
                self._send_body(stream)

    def _send_body(self, stream: Stream) -> None:
        unsent = stream.unsent
        while unsent is not None:
            size = min(len(unsent), self._payload_bytes, self._window, stream.window)
            if size <= 0:
                break
            last = size == len(unsent)
            flags = frames.END_STREAM if last else 0
            self._output += frames.head.pack(size >> 16, size & 0xFFFF, frames.DATA, flags, stream.id)
            self._output += unsent[:size]
            self._window -= size
            stream.window -= size
            unsent = None if last else unsent[size:]
        stream.unsent = unsent

    def _reset(self, stream: Stream, code: str) -> None:
        stream.unsent = None
        self._reset_ids.add(stream.id)
        self._output += frames.rst_stream(stream.id, code)
