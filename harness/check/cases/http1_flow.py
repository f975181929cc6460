"""HTTP/1.1: data while it flows – at once, no faster than it is read, and what the app hears when the client leaves.

Nothing here waits for a time to pass where it can wait for an event; only a sender that stands still is known by it.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, CLEAR, HTTP1
from harness.check.clients.http1 import Silent, Wire, new_marker, request, shown
from harness.check.model import Check, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

MIB = 1 << 20
TOTAL_BYTES = 64 * MIB
"""More than any buffers on the way should hold: the kernel's own hold up to 10 MiB."""
STILL_S = 1.0
"""A sender that does not get on for so long has been stopped."""
RECEIVE_BUFFER_BYTES = 65_536
TOO_LARGE = 413


def _streaming(target: Target) -> Finding:
    wire, marker = Wire(target), new_marker()
    wire.send(request(target, f"/stream?gates=yes&marker={marker}"))
    try:
        answer = wire.head()
        body = wire.body(answer)
        parts = []
        for gate, expected in (("2", b"one"), ("3", b"two"), ("", b"three")):
            parts.append(_read(body, len(expected)))
            if parts[-1] != expected:
                return failed(f"expected {expected!r} before the next part is sent, found {parts[-1]!r}\n{wire.story}")
            if gate:
                target.open_gate(f"{marker}-{gate}")
    except Silent as silent:
        return failed(f"expected each part while the app waits to send the next, found {silent}")
    finally:
        for gate in "23":
            target.open_gate(f"{marker}-{gate}")
    return passed(f"each part arrived before the app sent the next\n{wire.story}")


def _read(body: object, length: int) -> bytes:
    data = b""
    while len(data) < length and (piece := next(body, b"")):  # type: ignore[call-overload]
        data += piece
    return data


def _upload(target: Target) -> Finding:
    wire, marker = Wire(target), new_marker()
    wire.send(request(target, f"/count?marker={marker}", f"Content-Length: {TOTAL_BYTES}", method="POST"))
    try:
        pushed = _push(wire, TOTAL_BYTES, STILL_S)
        if pushed == TOTAL_BYTES:
            return failed(f"expected a bound, found {pushed / MIB:.0f} MiB taken before the app read it")
    finally:
        target.open_gate(marker)
    _push(wire, TOTAL_BYTES - pushed, target.patience_s)
    answer = wire.answer()
    if answer.status == TOO_LARGE:
        return passed(f"{pushed / MIB:.1f} MiB were taken, then the upload was refused with 413")
    if answer.body != b"%d" % TOTAL_BYTES:
        found = f"{answer.status} {shown(answer.body)}"
        return failed(f"expected the app to get {TOTAL_BYTES:,} bytes in the end, or 413, found {found}")
    return passed(f"{pushed / MIB:.1f} MiB were taken before the app read on; in the end it got all")


def _push(wire: Wire, length: int, still_s: float) -> int:
    """Send as much as the server takes, until it takes nothing for a while; how much that was."""
    block, sent = b"x" * 65_536, 0
    patience_s = wire.socket.gettimeout()
    wire.socket.settimeout(still_s)
    with suppress(TimeoutError, ConnectionError):
        while sent < length:
            sent += wire.socket.send(block[: length - sent])
    wire.socket.settimeout(patience_s)
    return sent


def _slow_reader(target: Target) -> Finding:
    wire, marker = Wire(target, receive_buffer_bytes=RECEIVE_BUFFER_BYTES), new_marker()
    wire.send(request(target, f"/large?bytes={TOTAL_BYTES}&marker={marker}"))
    answer = wire.head()
    sent = _until_still(target, marker)
    if sent == TOTAL_BYTES:
        return failed(f"expected send() to wait, found {sent / MIB:.0f} MiB taken for a client that read only the head")
    read = 0
    for piece in wire.body(answer):
        read += len(piece)
        if read > sent + MIB:
            return passed(f"send() waited after {sent / MIB:.1f} MiB while the client did not read, then went on")
    return failed(
        f"expected more than the {sent / MIB:.1f} MiB that were sent by then, found the end after {read:,} bytes"
    )


def _until_still(target: Target, marker: str) -> int:
    """How much the app has sent once it does not get on; the whole when it has sent all."""
    sent, since = -1, time.monotonic()
    while time.monotonic() - since < STILL_S:
        last = max((event["bytes"] for event in target.events(marker) if event["event"] == "sent"), default=0)
        if last == TOTAL_BYTES:
            return last
        if last != sent:
            sent, since = last, time.monotonic()
        select.select([], [], [], 0.05)
    return sent


