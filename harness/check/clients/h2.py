"""One HTTP/2 connection seen from a client in order: h2 sends, and judges all that comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import DataFrame, Frame, WindowUpdateFrame

from harness.check.clients import h2_frames as h2frames
from harness.check.clients.h2_raw import Answer, Raw
from harness.check.clients.http1 import shown
from harness.check.model import ProtocolFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.clients.h2_frames import Fields
    from harness.check.target import Target


class Client(Raw):
    """A connection that h2 drives; what h2 does not take from the server is a `ProtocolFault`.

    h2 takes nothing more after a GOAWAY, though streams may go on; from then on it is not asked.
    """

    def __init__(self, target: Target, settings: Mapping[int, int] | None = None, *, gives_back: bool = True) -> None:
        self._h2 = H2Connection(
            H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self._h2.local_settings = Settings(client=True, initial_values=_codes(settings or {}))
        self._gives_back = gives_back
        """Are windows given back as soon as bytes have come?"""
        super().__init__(target)

    def _greet(self) -> None:
        self._h2.initiate_connection()
        sent = " ".join(f"{h2frames.setting_name(key)}={value}" for key, value in self._h2.local_settings.items())
        self.tale.tell("→", f"{shown(h2frames.PREFACE)}, SETTINGS {sent}")
        self._flush()

    def request(self, path: str, method: str = "GET", *more: tuple[str, str], end: bool = True) -> int:
        """Open a stream with a request as it should be; its number."""
        return self.open(self.request_fields(path, method, *more), end=end)

    def open(self, fields: Fields, *, end: bool = False) -> int:
        """Open a stream with these fields; its number."""
        stream_id = self._h2.get_next_available_stream_id()
        self.fields(stream_id, fields, end=end)
        return stream_id

    def fields(self, stream_id: int, fields: Fields, *, end: bool) -> None:
        """A field section: a head, or trailers."""
        words = f"HEADERS {stream_id} {'END_STREAM ' if end else ''}{h2frames.listed(fields)}"
        self.tale.tell("→", words, "HEADERS")
        self._h2.send_headers(stream_id, fields, end_stream=end)
        self._flush()

    def fetch(self, path: str, method: str = "GET", *more: tuple[str, str]) -> Answer:
        """A request without a body and its answer."""
        return self.await_answer(self.request(path, method, *more))

    def data(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """One DATA frame, for which there must be room."""
        self.tale.tell("→", f"DATA {stream_id} {len(data):,} bytes", f"DATA {stream_id}", len(data))
        self._h2.send_data(stream_id, data, end_stream=end)
        self._flush()

    def room(self, stream_id: int) -> int:
        """How many bytes of data the server would take now in one frame."""
        return min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)

    def upload(self, stream_id: int, total: int, stop: Callable[[], bool], silence_s: float | None = None) -> int:
        """Send up to so many bytes as the windows allow; how many went out when the server gave no more room."""
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
        self.data(stream_id, b"", end=True)

    def reset(self, stream_id: int) -> None:
        """RST_STREAM with CANCEL."""
        self.tale.tell("→", f"RST_STREAM {stream_id} CANCEL", "RST_STREAM")
        self._h2.reset_stream(stream_id, h2frames.CANCEL)
        self._flush()

    def widen(self, increment: int, stream_id: int | None = None) -> None:
        """WINDOW_UPDATE for a stream or for the connection."""
        self.tale.tell("→", f"WINDOW_UPDATE {stream_id or 0} +{increment:,}", "WINDOW_UPDATE")
        self._h2.increment_flow_control_window(increment, stream_id)
        self._flush()

    def change(self, settings: Mapping[int, int]) -> None:
        """SETTINGS in the middle of a connection."""
        sent = " ".join(f"{h2frames.setting_name(key)}={value}" for key, value in settings.items())
        self.tale.tell("→", f"SETTINGS {sent}")
        self._h2.update_settings(dict(settings))
        self._flush()

    def _arrived(self, encoded: bytes) -> None:
        heeded = self.goaway is None
        super()._arrived(encoded)
        if heeded:
            try:
                self._h2.receive_data(encoded)
            except H2Error as error:
                raise ProtocolFault(f"against the protocol, says h2: {error!r}\n{self.story}") from error
        if self._gives_back and isinstance(self.frames[-1], DataFrame):
            self._give_back(self.frames[-1])
        self._flush()

    def _give_back(self, frame: DataFrame) -> None:
        size = frame.flow_controlled_length
        if self.goaway is not None:
            if size:
                updates = [WindowUpdateFrame(number, size).serialize() for number in (0, frame.stream_id)]
                self.transmit(b"".join(updates))
        elif size:
            self._h2.acknowledge_received_data(size, frame.stream_id)

    def _acknowledge(self, frame: Frame) -> None:
        """h2 does it."""
        if self.goaway is not None:
            super()._acknowledge(frame)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self.transmit(data)


def _codes(settings: Mapping[int, int]) -> dict[SettingCodes, int]:
    return {SettingCodes(key): value for key, value in settings.items()}
