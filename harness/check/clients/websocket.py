"""One WebSocket connection seen from the client: wsproto sends and validates, and raw frames may be sent beside it.

wsproto is given all that is received; a second parser (RFC 6455 §5.2) keeps the frames for the checks.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import ProtocolError

from harness.check.clients.connection import Connection
from harness.check.clients.transcript import shown
from harness.check.model import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsproto.extensions import Extension

    from harness.check.target import Target

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NAMES = {CONTINUATION: "CONTINUATION", TEXT: "TEXT", BINARY: "BINARY", CLOSE: "CLOSE", PING: "PING", PONG: "PONG"}
FIN = 0x80
RSV1 = 0x40
MASKED = 0x80
CONTROL_BYTES = 125
"""The longest payload of a control frame, and the longest whose length fits into the second octet."""
TWO_BYTES, EIGHT_BYTES = 126, 127
SWITCHING_PROTOCOLS = 101
NO_CODE = 1005
"""A CLOSE without a code counts as this one (RFC 6455 §7.1.5)."""


class Deflate(PerMessageDeflate):
    """permessage-deflate, offered with these parameters as they are; wsproto reads what the server agrees to."""

    def __init__(self, *parameters: str) -> None:
        super().__init__()
        self._offered = parameters
        self.agreed: tuple[str, ...] | None = None
        """The parameters of the server's response; None if it declined."""

    def offer(self) -> bool | str:
        return "; ".join(self._offered) or True

    def finalize(self, offer: str) -> None:
        self.agreed = tuple(part.strip() for part in offer.split(";")[1:])
        super().finalize(offer)


