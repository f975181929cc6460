"""WebSocket: how a connection ends, and what the app learns of it (RFC 6455 §7, ASGI)."""

from __future__ import annotations

import socket as sockets
import struct
from typing import TYPE_CHECKING

from wsproto.events import TextMessage

from harness.check.cases.websocket import older_than, version_of
from harness.check.clients.websocket import CLOSE, FIN, NO_CODE, RSV1, TEXT, Deflate, WebSocket
from harness.check.model import Attempt, Family, Finding, judge, not_applicable
from harness.check.target import new_marker
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(WEBSOCKET_PROTOCOLS)

NORMAL, GOING_AWAY, ABNORMAL, INTERNAL_ERROR, RESTART = 1000, 1001, 1006, 1011, 1012
APP_CODE = 3001
REASON_SINCE = (2, 3)
"""The version of the ASGI specification that added a reason to websocket.close."""
RAISES_SINCE = (2, 4)
"""The version of the ASGI specification since which send() raises on a closed connection."""
SILENCE_S = 2.0


def _close(socket: WebSocket, target: Target, code: int | None, marker: str) -> tuple[str, bool, object]:
    """Close as the client: what happened in words, whether all got to know, and the code that the app got."""
    socket.open.send_frame(FIN | CLOSE, b"" if code is None else code.to_bytes(2, "big") + b"bye")
    end = socket.await_end(SILENCE_S)
    socket.close()
    told = target.await_event(marker, "websocket.disconnect")
    found = f"{told['code']}, reason {told['reason']!r}" if told else "no websocket.disconnect"
    words = f"CLOSE {code or 'without a code'} sent; back: {end}; the app got {found}"
    known = socket.close_frame is not None and socket.closed and told is not None
    return words, known, told and told["code"]


@CHECKS.check(
    "ws-close",
    "Closed by the client",
    "RFC 6455 §5.5.1, §7.1.1; ASGI WebSocket, Disconnect",
    quote=(
        "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a "
        "Close frame in response."
    ),
    consequence=(
        "Clients wait for the end of a connection until a timeout, and each close costs a socket for as long."
    ),
)
def close(target: Target) -> Finding:
    """A server MUST answer CLOSE, with or without a code, by CLOSE, and close the connection; the app gets the code."""
    attempts = []
    for code in (APP_CODE, None):
        marker = new_marker()
        with WebSocket(target, f"/echo?marker={marker}", answers_close=False) as socket:
            words, known, told = _close(socket, target, code, marker)
            attempts.append(Attempt(words, known and code in (told, None), str(socket.transcript)))
    return judge(attempts, "CLOSE in return, the connection closed, and the app told")


@CHECKS.check(
    "ws-close-no-code",
    "Closed by the client without a code",
    "ASGI WebSocket, Disconnect",
    level="should",
    quote=(
        "If no code was received in the frame from the client, the server should set this to ``1005`` (the default "
        "value in the WebSocket specification)."
    ),
    consequence="The app takes a close without a code for another end, such as a normal one.",
)
def close_without_code(target: Target) -> Finding:
    """The app should get the code 1005 if the client closes without a code."""
    marker = new_marker()
    with WebSocket(target, f"/echo?marker={marker}", answers_close=False) as socket:
        words, _, told = _close(socket, target, None, marker)
        return socket.finding(told == NO_CODE, words)


_IN_THE_MIDDLE = "An endpoint MUST be capable of handling control frames in the middle of a fragmented message."
_LOOKS_BROKEN = "A client that leaves while it sends a message looks like a broken one, to the app and in logs."


def close_in_message(first: int, payload: bytes, *, compressing: bool = False) -> Callable[[Target], Finding]:
    """A check in which the client closes within a fragmented message: as right as any CLOSE."""

    def run(target: Target) -> Finding:
        marker = new_marker()
        extensions = [Deflate()] if compressing else []
        with WebSocket(target, f"/echo?marker={marker}", extensions=extensions, answers_close=False) as socket:
            (socket.compressing if compressing else socket.open).send_frame(first, payload)
            words, known, _ = _close(socket, target, APP_CODE, marker)
            right = known and socket.close_code in (APP_CODE, NORMAL, NO_CODE)
            reached = any(event["event"] == "message" for event in target.events(marker))
            words += "; the unfinished message reached the app" if reached else ""
            return socket.finding(right and not reached, f"after the first fragment of a message, {words}")

    return run


CHECKS.add(
    "ws-close-in-message",
    "Closed by the client within a message",
    "A server MUST answer CLOSE between the fragments of a message as any CLOSE, with no error; the app is told, "
    "and gets no part of the message.",
    "RFC 6455 §5.4, §5.5.1",
    close_in_message(TEXT, b"the first part, "),
    quote=_IN_THE_MIDDLE,
    consequence=_LOOKS_BROKEN,
)
CHECKS.add(
    "ws-deflate-close",
    "Closed by the client within a compressed message",
    "A server MUST answer CLOSE between the fragments of a compressed message as any CLOSE, with no error; the app is "
    "told, and gets no part of the message.",
    "RFC 6455 §5.4, §5.5.1",
    close_in_message(RSV1 | TEXT, b"\xf2\x48\xcd", compressing=True),
    quote=_IN_THE_MIDDLE,
    consequence=_LOOKS_BROKEN,
)


