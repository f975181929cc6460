"""HTTP/2: flow control, in both directions (RFC 9113 §5.2, §6.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from harness.check.cases.http2 import OK, is_hello
from harness.check.clients.h2 import Http2
from harness.check.clients.h2_frames import DEFAULT_WINDOW, INITIAL_WINDOW_SIZE
from harness.check.model import Family, Finding
from harness.check.target import new_marker
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from harness.check.target import Target

CHECKS = Family(HTTP2_PROTOCOLS)

_WITHIN_WINDOWS = (
    "The sender MUST NOT send a flow-controlled frame with a length that exceeds the space available "
    "in either of the flow-control windows advertised by the receiver."
)

SMALL = 1_000
SMALLER_BY = 500
LARGE = 65_536
"""The size of a large response: one block of the probe, and one byte more than the window of a new connection."""
LARGE_BODY = b"x" * LARGE
UPLOAD = 2 * 1024 * 1024
UNBOUNDED = 4 * 1024 * 1024
"""No server should hold this much for an app that does not read; their windows are from 64 KiB to 1 MiB."""
SILENCE_S = 1.0
"""A server that has given no more room by then has stopped."""


def _with_window(target: Target, size: int) -> Http2:
    return Http2(target, {INITIAL_WINDOW_SIZE: size}, widens_windows=False)


@CHECKS.check(
    "h2-window-stream",
    "A stream's window",
    "RFC 9113 §6.9.1",
    quote=_WITHIN_WINDOWS,
    consequence="Clients and proxies end the connection, with every request on it.",
)
def window_of_stream(target: Target) -> Finding:
    """A server MUST NOT send more than the window of the stream, and goes on after WINDOW_UPDATE."""
    with _with_window(target, SMALL) as client:
        stream_id = client.request(f"/large?bytes={LARGE}")
        response = client.response(stream_id)
        client.run_until(lambda: len(response.body) >= SMALL)
        client.ping()
        first = len(response.body)
        client.widen(LARGE)
        client.widen(LARGE, stream_id)
        client.await_response(stream_id)
        after = f"after WINDOW_UPDATE {len(response.body):,} of {LARGE:,} in all"
        words = f"a window of {SMALL:,} bytes: {first:,} received; {after}"
        return client.finding(0 < first <= SMALL and response.is_complete(OK, LARGE_BODY), words)


@CHECKS.check(
    "h2-window-zero",
    "No window at all",
    "RFC 9113 §6.9.1, §6.9.2",
    quote=_WITHIN_WINDOWS,
    consequence="Clients that pause a download end the connection, or never learn the status.",
)
def window_zero(target: Target) -> Finding:
    """A server sends the headers of a response, but no data before WINDOW_UPDATE, if the initial window is 0."""
    with _with_window(target, 0) as client:
        stream_id = client.request("/hello")
        response = client.response(stream_id)
        client.run_until(lambda: response.status > 0)
        client.ping()
        first = response.body
        client.widen(5, stream_id)
        client.await_response(stream_id)
        after = f"after WINDOW_UPDATE: {response}, {len(response.body)} bytes"
        return client.finding(not first and is_hello(response), f"no window: {len(first)} bytes received; {after}")


@CHECKS.check(
    "h2-window-settings",
    "Window made larger by SETTINGS",
    "RFC 9113 §6.9.2",
    quote="When the value of SETTINGS_INITIAL_WINDOW_SIZE changes, a receiver MUST adjust the size of all "
    "stream flow-control windows that it maintains by the difference between the new value and the "
    "old value.",
    consequence="Downloads stop for ever when a client changes its settings.",
    danger="hangs",
)
def window_by_settings(target: Target) -> Finding:
    """A server MUST change the windows of all streams by the difference when SETTINGS_INITIAL_WINDOW_SIZE changes."""
    with _with_window(target, 0) as client:
        streams = [client.request("/hello") for _ in range(2)]
        client.run_until(lambda: all(client.response(stream_id).status for stream_id in streams))
        client.ping()
        early = sum(len(client.response(stream_id).body) for stream_id in streams)
        client.change({INITIAL_WINDOW_SIZE: SMALL})
        responses = [client.await_response(stream_id) for stream_id in streams]
        after = f"after SETTINGS with one: {', '.join(map(str, responses))}"
        words = f"two streams with no window: {early} bytes received; {after}"
        return client.finding(early == 0 and all(map(is_hello, responses)), words)


@CHECKS.check(
    "h2-window-negative",
    "Window made negative by SETTINGS",
    "RFC 9113 §6.9.2",
    quote="A sender MUST track the negative flow-control window and MUST NOT send new flow-controlled "
    "frames until it receives WINDOW_UPDATE frames that cause the flow-control window to become "
    "positive.",
    consequence="Clients that lower their window in a download end the connection, or the download stops.",
)
def window_negative(target: Target) -> Finding:
    """A server MUST track a negative window, and MUST NOT send until the window is positive."""
    with _with_window(target, SMALL) as client:
        stream_id = client.request(f"/large?bytes={LARGE}")
        response = client.response(stream_id)
        client.run_until(lambda: len(response.body) >= SMALL)
        if len(response.body) != SMALL:
            return client.failed(f"expected {SMALL:,} bytes in the window, found {len(response.body):,}")
        client.change({INITIAL_WINDOW_SIZE: SMALL - SMALLER_BY})
        client.run_until(lambda: sum(isinstance(frame, SettingsFrame) for frame in client.frames) > 2)  # noqa: PLR2004
        client.widen(SMALLER_BY, stream_id)
        client.ping()
        at_zero = len(response.body)
        client.widen(100, stream_id)
        client.run_until(lambda: len(response.body) >= SMALL + 100)
        client.ping()
        words = (
            f"window used up, made 500 smaller, widened by 500: {at_zero - SMALL} bytes received; "
            f"widened by 100 more: {len(response.body) - SMALL} bytes"
        )
        return client.finding((at_zero, len(response.body)) == (SMALL, SMALL + 100), words)


@CHECKS.check(
    "h2-window-connection",
    "The connection's window",
    "RFC 9113 §6.9.1",
    quote=_WITHIN_WINDOWS,
    consequence="Clients and proxies end the connection, with every request on it.",
)
def window_of_connection(target: Target) -> Finding:
    """A server MUST NOT send more than the window of the connection over all streams."""
    with _with_window(target, 1_000_000) as client:
        streams = [client.request(f"/large?bytes={LARGE}") for _ in range(2)]

        def received() -> int:
            return sum(len(client.response(stream_id).body) for stream_id in streams)

        client.run_until(lambda: received() >= DEFAULT_WINDOW)
        client.ping()
        first = received()
        client.widen(2 * LARGE)
        responses = [client.await_response(stream_id) for stream_id in streams]
        words = (
            f"two streams within a connection's window of {DEFAULT_WINDOW:,} bytes: "
            f"{first:,} received; later {received():,}"
        )
        complete = all(response.is_complete(OK, LARGE_BODY) for response in responses)
        return client.finding(0 < first <= DEFAULT_WINDOW and complete, words)


@CHECKS.check(
    "h2-window-blocked",
    "A stream without a window blocks no other",
    "RFC 9113 §5.2",
    level="expected",
    consequence="One slow download stops every other request of the same browser or proxy.",
    danger="hangs",
)
def blocked_stream(target: Target) -> Finding:
    """A server serves other streams while one waits for its window."""
    with _with_window(target, SMALL) as client:
        blocked = client.request(f"/large?bytes={LARGE}")
        client.run_until(lambda: len(client.response(blocked).body) >= SMALL)
        response = client.fetch("/hello")
        return client.finding(is_hello(response), f"one stream waits for its window, another is requested: {response}")


@CHECKS.check(
    "h2-upload",
    "Upload of 2 MiB",
    "RFC 9113 §5.2.2, §6.9",
    level="expected",
    consequence="Uploads larger than the first window stop for ever.",
    danger="hangs",
)
def upload(target: Target) -> Finding:
    """A server gives room with WINDOW_UPDATE as the app reads, and the app gets every byte."""
    with Http2(target) as client:
        marker = new_marker()
        target.open_gate(marker)
        stream_id = client.request(f"/count?marker={marker}", "POST", end=False)
        response = client.response(stream_id)
        sent = client.upload(stream_id, UPLOAD, lambda: response.over)
        if sent == UPLOAD:
            client.end(stream_id)
        client.await_response(stream_id)
        updates = sum(isinstance(frame, WindowUpdateFrame) for frame in client.frames)
        words = f"{sent:,} of {UPLOAD:,} bytes sent, {updates} window updates, app: {response.body.decode('latin-1')}"
        return client.finding(response.is_complete(OK, b"%d" % UPLOAD), words)


@CHECKS.check(
    "h2-upload-back-pressure",
    "Upload to an app that does not read",
    "RFC 9113 §5.2.2",
    level="expected",
    consequence="A few clients that upload faster than the app reads use up the memory of the server.",
    danger="memory",
)
def upload_back_pressure(target: Target) -> Finding:
    """A server accepts less than 4 MiB of an upload while the app does not read."""
    with Http2(target) as client:
        marker = new_marker()
        stream_id = client.request(f"/count?marker={marker}", "POST", end=False)
        client.data(stream_id, b"first")
        target.await_event(marker, "first")
        response = client.response(stream_id)
        sent = len(b"first") + client.upload(stream_id, UNBOUNDED, lambda: response.over, SILENCE_S)
        target.open_gate(marker)
        client.remark("the app reads now")
        words = f"an app that does not read: the server accepted {sent:,} bytes"
        if sent >= UNBOUNDED:
            return client.failed(f"{words} and would accept more")
        if not response.over:
            client.end(stream_id)
        client.await_response(stream_id)
        counted = response.body.decode("latin-1") or "nothing"
        return client.finding(response.is_complete(OK, b"%d" % sent), f"{words}; later the app counted {counted}")
