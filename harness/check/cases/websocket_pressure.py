"""WebSocket: how large a message may be, and back-pressure in both directions."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from wsproto.events import TextMessage

from harness.check.clients.websocket import BINARY, FIN, NO_CODE, PING, RSV1, Deflate, WebSocket, encoded
from harness.check.model import Family, Finding, not_applicable
from harness.check.target import new_marker
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from harness.check.target import Target

CHECKS = Family(WEBSOCKET_PROTOCOLS)

MIB = 1024 * 1024
SIZES_MIB = (4, 16, 17)
"""Tried in this order: 16 MiB is the limit of several servers."""
MIB_IN_TIMEOUT = 8
"""For every so many MiB of a large message, the timeout is added once more to the time that it may take."""
BOMB_MIB = 64
"""More than any server accepts without compression."""
BLOCK_BYTES = 65_536
TOO_BIG = 1009
UNBOUNDED_BYTES = 24 * MIB
"""More than sockets and queues hold: a server that accepts this much would accept anything."""
SILENCE_S = 1.0
SMALL_BUFFER_BYTES = 16_384


@CHECKS.check(
    "ws-largest",
    "Largest message",
    "RFC 6455 §7.4.1, §10.4",
    level="expected",
    consequence="One client can make the server hold, or wait for, a message of any size.",
    danger="memory",
)
def largest(target: Target) -> Finding:
    """A server ends the connection on a message that is too big for it; a code, if there is one, is 1009.

    Up to 17 MiB are tried.
    """
    accepted_mib = 1
    for size_mib in SIZES_MIB:
        with WebSocket(target, "/size") as socket:
            limit_s = target.timeout_s * (1 + size_mib / MIB_IN_TIMEOUT)
            data = encoded(FIN | BINARY, bytes(size_mib * MIB))
            _ = socket.open
            socket.transcript.add("→", f"BINARY of {size_mib} MiB of zeros")
            socket.transmit(data, limit_s)
            socket.work_until(lambda: bool(socket.messages) or socket.close_frame is not None, limit_s)
            if socket.messages != [str(size_mib * MIB)]:
                return _judge_refusal(
                    socket, f"the largest message accepted is {accepted_mib} MiB", size_mib, f"{accepted_mib} MiB"
                )
            accepted_mib = size_mib
    with WebSocket(target, "/echo") as socket:
        socket.open.say(TextMessage("hello"))
        serves = socket.await_message() == "hello"
        found = socket.finding(serves, f"messages of {accepted_mib} MiB are accepted, the largest tried")
        return replace(found, value=f"≥ {accepted_mib} MiB")


def _judge_refusal(socket: WebSocket, found: str, size_mib: int, value: str = "") -> Finding:
    """Judge a server whose app did not get the message; one that still works on it does not answer a PING."""
    end = socket.await_end(SILENCE_S)
    words = f"{found}; at {size_mib} MiB: {end}"
    code = socket.close_code
    if code is None and not socket.closed:
        socket.send_frame(FIN | PING, b"still there?")
        if not socket.run_until(lambda: bool(socket.pongs)) and not socket.closed:
            return not_applicable(f"too slow to tell: {words}\n{socket.transcript}")
        if socket.await_message() == str(size_mib * MIB):
            late = f"{size_mib} MiB were accepted in the end"
            return not_applicable(f"too slow to tell: {late}\n{socket.transcript}")
    right = socket.closed if code is None else code in (TOO_BIG, NO_CODE)
    return replace(socket.finding(right, words), value=value if right else "")


@CHECKS.check(
    "ws-deflate-bomb",
    "Small message that decompresses to 64 MiB",
    "RFC 6455 §10.4",
    level="expected",
    protocols=frozenset({"ws"}),
    consequence="A few kilobytes from one client cost the server many megabytes: a few clients can end it.",
    danger="memory",
)
def bomb(target: Target) -> Finding:
    """A server limits messages by their size once decompressed: one that becomes 64 MiB ends the connection."""
    size = BOMB_MIB * MIB
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    payload = compressor.compress(bytes(size)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    with WebSocket(target, "/size", extensions=[Deflate()]) as socket:
        limit_s = target.timeout_s * (1 + BOMB_MIB / MIB_IN_TIMEOUT)
        data = encoded(FIN | RSV1 | BINARY, payload[:-4])
        words = f"{len(data):,} bytes that decompress to {BOMB_MIB} MiB of zeros"
        socket.compressing.transcript.add("→", f"BINARY, RSV1: {words}")
        socket.transmit(data)
        socket.work_until(lambda: bool(socket.messages) or socket.close_frame is not None, limit_s)
        if socket.messages == [str(size)]:
            return socket.failed(f"{words} reached the app")
        return _judge_refusal(socket, f"{words} did not reach the app", BOMB_MIB)


@CHECKS.check(
    "ws-send-pressure",
    "Client that does not read",
    "ASGI WebSocket, Send; RFC 6455 §10.4",
    level="expected",
    consequence="Each slow client holds what the app sends it in the server's memory, until that runs out.",
    danger="memory",
)
def send_pressure(target: Target) -> Finding:
    """A server makes send() wait before it holds 24 MiB for a client that does not read.

    It goes on when the client reads.
    """
    marker = new_marker()
    with WebSocket(target, f"/stream?marker={marker}", receive_buffer_bytes=SMALL_BUFFER_BYTES) as socket:
        _ = socket.open
        sent = target.await_sent(marker, UNBOUNDED_BYTES, SILENCE_S)
        words = f"a client that does not read: send() took {sent:,} bytes"
        if sent >= UNBOUNDED_BYTES:
            return socket.failed(f"{words} and would take more")
        # 0 bytes are right for a server whose send() returns only once the client's buffer has the whole block.
        went_on = socket.run_until(lambda: target.sent_bytes(marker) > sent)
        return socket.finding(went_on, f"{words}; once it read, sending {'went on' if went_on else 'did not go on'}")


@CHECKS.check(
    "ws-receive-pressure",
    "App that does not read",
    "RFC 6455 §10.4",
    level="expected",
    consequence="A client that sends faster than the app reads fills the server's memory.",
    danger="memory",
)
def receive_pressure(target: Target) -> Finding:
    """A server accepts less than 24 MiB while the app does not read, and goes on when the app reads.

    Ending the connection passes too.
    """
    marker = new_marker()
    message = encoded(FIN | BINARY, bytes(BLOCK_BYTES))
    with WebSocket(target, f"/deaf?marker={marker}") as socket:
        sent, ended = socket.open.push(message, UNBOUNDED_BYTES, min(SILENCE_S, socket.timeout_s))
        blocks = -(-sent // len(message))
        words = f"an app that does not read: the server accepted {sent:,} bytes"
        blocks_sent = f"{blocks:,} × BINARY of {BLOCK_BYTES:,} bytes of zeros"
        socket.transcript.add("→", f"{blocks_sent}, until {sent:,} bytes were accepted")
        target.open_gate(marker)
        if sent >= UNBOUNDED_BYTES:
            return socket.failed(f"{words} and would accept more")
        if ended:
            return socket.passed(f"{words} and closed the connection")
        socket.remark("the app reads now")
        rest = message[sent % len(message) :] if sent % len(message) else b""
        socket.transmit(rest, 2 * target.timeout_s)
        socket.say(TextMessage("how many?"))
        counted = socket.await_message()
        right = counted == str(blocks * BLOCK_BYTES)
        return socket.finding(right, f"{words}; later the app got {counted!r} of {blocks * BLOCK_BYTES:,}")
