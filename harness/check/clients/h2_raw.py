"""One HTTP/2 connection seen from the client, frame by frame: it sends whatever it is told to."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpack import Decoder, Encoder, HPACKError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from harness.check.clients import h2_frames as h2frames
from harness.check.clients.connection import Link
from harness.check.clients.http1 import shown
from harness.check.model import ProtocolFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.clients.h2_frames import Fields
    from harness.check.target import Target

_MANY = (WindowUpdateFrame, RstStreamFrame)
"""Frames that a story counts where they come in a row."""


@dataclass
class Answer:
    """What has come on a stream so far."""

    status: int = 0
    """The final one; 0 before it."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    """Statuses below 200 that came before it."""
    ended: bool = False
    reset: int | None = None
    """Code of the RST_STREAM."""

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def is_whole(self, status: int, body: bytes) -> bool:
        return self.ended and (self.status, self.body) == (status, body)

    def take(self, fields: list[tuple[str, str]]) -> None:
        """A field section: an interim one, the head, or trailers."""
        status = dict(fields).get(":status", "")
        if not status:
            self.trailers = fields
        elif status.startswith("1"):
            self.interim.append(int(status))
        else:
            self.status, self.fields = int(status), fields

    def __str__(self) -> str:
        head = str(self.status) if self.status else ""
        if self.reset is not None:
            return f"{head} RST_STREAM {h2frames.error_name(self.reset)}".strip()
        return f"{head}{'' if self.ended else ' without an end'}" if head else "no answer"


class Raw(Link):
    """A connection that sends what it is told to; it acknowledges SETTINGS and PING, and gives no windows back."""

    def __init__(self, target: Target, *, greeting: bool = True) -> None:
        super().__init__(target, ("h2",))
        self.frames: list[Frame] = []
        """All that came, in order."""
        self.settings: dict[int, int] = {}
        """The server's."""
        self.answers: dict[int, Answer] = {}
        self.goaway: GoAwayFrame | None = None
        """The first one."""
        self._data = bytearray()
        self._decoder, self._encoder = Decoder(), Encoder()
        self._section = b""
        if isinstance(self.socket, ssl.SSLSocket) and (chosen := self.socket.selected_alpn_protocol()) != "h2":
            raise ProtocolFault(f"offered h2 by ALPN, the server chose {chosen or 'nothing'}")
        if greeting:
            self._greet()
            self._await_settings()

    def _greet(self) -> None:
        self.transmit(h2frames.PREFACE, shown(h2frames.PREFACE))
        self.send(SettingsFrame(0))

    def _await_settings(self) -> None:
        self.run_until(lambda: bool(self.frames))
        if not self.frames or not isinstance(self.frames[0], SettingsFrame) or "ACK" in self.frames[0].flags:
            raise ProtocolFault(f"expected SETTINGS as the server's first frame\n{self.story}")

    def send(self, *frames: Frame) -> None:
        for frame in frames:
            self._tell("→", frame)
        self.transmit(b"".join(frame.serialize() for frame in frames))

    def send_fields(
        self, stream_id: int, fields: Fields, flags: int = h2frames.END_HEADERS | h2frames.END_STREAM
    ) -> None:
        """A field section in one HEADERS frame, with nothing in it corrected."""
        end = "END_STREAM " if flags & h2frames.END_STREAM else ""
        self.tale.tell("→", f"HEADERS {stream_id} {end}{h2frames.listed(fields)}", f"HEADERS {end}".strip())
        self.transmit(h2frames.any_frame(h2frames.HEADERS, flags, stream_id, self.encoded(fields)).serialize())

    def encoded(self, fields: Fields) -> bytes:
        """A field section for frames that are put together by hand."""
        return self._encoder.encode([(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields])

    def request_fields(self, path: str, method: str = "GET", *more: tuple[str, str]) -> list[tuple[str, str]]:
        """The pseudo-header fields of a request as it should be, and these after them."""
        scheme = "https" if self.target.tls else "http"
        pseudo = [(":method", method), (":scheme", scheme), (":authority", self.target.authority), (":path", path)]
        return [*pseudo, *more]

    def answer(self, stream_id: int) -> Answer:
        """What has come on the stream so far."""
        return self.answers.setdefault(stream_id, Answer())

    def await_answer(self, stream_id: int, within_s: float | None = None) -> Answer:
        """The same when the answer, the connection or the time is over."""
        answer = self.answer(stream_id)
        self.run_until(lambda: answer.over or self.given_up, within_s)
        return answer

    @property
    def given_up(self) -> bool:
        """Has the server said that it takes the connection for broken?"""
        return self.goaway is not None and self.goaway.error_code != h2frames.NO_ERROR

    def pinged(self, within_s: float | None = None, enough: Callable[[], bool] = lambda: False) -> bool:
        """Has the server dealt with all that was sent so far? It answers a PING sent after it.

        False when `enough`, the end of the connection or of the time comes first.
        """
        payload = b"%08d" % len(self.frames)
        self.ping(payload)
        self.run_until(lambda: self._acknowledged(payload) or enough(), within_s)
        return self._acknowledged(payload)

    def ping(self, payload: bytes) -> None:
        self.send(PingFrame(0, opaque_data=payload))

    def _acknowledged(self, payload: bytes) -> bool:
        pings = (frame for frame in reversed(self.frames) if isinstance(frame, PingFrame))
        return any(frame.opaque_data == payload and "ACK" in frame.flags for frame in pings)

    def _took(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= h2frames.HEAD_BYTES:
            size = h2frames.HEAD_BYTES + int.from_bytes(self._data[:3], "big")
            if len(self._data) < size:
                break
            encoded = bytes(self._data[:size])
            del self._data[:size]
            self._arrived(encoded)

    def _arrived(self, encoded: bytes) -> None:
        """One whole frame."""
        try:
            frame, _ = Frame.parse_frame_header(memoryview(encoded[: h2frames.HEAD_BYTES]))
            frame.parse_body(memoryview(encoded[h2frames.HEAD_BYTES :]))
        except HyperframeError as error:
            raise ProtocolFault(f"not a frame: {error!r}: {shown(encoded)}\n{self.story}") from error
        self.frames.append(frame)
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self._take_fields(frame)
        else:
            self._tell("←", frame)
        self._take(frame)

    def _take(self, frame: Frame) -> None:
        match frame:
            case SettingsFrame() if "ACK" not in frame.flags:
                self.settings.update(frame.settings)
                self._acknowledge(SettingsFrame(0, flags=["ACK"]))
            case PingFrame() if "ACK" not in frame.flags:
                self._acknowledge(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))
            case GoAwayFrame():
                self.goaway = self.goaway or frame
            case DataFrame():
                self.answer(frame.stream_id).body += frame.data
            case RstStreamFrame():
                self.answer(frame.stream_id).reset = frame.error_code
            case _:
                pass
        if isinstance(frame, DataFrame | HeadersFrame) and "END_STREAM" in frame.flags:
            self.answer(frame.stream_id).ended = True

    def _take_fields(self, frame: HeadersFrame | ContinuationFrame) -> None:
        self._section += frame.data
        if "END_HEADERS" not in frame.flags:
            return
        try:
            pairs = self._decoder.decode(self._section, raw=True)
        except HPACKError as error:
            raise ProtocolFault(f"a field section that does not decode: {error!r}\n{self.story}") from error
        self._section = b""
        decoded = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in pairs]
        self.answer(frame.stream_id).take(decoded)
        end = "END_STREAM " if "END_STREAM" in frame.flags else ""
        self.tale.tell("←", f"HEADERS {frame.stream_id} {end}{h2frames.listed(decoded)}", f"HEADERS {end}".strip())

    def _acknowledge(self, frame: Frame) -> None:
        self.transmit(frame.serialize())

    def _tell(self, arrow: str, frame: Frame) -> None:
        words = h2frames.described(frame)
        if isinstance(frame, DataFrame):
            self.tale.tell(arrow, words, f"DATA {frame.stream_id}", len(frame.data))
        else:
            self.tale.tell(arrow, words, words.partition(" ")[0] if isinstance(frame, _MANY) else "")
