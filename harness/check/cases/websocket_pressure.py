"""WebSocket: how large a message may be, and a side that does not read."""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from wsproto.events import TextMessage

from harness.check.clients.http1 import new_marker
from harness.check.clients.websocket import BINARY, FIN, NO_CODE, PING, PONG, Socket, encoded
from harness.check.model import Check, Finding, not_applicable
from harness.check.target import POLL_S
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from harness.check.target import Target

MIB = 1024 * 1024
SIZES_MIB = (4, 16, 17)
"""Tried in turn for the figure: 16 MiB is the limit of several servers."""
MIB_IN_PATIENCE = 8
"""Of a large message, what is given the time of the target's patience, beyond that which any answer is given."""
BLOCK_BYTES = 65_536
TOO_BIG = 1009
ENDLESS_BYTES = 24 * MIB
"""More than sockets and queues hold; who takes it for a side that does not read would take anything."""
SILENCE_S = 1.0
SMALL_BUFFER = 16_384


def _largest(target: Target) -> Finding:
    passed_mib = 1
    for size_mib in SIZES_MIB:
        with Socket(target, "/size") as socket:
            limit_s = target.patience_s * (1 + size_mib / MIB_IN_PATIENCE)
            data = encoded(FIN | BINARY, bytes(size_mib * MIB))
            socket.open.transmit(data, f"BINARY of {size_mib} MiB of zeros", limit_s=limit_s)
            socket.work_until(lambda: bool(socket.messages) or socket.close_frame is not None, limit_s)
            if socket.messages != [str(size_mib * MIB)]:
                return _not_taken(socket, passed_mib, size_mib)
            passed_mib = size_mib
    with Socket(target, "/echo") as socket:
        socket.open.say(TextMessage("hello"))
        survives = socket.await_message() == "hello"
        found = socket.finding(survives, f"messages of {passed_mib} MiB are taken, the largest tried")
        return replace(found, value=f"≥ {passed_mib} MiB")


def _not_taken(socket: Socket, taken_mib: int, size_mib: int) -> Finding:
    """How a message that the app did not get ended: a server that answers a PING is done with it."""
    end = socket.await_end(SILENCE_S)
    code = socket.close_frame.code if socket.close_frame else None
    words = f"the largest message taken is {taken_mib} MiB; at {size_mib} MiB: {end}"
    if code is None and not socket.closed:
        socket.send_frame(FIN | PING, b"still there?")
        if not socket.run_until(lambda: any(frame.opcode == PONG for frame in socket.frames)) and not socket.closed:
            return not_applicable(f"too slow to tell: {words}\n{socket.story}")
        if socket.await_message() == str(size_mib * MIB):
            return not_applicable(f"too slow to tell: {size_mib} MiB were taken in the end\n{socket.story}")
    right = socket.closed if code is None else code in (TOO_BIG, NO_CODE)
    return replace(socket.finding(right, words), value=f"{taken_mib} MiB" if right else "")


def _send_pressure(target: Target) -> Finding:
    marker = new_marker()

    def sent() -> int:
        return max((event["bytes"] for event in target.events(marker) if event["event"] == "sent"), default=0)

    with Socket(target, f"/stream?marker={marker}", receive_buffer_bytes=SMALL_BUFFER) as socket:
        _ = socket.open
        taken, since = 0, time.monotonic()
        while taken < ENDLESS_BYTES and time.monotonic() - since < SILENCE_S:
            if (found := sent()) > taken:
                taken, since = found, time.monotonic()
            time.sleep(POLL_S)
        words = f"a client that does not read: send() took {taken:,} bytes"
        if taken >= ENDLESS_BYTES:
            return socket.finding(False, f"{words} and would take more")
        went_on = socket.run_until(lambda: sent() > taken)
        # 0 bytes are right where send() returns once the client's side has a block, and that has room for none.
        return socket.finding(went_on, f"{words}; once it read, sending {'went on' if went_on else 'did not go on'}")


def _receive_pressure(target: Target) -> Finding:
    marker = new_marker()
    message = encoded(FIN | BINARY, bytes(BLOCK_BYTES))
    with Socket(target, f"/deaf?marker={marker}") as socket:
        sent, ended = _push(socket.open, message)
        blocks = -(-sent // len(message))
        words = f"an app that does not read: the server took {sent:,} bytes"
        socket.tale.tell("→", f"{blocks:,} × BINARY of {BLOCK_BYTES:,} bytes of zeros, until {sent:,} bytes were taken")
        target.open_gate(marker)
        if sent >= ENDLESS_BYTES:
            return socket.finding(False, f"{words} and would take more")
        if ended:
            return socket.finding(True, f"{words} and closed the connection")
        socket.tale.tell("!", "the app reads now")
        rest = message[sent % len(message) :] if sent % len(message) else b""
        socket.transmit(rest, limit_s=2 * target.patience_s)
        socket.say(TextMessage("how many?"))
        counted = socket.await_message()
        right = counted == str(blocks * BLOCK_BYTES)
        return socket.finding(right, f"{words}; later the app got {counted!r} of {blocks * BLOCK_BYTES:,}")


def _push(socket: Socket, message: bytes) -> tuple[int, bool]:
    """Send the message again and again until the server takes no more: how many bytes, and has it closed?"""
    socket.socket.settimeout(min(SILENCE_S, socket.patience_s))
    sent = 0
    try:
        while sent < ENDLESS_BYTES:
            sent += socket.socket.send(message[sent % len(message) :])
    except TimeoutError:
        return sent, False
    except (ConnectionError, ssl.SSLError):
        return sent, True
    return sent, False


CHECKS = (
    Check(
        "ws-largest",
        "Largest message",
        WEBSOCKET_PROTOCOLS,
        "A message that is too big for the server ends the connection, with 1009 where a code is given; up to 17 MiB "
        "are tried.",
        "RFC 6455 §7.4.1, §10.4",
        _largest,
        force="expected",
    ),
    Check(
        "ws-send-pressure",
        "Client that does not read",
        WEBSOCKET_PROTOCOLS,
        "send() waits once buffers are full, and goes on when the client reads; here it takes less than 24 MiB.",
        "ASGI WebSocket, Send; RFC 6455 §10.4",
        _send_pressure,
        force="expected",
    ),
    Check(
        "ws-receive-pressure",
        "App that does not read",
        WEBSOCKET_PROTOCOLS,
        "The server stops reading once buffers are full, and goes on when the app reads, or it ends the connection; "
        "here it takes less than 24 MiB.",
        "RFC 6455 §10.4",
        _receive_pressure,
        force="expected",
    ),
)