@dataclass(frozen=True)
class Frame:
    """One frame as it was received."""

    first: int
    """The first octet: FIN, the reserved bits and the opcode."""
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def code(self) -> int:
        """The code of a CLOSE."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else NO_CODE

    @property
    def reason(self) -> str:
        return self.payload[2:].decode("utf-8", "replace")

    def __str__(self) -> str:
        return _described(self.first, self.payload)


def _described(first: int, payload: bytes) -> str:
    name = NAMES.get(first & 0x0F, f"opcode {first & 0x0F:#x}")
    part = "" if first & FIN else " without FIN"
    reserved = f" reserved bits {first & 0x70:#x}" if first & 0x70 else ""
    if first & 0x0F == CLOSE and len(payload) > 1:
        return f"{name}{part}{reserved} {int.from_bytes(payload[:2], 'big')} {shown(payload[2:])}".rstrip()
    return f"{name}{part}{reserved} {len(payload):,} bytes {shown(payload)}".rstrip()


def encoded(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    """A frame with any content, right or wrong."""
    length = len(payload)
    if length <= CONTROL_BYTES:
        size, more = length, b""
    elif length <= 0xFFFF:  # noqa: PLR2004 - two octets
        size, more = TWO_BYTES, length.to_bytes(2, "big")
    else:
        size, more = EIGHT_BYTES, length.to_bytes(8, "big")
    if not masked:
        return bytes((first, size)) + more + payload
    key = secrets.token_bytes(4)
    stream = (key * (length // 4 + 1))[:length]
    mixed = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(length, "big")
    return bytes((first, MASKED | size)) + more + key + mixed


class WebSocket(Connection):
    """A connection after its handshake, which the server has accepted or rejected."""

    def __init__(
        self,
        target: Target,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        extensions: Sequence[Extension] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
        receive_buffer_bytes: int | None = None,
        answers_close: bool = True,
    ) -> None:
        super().__init__(target, receive_buffer_bytes=receive_buffer_bytes)
        self.accepted: AcceptConnection | None = None
        self.rejected: RejectConnection | None = None
        self.rejection = b""
        """The body of a rejection."""
        self.frames: list[Frame] = []
        self.messages: list[str | bytes] = []
        self.close_frame: Frame | None = None
        self._answers_close = answers_close
        self._wsproto = WSConnection(ConnectionType.CLIENT)
        self._data = bytearray()
        self._in_head = True
        self._part: str | bytes | None = None
        self._rejection_over = False
        request = Request(
            host=target.authority,
            target=path,
            subprotocols=list(subprotocols),
            extensions=list(extensions),
            extra_headers=list(headers),
        )
        handshake = self._wsproto.send(request)
        self.transcript.add("→", shown(handshake))
        self.transmit(handshake)
        self.run_until(lambda: self.accepted is not None or self._rejection_over)

    @property
    def agreed(self) -> AcceptConnection:
        """The server's acceptance of the handshake; raises `ProtocolFault` if it did not accept it."""
        if self.accepted is None:
            raise self.fault(f"expected the handshake accepted, found status {self.status or 'none'}")
        return self.accepted

    @property
    def status(self) -> int | None:
        """The status of the response to the handshake."""
        if self.accepted is not None:
            return SWITCHING_PROTOCOLS
        return None if self.rejected is None else self.rejected.status_code

    @property
    def compressing(self) -> WebSocket:
        """The connection, if it agreed to compress; raises `NotApplicable` if it did not, and as `agreed` does."""
        if not self.agreed.extensions:
            raise NotApplicable("the server does not agree to permessage-deflate")
        return self

    @property
    def open(self) -> WebSocket:
        """The connection itself; raises as `agreed` does."""
        _ = self.agreed
        return self

    def say(self, event: Event) -> None:
        """Send an event through wsproto."""
        data = event.data if isinstance(event, Message) else b""
        words = f"{type(event).__name__} {shown(data.encode() if isinstance(data, str) else bytes(data))}".rstrip()
        self.transcript.add("→", words)
        self.transmit(self._wsproto.send(event))

    def send_frame(self, first: int, payload: bytes = b"", *, masked: bool = True) -> None:
        """Send a frame with any content, without wsproto."""
        self.transcript.add("→", f"{_described(first, payload)}{'' if masked else ' unmasked'}")
        self.transmit(encoded(first, payload, masked=masked))

    def send_close(self, code: int, reason: bytes = b"") -> None:
        """Send a CLOSE, without wsproto."""
        self._answers_close = False
        self.send_frame(FIN | CLOSE, code.to_bytes(2, "big") + reason)

    def await_message(self, count: int = 1) -> str | bytes | None:
        """The message of this number, counted from 1; None if it is not received in time."""
        self.run_until(lambda: len(self.messages) >= count or self.close_frame is not None)
        return self.messages[count - 1] if len(self.messages) >= count else None

    def await_end(self, within_s: float) -> str:
        """Wait for the end of the connection: the server's CLOSE and whether it closed the connection, in words."""
        self.run_until(lambda: self.closed, within_s)
        close = str(self.close_frame) if self.close_frame is not None else "no CLOSE"
        return f"{close}, connection {'closed' if self.closed else 'open'}"

    @property
    def close_code(self) -> int | None:
        """The code of the server's CLOSE; None if none was received."""
        return self.close_frame.code if self.close_frame is not None else None

    @property
    def pongs(self) -> list[bytes]:
        """The payloads of the PONGs received."""
        return [frame.payload for frame in self.frames if frame.opcode == PONG]

    def _received(self, data: bytes) -> None:
        self._data += data
        if self._in_head:
            self._take_head()
        if not self._in_head and self.rejected is None:
            self._take_frames()
        if self._wsproto.state is not ConnectionState.CLOSED:
            try:
                self._wsproto.receive_data(data)
                for event in self._wsproto.events():
                    self._take(event)
            except ProtocolError as error:
                raise self.fault(f"rejected by wsproto: {error!r}") from error

    def _take_head(self) -> None:
        end = self._data.find(b"\r\n\r\n")
        if end >= 0:
            self.transcript.add("←", shown(bytes(self._data[: end + 4])))
            del self._data[: end + 4]
            self._in_head = False

    def _take_frames(self) -> None:
        while (size := self._frame_size()) is not None:
            start, end = size
            frame = Frame(self._data[0], bytes(self._data[start:end]))
            del self._data[:end]
            self.frames.append(frame)
            self.transcript.add("←", str(frame), NAMES.get(frame.opcode, ""), len(frame.payload))
            if frame.opcode == CLOSE and self.close_frame is None:
                self.close_frame = frame

    def _frame_size(self) -> tuple[int, int] | None:
        """Where the payload of the first frame begins and ends; None while the frame is incomplete."""
        if len(self._data) < 2:  # noqa: PLR2004 - all frames begin with two octets
            return None
        if self._data[1] & MASKED:
            raise self.fault("the server masks its frames")
        length, start = self._data[1], 2
        if length in (TWO_BYTES, EIGHT_BYTES):
            start = 4 if length == TWO_BYTES else 10
            if len(self._data) < start:
                return None
            length = int.from_bytes(self._data[2:start], "big")
        return (start, start + length) if len(self._data) >= start + length else None

    def _take(self, event: Event) -> None:
        if isinstance(event, AcceptConnection):
            self.accepted = event
        elif isinstance(event, RejectConnection):
            self.rejected = event
            self._rejection_over = not event.has_body
        elif isinstance(event, RejectData):
            self.rejection += bytes(event.data)
            self._rejection_over = event.body_finished
        elif isinstance(event, TextMessage | BytesMessage):
            self._take_message(event)
        elif isinstance(event, CloseConnection):
            self._take_close(event)

    def _take_close(self, event: CloseConnection) -> None:
        """Answer a CLOSE; wsproto also gives this event for what it rejects."""
        if event.code != self.close_code:
            raise self.fault(f"rejected by wsproto: {event.reason}")
        if self._answers_close and self._wsproto.state is ConnectionState.REMOTE_CLOSING:
            self._answers_close = False
            self.transcript.add("→", "CLOSE in return")
            self.transmit(self._wsproto.send(event.response()))

    def _take_message(self, event: TextMessage | BytesMessage) -> None:
        data = event.data if isinstance(event.data, str) else bytes(event.data)
        self._part = data if self._part is None else self._part + data  # type: ignore[operator] # of one kind
        if event.message_finished:
            self.messages.append(self._part)
            self._part = None
