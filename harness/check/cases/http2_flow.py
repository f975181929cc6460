"""HTTP/2: flow control, in both directions (RFC 9113 §5.2, §6.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from harness.check.cases.http2 import is_hello
from harness.check.clients.h2 import Client
from harness.check.clients.h2_frames import DEFAULT_WINDOW, INITIAL_WINDOW_SIZE
from harness.check.clients.http1 import new_marker
from harness.check.model import Check, Finding
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import Target

SMALL = 1_000
LARGE = 65_536
"""What `/large` is asked for: a block of its own, and one byte more than the window of a new connection."""
UPLOAD = 2 * 1024 * 1024
ENDLESS = 4 * 1024 * 1024
"""What no server should take in for an app that does not read; their windows are 64 KiB to 1 MiB."""
SILENCE_S = 1.0
"""No more room for so long means that the server has stopped giving it."""


def _window_of_stream(target: Target) -> Finding:
    with Client(target, {INITIAL_WINDOW_SIZE: SMALL}, gives_back=False) as client:
        stream_id = client.request(f"/large?bytes={LARGE}")
        answer = client.answer(stream_id)
        client.run_until(lambda: len(answer.body) >= SMALL)
        client.pinged()
        first = len(answer.body)
        client.widen(LARGE)
        client.widen(LARGE, stream_id)
        client.await_answer(stream_id)
        words = (
            f"a window of {SMALL:,} bytes: {first:,} came; after WINDOW_UPDATE {len(answer.body):,} of {LARGE:,} in all"
        )
        return client.finding(0 < first <= SMALL and answer.is_whole(200, b"x" * LARGE), words)


def _window_zero(target: Target) -> Finding:
    with Client(target, {INITIAL_WINDOW_SIZE: 0}, gives_back=False) as client:
        stream_id = client.request("/hello")
        answer = client.answer(stream_id)
        client.run_until(lambda: answer.status > 0)
        client.pinged()
        first = answer.body
        client.widen(5, stream_id)
        client.await_answer(stream_id)
        words = f"no window: {len(first)} bytes came; after WINDOW_UPDATE: {answer}, {len(answer.body)} bytes"
        return client.finding(not first and is_hello(answer), words)


def _window_by_settings(target: Target) -> Finding:
    with Client(target, {INITIAL_WINDOW_SIZE: 0}, gives_back=False) as client:
        streams = [client.request("/hello") for _ in range(2)]
        client.run_until(lambda: all(client.answer(stream_id).status for stream_id in streams))
        client.pinged()
        early = sum(len(client.answer(stream_id).body) for stream_id in streams)
        client.change({INITIAL_WINDOW_SIZE: SMALL})
        answers = [client.await_answer(stream_id) for stream_id in streams]
        words = (
            f"two streams with no window: {early} bytes came; after SETTINGS with one: {', '.join(map(str, answers))}"
        )
        return client.finding(early == 0 and all(map(is_hello, answers)), words)


def _window_negative(target: Target) -> Finding:
    with Client(target, {INITIAL_WINDOW_SIZE: SMALL}, gives_back=False) as client:
        stream_id = client.request(f"/large?bytes={LARGE}")
        answer = client.answer(stream_id)
        client.run_until(lambda: len(answer.body) >= SMALL)
        if len(answer.body) != SMALL:
            return client.finding(False, f"expected {SMALL:,} bytes in the window, found {len(answer.body):,}")
        client.change({INITIAL_WINDOW_SIZE: SMALL - 500})
        client.run_until(lambda: sum(isinstance(frame, SettingsFrame) for frame in client.frames) > 2)  # noqa: PLR2004
        client.widen(500, stream_id)
        client.pinged()
        at_zero = len(answer.body)
        client.widen(100, stream_id)
        client.run_until(lambda: len(answer.body) >= SMALL + 100)
        client.pinged()
        words = (
            f"window used up, made 500 smaller, widened by 500: {at_zero - SMALL} bytes came; "
            f"widened by 100 more: {len(answer.body) - SMALL} bytes"
        )
        return client.finding((at_zero, len(answer.body)) == (SMALL, SMALL + 100), words)


def _window_of_connection(target: Target) -> Finding:
    with Client(target, {INITIAL_WINDOW_SIZE: 1_000_000}, gives_back=False) as client:
        streams = [client.request(f"/large?bytes={LARGE}") for _ in range(2)]

        def came() -> int:
            return sum(len(client.answer(stream_id).body) for stream_id in streams)

        client.run_until(lambda: came() >= DEFAULT_WINDOW)
        client.pinged()
        first = came()
        client.widen(2 * LARGE)
        answers = [client.await_answer(stream_id) for stream_id in streams]
        words = (
            f"two streams within a connection's window of {DEFAULT_WINDOW:,} bytes: {first:,} came; later {came():,}"
        )
        return client.finding(
            0 < first <= DEFAULT_WINDOW and all(answer.is_whole(200, b"x" * LARGE) for answer in answers), words
        )


def _blocked_stream(target: Target) -> Finding:
    with Client(target, {INITIAL_WINDOW_SIZE: SMALL}, gives_back=False) as client:
        blocked = client.request(f"/large?bytes={LARGE}")
        client.run_until(lambda: len(client.answer(blocked).body) >= SMALL)
        answer = client.fetch("/hello")
        return client.finding(is_hello(answer), f"one stream waits for its window, another is asked: {answer}")


def _upload(target: Target) -> Finding:
    with Client(target) as client:
        marker = new_marker()
        target.open_gate(marker)
        stream_id = client.request(f"/count?marker={marker}", "POST", end=False)
        answer = client.answer(stream_id)
        sent = client.upload(stream_id, UPLOAD, lambda: answer.over)
        if sent == UPLOAD:
            client.end(stream_id)
        client.await_answer(stream_id)
        updates = sum(isinstance(frame, WindowUpdateFrame) for frame in client.frames)
        words = f"{sent:,} of {UPLOAD:,} bytes sent, {updates} window updates, app: {answer.body.decode('latin-1')}"
        return client.finding(answer.is_whole(200, b"%d" % UPLOAD), words)


def _back_pressure(target: Target) -> Finding:
    with Client(target) as client:
        marker = new_marker()
        stream_id = client.request(f"/count?marker={marker}", "POST", end=False)
        client.data(stream_id, b"first")
        target.await_event(marker, "first")
        answer = client.answer(stream_id)
        sent = len(b"first") + client.upload(stream_id, ENDLESS, lambda: answer.over, SILENCE_S)
        target.open_gate(marker)
        client.tale.tell("!", "the app reads now")
        words = f"an app that does not read: the server took {sent:,} bytes"
        if sent >= ENDLESS:
            return client.finding(False, f"{words} and would take more")
        if not answer.over:
            client.end(stream_id)
        client.await_answer(stream_id)
        counted = answer.body.decode("latin-1")
        return client.finding(
            answer.is_whole(200, b"%d" % sent), f"{words}; later the app counted {counted or 'nothing'}"
        )


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, HTTP2_PROTOCOLS, expectation, source, run, force=force)


CHECKS = (
    _check(
        "h2-window-stream",
        "A stream's window",
        "A sender MUST NOT send more than the stream's window, and goes on after WINDOW_UPDATE.",
        "RFC 9113 §6.9.1",
        _window_of_stream,
    ),
    _check(
        "h2-window-zero",
        "No window at all",
        "With an initial window of 0 no data come before WINDOW_UPDATE; header fields do.",
        "RFC 9113 §6.9.1, §6.9.2",
        _window_zero,
    ),
    _check(
        "h2-window-settings",
        "Window made larger by SETTINGS",
        "A change of SETTINGS_INITIAL_WINDOW_SIZE MUST change the windows of all streams by the difference.",
        "RFC 9113 §6.9.2",
        _window_by_settings,
    ),
    _check(
        "h2-window-negative",
        "Window made negative by SETTINGS",
        "A sender MUST track a negative window and MUST NOT send until it is positive.",
        "RFC 9113 §6.9.2",
        _window_negative,
    ),
    _check(
        "h2-window-connection",
        "The connection's window",
        "A sender MUST NOT send more than the connection's window over all streams.",
        "RFC 9113 §6.9.1",
        _window_of_connection,
    ),
    _check(
        "h2-window-blocked",
        "A stream without a window blocks no other",
        "Flow control of a stream leaves other streams alone.",
        "RFC 9113 §5.2",
        _blocked_stream,
        force="expected",
    ),
    _check(
        "h2-upload",
        "Upload of 2 MiB",
        "A receiver gives room with WINDOW_UPDATE as the app reads, and the app gets every byte.",
        "RFC 9113 §5.2.2, §6.9",
        _upload,
        force="expected",
    ),
    _check(
        "h2-upload-back-pressure",
        "Upload to an app that does not read",
        "Flow control protects a receiver's memory: room is given as data are consumed, not without bound; here 4 MiB.",
        "RFC 9113 §5.2.2",
        _back_pressure,
        force="expected",
    ),
)
