"""WebSocket: how a connection ends, and what the app learns of it (RFC 6455 §7, ASGI)."""

from __future__ import annotations

import socket as sockets
import struct
from typing import TYPE_CHECKING

from wsproto.events import CloseConnection, TextMessage

from harness.check.cases.websocket import older_than, version_of
from harness.check.clients.websocket import CLOSE, FIN, NO_CODE, WebSocket
from harness.check.model import Family, Finding, not_applicable
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


def _close(code: int | None, reason: str = "") -> Callable[[Target], Finding]:
    """A check in which the client closes: the server answers, closes the connection, and tells the app."""

    def run(target: Target) -> Finding:
        marker = new_marker()
        with WebSocket(target, f"/echo?marker={marker}") as socket:
            if code is None:
                socket.open.send_frame(FIN | CLOSE)
            else:
                socket.open.say(CloseConnection(code, reason))
            end = socket.await_end(SILENCE_S)
            socket.close()
            told = target.await_event(marker, "websocket.disconnect")
            expected = NO_CODE if code is None else code
            found = told["code"] if told else "no websocket.disconnect"
            right = socket.close_frame is not None and socket.closed and found == expected
            words = f"CLOSE {code or 'without a code'} sent; back: {end}; the app got {found}"
            return socket.finding(right, f"{words}, reason {told['reason']!r}" if told else words)

    return run


CHECKS.add(
    "ws-close",
    "Closed by the client",
    "A server MUST answer CLOSE with CLOSE and close the connection; the app gets the code.",
    "RFC 6455 §5.5.1, §7.1.1; ASGI WebSocket, Disconnect",
    _close(3000, "bye"),
)
CHECKS.add(
    "ws-close-no-code",
    "Closed by the client without a code",
    "A server answers CLOSE without a code like any CLOSE; the app gets the code 1005.",
    "RFC 6455 §5.5.1, §7.1.5; ASGI WebSocket, Disconnect",
    _close(None),
)


@CHECKS.check("ws-app-closes", "Closed by the app", "RFC 6455 §5.5.1; ASGI WebSocket, Close, Spec Versions")
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
)
CHECKS.add(
    "ws-app-returns",
    "App that returns",
    "A server should close the connection if the app returns.",
    "ASGI WebSocket, Connection Scope",
    _app_ends("/return", lambda _: True),
    level="should",
)


@CHECKS.check("ws-vanished", "Client that vanishes", "RFC 6455 §7.1.5; ASGI WebSocket, Disconnect")
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
    "ws-shutdown", "SIGTERM with a WebSocket open", "RFC 6455 §7.4.1; ASGI WebSocket, Disconnect", level="expected"
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
