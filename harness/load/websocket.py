"""WebSocket (RFC 6455) over HTTP/1.1: one user, one connection, one message in flight.

wsproto parses, except for frames that are whole messages: the one that the expected answer normally comes in is
compared as bytes, and others are read here.
"""

from __future__ import annotations

from time import perf_counter_ns
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
from harness.load.transport import CONNECT_TIMEOUT_S
from harness.load.unique import draw_values, fill_message
from harness.load.websocket_frames import encode, frame_head, read_whole
from harness.model.unique import fill_text, list_placeholders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.load.account import Account
    from harness.load.transport import Endpoint

GREETING = "greeting"
"""The kind of failure of a greeting that is not the expected one."""
_HEADERS_TOO_LARGE = 431
"""The status with which h11 marks its error about a handshake that is too long."""
_QUOTED_BYTES = 80
"""A greeting of at most this length is suggested as it is."""
_DRAIN_S = 0.001
"""How often a user looks whether the system has taken all that it wrote."""


def _type(text: bool) -> tuple[tuple[str, str], ...]:
    return (("type", "text" if text else "binary"),)


def _encode(message: Message) -> Message:
    """The message with its bytes: itself, whose bytes are sent repeatedly, or one with new values."""
    if message.placeholders:
        message = fill_message(message)
    data, body = message.data, message.expected_body
    message.encoded = b"" if data is None else encode(data, text=message.text)
    only_one = message.answers == 1 and message.until is None
    if isinstance(body, bytes) and message.check is None and only_one:
        # Then the frame of the right answer is known; servers seldom fragment it.
        message.learned = frame_head(len(body), text=message.text, masked=False) + body
        message.learned_answer = Answer(0, _type(message.text), body, data or b"")
    return message


