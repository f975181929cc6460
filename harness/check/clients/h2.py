"""One HTTP/2 connection seen from a correct client: h2 sends, and validates all that is received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import DataFrame, Frame, WindowUpdateFrame

from harness.check.clients import h2_frames as h2frames
from harness.check.clients.h2_raw import RawHttp2, Response
from harness.check.clients.transcript import shown
from harness.check.target import new_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.clients.h2_frames import Fields
    from harness.check.target import Target


class Http2(RawHttp2):
    """A connection driven by h2; what h2 rejects is a `ProtocolFault`.

    After a GOAWAY h2 accepts nothing more, although streams may go on; from then on it is not asked.
    """

    def __init__(
        self, target: Target, settings: Mapping[int, int] | None = None, *, widens_windows: bool = True
    ) -> None:
        self._h2 = H2Connection(
            H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        initial = {SettingCodes(key): value for key, value in (settings or {}).items()}
        self._h2.local_settings = Settings(client=True, initial_values=initial)
        self._widens_windows = widens_windows
        """Is WINDOW_UPDATE sent as soon as data are received?"""
        super().__init__(target)

    def _greet(self) -> None:
        self._h2.initiate_connection()
        settings = h2frames.settings_listed(self._h2.local_settings)
        self.transcript.add("→", f"{shown(h2frames.PREFACE)}, SETTINGS {settings}")
        self._flush()

    def request(self, path: str, method: str = "GET", *more: tuple[str, str], end: bool = True) -> int:
        """Open a stream with a well-formed request; returns its number."""
        return self.open(self.request_fields(path, method, *more), end=end)

    def open(self, fields: Fields, *, end: bool = False) -> int:
        """Open a stream with these fields; returns its number."""
        stream_id = self._h2.get_next_available_stream_id()
        self.fields(stream_id, fields, end=end)
        return stream_id

    def call_app(self, path: str) -> tuple[int, str]:
        """Open a stream with a GET, wait until the app has been called, and return the stream and its marker.

        Raises `ProtocolFault` if the app is not called.
        """
        marker = new_marker()
        stream_id = self.request(f"{path}?marker={marker}")
        if self.target.await_event(marker, "http") is None:
            raise self.fault("expected the app to be called, found that it was not")
        return stream_id, marker

    def fields(self, stream_id: int, fields: Fields, *, end: bool) -> None:
        """Send a field section: a head, or trailers."""
        words = f"HEADERS {stream_id} {'END_STREAM ' if end else ''}{h2frames.listed(fields)}"
        self.transcript.add("→", words, "HEADERS")
        self._h2.send_headers(stream_id, fields, end_stream=end)
        self._flush()

    def fetch(self, path: str, method: str = "GET", *more: tuple[str, str]) -> Response:
        """Send a request without a body, and return the response."""
        return self.await_response(self.request(path, method, *more))

    def data(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send one DATA frame, for which the window must have room."""
        self.transcript.add("→", f"DATA {stream_id} {len(data):,} bytes", f"DATA {stream_id}", len(data))
        self._h2.send_data(stream_id, data, end_stream=end)
        self._flush()

    def room(self, stream_id: int) -> int:
        """How many bytes of data the server accepts now in one frame."""
        return min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)

    def upload(self, stream_id: int, total: int, stop: Callable[[], bool], silence_s: float | None = None) -> int:
        """Send up to `total` bytes as the windows allow; returns how many, once the server gives no more room."""
        sent = 0
        while sent < total and not stop():
            self.run_until(lambda: self.room(stream_id) > 0 or stop(), silence_s)
            size = min(self.room(stream_id), total - sent)
            if size <= 0 or stop():
                break
            self.data(stream_id, bytes(size))
            sent += size
        return sent

    def end(self, stream_id: int) -> None:
        """End the client's side of the stream."""
        self.data(stream_id, b"", end=True)

    def reset(self, stream_id: int) -> None:
        """Send RST_STREAM with CANCEL."""
        self.transcript.add("→", f"RST_STREAM {stream_id} CANCEL", "RST_STREAM")
        self._h2.reset_stream(stream_id, h2frames.CANCEL)
        self._flush()

    def widen(self, increment: int, stream_id: int | None = None) -> None:
        """Send WINDOW_UPDATE for a stream or for the connection."""
        self.transcript.add("→", f"WINDOW_UPDATE {stream_id or 0} +{increment:,}", "WINDOW_UPDATE")
        self._h2.increment_flow_control_window(increment, stream_id)
        self._flush()

    def change(self, settings: Mapping[int, int]) -> None:
        """Send SETTINGS on an open connection."""
        self.transcript.add("→", f"SETTINGS {h2frames.settings_listed(settings)}")
        self._h2.update_settings(dict(settings))
        self._flush()

    def _received_frame(self, encoded: bytes) -> None:
        before_goaway = self.goaway is None
        super()._received_frame(encoded)
        if before_goaway:
            try:
                self._h2.receive_data(encoded)
            except H2Error as error:
                raise self.fault(f"rejected by h2: {error!r}") from error
        if self._widens_windows and isinstance(self.frames[-1], DataFrame):
            self._widen_after(self.frames[-1])
        self._flush()

    def _widen_after(self, frame: DataFrame) -> None:
        size = frame.flow_controlled_length
        if not size:
            return
        if self.goaway is None:
            self._h2.acknowledge_received_data(size, frame.stream_id)
        else:
            updates = [WindowUpdateFrame(number, size).serialize() for number in (0, frame.stream_id)]
            self.transmit(b"".join(updates))

    def _acknowledge(self, frame: Frame) -> None:
        if self.goaway is not None:  # until then h2 does it
            super()._acknowledge(frame)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self.transmit(data)
