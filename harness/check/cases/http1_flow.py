"""HTTP/1.1: streaming, back-pressure, and what the app learns when the client leaves.

The checks wait for events rather than for a time, except where only silence shows that a sender has stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.clients.connection import Silent
from harness.check.clients.http1 import Http1, request
from harness.check.clients.transcript import shown
from harness.check.model import ANY_APP, HTTP1, HTTP1_CLEAR, Family, Finding, failed, passed
from harness.check.target import new_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR)

_LEFT = (
    "Sent to the application if receive is called after a response has been sent or after the HTTP "
    "connection has been closed."
)

MIB = 1 << 20
TOTAL_BYTES = 64 * MIB
"""More than all buffers on the way should hold; the kernel's hold up to 10 MiB."""
SILENCE_S = 1.0
"""A sender that makes no progress for this long has stopped."""
BLOCK_BYTES = 65_536
RECEIVE_BUFFER_BYTES = 65_536
TOO_LARGE = 413
_DISCONNECT = "ASGI HTTP 2.5 Disconnect"
_MEMORY = "RFC 9293 §3.8.6; no specification bounds a server's memory"


@CHECKS.check(
    "streaming",
    "Parts arrive as they are sent",
    "ASGI HTTP 2.5 Response Body, PEP 3333 Buffering and Streaming",
    protocols=HTTP1,
    interfaces=ANY_APP,
    quote="Protocol servers must flush any data passed to them into the send buffer before returning from a send call.",
    consequence="Server-sent events and token streams arrive late, or all at once at the end.",
)
def streaming(target: Target) -> Finding:
    """A server must send each part of a response before send() returns, and each block that a WSGI app yields.

    Each part reaches the client while the app still waits to send the next one.
    """
    connection, marker = Http1(target), new_marker()
    connection.send(request(target, f"/stream?gates=yes&marker={marker}"))
    try:
        body = connection.body(connection.head())
        for gate, expected in (("2", b"one"), ("3", b"two"), ("", b"three")):
            if (part := _read(body, len(expected))) != expected:
                return connection.failed(f"expected {expected!r} before the next part is sent, found {part!r}")
            if gate:
                target.open_gate(f"{marker}-{gate}")
    except Silent as silent:
        return failed(f"expected each part while the app waits to send the next, found {silent}")
    finally:
        for gate in "23":
            target.open_gate(f"{marker}-{gate}")
    return connection.passed("each part arrived before the app sent the next")


def _read(body: Iterator[bytes], length: int) -> bytes:
    data = b""
    while len(data) < length and (piece := next(body, b"")):
        data += piece
    return data


@CHECKS.check(
    "upload-back-pressure",
    "Upload no faster than the app reads",
    _MEMORY,
    level="expected",
    interfaces=ANY_APP,
    consequence="A few clients that upload faster than the app reads use up the memory of the server.",
    danger="memory",
)
def upload_back_pressure(target: Target) -> Finding:
    """A server accepts less than 64 MiB of an upload while the app does not read, or answers 413."""
    connection, marker = Http1(target), new_marker()
    connection.send(request(target, f"/count?marker={marker}", f"Content-Length: {TOTAL_BYTES}", method="POST"))
    block = b"x" * BLOCK_BYTES
    try:
        pushed, _ = connection.push(block, TOTAL_BYTES, SILENCE_S)
        if pushed == TOTAL_BYTES:
            return failed(f"expected a limit, found {pushed / MIB:.0f} MiB accepted before the app read it")
    finally:
        target.open_gate(marker)
    connection.push(block, TOTAL_BYTES - pushed, target.timeout_s)
    response = connection.response()
    if response.status == TOO_LARGE:
        return passed(f"{pushed / MIB:.1f} MiB were accepted, then the upload was refused with 413")
    if response.body != b"%d" % TOTAL_BYTES:
        found = f"{response.status} {shown(response.body)}"
        return failed(f"expected the app to get {TOTAL_BYTES:,} bytes in the end, or 413, found {found}")
    return passed(f"{pushed / MIB:.1f} MiB were accepted before the app read on; in the end it got all")


@CHECKS.check(
    "slow-reader",
    "Download no faster than the client reads",
    _MEMORY,
    level="expected",
    interfaces=ANY_APP,
    consequence="A few clients that read slowly use up the memory of the server.",
    danger="memory",
)
def slow_reader(target: Target) -> Finding:
    """A server makes send() wait before it holds 64 MiB for a client that does not read."""
    connection, marker = Http1(target, receive_buffer_bytes=RECEIVE_BUFFER_BYTES), new_marker()
    connection.send(request(target, f"/large?bytes={TOTAL_BYTES}&marker={marker}"))
    response = connection.head()
    sent = target.await_sent(marker, TOTAL_BYTES, SILENCE_S)
    if sent == TOTAL_BYTES:
        return failed(f"expected send() to wait, found {sent / MIB:.0f} MiB accepted for a client that read no body")
    read = 0
    for piece in connection.body(response):
        read += len(piece)
        if read > sent + MIB:
            return passed(f"send() waited after {sent / MIB:.1f} MiB while the client did not read, then went on")
    return failed(f"expected more than the {sent / MIB:.1f} MiB sent by then, found the end after {read:,} bytes")


