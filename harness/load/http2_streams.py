"""The streams of one HTTP/2 connection (RFC 9113, 5): which are open, what they may send, and how they end."""

from __future__ import annotations

from collections import deque

from harness.load import http2_frames as frames
from harness.load.exchange import Answer, Failure
from harness.load.http2_frames import ProtocolError
from harness.load.http2_messages import NotProcessed, Stream, encode

_OPEN_AT_FIRST = 100
"""Until the server has said how many it allows: no server should allow less (RFC 9113, 6.5.2), and some end the
connection when there are more."""


class Streams:
    """All requests on their way; what is to be sent for them gathers in `output`, which its owner empties."""

    def __init__(self, scheme: str, authority: str, output: bytearray) -> None:
        self.open: dict[int, Stream] = {}
        self.ended: list[Stream] = []
        """In the order of their ends; the owner takes them from here."""
        self.usable = True
        """May further ones be sent?"""
        self.next_id = 1
        self._output = output
        self._scheme, self._authority = scheme, authority
        self._waiting: deque[Stream] = deque()
        self._given_up: set[int] = set()
        self._open_at_most = _OPEN_AT_FIRST
        self._payload_bytes = frames.PAYLOAD_BYTES
        self._initial_window = self._window = frames.INITIAL_WINDOW_BYTES

    def send(self, stream: Stream) -> None:
        """Send a request, or keep it until the server allows one more; raises `Failure` if it cannot be encoded."""
        request = stream.request
        encoded = request.encoded
        if encoded is None:
            encoded = request.encoded = encode(request, self._scheme, self._authority)
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
        if request.body:
            stream.unsent = memoryview(request.body)
            stream.window = self._initial_window
            self._send_body(stream)
        if stream_id == frames.LARGEST:
            self.usable = False

    def send_waiting(self) -> None:
        """Send what was kept, as far as the server allows it now; it has to go elsewhere if it never will."""
        while self._waiting and (len(self.open) < self._open_at_most or not self.usable):
            stream = self._waiting.popleft()
            if self.usable:
                self.send(stream)
            else:
                stream.arrived = NotProcessed("closed", "the connection ended before the request was sent")
                self.ended.append(stream)

    def find(self, stream_id: int) -> Stream | None:
        """The stream; None if it was given up here; raises `ProtocolError` for one that is over or never was."""
        stream = self.open.get(stream_id)
        if stream is None and stream_id not in self._given_up:
            self.assert_begun(stream_id)
            raise ProtocolError("STREAM_CLOSED", f"more of stream {stream_id} after its end")
        return stream

    def assert_begun(self, stream_id: int) -> None:
        """Raise `ProtocolError` unless the stream was opened once."""
        if stream_id % 2 == 0 or stream_id >= self.next_id:
            raise ProtocolError("PROTOCOL_ERROR", f"a frame of stream {stream_id}, which was never opened")

    def end(self, stream: Stream, arrived: Answer | Failure) -> None:
        """The server ended it."""
        del self.open[stream.id]
        if stream.unsent is not None:
            stream.unsent = None
            if isinstance(arrived, Answer):
                self._output += frames.rst_stream(stream.id, "CANCEL")
        stream.arrived = arrived
        self.ended.append(stream)

    def refuse(self, stream: Stream, problem: str) -> None:
        """End it because of what the server sent (RFC 9113, 5.4.2)."""
        self._reset(stream, "PROTOCOL_ERROR")
        self.end(stream, Failure("protocol", problem))

    def cancel(self, stream: Stream) -> bool:
        """Forget a request for which nobody waits any more; whether it was still on its way."""
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
        """The server takes no streams above `last_id`, and no further ones."""
        self.usable = False
        for stream in list(self.open.values()):
            if stream.id > last_id:
                self._given_up.add(stream.id)
                self.end(stream, NotProcessed("refused", "the server is closing the connection"))

    def close(self, outcome: type[Failure], kind: str, detail: str) -> None:
        """The connection is no more: all that are open end like this."""
        self.usable = False
        for stream in list(self.open.values()):
            self.end(stream, outcome(kind, detail))
        self.send_waiting()

    def set(self, name: int, value: int) -> None:
        """Heed a setting of the server (RFC 9113, 6.5.2); raises `ProtocolError`."""
        if name == frames.ENABLE_PUSH and value != 0:
            raise ProtocolError("PROTOCOL_ERROR", "a server that allows to be pushed to")
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
        """The server takes so many bytes more, on a stream or (0) in all; raises `ProtocolError`."""
        if stream_id == 0:
            self._window += increment
            if increment == 0 or self._window > frames.LARGEST:
                raise ProtocolError("FLOW_CONTROL_ERROR" if increment else "PROTOCOL_ERROR", f"{increment} bytes more")
            self.send_bodies()
            return
        self.assert_begun(stream_id)
        stream = self.open.get(stream_id)
        if stream is None:
            return
        stream.window += increment
        if increment == 0 or stream.window > frames.LARGEST:
            self.refuse(stream, f"a window of {stream.window} bytes after {increment} more")
        else:
            self._send_body(stream)

    def send_bodies(self) -> None:
        """As much of them as the windows allow."""
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
        self._given_up.add(stream.id)
        self._output += frames.rst_stream(stream.id, code)