def _leaves(path: str, *, after_bytes: bool) -> Callable[[Target], Finding]:
    """A run in which the client leaves while the app waits; with the first bytes of the answer in hand, or none."""

    def run(target: Target) -> Finding:
        wire, marker = Wire(target), new_marker()
        wire.send(request(target, f"{path}?marker={marker}"))
        if after_bytes:
            next(wire.body(wire.head()))
        elif target.await_event(marker, "http") is None:
            return failed(f"expected the app to be called\n{wire.story}")
        wire.close()
        if target.await_event(marker, "http.disconnect") is None:
            return failed(f"expected http.disconnect, found none after {target.patience_s:g} s\n{wire.story}")
        return passed(f"receive() gave http.disconnect\n{wire.story}")

    return run


def _leaves_midway(target: Target) -> Finding:
    wire, marker = Wire(target), new_marker()
    wire.send(request(target, f"/echo?marker={marker}", "Content-Length: 100", method="POST", body=b"0123456789"))
    if target.await_event(marker, "http") is None:
        # A server may hold the request back until it has the body.
        wire.close()
        return passed(f"the app was not called for half a request\n{wire.story}")
    wire.close()
    if target.await_event(marker, "http.disconnect") is not None:
        return passed(f"receive() gave http.disconnect\n{wire.story}")
    whole = [event for event in target.events(marker) if event["event"] == "body"]
    found = f"a body of {len(whole[0]['body'] or '')} bytes as if complete" if whole else "nothing"
    return failed(f"expected http.disconnect for a body that was cut off, found {found}\n{wire.story}")


def _send_afterwards(target: Target) -> Finding:
    wire, marker = Wire(target), new_marker()
    wire.send(request(target, f"/wait?marker={marker}"))
    if target.await_event(marker, "http") is None:
        return failed(f"expected the app to be called\n{wire.story}")
    wire.close()
    over = target.await_event(marker, "send-over")
    if over is None:
        return failed(f"expected send() to come to an end after the client left, found that it did not\n{wire.story}")
    raised = [event["error"] for event in target.events(marker) if event["event"] == "send-raised"]
    if over["is_os_error"] is False:
        return failed(f"expected OSError or nothing from send(), found {raised[0]}\n{wire.story}")
    return passed(f"send() {'raised ' + raised[0] if raised else 'did nothing'}\n{wire.story}")


def _after_answer(target: Target) -> Finding:
    wire, marker = Wire(target), new_marker()
    wire.send(request(target, f"/after?marker={marker}"))
    if wire.answer().body != b"done":
        return failed(f"expected the answer\n{wire.story}")
    after = target.await_event(marker, "after")
    if after is None or after["type"] != "http.disconnect":
        found = "nothing" if after is None else after["type"]
        return failed(f"expected http.disconnect from receive() after the answer, found {found}\n{wire.story}")
    return passed(f"receive() gave http.disconnect after the answer\n{wire.story}")


_DISCONNECT = "ASGI HTTP 2.5 Disconnect"

CHECKS = (
    Check(
        "streaming",
        "Parts arrive as they are sent",
        HTTP1,
        "A server must flush data into the send buffer before it returns from send, and must not delay a block that a "
        "WSGI app yields: each part reaches the client while the app still waits to send the next.",
        "ASGI HTTP 2.5 Response Body, PEP 3333 Buffering and Streaming",
        _streaming,
        ANY_APP,
    ),
    Check(
        "upload-back-pressure",
        "Upload no faster than the app reads",
        CLEAR,
        "While the app does not read, a client can push a bounded amount (64 MiB is taken for unbounded), or gets 413.",
        "RFC 9293 §3.8.6; no specification bounds a server's memory",
        _upload,
        ANY_APP,
        force="expected",
    ),
    Check(
        "slow-reader",
        "Download no faster than the client reads",
        CLEAR,
        "While the client does not read, send() waits after a bounded amount (64 MiB is taken for unbounded).",
        "RFC 9293 §3.8.6; no specification bounds a server's memory",
        _slow_reader,
        ANY_APP,
        force="expected",
    ),
    Check(
        "disconnect",
        "Client leaves before the answer",
        HTTP1,
        "receive() gives http.disconnect once the connection is closed.",
        _DISCONNECT,
        _leaves("/wait", after_bytes=False),
    ),
    Check(
        "disconnect-streaming",
        "Client leaves in a streamed answer",
        HTTP1,
        "receive() gives http.disconnect once the connection is closed.",
        _DISCONNECT,
        _leaves("/wait-streaming", after_bytes=True),
    ),
    Check(
        "disconnect-upload",
        "Client leaves in an upload",
        HTTP1,
        "An incomplete request is not handed to the app as if it were whole; receive() gives http.disconnect.",
        "RFC 9112 §8, " + _DISCONNECT,
        _leaves_midway,
    ),
    Check(
        "send-after-disconnect",
        "send() after the client has left",
        CLEAR,
        "send() on a closed connection should raise a subclass of OSError (since 2.4), or do nothing (before).",
        "ASGI HTTP 2.5 Disconnected Client",
        _send_afterwards,
        force="should",
    ),
    Check(
        "receive-after-answer",
        "receive() after the answer",
        CLEAR,
        "http.disconnect is given when receive is called after the answer has been sent.",
        _DISCONNECT,
        _after_answer,
    ),
)
