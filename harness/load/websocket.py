"""WebSocket (RFC 6455) over HTTP/1.1: one user, one connection, one message in flight.

wsproto parses, except for the one frame that the expected answer normally comes in, which is compared as bytes.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import gevent
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    TextMessage,
)
from wsproto.events import Request as Handshake
from wsproto.utilities import ProtocolError

from harness.load.bounds import OVERHEAD_BYTES, TOO_LARGE, add_overhead, describe_body, describe_overhead
from harness.load.client import SerialClient
from harness.load.exchange import RESET, Answer, Failure, Headers, Message, excerpt
from harness.load.transport import CONNECT_TIMEOUT_S, Endpoint, Transport

if TYPE_CHECKING:
    from harness.load.account import Account

_HEADERS_TOO_LARGE = 431
"""The status with which h11 marks its error about a handshake that is too long."""


def _type(text: bool) -> tuple[tuple[str, str], ...]:
    return (("type", "text" if text else "binary"),)


def frame_head(size: int, *, text: bool, masked: bool) -> bytes:
    """The header of a data frame that is a complete message (RFC 6455, 5.2), without the masking key."""
    first, mask_bit = 0x80 | (1 if text else 2), 0x80 if masked else 0
    if size < 126:  # noqa: PLR2004 - RFC 6455, 5.2: 126 and 127 announce longer lengths
        return bytes([first, mask_bit | size])
    if size < 1 << 16:
        return struct.pack("!BBH", first, mask_bit | 126, size)
    return struct.pack("!BBQ", first, mask_bit | 127, size)


def encode(message: Message) -> bytes:
    """The message as one masked frame; the masking key is chosen once, because the same bytes are sent repeatedly."""
    size = len(message.data)
    mask = os.urandom(4)
    repeated = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(message.data, "big") ^ int.from_bytes(repeated, "big")
    return frame_head(size, text=message.text, masked=True) + mask + masked.to_bytes(size, "big")


def _learn_expected(message: Message) -> None:
    """Predict the frame of the right answer, if its body is the only check; servers seldom fragment it."""
    body = message.expected_body
    if isinstance(body, bytes) and message.check is None:
        message.learned = frame_head(len(body), text=message.text, masked=False) + body
        message.learned_answer = Answer(0, _type(message.text), body)


class WebSocketClient(SerialClient[Message]):
    """A user's client, with one WebSocket on which the server sends one message for each message."""

    def __init__(self, endpoint: Endpoint, path: str, account: Account, headers: Headers = ()) -> None:
        super().__init__(endpoint, account)
        self._path = endpoint.prefix + path
        self._host = next((value for name, value in headers if name == "host"), endpoint.authority)
        self._headers = [(name.encode(), value.encode("latin-1")) for name, value in headers if name != "host"]
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._message: Message
        self._held = b""
        self._parsing = True
        self._body = bytearray()
        """The beginning of a message that arrives in several parts."""
        self._overhead_bytes = 0
        """Beside the content, since the last message."""
        self._idle_fault: Failure | None = None
        """An error that occurred while no message was in flight; the next exchange raises it."""

    def open(self) -> None:
        """Connect and do the handshake; raises `Failure`."""
        self._transport = transport = Transport(self._endpoint, self)
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._held, self._body = b"", bytearray()
        self._overhead_bytes = 0
        self._parsing = True
        self._account.opened += 1
        handshake = Handshake(host=self._host, target=self._path, extra_headers=self._headers)
        with gevent.Timeout(CONNECT_TIMEOUT_S, Failure("handshake", f"no answer within {CONNECT_TIMEOUT_S:g} s")):
            arrived = self._send(self._connection.send(handshake))
        if isinstance(arrived, Failure):
            self.close()
            raise arrived
        self._account.negotiated = " ".join(filter(None, (transport.tls, "websocket")))

    def received(self, data: bytes, at_ns: int) -> None:
        """Bytes from the connection: the expected frame, a beginning of it, or something to parse."""
        self._arrived_ns = at_ns
        if not self._parsing and self._waiter is not None:
            data = self._held + data if self._held else data
            expected = self._message.learned
            if expected is not None:
                if data == expected:
                    assert self._message.learned_answer is not None
                    self._held = b""
                    self._wake(self._message.learned_answer)
                    return
                if expected.startswith(data):
                    self._held = data
                    return
            self._held = b""
        # From here on everything is parsed, because the parser may hold a part of a frame.
        self._parsing = True
        arrived = self._parse(data)
        if arrived is None:
            return
        if self._waiter is not None:
            self._wake(arrived)
            return
        self.close()
        if isinstance(arrived, Answer):
            self._idle_fault = Failure("protocol", f"expected no message, found {excerpt(arrived.body)}")
        elif arrived.kind != RESET:
            self._idle_fault = arrived

    def lost(self, reason: str) -> None:
        """The connection ended before the answer."""
        self._wake(Failure(RESET, f"{reason} before the message was complete"))

    def _roundtrip(self, sent: Message) -> Answer:
        if self._transport is None or not self._transport.alive:
            self.reopen()
        if not sent.encoded:
            sent.encoded = encode(sent)
            _learn_expected(sent)
        self._message = sent
        arrived = self._send(sent.encoded)
        if isinstance(arrived, Failure):
            if self._reopen_if_missed(sent.encoded):
                arrived = self._send(sent.encoded)
            if isinstance(arrived, Failure):
                self.close()
                raise arrived
        if arrived is not sent.learned_answer:
            try:
                sent.verify(arrived)
            except Failure:
                # The next message could not be matched to its request.
                self.close()
                raise
        return arrived

    def _came(self) -> str:
        size = len(self._body) or len(self._held)
        return f"{size} bytes of a message" if size else ""

    @property
    def is_open(self) -> bool:
        # After an error the next message must not find a new connection, because then it would not be counted.
        return super().is_open or self._idle_fault is not None

    def reopen(self) -> None:
        """Connect again; raises `Failure`, also for an error that occurred while no message was in flight."""
        fault, self._idle_fault = self._idle_fault, None
        if fault is not None:
            raise fault
        super().reopen()

    def _parse(self, data: bytes) -> Answer | Failure | None:
        """Parse bytes; returns a complete message or a failure, or None."""
        body_bytes = len(self._body)
        arrived = self._read(data)
        content_bytes = len(self._body) - body_bytes
        self._overhead_bytes = 0 if arrived else add_overhead(self._overhead_bytes, len(data), content_bytes)
        if self._overhead_bytes > OVERHEAD_BYTES:
            return Failure(TOO_LARGE, describe_overhead("pings and empty fragments"))
        return arrived

    def _read(self, data: bytes) -> Answer | Failure | None:
        arrived = None
        try:
            self._connection.receive_data(data)
            for event in self._connection.events():
                if isinstance(event, AcceptConnection):
                    # Bytes after the handshake may be the beginning of a frame.
                    self._parsing = not data.endswith(b"\r\n\r\n")
                found = self._react(event)
                if isinstance(found, Failure):
                    # A close frame after the answer does not make the answer wrong.
                    if arrived is not None and found.kind == RESET:
                        self.close()
                        return arrived
                    return found
                if arrived is not None and found is not None:
                    return Failure("protocol", "expected one message, found more")
                arrived = arrived or found
        except (ProtocolError, UnicodeDecodeError) as error:
            reason = error.__context__ or error  # of an error in the handshake, wsproto says less than h11
            kind = TOO_LARGE if getattr(reason, "error_status_hint", None) == _HEADERS_TOO_LARGE else "protocol"
            return Failure(kind, f"not WebSocket: {reason}")
        return arrived

    def _react(self, event: Event) -> Answer | Failure | None:
        """Reply to pings and close frames; returns the message when it is complete, or why there will be none."""
        match event:
            case TextMessage() | BytesMessage():
                return self._add(event)
            case Ping():
                self._reply(event.response())
            case CloseConnection():
                fault = self._connection.state is ConnectionState.OPEN
                if self._transport is not None:
                    self._transport.count_undelivered()
                self._reply(event.response())
                if fault:
                    return Failure("protocol", f"not WebSocket: {event.reason}")
                return Failure(RESET, f"the server closed with code {int(event.code)} {event.reason or ''}".rstrip())
            case AcceptConnection():
                return Answer(101, (), b"")
            case RejectConnection():
                return Failure("handshake", f"expected 101, found {event.status_code}")
        return None

    def _add(self, part: TextMessage | BytesMessage) -> Answer | Failure | None:
        """Add a part of a message; returns the message when it is complete."""
        self._body += part.data.encode() if isinstance(part.data, str) else part.data
        if len(self._body) > self._endpoint.max_body_bytes:
            self._body.clear()
            return Failure(TOO_LARGE, describe_body(self._endpoint.max_body_bytes))
        if not part.message_finished:
            return None
        body = bytes(self._body)
        self._body.clear()
        return Answer(0, _type(isinstance(part, TextMessage)), body)

    def _reply(self, event: Event) -> None:
        if self._transport is not None:
            self._transport.write(self._connection.send(event))
