"""WebSocket (RFC 6455) over HTTP/1.1: one user, one connection, one message in flight."""

from __future__ import annotations

import os
import struct
from time import perf_counter_ns
from typing import TYPE_CHECKING

from gevent import get_hub, getcurrent
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

from harness.load.exchange import Answer, Failure, Message
from harness.load.transport import Endpoint, Transport

if TYPE_CHECKING:
    from greenlet import greenlet

    from harness.load.account import Account

_METHOD = "WS"
"""What stands for the method in Locust's statistics."""


def _type(text: bool) -> tuple[tuple[str, str], ...]:
    return (("type", "text" if text else "binary"),)


def frame_head(size: int, *, text: bool, masked: bool) -> bytes:
    """The beginning of one final, unfragmented data frame (RFC 6455, 5.2)."""
    first, mask_bit = 0x80 | (1 if text else 2), 0x80 if masked else 0
    if size < 126:  # noqa: PLR2004 - RFC 6455, 5.2: 126 and 127 announce longer lengths
        return bytes([first, mask_bit | size])
    if size < 1 << 16:
        return struct.pack("!BBH", first, mask_bit | 126, size)
    return struct.pack("!BBQ", first, mask_bit | 127, size)


def encode(message: Message) -> bytes:
    """The message as a client sends it. The mask is drawn once, as the same bytes are sent again and again."""
    size = len(message.data)
    mask = os.urandom(4)
    stretched = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(message.data, "big") ^ int.from_bytes(stretched, "big")
    return frame_head(size, text=message.text, masked=True) + mask + masked.to_bytes(size, "big")


class WebSocketClient:
    """A user's WebSocket."""

    def __init__(self, endpoint: Endpoint, path: str, account: Account) -> None:
        self.pending_since_ns = 0
        self._endpoint = endpoint
        self._path = path
        self._account = account
        self._transport: Transport | None = None
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._waiter: greenlet | None = None
        self._expected: bytes | None = None
        self._expected_answer: Answer | None = None
        self._held = b""
        self._parsing = True
        self._parts: list[bytes] = []
        self._arrived: Answer | Failure
        self._arrived_ns = 0

    def open(self) -> None:
        """Connect and shake hands; raises `Failure`."""
        self._transport = transport = Transport(self._endpoint, self)
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._held, self._parts = b"", []
        self._parsing = True
        self._account.opened += 1
        try:
            self._send(self._connection.send(Handshake(host=self._endpoint.authority, target=self._path)))
        except Failure:
            self.close()
            raise
        self._parsing = False
        self._account.negotiated = " ".join(filter(None, (transport.tls, "websocket")))

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def exchange(self, message: Message, intended_ns: int | None = None) -> Answer:
        """Send, wait for the next message, verify and record it; raises `Failure` when it is not right."""
        account = self._account
        account.started += 1
        written_ns = self.pending_since_ns = perf_counter_ns()
        try:
            answer = self._roundtrip(message)
        except Failure as failure:
            self.close()
            account.fail(_METHOD, message.name, failure, perf_counter_ns() - (intended_ns or written_ns))
            raise
        finally:
            self.pending_since_ns = 0
        series = account.series(_METHOD, message.name)
        series.intended(intended_ns or written_ns)
        series.written(written_ns)
        series.ended(self._arrived_ns)
        series.body_bytes += len(answer.body)
        return answer

    def give_up(self, failure: Failure) -> None:
        """End the message in flight with this failure."""
        self._wake(failure)

    def received(self, data: bytes, at_ns: int) -> None:
        """Bytes from the connection: just the frame that is expected, or a part of it, or something to parse."""
        self._arrived_ns = at_ns
        if not self._parsing:
            data = self._held + data if self._held else data
            if data == self._expected:
                self._held = b""
                self._wake(self._expected_answer)
                return
            if self._expected is not None and self._expected.startswith(data):
                self._held = data
                return
            # The parser sees this connection to its end: only it knows what it holds of a frame.
            self._held = b""
            self._parsing = True
        try:
            self._connection.receive_data(data)
            for event in self._connection.events():
                self._react(event)
        except ProtocolError as error:
            self._wake(Failure("protocol", f"not WebSocket: {error}"))

    def lost(self, reason: str) -> None:
        """The connection ended, and with it the hope for an answer."""
        self._wake(Failure("closed", f"{reason} before the whole message"))

    def _react(self, event: Event) -> None:
        match event:
            case TextMessage() | BytesMessage():
                data = event.data.encode() if isinstance(event.data, str) else bytes(event.data)
                self._parts.append(data)
                if event.message_finished:
                    body, self._parts = b"".join(self._parts), []
                    self._wake(Answer(0, _type(isinstance(event, TextMessage)), body))
            case Ping() if self._transport is not None:
                self._transport.write(self._connection.send(event.response()))
            case CloseConnection():
                if self._transport is not None and self._connection.state is ConnectionState.REMOTE_CLOSING:
                    self._transport.write(self._connection.send(event.response()))
                self._wake(Failure("closed", f"the server closed with code {event.code}"))
            case AcceptConnection():
                self._wake(Answer(101, (), b""))
            case RejectConnection():
                self._wake(Failure("handshake", f"expected 101, found {event.status_code}"))

    def _roundtrip(self, message: Message) -> Answer:
        if self._transport is None or not self._transport.alive:
            self._account.reopened += 1
            self.open()
        if message.encoded is None:
            message.encoded = encode(message)
            if message.expected_body is not None:
                body = message.expected_body
                message.learned = frame_head(len(body), text=message.text, masked=False) + body
                message.learned_answer = Answer(0, _type(message.text), body)
        self._expected, self._expected_answer = message.learned, message.learned_answer
        answer = self._send(message.encoded)
        if answer is not message.learned_answer:
            message.verify(answer)
        return answer

    def _send(self, wire: bytes) -> Answer:
        assert self._transport is not None
        self._waiter = getcurrent()
        self._transport.write(wire)
        try:
            get_hub().switch()
        except BaseException:
            # Killed while waiting: what comes now belongs to nobody.
            self._waiter = None
            self.close()
            raise
        if isinstance(self._arrived, Failure):
            raise self._arrived
        return self._arrived

    def _wake(self, arrived: Answer | Failure | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and arrived is not None:
            self._arrived = arrived
            waiter.switch()
