"""One HTTP/2 connection seen from the client, frame by frame: it sends any frame, right or wrong."""

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
from harness.check.clients.connection import Connection
from harness.check.clients.transcript import shown
from harness.check.model import ProtocolFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.clients.h2_frames import Fields
    from harness.check.target import Target

_COUNTED = (WindowUpdateFrame, RstStreamFrame)
"""The transcript counts consecutive frames of these types in one line."""


@dataclass
class Response:
    """What has been received on a stream so far."""

    status: int = 0
    """The final status; 0 until it is received."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    """The statuses below 200 that came before it."""
    ended: bool = False
    """Has END_STREAM been received?"""
    reset: int | None = None
    """The code of the RST_STREAM that was received."""

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def is_complete(self, status: int, body: bytes) -> bool:
        """Has the response ended, with this status and this body?"""
        return self.ended and (self.status, self.body) == (status, body)

    def add_fields(self, fields: list[tuple[str, str]]) -> None:
        """Add a field section: an interim response, the head, or trailers."""
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
        return f"{head}{'' if self.ended else ' without an end'}" if head else "no response"


class RawHttp2(Connection):
    """A connection that sends what it is told to, and by itself only acknowledges SETTINGS and PING."""

    def __init__(self, target: Target, *, greeting: bool = True) -> None:
        super().__init__(target, ("h2",))
        self.frames: list[Frame] = []
        """All frames received, in order."""
        self.settings: dict[int, int] = {}
        """The server's settings."""
        self.responses: dict[int, Response] = {}
        self.goaway: GoAwayFrame | None = None
        """The first GOAWAY received."""
        self._data = bytearray()
        self._decoder, self._encoder = Decoder(), Encoder()
        self._section = b""
        if isinstance(self.socket, ssl.SSLSocket) and (chosen := self.socket.selected_alpn_protocol()) != "h2":
            raise ProtocolFault(f"offered h2 by ALPN, the server chose {chosen or 'nothing'}")
        if greeting:
            self._greet()
            self._await_settings()

    def _greet(self) -> None:
        self.transcript.add("→", shown(h2frames.PREFACE))
        self.transmit(h2frames.PREFACE)
        self.send(SettingsFrame(0))

    def _await_settings(self) -> None:
        self.run_until(lambda: bool(self.frames))
        if not self.frames or not isinstance(self.frames[0], SettingsFrame) or "ACK" in self.frames[0].flags:
            raise self.fault("expected SETTINGS as the server's first frame")

    def send(self, *frames: Frame) -> None:
        """Send frames as they are."""
        for frame in frames:
            self._record("→", frame)
        self.transmit(b"".join(frame.serialize() for frame in frames))

    def send_fields(
        self, stream_id: int, fields: Fields, flags: int = h2frames.END_HEADERS | h2frames.END_STREAM
    ) -> None:
        """Send a field section in one HEADERS frame, with nothing in it corrected."""
        end = "END_STREAM " if flags & h2frames.END_STREAM else ""
        self.transcript.add("→", f"HEADERS {stream_id} {end}{h2frames.listed(fields)}", f"HEADERS {end}".strip())
        self.transmit(h2frames.any_frame(h2frames.HEADERS, flags, stream_id, self.encoded(fields)).serialize())

    def encoded(self, fields: Fields) -> bytes:
        """A field section, for frames that are put together by hand."""
        return self._encoder.encode([(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields])

    def request_fields(self, path: str, method: str = "GET", *more: tuple[str, str]) -> list[tuple[str, str]]:
        """The fields of a well-formed request: its pseudo-headers, then these."""
        scheme = "https" if self.target.tls else "http"
        pseudo = [(":method", method), (":scheme", scheme), (":authority", self.target.authority), (":path", path)]
        return [*pseudo, *more]

    def response(self, stream_id: int) -> Response:
        """What has been received on the stream so far."""
        return self.responses.setdefault(stream_id, Response())

    def await_response(self, stream_id: int, within_s: float | None = None) -> Response:
        """The response once it is over, or the connection or the time is."""
        response = self.response(stream_id)
        self.run_until(lambda: response.over or self.failed_by_server, within_s)
        return response

    @property
    def failed_by_server(self) -> bool:
        """Has the server sent GOAWAY with an error?"""
        return self.goaway is not None and self.goaway.error_code != h2frames.NO_ERROR

    def ping(self, within_s: float | None = None, enough: Callable[[], bool] = lambda: False) -> bool:
        """Send a PING: has the server acknowledged it, and so processed all that was sent before it?

        False if `enough` is true, or the connection or the time is over, before that.
        """
        payload = b"%08d" % len(self.frames)
        self.send(PingFrame(0, opaque_data=payload))
        self.run_until(lambda: self._acknowledged(payload) or enough(), within_s)
        return self._acknowledged(payload)

    def _acknowledged(self, payload: bytes) -> bool:
        pings = (frame for frame in reversed(self.frames) if isinstance(frame, PingFrame))
        return any(frame.opaque_data == payload and "ACK" in frame.flags for frame in pings)

    def _received(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= h2frames.HEAD_BYTES:
            size = h2frames.HEAD_BYTES + int.from_bytes(self._data[:3], "big")
            if len(self._data) < size:
                break
            encoded = bytes(self._data[:size])
            del self._data[:size]
            self._received_frame(encoded)

    def _received_frame(self, encoded: bytes) -> None:
        try:
            frame, _ = Frame.parse_frame_header(memoryview(encoded[: h2frames.HEAD_BYTES]))
            frame.parse_body(memoryview(encoded[h2frames.HEAD_BYTES :]))
        except HyperframeError as error:
            raise self.fault(f"not a frame: {error!r}: {shown(encoded)}") from error
        self.frames.append(frame)
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self._add_fields(frame)
        else:
            self._record("←", frame)
        self._apply(frame)

    def _apply(self, frame: Frame) -> None:
        match frame:
            case SettingsFrame() if "ACK" not in frame.flags:
                self.settings.update(frame.settings)
                self._acknowledge(SettingsFrame(0, flags=["ACK"]))
            case PingFrame() if "ACK" not in frame.flags:
                self._acknowledge(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))
            case GoAwayFrame():
                self.goaway = self.goaway or frame
            case DataFrame():
                self.response(frame.stream_id).body += frame.data
            case RstStreamFrame():
                self.response(frame.stream_id).reset = frame.error_code
            case _:
                pass
        if isinstance(frame, DataFrame | HeadersFrame) and "END_STREAM" in frame.flags:
            self.response(frame.stream_id).ended = True

    def _add_fields(self, frame: HeadersFrame | ContinuationFrame) -> None:
        self._section += frame.data
        if "END_HEADERS" not in frame.flags:
            return
        try:
            pairs = self._decoder.decode(self._section, raw=True)
        except HPACKError as error:
            raise self.fault(f"a field section that cannot be decoded: {error!r}") from error
        self._section = b""
        decoded = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in pairs]
        self.response(frame.stream_id).add_fields(decoded)
        end = "END_STREAM " if "END_STREAM" in frame.flags else ""
        self.transcript.add("←", f"HEADERS {frame.stream_id} {end}{h2frames.listed(decoded)}", f"HEADERS {end}".strip())

    def _acknowledge(self, frame: Frame) -> None:
        self.transmit(frame.serialize())

    def _record(self, arrow: str, frame: Frame) -> None:
        words = h2frames.described(frame)
        if isinstance(frame, DataFrame):
            self.transcript.add(arrow, words, f"DATA {frame.stream_id}", len(frame.data))
        else:
            self.transcript.add(arrow, words, words.partition(" ")[0] if isinstance(frame, _COUNTED) else "")
