"""The client's side of one HTTP/2 connection (RFC 9113), without sockets: bytes in, ended streams and bytes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from harness.load.exchange import Answer, Failure, Request
from harness.load.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ERROR_NAMES,
    FRAME_BYTES,
    FRAME_HEAD_BYTES,
    GOAWAY,
    HEADERS,
    LARGEST,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTING_ENABLE_PUSH,
    SETTING_INITIAL_WINDOW,
    SETTING_MAX_FRAME,
    SETTING_MAX_STREAMS,
    SETTINGS,
    STREAM_ID_OFFSET,
    WINDOW_UPDATE,
    Head,
    HeadReader,
    ProtocolError,
    error_name,
    frame,
    frame_head,
    goaway,
    rst_stream,
    setting,
    uint32,
    window_update,
    without_padding,
)

WINDOW_BYTES = 16 * 1024 * 1024
"""What the server may send before it hears that it may go on, on a stream and in all; as generous as browsers are."""
_DEFAULT_WINDOW_BYTES = 65_535
_BLOCK_BYTES = 256 * 1024
"""The longest header block to put together."""


class NotProcessed(Failure):
    """The server has done nothing with the request, so it may be sent again."""


class Stream:
    """One request on its way, and what came of it."""

    id = 0
    """0 until it was sent."""
    head: Head | None = None
    parts: list[bytes] | None = None
    """The body so far, if it came in more than one piece."""
    received_bytes = 0
    """DATA frames with their padding since the last WINDOW_UPDATE."""
    unsent: memoryview | None = None
    """What the windows do not allow to be sent yet."""
    window = 0
    arrived: Answer | Failure

    def __init__(self, request: Request, wake: Callable[[int], object] | None = None) -> None:
        self.request = request
        self.wake = wake
        """For the owner of the connection to call at the end, with the time; None when nobody waits any more."""


class Connection:
    """Streams that share a connection; whatever arrives, nothing is raised, and every stream ends once."""

    def __init__(self, scheme: str, authority: str) -> None:
        self.usable = True
        """May further streams be sent?"""
        self.closed = False
        self.output = bytearray(PREFACE)
        """To be sent; the owner empties it."""
        self.output += frame(
            SETTINGS, 0, 0, setting.pack(SETTING_ENABLE_PUSH, 0) + setting.pack(SETTING_INITIAL_WINDOW, WINDOW_BYTES)
        )
        self.output += window_update(0, WINDOW_BYTES - _DEFAULT_WINDOW_BYTES)
        self._scheme, self._authority = scheme, authority
        self._heads = HeadReader()
        self._streams: dict[int, Stream] = {}
        self._waiting: deque[Stream] = deque()
        self._ended: list[Stream] = []
        self._given_up: set[int] = set()
        self._next_id = 1
        self._unheard_id = 1
        """The first id that was free when the server last sent something."""
        self._rest = b""
        self._block: tuple[int, int, bytearray] | None = None
        """Stream id, flags and beginning of a header block that is to be continued."""
        self._received_bytes = 0
        self._greeted = False
        self._farewell = ""
        self._streams_at_most = LARGEST
        self._frame_at_most = FRAME_BYTES
        self._initial_window = self._window = _DEFAULT_WINDOW_BYTES

    @property
    def finished(self) -> bool:
        """Is there nothing left to wait for?"""
        return self.closed or not (self.usable or self._streams)

    def send(self, stream: Stream) -> None:
        """Send a request, or keep it until the server allows one more; raises `Failure` if it cannot be encoded."""
        request = stream.request
        encoded = request.encoded
        if encoded is None:
            encoded = request.encoded = encode(request, self._scheme, self._authority)
        if len(self._streams) >= self._streams_at_most:
            self._waiting.append(stream)
            return
        stream.id = stream_id = self._next_id
        self._next_id = stream_id + 2
        self._streams[stream_id] = stream
        output = self.output
        start = len(output)
        output += encoded
        uint32.pack_into(output, start + STREAM_ID_OFFSET, stream_id)
        if request.body:
            stream.unsent = memoryview(request.body)
            stream.window = self._initial_window
            self._send_body(stream)
        if stream_id == LARGEST:
            self.usable = False

    def receive(self, data: bytes) -> list[Stream]:
        """Take what arrived; the streams that ended by it."""
        ended = self._ended = []
        if self.closed:
            return ended
        try:
            self._rest = self._split(self._rest + data if self._rest else data)
        except ProtocolError as error:
            self.output += goaway(error.code)
            self._close(Failure, "protocol", str(error))
        if self._received_bytes >= WINDOW_BYTES // 2:
            self.output += window_update(0, self._received_bytes)
            self._received_bytes = 0
        if self._waiting:
            self._send_waiting()
        self._unheard_id = self._next_id
        return ended

    def lose(self, reason: str) -> list[Stream]:
        """The connection has ended; the streams that ended with it."""
        ended = self._ended = []
        # Servers close idle connections, and may do so just as they are used again.
        unheard = self._unheard_id > 1 and all(stream_id >= self._unheard_id for stream_id in self._streams)
        outcome = NotProcessed if unheard else Failure
        self._close(outcome, "closed", f"{reason}{self._farewell} before the whole answer")
        return ended

    def cancel(self, stream: Stream) -> None:
        """Nobody waits for this stream any more."""
        stream.wake = None
        if stream.id == 0:
            if stream in self._waiting:
                self._waiting.remove(stream)
        elif self._streams.pop(stream.id, None) is not None:
            self._given_up.add(stream.id)
            self.output += rst_stream(stream.id, "CANCEL")
            if self._waiting:
                self._send_waiting()

    def _split(self, data: bytes) -> bytes:
        """Go through the frames; the beginning of one that is not whole yet. Most answers are two frames."""
        streams, known = self._streams, self._heads.known
        position, end = 0, len(data)
        while end - position >= FRAME_HEAD_BYTES:
            high, size, kind, flags, stream_id = frame_head.unpack_from(data, position)
            if high or size > FRAME_BYTES:
                began = "" if self._greeted else f"; the server began with {excerpt(data)}"
                raise ProtocolError("FRAME_SIZE_ERROR", f"a frame of {high << 16 | size} bytes{began}")
            start = position + FRAME_HEAD_BYTES
            stop = start + size
            if stop > end:
                break
            payload = data[start:stop]
            position = stop
            stream = streams.get(stream_id)
            if stream is None or self._block is not None:
                self._take(kind, flags, stream_id & LARGEST, payload)
            elif kind == DATA and flags == END_STREAM and stream.head is not None and stream.parts is None:
                self._received_bytes += size
                self._complete(stream, stream.head, payload)
            elif kind == HEADERS and flags == END_HEADERS and stream.head is None and payload in known:
                stream.head = known[payload]
            else:
                self._take(kind, flags, stream_id, payload)
        return data[position:]

    def _complete(self, stream: Stream, head: Head, body: bytes) -> None:
        answer = stream.request.learned_answer
        if answer is None or answer.headers is not head.headers or answer.status != head.status or answer.body != body:
            bodiless = stream.request.method == "HEAD" or head.status in {204, 304}
            length = 0 if bodiless else head.length
            if length is not None and length != len(body):
                self._refuse(stream, f"expected a body of {length} bytes, found {len(body)}")
                return
            answer = Answer(head.status, head.headers, body)
        self._end(stream, answer)

    def _end(self, stream: Stream, arrived: Answer | Failure) -> None:
        del self._streams[stream.id]
        if stream.unsent is not None:
            self.output += rst_stream(stream.id, "CANCEL")
            stream.unsent = None
        stream.arrived = arrived
        self._ended.append(stream)

    def _refuse(self, stream: Stream, detail: str, code: str = "PROTOCOL_ERROR") -> None:
        """End a stream whose answer is malformed (RFC 9113, 5.4.2)."""
        stream.unsent = None
        self._given_up.add(stream.id)
        self.output += rst_stream(stream.id, code)
        self._end(stream, Failure("protocol", detail))

    def _close(self, outcome: type[Failure], kind: str, detail: str) -> None:
        self.closed, self.usable = True, False
        for stream in list(self._streams.values()):
            stream.unsent = None
            self._end(stream, outcome(kind, detail))
        self._send_waiting()

    def _send_waiting(self) -> None:
        while self._waiting and not self.usable:
            stream = self._waiting.popleft()
            stream.arrived = NotProcessed("closed", "the connection ended before the request was sent")
            self._ended.append(stream)
        while self._waiting and len(self._streams) < self._streams_at_most:
            self.send(self._waiting.popleft())

    def _send_body(self, stream: Stream) -> None:
        """As much as the windows allow."""
        unsent = stream.unsent
        while unsent is not None:
            size = min(len(unsent), self._frame_at_most, self._window, stream.window)
            if size <= 0:
                break
            last = size == len(unsent)
            self.output += frame_head.pack(size >> 16, size & 0xFFFF, DATA, END_STREAM if last else 0, stream.id)
            self.output += unsent[:size]
            self._window -= size
            stream.window -= size
            unsent = None if last else unsent[size:]
        stream.unsent = unsent