@CHECKS.check(
    "ws-app-closes",
    "Closed by the app",
    "RFC 6455 §5.5.1; ASGI WebSocket, Close, Spec Versions",
    quote=(
        "If this is sent after the socket is accepted, the server must close the socket with the close code passed in "
        "the message (or 1000 if none is specified)."
    ),
    consequence="Clients that act on the app's close code, such as to log in again, do not get it.",
)
def app_closes(target: Target) -> Finding:
    """The client gets the code of the app and, since version 2.3 of the specification, its reason.

    The server closes the connection.
    """
    marker = new_marker()
    with WebSocket(target, f"/close?code={APP_CODE}&reason=bye&marker={marker}") as socket:
        end = socket.open.await_end(SILENCE_S)
        frame = socket.close_frame
        right = frame is not None and (frame.code, frame.reason) == (APP_CODE, "bye") and socket.closed
        if frame is not None and not frame.reason and (without_reason := older_than(target, marker, REASON_SINCE)):
            right = frame.code == APP_CODE and socket.closed
            end = f"{end}; a reason {without_reason}"
        return socket.finding(right, f"the app closes with 3001 bye: {end}")


def _app_ends(path: str, is_right: Callable[[int | None], bool]) -> Callable[[Target], Finding]:
    """A check in which the app ends after a message without closing; on a new server, which it may leave broken."""

    def run(target: Target) -> Finding:
        with target.fresh() as server, WebSocket(server, path) as socket:
            socket.open.say(TextMessage("go"))
            end = socket.await_end(SILENCE_S)
            return socket.finding(socket.closed and is_right(socket.close_code), f"{path}: {end}")

    return run


CHECKS.add(
    "ws-app-raises",
    "App that raises",
    "A server ends the connection if the app raises, with 1011 or without a CLOSE, but not with 1000.",
    "RFC 6455 §7.4.1",
    _app_ends("/raise", lambda code: code in (None, INTERNAL_ERROR)),
    level="expected",
    consequence="A crash of the app looks like a normal end to the client, which does not connect again.",
)
CHECKS.add(
    "ws-app-returns",
    "App that returns",
    "A server should close the connection if the app returns.",
    "ASGI WebSocket, Connection Scope",
    _app_ends("/return", lambda _: True),
    level="should",
    quote="if the application dies the socket should be closed, and vice-versa",
    consequence="Connections that nobody serves stay open, until the descriptors run out.",
)


@CHECKS.check(
    "ws-vanished",
    "Client that vanishes",
    "RFC 6455 §7.1.5; ASGI WebSocket, Disconnect",
    quote=(
        "Sent to the application when either connection to the client is lost, either from the client closing the "
        "connection, the server closing the connection, or loss of the socket."
    ),
    consequence="The app goes on for clients that have left, and its lists of them grow.",
)
def vanished(target: Target) -> Finding:
    """The app gets websocket.disconnect with 1006 or 1005 if the connection is lost without a CLOSE."""
    marker = new_marker()
    with WebSocket(target, f"/echo?marker={marker}") as socket:
        socket.open.say(TextMessage("hello"))
        socket.await_message()
        socket.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 0, 0))
    socket.remark("closed by the client without a CLOSE", "×")
    told = target.await_event(marker, "websocket.disconnect")
    found = told["code"] if told else "no websocket.disconnect"
    return socket.finding(found in (ABNORMAL, NO_CODE), f"the client vanished; the app got {found}")


@CHECKS.check(
    "ws-late-send",
    "send() after a disconnect",
    "ASGI WebSocket, Disconnected Client (spec version 2.4)",
    level="should",
    quote=(
        "If ``send()`` is called on a closed connection the server should raise a server-specific subclass of "
        "``OSError``."
    ),
    consequence="An app that only sends does not learn that its client has left.",
)
def late_send(target: Target) -> Finding:
    """send() on a closed connection should raise an OSError."""
    marker = new_marker()
    with WebSocket(target, f"/late-send?marker={marker}") as socket:
        socket.open.send_close(NORMAL)
        socket.await_end(SILENCE_S)
        socket.close()
        found = target.await_event(marker, "sent")
        if found is None:
            return socket.failed("send() after websocket.disconnect did not return")
        words = f"send() after websocket.disconnect raised {found['raised'] or 'nothing'}, spec version {found['spec']}"
        if found["raised"] is None and version_of(found["spec"]) < RAISES_SINCE:
            return not_applicable(words)
        return socket.finding(found["is_os_error"], words)


@CHECKS.check(
    "ws-shutdown",
    "SIGTERM with a WebSocket open",
    "RFC 6455 §7.4.1; ASGI WebSocket, Disconnect",
    level="expected",
    consequence=(
        "At each deployment clients see a broken connection, not one that says to connect again, and apps cannot clean "
        "up."
    ),
    danger="loses",
)
def shutdown(target: Target) -> Finding:
    """A server that gets SIGTERM sends CLOSE 1001 or 1012, and the app gets websocket.disconnect."""
    marker = new_marker()
    with target.fresh() as server, WebSocket(server, f"/echo?marker={marker}") as socket:
        socket.open.say(TextMessage("hello"))
        socket.await_message()
        server.terminate()
        socket.remark("SIGTERM to the server")
        end = socket.await_end(target.timeout_s)
        socket.close()
        told = server.await_event(marker, "websocket.disconnect", SILENCE_S)
        words = f"SIGTERM: {end}; the app got {told['code'] if told else 'no websocket.disconnect'}"
        return socket.finding(socket.close_code in (GOING_AWAY, RESTART) and told is not None, words)
