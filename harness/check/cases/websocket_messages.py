"""WebSocket: messages in both directions, and control frames between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsproto.events import BytesMessage, Event, Ping, TextMessage

from harness.check.clients.websocket import CONTINUATION, FIN, PING, PONG, TEXT, WebSocket
from harness.check.model import Family, Finding
from harness.check.target import new_marker
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.check.target import Target

CHECKS = Family(WEBSOCKET_PROTOCOLS)

MIB = 1024 * 1024
_EVENTS = "RFC 6455 §5.6; ASGI WebSocket, Receive, Send"


def _echo(*events: Event, expected: Sequence[str | bytes]) -> Callable[[Target], Finding]:
    """A check that passes if the app echoes these messages."""

    def run(target: Target) -> Finding:
        marker = new_marker()
        with WebSocket(target, f"/echo?marker={marker}") as socket:
            for event in events:
                socket.open.say(event)
            socket.await_message(len(expected))
            odd = [event for event in target.events(marker) if event["event"] == "odd"]
            if odd:
                return socket.failed(f"websocket.receive with both or neither of bytes and text: {odd[0]}")
            words = f"expected {list(expected)} back, found {socket.messages}"
            return socket.finding(socket.messages == list(expected), words)

    return run


CHECKS.add(
    "ws-text",
    "Text",
    "Text reaches the app and returns as text; websocket.receive has either text or bytes.",
    _EVENTS,
    _echo(TextMessage("hello"), TextMessage("grüße €"), expected=["hello", "grüße €"]),
    quote="Exactly one of ``bytes`` or ``text`` must be non-``None``.",
    consequence="Messages of text do not work, or the app takes them for binary ones.",
)
CHECKS.add(
    "ws-binary",
    "Binary",
    "Binary data reach the app and return unchanged.",
    _EVENTS,
    _echo(BytesMessage(b"\x00\xff\x80hello"), expected=[b"\x00\xff\x80hello"]),
    quote="Exactly one of ``bytes`` or ``text`` must be non-``None``.",
    consequence="Binary messages do not work, or arrive changed.",
)
CHECKS.add(
    "ws-empty",
    "Empty messages",
    "Empty messages reach the app and return, as text and as binary.",
    _EVENTS,
    _echo(TextMessage(""), BytesMessage(b""), expected=["", b""]),
    quote="Exactly one of ``bytes`` or ``text`` must be non-``None``.",
    consequence="Empty messages, which some protocols use as a sign of life, are lost.",
)


@CHECKS.check(
    "ws-large",
    "Message of 1 MiB",
    _EVENTS,
    level="expected",
    consequence="Uploads and large documents over a WebSocket fail.",
)
def large(target: Target) -> Finding:
    """A message of 1 MiB reaches the app and returns."""
    with WebSocket(target, "/echo") as socket:
        socket.open.say(BytesMessage(bytes(MIB)))
        echoed = socket.await_message()
        return socket.finding(echoed == bytes(MIB), f"1 MiB sent, {len(echoed or b''):,} bytes back")


@CHECKS.check(
    "ws-fragments",
    "Fragments",
    "RFC 6455 §5.4, §5.5.2",
    quote="An endpoint MUST be capable of handling control frames in the middle of a fragmented message.",
    consequence="Clients that send large messages in parts lose them, or their connection.",
)
def fragments(target: Target) -> Finding:
    """A server joins fragments to one message, and MUST be able to handle a control frame between them."""
    with WebSocket(target, "/echo") as socket:
        socket.open.send_frame(TEXT, b"one ")
        socket.send_frame(CONTINUATION, b"two ")
        socket.send_frame(FIN | PING, b"between")
        socket.send_frame(FIN | CONTINUATION, b"three")
        echoed = socket.await_message()
        words = f"three fragments with a PING between them: {echoed!r} back, PONG {socket.pongs}"
        return socket.finding(echoed == "one two three" and socket.pongs == [b"between"], words)


@CHECKS.check(
    "ws-split-character",
    "Character over two fragments",
    "RFC 6455 §5.6",
    quote=(
        "Note that a particular text frame might include a partial UTF-8 sequence; however, the whole message MUST "
        "contain valid UTF-8."
    ),
    consequence=("Text from clients that cut it by bytes ends the connection, depending on where a character falls."),
)
def split_character(target: Target) -> Finding:
    """A server accepts text whose fragments end within a character, because only the whole message must be UTF-8."""
    with WebSocket(target, "/echo") as socket:
        socket.open.send_frame(TEXT, b"\xe2\x82")
        socket.send_frame(FIN | CONTINUATION, b"\xac")
        echoed = socket.await_message()
        return socket.finding(echoed == "€", f"a character of three octets over two fragments: {echoed!r} back")


@CHECKS.check(
    "ws-ping",
    "PING",
    "RFC 6455 §5.5.2, §5.5.3",
    quote=(
        "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a "
        "Close frame."
    ),
    consequence="Clients and proxies take the connection for dead, and close it.",
)
def ping(target: Target) -> Finding:
    """A server MUST answer PING with a PONG of the same payload; of several, at least the last one."""
    payloads = [b"harness", b"", bytes(range(125))]
    with WebSocket(target, "/echo") as socket:
        for payload in payloads:
            socket.open.say(Ping(payload))
        socket.run_until(lambda: len(socket.pongs) >= len(payloads))
        pongs = socket.pongs
        right = bool(pongs) and pongs[-1] == payloads[-1] and all(pong in payloads for pong in pongs)
        return socket.finding(right, f"{len(payloads)} PINGs, {len(pongs)} PONGs")


@CHECKS.check(
    "ws-pong",
    "PONG nobody asked for",
    "RFC 6455 §5.5.3",
    level="expected",
    consequence=(
        "Clients that send PONG as a sign of life lose their connection, or get answers that they do not expect."
    ),
)
def pong(target: Target) -> Finding:
    """A server accepts a PONG that it did not ask for, and does not answer it."""
    with WebSocket(target, "/echo") as socket:
        socket.open.send_frame(FIN | PONG, b"unasked")
        socket.say(TextMessage("hello"))
        echoed = socket.await_message()
        words = f"an unsolicited PONG, then a message: {echoed!r} back, {len(socket.pongs)} PONGs in return"
        return socket.finding(echoed == "hello" and not socket.pongs, words)