class WebSocketClient(SerialClient[Message]):
    """A user's client, with one WebSocket on which the server answers each message with one or more."""

    def __init__(
        self,
        endpoint: Endpoint,
        path: str,
        account: Account,
        headers: Headers = (),
        *,
        subprotocols: Sequence[str] = (),
        greeting: Iterable[Message] = (),
        is_push: Callable[[Answer], bool] | None = None,
    ) -> None:
        """Make a client that is not connected yet.

        Of the `greeting`, each message is exchanged after connecting; only the first one may have no data. `is_push`
        tells messages that answer nothing; None if there are none. A path and headers may have placeholders.
        """
        super().__init__(endpoint, account)
        self._path = endpoint.prefix + path
        self._host = next((value for name, value in headers if name.lower() == "host"), endpoint.authority)
        self._headers = [(name, value) for name, value in headers if name.lower() != "host"]
        self._placeholders = list_placeholders(path.encode(), *(value for _, value in headers))
        self._subprotocols = list(subprotocols)
        self._greeting = list(greeting)
        self._is_push = is_push
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._message = Message()
        """The message in flight, or the last one."""
        self._answers = 0
        """How many messages of its answer have come, of those that were parsed."""
        self._held = b""
        self._parsing = True
        """Do all bytes go to wsproto, which may hold a part of a frame?"""
        self._comparing = False
        """Is an answer compared as bytes first? The first message of a connection is read in any case."""
        self._messages = 0
        """How many messages have come on this connection, of those that were read and are no pushes."""
        self._body = bytearray()
        """The beginning of a message that arrives in several parts."""
        self._content_bytes = 0
        self._overhead_bytes = 0
        """Beside the content, since the last answer."""
        self._idle_fault: Failure | None = None
        """An error that occurred while no message was in flight; the next exchange raises it."""

    def open(self) -> None:
        """Connect, do the handshake and exchange the greeting; raises `Failure`."""
        self._transport = transport = self._connect(self)
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._held, self._body = b"", bytearray()
        self._answers = self._messages = self._content_bytes = self._overhead_bytes = 0
        self._parsing, self._comparing = True, False
        try:
            with gevent.Timeout(CONNECT_TIMEOUT_S) as limit:
                self._begin()
        except gevent.Timeout as expired:
            if expired is not limit:
                raise
            began = self._connection.state is ConnectionState.OPEN
            raise Failure(GREETING if began else "handshake", f"no answer within {CONNECT_TIMEOUT_S:g} s") from None
        except Failure:
            self.close()
            raise
        self._account.negotiated = " ".join(filter(None, (transport.tls, "websocket")))

    def _begin(self) -> None:
        """Do the handshake and exchange the greeting; raises `Failure`."""
        values = draw_values(self._placeholders)
        headers = [(name.encode(), fill_text(value, values).encode("latin-1")) for name, value in self._headers]
        handshake = Handshake(
            host=self._host,
            target=fill_text(self._path, values),
            extra_headers=headers,
            subprotocols=self._subprotocols,
        )
        greeting = self._greeting
        self._message = greeting[0] if self._is_greeted else Message()
        arrived = self._send(self._connection.send(handshake))
        if isinstance(arrived, Failure):
            raise arrived
        for message in greeting:
            if message.data is not None:
                self._message = message if message.encoded else _encode(message)
                arrived = self._send(self._message.encoded)
                if isinstance(arrived, Failure):
                    raise arrived
            try:
                self._message.verify(arrived)
            except Failure as failure:
                raise Failure(GREETING, failure.detail) from failure

    @property
    def _is_greeted(self) -> bool:
        """Does the server speak first?"""
        return bool(self._greeting) and self._greeting[0].data is None

    def received(self, data: bytes, at_ns: int) -> None:
        """Bytes from the connection: the expected frame, a beginning of it, or something to read."""
        self._arrived_ns = at_ns
        if self._comparing and self._waiter is not None:
            data = self._held + data if self._held else data
            expected = self._message.learned
            if expected is not None:
                assert self._message.learned_answer is not None
                if data == expected:
                    self._held = b""
                    self._wake(self._message.learned_answer)
                    return
                if expected.startswith(data):
                    self._held = data
                    if not self._first_byte_ns and len(data) > len(expected) - len(self._message.learned_answer.body):
                        self._first_byte_ns = at_ns
                    return
            self._held = b""
        arrived = self._read(data)
        if arrived is None:
            # The beginning of a message may be that of a push, where there are any.
            if not self._first_byte_ns and (self._answers or (self._body and self._is_push is None)):
                self._first_byte_ns = at_ns
            return
        if self._waiter is not None:
            self._wake(arrived)
            return
        self.close()
        assert isinstance(arrived, Failure)  # without a message in flight, there is no answer
        if arrived.kind != RESET:
            self._idle_fault = arrived

    def lost(self, reason: str) -> None:
        """The connection ended before the answer."""
        self._wake(Failure(RESET, f"{reason} before the message was complete"))

    def notify(self, sent: Message) -> None:
        """Send a message that nothing answers, which does not count, and wait until the system has taken it.

        Raises `Failure`, which counts, if the server has closed the connection and takes no other.
        """
        began_ns = perf_counter_ns()
        try:
            if self._transport is None or not self._transport.alive:
                self.reopen()
        except Failure as failure:
            self._account.started += 1
            self._account.fail(sent.method, sent.name, failure, began_ns, perf_counter_ns())
            raise
        transport = self._transport
        assert transport is not None
        transport.write(sent.encoded or _encode(sent).encoded)
        gevent.sleep(0)  # a task may do nothing else, and the hub has to read
        while transport.alive and transport.unsent_bytes:
            gevent.sleep(_DRAIN_S)

    def _roundtrip(self, sent: Message) -> Answer:
        if self._transport is None or not self._transport.alive:
            self.reopen()
        if not sent.encoded:
            if sent.data is None:
                raise Failure(
                    "message", "expected data, found none; only the first message of a greeting sends nothing"
                )
            sent = _encode(sent)
        self._message = sent
        arrived = self._send(sent.encoded)
        if isinstance(arrived, Failure):
            if self._reopen_if_missed(sent.encoded):
                self._message = sent
                arrived = self._send(sent.encoded)
            if isinstance(arrived, Failure):
                self.close()
                raise arrived
        if arrived is not sent.learned_answer:
            try:
                sent.verify(arrived)
            except Failure as failure:
                # The next message could not be matched to its request.
                self.close()
                raise Failure(failure.kind, f"{failure.detail}{self._advise(arrived)}") from failure
        return arrived

    def _came(self) -> str:
        size = len(self._body) or len(self._held)
        several = f"{self._answers} answers" if self._answers else ""
        return " and ".join(filter(None, (several, f"{size} bytes of a message" if size else "")))

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

    def _read(self, data: bytes) -> Answer | Failure | None:
        """Read bytes; returns the message that completes an answer, or a failure, or None."""
        before_bytes = self._content_bytes
        try:
            arrived = self._react_to(data)
        except (ProtocolError, UnicodeDecodeError) as error:
            reason = error.__context__ or error  # of an error in the handshake, wsproto says less than h11
            kind = TOO_LARGE if getattr(reason, "error_status_hint", None) == _HEADERS_TOO_LARGE else "protocol"
            return Failure(kind, f"not WebSocket: {reason}")
        content_bytes = self._content_bytes - before_bytes
        self._overhead_bytes = 0 if arrived else add_overhead(self._overhead_bytes, len(data), content_bytes)
        if self._overhead_bytes > OVERHEAD_BYTES:
            return Failure(TOO_LARGE, describe_overhead("pings and empty fragments"))
        return arrived

    def _react_to(self, data: bytes) -> Answer | Failure | None:
        arrived: Answer | None = None
        for event in self._list_events(data):
            found = self._accept(event, data) if isinstance(event, AcceptConnection) else self._react(event, arrived)
            if isinstance(found, Failure):
                # A close frame after the answer does not make the answer wrong.
                if arrived is not None and found.kind == RESET:
                    self.close()
                    return arrived
                return found
            arrived = arrived or found
        return arrived

    def _list_events(self, data: bytes) -> Iterable[Event]:
        events = None if self._parsing else read_whole(data)
        if events is not None:
            return events
        # From here on everything is parsed, because the parser may hold a part of a frame.
        self._parsing, self._comparing = True, False
        self._connection.receive_data(data)
        return self._connection.events()

    def _accept(self, event: AcceptConnection, data: bytes) -> Answer | Failure | None:
        """Begin with messages; returns the answer to the handshake, unless a greeting is awaited with it."""
        # The parser holds nothing if what came behind the handshake are whole frames.
        _, end, rest = data.partition(b"\r\n\r\n")
        self._parsing = not end or read_whole(rest) is None
        if self._subprotocols and event.subprotocol is None:
            return Failure("handshake", f"expected a subprotocol of {', '.join(self._subprotocols)}, found none")
        return None if self._is_greeted else Answer(101, (), b"")

    def _react(self, event: Event, arrived: Answer | None) -> Answer | Failure | None:
        """Reply to pings and close frames; returns the message that completes an answer, or why there will be none.

        `arrived` is the answer that has just arrived, if there is one.
        """
        match event:
            case TextMessage() | BytesMessage():
                found = self._add(event)
                return self._take(found, arrived) if isinstance(found, Answer) else found
            case Ping():
                self._reply(event.response())
            case CloseConnection():
                fault = self._connection.state is ConnectionState.OPEN
                if self._transport is not None:
                    self._transport.count_undelivered()
                self._reply(event.response())
                closed = f"the server closed with code {int(event.code)} {event.reason or ''}".rstrip()
                return Failure("protocol", f"not WebSocket: {event.reason}") if fault else Failure(RESET, closed)
            case AcceptConnection():
                if self._subprotocols and event.subprotocol is None:
                    return Failure(
                        "handshake", f"expected a subprotocol of {', '.join(self._subprotocols)}, found none"
                    )
                return None if self._is_greeted else Answer(101, (), b"")
            case RejectConnection():
                return Failure("handshake", f"expected 101, found {event.status_code}{_advise_on(event.status_code)}")
        return None

    def _add(self, part: TextMessage | BytesMessage) -> Answer | Failure | None:
        """Add a part of a message; returns the message when it is complete."""
        data = part.data.encode() if isinstance(part.data, str) else part.data
        self._body += data
        self._content_bytes += len(data)
        if len(self._body) > self._endpoint.max_body_bytes:
            self._body.clear()
            return Failure(TOO_LARGE, describe_body(self._endpoint.max_body_bytes))
        if not part.message_finished:
            return None
        body = bytes(self._body)
        self._body.clear()
        sent = self._message.data if self._waiter is not None else None
        return Answer(0, _type(isinstance(part, TextMessage)), body, sent or b"")

    def _take(self, found: Answer, arrived: Answer | None) -> Answer | Failure | None:
        """Decide what a message is; returns it if it completes an answer, None if more is to come or it is a push."""
        self._comparing = not self._parsing
        try:
            if self._is_push is not None and self._is_push(found):
                self._account.pushes += 1
                return None
            self._messages += 1
            if arrived is not None or self._waiter is None:
                advice = self._advise(found, arrived)
                return Failure("protocol", f"expected no message, found {excerpt(found.body)}{advice}")
            self._answers += 1
            if self._message.is_last(found, self._answers):
                self._answers = 0
                return found
            self._message.verify(found)
        except Failure as failure:
            return Failure(failure.kind, f"{failure.detail}{self._advise(found)}")
        except Exception as error:  # noqa: BLE001 - a scenario's code may raise anything
            return Failure("check", f"is_push raised {error!r} for {excerpt(found.body)}")
        return None

    def _advise(self, found: Answer, arrived: Answer | None = None) -> str:
        """What a scenario may have to say of a message that was not expected, alone or behind the one that arrived."""
        first = {1: found, 2: arrived}.get(self._messages)
        if first is not None and not self._greeting:
            body = f"expected_body=b{excerpt(first.body)}" if len(first.body) <= _QUOTED_BYTES else "check=…"
            text = ", text=True" if first.header("type") == "text" else ""
            return f"; if the server greets whoever connects, the scenario needs greeting = Message({body}{text})"
        if self._is_push is None:
            return "; if the server sends it unasked, the scenario needs a method is_push"
        return ""

    def _reply(self, event: Event) -> None:
        if self._transport is not None:
            self._transport.write(self._connection.send(event))


def _advise_on(status: int) -> str:
    """What a scenario may have to say where the server refuses the handshake."""
    refused = 400 <= status < 500  # noqa: PLR2004 - RFC 9110, 15.5
    return "; the app may want another path, or subprotocols or headers of the scenario" if refused else ""
