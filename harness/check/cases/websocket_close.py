"""WebSocket: how a connection ends, and what the app hears of it (RFC 6455 §7, ASGI)."""

from __future__ import annotations

import socket as sockets
import struct
from typing import TYPE_CHECKING

from wsproto.events import CloseConnection, TextMessage

from harness.check.cases.websocket import before, version_of
from harness.check.clients.http1 import new_marker
from harness.check.clients.websocket import (
    CLOSE,
    FIN,
    NO_CODE,
    Socket,
)
from harness.check.model import Check, Finding, not_applicable
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import Target

    Form = Callable[[Socket], None]

NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, INTERNAL_ERROR, RESTART = 1000, 1001, 1002, 1007, 1011, 1012
ABNORMAL = 1006
REASON_SINCE = (2, 3)
"""Version of the ASGI specification in which websocket.close got a reason."""
RAISES_SINCE = (2, 4)
"""Version of the ASGI specification in which send() began to raise."""
SILENCE_S = 2.0


def _close(code: int | None, reason: str = "") -> Callable[[Target], Finding]:
    """The client closes: the server answers, closes the connection, and tells the app."""

    def run(target: Target) -> Finding:
        marker = new_marker()
        with Socket(target, f"/echo?marker={marker}") as socket:
            if code is None:
                socket.open.send_frame(FIN | CLOSE)
            else:
                socket.open.say(CloseConnection(code, reason))
            end = socket.await_end(SILENCE_S)
            socket.leave()
            told = target.await_event(marker, "websocket.disconnect")
            expected = NO_CODE if code is None else code
            found = told["code"] if told else "no websocket.disconnect"
            right = socket.close_frame is not None and socket.closed and found == expected
            words = f"CLOSE {code or 'without a code'} sent; back: {end}; the app got {found}"
            return socket.finding(right, f"{words}, reason {told['reason']!r}" if told else words)

    return run


def _app_closes(target: Target) -> Finding:
    marker = new_marker()
    with Socket(target, f"/close?code=3001&reason=bye&marker={marker}") as socket:
        end = socket.open.await_end(SILENCE_S)
        frame = socket.close_frame
        right = frame is not None and (frame.code, frame.reason) == (3001, "bye") and socket.closed
        if frame is not None and not frame.reason and (why := before(target, marker, REASON_SINCE)):
            right = frame.code == 3001 and socket.closed  # noqa: PLR2004 - the app's
            end = f"{end}; a reason {why}"
        return socket.finding(right, f"the app closes with 3001 bye: {end}")


def _app_ends(path: str, right: Callable[[int | None], bool]) -> Callable[[Target], Finding]:
    """The app ends after a message, without a close of its own; on a server that no other fault has been tried on."""

    def run(target: Target) -> Finding:
        with target.fresh() as own, Socket(own, path) as socket:
            socket.open.say(TextMessage("go"))
            end = socket.await_end(SILENCE_S)
            code = socket.close_frame.code if socket.close_frame else None
            return socket.finding(socket.closed and right(code), f"{path}: {end}")

    return run


def _vanished(target: Target) -> Finding:
    marker = new_marker()
    with Socket(target, f"/echo?marker={marker}") as socket:
        socket.open.say(TextMessage("hello"))
        socket.await_message()
        socket.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 0, 0))
    socket.tale.tell("×", "closed by the client without a CLOSE")
    told = target.await_event(marker, "websocket.disconnect")
    found = told["code"] if told else "no websocket.disconnect"
    return socket.finding(found in (ABNORMAL, NO_CODE), f"the client vanished; the app got {found}")


def _late_send(target: Target) -> Finding:
    marker = new_marker()
    with Socket(target, f"/late-send?marker={marker}") as socket:
        socket.open.send_close(NORMAL)
        socket.await_end(SILENCE_S)
        socket.leave()
        found = target.await_event(marker, "sent")
        if found is None:
            return socket.finding(False, "send() after websocket.disconnect did not return")
        words = f"send() after websocket.disconnect raised {found['raised'] or 'nothing'}, spec version {found['spec']}"
        if found["raised"] is None and version_of(found["spec"]) < RAISES_SINCE:
            return not_applicable(words)
        return socket.finding(found["is_os_error"], words)


def _shutdown(target: Target) -> Finding:
    marker = new_marker()
    with target.fresh() as own, Socket(own, f"/echo?marker={marker}") as socket:
        socket.open.say(TextMessage("hello"))
        socket.await_message()
        own.terminate()
        socket.tale.tell("!", "SIGTERM to the server")
        end = socket.await_end(target.patience_s)
        socket.leave()
        told = own.await_event(marker, "websocket.disconnect", SILENCE_S)
        code = socket.close_frame.code if socket.close_frame else None
        words = f"SIGTERM: {end}; the app got {told['code'] if told else 'no websocket.disconnect'}"
        return socket.finding(code in (GOING_AWAY, RESTART) and told is not None, words)


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, WEBSOCKET_PROTOCOLS, expectation, source, run, force=force)


CHECKS = (
    _check(
        "ws-close",
        "Closed by the client",
        "CLOSE MUST be answered with CLOSE, the server MUST close the connection, and the app gets the code.",
        "RFC 6455 §5.5.1, §7.1.1; ASGI WebSocket, Disconnect",
        _close(3000, "bye"),
    ),
    _check(
        "ws-close-no-code",
        "Closed by the client without a code",
        "The same, and the app gets 1005.",
        "RFC 6455 §5.5.1, §7.1.5; ASGI WebSocket, Disconnect",
        _close(None),
    ),
    _check(
        "ws-app-closes",
        "Closed by the app",
        "Code and, since version 2.3 of the specification, reason of the app reach the client, and the server closes "
        "the connection.",
        "RFC 6455 §5.5.1; ASGI WebSocket, Close, Spec Versions",
        _app_closes,
    ),
    _check(
        "ws-app-raises",
        "App that raises",
        "The connection ends, with 1011 or without a CLOSE, but not as if all were well.",
        "RFC 6455 §7.4.1",
        _app_ends("/raise", lambda code: code in (None, INTERNAL_ERROR)),
        force="expected",
    ),
    _check(
        "ws-app-returns",
        "App that returns",
        "If the app ends, the socket should be closed.",
        "ASGI WebSocket, Connection Scope",
        _app_ends("/return", lambda _: True),
        force="should",
    ),
    _check(
        "ws-vanished",
        "Client that vanishes",
        "The app gets websocket.disconnect with 1006 (or 1005) when the connection is lost without a CLOSE.",
        "RFC 6455 §7.1.5; ASGI WebSocket, Disconnect",
        _vanished,
    ),
    _check(
        "ws-late-send",
        "send() after a disconnect",
        "send() on a closed connection should raise an OSError.",
        "ASGI WebSocket, Disconnected Client (spec version 2.4)",
        _late_send,
        force="should",
    ),
    _check(
        "ws-shutdown",
        "SIGTERM with a WebSocket open",
        "A server that goes down says CLOSE 1001 (or 1012), and the app gets websocket.disconnect.",
        "RFC 6455 §7.4.1; ASGI WebSocket, Disconnect",
        _shutdown,
        force="expected",
    ),
)
