"""WebSocket: messages in both directions, control frames between them, compression, and pressure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsproto.events import BytesMessage, Event, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate

from harness.check.clients.http1 import new_marker
from harness.check.clients.websocket import CONTINUATION, FIN, PING, PONG, RSV1, TEXT, Socket
from harness.check.model import Check, Finding, not_applicable
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.check.model import Force
    from harness.check.target import Target

MIB = 1024 * 1024


def _echo(*events: Event, expected: Sequence[str | bytes]) -> Callable[[Target], Finding]:
    def run(target: Target) -> Finding:
        marker = new_marker()
        with Socket(target, f"/echo?marker={marker}") as socket:
            for event in events:
                socket.open.say(event)
            socket.await_message(len(expected))
            odd = [event for event in target.events(marker) if event["event"] == "odd"]
            if odd:
                return socket.finding(False, f"websocket.receive with both or neither of bytes and text: {odd[0]}")
            words = f"expected {list(expected)} back, found {socket.messages}"
            return socket.finding(socket.messages == list(expected), words)

    return run


def _large(target: Target) -> Finding:
    with Socket(target, "/echo") as socket:
        socket.open.say(BytesMessage(bytes(MIB)))
        echoed = socket.await_message()
        return socket.finding(echoed == bytes(MIB), f"1 MiB sent, {len(echoed or b''):,} bytes back")


def _fragments(target: Target) -> Finding:
    with Socket(target, "/echo") as socket:
        socket.open.send_frame(TEXT, b"one ")
        socket.send_frame(CONTINUATION, b"two ")
        socket.send_frame(FIN | PING, b"between")
        socket.send_frame(FIN | CONTINUATION, b"three")
        echoed = socket.await_message()
        pongs = [frame.payload for frame in socket.frames if frame.opcode == PONG]
        words = f"three fragments with a PING between them: {echoed!r} back, PONG {pongs}"
        return socket.finding(echoed == "one two three" and pongs == [b"between"], words)


def _split_characters(target: Target) -> Finding:
    with Socket(target, "/echo") as socket:
        socket.open.send_frame(TEXT, b"\xe2\x82")
        socket.send_frame(FIN | CONTINUATION, b"\xac")
        echoed = socket.await_message()
        return socket.finding(echoed == "€", f"a character of three octets over two fragments: {echoed!r} back")


def _ping(target: Target) -> Finding:
    payloads = [b"harness", b"", bytes(range(125))]
    with Socket(target, "/echo") as socket:
        for payload in payloads:
            socket.open.say(Ping(payload))
        socket.run_until(lambda: sum(frame.opcode == PONG for frame in socket.frames) >= len(payloads))
        pongs = [frame.payload for frame in socket.frames if frame.opcode == PONG]
        # A PONG may answer several PINGs: it names the last one.
        right = bool(pongs) and pongs[-1] == payloads[-1] and all(pong in payloads for pong in pongs)
        return socket.finding(right, f"{len(payloads)} PINGs, {len(pongs)} PONGs")


def _pong(target: Target) -> Finding:
    with Socket(target, "/echo") as socket:
        socket.open.send_frame(FIN | PONG, b"unasked")
        socket.say(TextMessage("hello"))
        echoed = socket.await_message()
        pongs = sum(frame.opcode == PONG for frame in socket.frames)
        words = f"a PONG that nobody asked for, then a message: {echoed!r} back, {pongs} PONGs in return"
        return socket.finding(echoed == "hello" and not pongs, words)


def _deflate(target: Target) -> Finding:
    text = "hello, hello, hello! " * 50
    with Socket(target, "/echo", extensions=[PerMessageDeflate()]) as socket:
        if not socket.agreed.extensions:
            return not_applicable("permessage-deflate is not negotiated")
        for _ in range(2):
            socket.say(TextMessage(text))
        socket.await_message(2)
        squeezed = sum(bool(frame.first & RSV1) for frame in socket.frames)
        words = f"two compressed messages: {len(socket.messages)} back, {squeezed} of them compressed"
        return socket.finding(socket.messages == [text, text], words)


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, WEBSOCKET_PROTOCOLS, expectation, source, run, force=force)


_EVENTS = "RFC 6455 §5.6; ASGI WebSocket, Receive, Send"

CHECKS = (
    _check(
        "ws-text",
        "Text",
        "Text goes to the app and back as text, and websocket.receive has exactly one of text and bytes.",
        _EVENTS,
        _echo(TextMessage("hello"), TextMessage("grüße €"), expected=["hello", "grüße €"]),
    ),
    _check(
        "ws-binary",
        "Binary",
        "Binary data go to the app and back as they are.",
        _EVENTS,
        _echo(BytesMessage(b"\x00\xff\x80hello"), expected=[b"\x00\xff\x80hello"]),
    ),
    _check(
        "ws-empty",
        "Empty messages",
        "A message may be empty: text stays text, and binary binary.",
        _EVENTS,
        _echo(TextMessage(""), BytesMessage(b""), expected=["", b""]),
    ),
    _check(
        "ws-large",
        "Message of 1 MiB",
        "A message of 1 MiB goes to the app and back.",
        _EVENTS,
        _large,
        force="expected",
    ),
    _check(
        "ws-fragments",
        "Fragments",
        "Fragments become one message; a control frame between them MUST be handled at once.",
        "RFC 6455 §5.4, §5.5.2",
        _fragments,
    ),
    _check(
        "ws-split-character",
        "Character over two fragments",
        "Text is UTF-8 as a whole: a fragment may end within a character.",
        "RFC 6455 §5.6",
        _split_characters,
    ),
    _check(
        "ws-ping",
        "PING",
        "A PING MUST be answered with a PONG of the same payload; of several, the last one at least.",
        "RFC 6455 §5.5.2, §5.5.3",
        _ping,
    ),
    _check(
        "ws-pong",
        "PONG nobody asked for",
        "An unsolicited PONG is taken, and not answered.",
        "RFC 6455 §5.5.3",
        _pong,
        force="expected",
    ),
    _check(
        "ws-deflate",
        "permessage-deflate",
        "Where it is negotiated, compressed messages go to the app and back.",
        "RFC 7692 §7",
        _deflate,
    ),
)