def _leaves(path: str, *, after_bytes: bool) -> Callable[[Target], Finding]:
    """A check in which the client leaves while the app waits, after the first bytes of the response or before any."""

    def run(target: Target) -> Finding:
        connection = Http1(target)
        marker = connection.call_app(path)
        if after_bytes:
            next(connection.body(connection.head()))
        connection.close()
        if target.await_event(marker, "http.disconnect") is None:
            return connection.failed(f"expected http.disconnect, found none after {target.timeout_s:g} s")
        return connection.passed("receive() returned http.disconnect")

    return run


_LEAVES = "receive() returns http.disconnect once the client has closed the connection"
CHECKS.add(
    "disconnect",
    "Client leaves before the response",
    f"{_LEAVES}, also before the response begins.",
    _DISCONNECT,
    _leaves("/wait", after_bytes=False),
    protocols=HTTP1,
    quote=_LEFT,
    consequence="Apps go on working for clients that have left, and long-polling requests pile up.",
)
CHECKS.add(
    "disconnect-streaming",
    "Client leaves in a streamed response",
    f"{_LEAVES}, also within a response.",
    _DISCONNECT,
    _leaves("/wait-streaming", after_bytes=True),
    protocols=HTTP1,
    quote=_LEFT,
    consequence="Apps go on producing streams that nobody reads.",
)


@CHECKS.check(
    "disconnect-upload",
    "Client leaves in an upload",
    "RFC 9112 §8, " + _DISCONNECT,
    protocols=HTTP1,
    quote="If the sender closes the connection or the recipient times out before the indicated number of "
    "octets are received, the recipient MUST consider the message to be incomplete and close the "
    "connection.",
    consequence="Half an upload is stored as if it were whole.",
    danger="loses",
)
def disconnect_upload(target: Target) -> Finding:
    """A server does not give the app an incomplete request as if it were complete.

    receive() returns http.disconnect.
    """
    connection, marker = Http1(target), new_marker()
    path = f"/echo?marker={marker}"
    connection.send(request(target, path, "Content-Length: 100", method="POST", body=b"0123456789"))
    called = target.await_event(marker, "http") is not None
    connection.close()
    if not called:  # a server may hold the request back until it has the body
        return connection.passed("the app was not called for half a request")
    if target.await_event(marker, "http.disconnect") is not None:
        return connection.passed("receive() returned http.disconnect")
    whole = [event for event in target.events(marker) if event["event"] == "body"]
    found = f"a body of {len(whole[0]['body'] or '')} bytes as if complete" if whole else "nothing"
    return connection.failed(f"expected http.disconnect for a body that was cut off, found {found}")


@CHECKS.check(
    "send-after-disconnect",
    "send() after the client has left",
    "ASGI HTTP 2.5 Disconnected Client",
    level="should",
    quote="If send() is called on a closed connection the server should raise a server-specific subclass of OSError.",
    consequence="Logs fill with errors whenever a client leaves early, and apps cannot tell this from a bug.",
)
def send_after_disconnect(target: Target) -> Finding:
    """send() on a closed connection should raise an OSError (since version 2.4), or do nothing (before it)."""
    connection = Http1(target)
    marker = connection.call_app("/wait")
    connection.close()
    over = target.await_event(marker, "send-over")
    if over is None:
        return connection.failed("expected send() to return or raise after the client left, found that it did not")
    raised = [event["error"] for event in target.events(marker) if event["event"] == "send-raised"]
    if over["is_os_error"] is False:
        return connection.failed(f"expected OSError or nothing from send(), found {raised[0]}")
    return connection.passed(f"send() {'raised ' + raised[0] if raised else 'did nothing'}")


@CHECKS.check(
    "receive-after-answer",
    "receive() after the response",
    _DISCONNECT,
    quote=_LEFT,
    consequence="Background work that waits for the end of a request never ends.",
)
def receive_after_answer(target: Target) -> Finding:
    """receive() returns http.disconnect after the response has been sent."""
    connection, marker = Http1(target), new_marker()
    if connection.fetch(f"/after?marker={marker}").body != b"done":
        return connection.failed("expected the response")
    after = target.await_event(marker, "after")
    found = "nothing" if after is None else after["type"]
    if found != "http.disconnect":
        return connection.failed(f"expected http.disconnect from receive() after the response, found {found}")
    return connection.passed("receive() returned http.disconnect after the response")


@CHECKS.check(
    "receive-cancelled",
    "receive() that the app cancels",
    "ASGI HTTP 2.5 Request, Disconnect",
    level="expected",
    consequence="Frameworks cancel receive() when they wait for two things at once: uploads lose a part, or apps are "
    "not told that the client has left.",
    danger="loses",
)
def receive_cancelled(target: Target) -> Finding:
    """A server loses nothing if the app cancels receive() while nothing has come, within the body and after it."""
    connection, marker = Http1(target), new_marker()
    connection.send(request(target, f"/cancels?marker={marker}", "Content-Length: 10", method="POST", body=b"first"))
    if target.await_event(marker, "cancelled", min(SILENCE_S, target.timeout_s)) is None:
        connection.remark("the app has not been called yet, or still waits for the first part of the body")
    connection.send(b"later")
    body = target.await_event(marker, "body")
    if body is None or body["body"] != "firstlater":
        return connection.failed(f"expected the whole body, found {body and body['body']!r}")
    after = target.await_event(marker, "cancelled-after-body")
    if after is None or after["early"] is not None:
        return connection.failed(f"expected receive() to wait after the body, found {after and after['early']}")
    connection.close()
    if target.await_event(marker, "http.disconnect") is None:
        return connection.failed("expected http.disconnect after a receive() that was cancelled, found none")
    return connection.passed("the whole body, then http.disconnect")
