"""HTTP/2: many streams on one connection, and streams that end early."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.check.cases.http2 import is_hello
from harness.check.clients.h2 import Client
from harness.check.clients.h2_frames import MAX_CONCURRENT_STREAMS, PROTOCOL_ERROR, REFUSED_STREAM
from harness.check.clients.h2_raw import Answer, Raw
from harness.check.clients.http1 import new_marker
from harness.check.model import Check, Finding, not_applicable
from harness.check.target import POLL_S
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import Target

AT_ONCE = 100
"""Streams at once that RFC 9113 §6.5.2 recommends to allow at least."""
MOST = 500
"""A limit above it is not tried."""
RESETS = 200
SILENCE_S = 2.0
"""An answer that takes longer after an app's fault does not come."""
SERVER_ERRORS = range(500, 600)


def _at_once(target: Target) -> Finding:
    with Client(target) as client:
        marker, limit = new_marker(), client.settings.get(MAX_CONCURRENT_STREAMS, AT_ONCE)
        count = min(limit, AT_ONCE)
        streams = [client.request(f"/late?marker={marker}") for _ in range(count)]
        inside = _await_calls(client, marker, count)
        target.open_gate(marker)
        answers = [client.answer(stream_id) for stream_id in streams]
        client.run_until(lambda: all(answer.over for answer in answers))
        right = sum(map(_is_late, answers))
        words = f"{count} streams at once, {inside} in the app at once, {right} answered"
        return client.finding(
            inside == right == AT_ONCE, words if limit >= AT_ONCE else f"{words}; the limit is {limit}"
        )


def _await_calls(client: Client, marker: str, count: int) -> int:
    """How many requests of a marker are in the app, once all or no more get there."""

    def inside() -> int:
        return sum(event["event"] == "http" for event in client.target.events(marker))

    deadline = time.monotonic() + client.patience_s
    while inside() < count and time.monotonic() < deadline:
        client.poll()
        time.sleep(POLL_S)
    return inside()


def _is_late(answer: Answer) -> bool:
    return answer.is_whole(200, b"late")


def _one_too_many(target: Target) -> Finding:
    with Raw(target) as raw:
        limit = raw.settings.get(MAX_CONCURRENT_STREAMS)
        if limit is None or limit > MOST:
            return not_applicable(f"the server's limit of streams at once: {limit}")
        waiting, extra = new_marker(), new_marker()
        streams = [2 * number + 1 for number in range(limit)]
        for stream_id in streams:
            raw.send_fields(stream_id, raw.request_fields(f"/late?marker={waiting}"))
        raw.send_fields(2 * limit + 1, raw.request_fields(f"/hello?marker={extra}"))
        raw.pinged()
        refused = raw.answer(2 * limit + 1)
        raw.run_until(lambda: refused.over, 0.5)
        served_early = bool(target.events(extra))
        target.open_gate(waiting)
        answers = [raw.answer(stream_id) for stream_id in streams]
        raw.run_until(lambda: raw.goaway is not None or all(answer.over for answer in answers))
        right = sum(map(_is_late, answers))
        words = f"{limit} streams allowed at once, one more: {refused}; {right} of the {limit} answered"
        if raw.goaway is not None:
            return raw.finding(raw.goaway.error_code != 0, f"{words}; taken for a connection error")
        if served_early:
            return raw.finding(False, f"{words}; the one more was served while the others waited")
        refused_right = refused.reset in (PROTOCOL_ERROR, REFUSED_STREAM)
        return raw.finding(right == limit and (refused_right or is_hello(raw.await_answer(2 * limit + 1))), words)


def _interleaved(target: Target) -> Finding:
    with Client(target) as client:
        marker = new_marker()
        slow = client.request(f"/late?marker={marker}")
        target.await_event(marker, "http")
        quick = client.fetch("/hello")
        overtaken = is_hello(quick) and not client.answer(slow).over
        meanwhile = str(quick)
        target.open_gate(marker)
        late = client.await_answer(slow)
        return client.finding(
            overtaken and _is_late(late), f"while one stream waits, another: {meanwhile}; the first: {late}"
        )


def _reset(target: Target) -> Finding:
    with Client(target) as client:
        marker = new_marker()
        stream_id = client.request(f"/wait?marker={marker}")
        target.await_event(marker, "http")
        client.reset(stream_id)
        told = target.await_event(marker, "http.disconnect") is not None
        survives = is_hello(client.fetch("/hello"))
        words = f"RST_STREAM: the app was {'told' if told else 'not told'}, the connection {_lives(survives)}"
        return client.finding(told and survives, words)


def _lives(survives: bool) -> str:
    return "serves on" if survives else "serves no more"


def _lost(target: Target) -> Finding:
    with Client(target) as client:
        markers = [new_marker() for _ in range(2)]
        for marker in markers:
            client.request(f"/wait?marker={marker}")
        for marker in markers:
            target.await_event(marker, "http")
    client.tale.tell("×", "closed by the client")
    told = sum(target.await_event(marker, "http.disconnect") is not None for marker in markers)
    return client.finding(told == len(markers), f"connection lost with {len(markers)} requests in it: {told} were told")


def _rapid_reset(target: Target) -> Finding:
    with Client(target) as client:
        for _ in range(RESETS):
            if client.goaway is not None:
                break
            client.reset(client.request("/hello"))
            client.poll()
        lives = client.goaway is None and client.pinged() and is_hello(client.fetch("/hello"))
        with Client(target) as another:
            serves = is_hello(another.fetch("/hello"))
        how = "serves on" if lives else "was ended" if client.goaway is not None or client.closed else "hangs"
        words = f"{RESETS} streams opened and reset: the connection {how}; the server {_lives(serves)}"
        return client.finding(how != "hangs" and serves, words)


def _app_error(path: str, right: Callable[[Answer], bool]) -> Callable[[Target], Finding]:
    """A run on a server of its own: an app's fault may leave something broken behind."""

    def run(target: Target) -> Finding:
        with target.fresh() as own, Client(own) as client:
            marker = new_marker()
            waiting = client.request(f"/late?marker={marker}")
            own.await_event(marker, "http")
            answer = client.await_answer(client.request(path), SILENCE_S)
            own.open_gate(marker)
            survives = _is_late(client.await_answer(waiting)) and is_hello(client.fetch("/hello"))
            return client.finding(right(answer) and survives, f"{path}: {answer}; the connection {_lives(survives)}")

    return run


def _later_error(target: Target) -> Finding:
    with target.fresh() as own:
        with Client(own) as client:
            first = client.await_answer(client.request("/raise-midway"), SILENCE_S)
        with Client(own) as client:
            later = client.await_answer(client.request("/raise"), SILENCE_S)
            words = f"after an app that raised in its answer ({first}), another raises before its own: {later}"
            return client.finding(_is_error(later), words)


def _is_error(answer: Answer) -> bool:
    return answer.reset is not None or (answer.ended and answer.status in SERVER_ERRORS)


def _is_cut(answer: Answer) -> bool:
    return answer.reset not in (None, 0) and not answer.ended


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, HTTP2_PROTOCOLS, expectation, source, run, force=force)


CHECKS = (
    _check(
        "h2-streams-at-once",
        "100 streams at once",
        "It is recommended that the server's limit be no smaller than 100; so many are served at the same time.",
        "RFC 9113 §6.5.2, §5.1.2",
        _at_once,
        force="should",
    ),
    _check(
        "h2-streams-one-too-many",
        "One stream more than allowed",
        "A stream beyond the limit MUST be a stream error (PROTOCOL_ERROR, REFUSED_STREAM); one that waits its turn "
        "passes here.",
        "RFC 9113 §5.1.2",
        _one_too_many,
    ),
    _check(
        "h2-streams-interleaved",
        "A slow stream blocks no other",
        "Streams are independent: one that is blocked does not hold up another.",
        "RFC 9113 §5",
        _interleaved,
        force="expected",
    ),
    _check(
        "h2-reset",
        "RST_STREAM reaches the app",
        "The app gets http.disconnect when the client resets the stream, and the connection goes on.",
        "ASGI HTTP, Disconnect; RFC 9113 §6.4",
        _reset,
    ),
    _check(
        "h2-connection-lost",
        "A lost connection reaches the app",
        "The app gets http.disconnect for every request in flight when the connection is lost.",
        "ASGI HTTP, Disconnect",
        _lost,
    ),
    _check(
        "h2-rapid-reset",
        "200 streams opened and reset",
        "The connection goes on, or is ended (ENHANCE_YOUR_CALM); the server serves others.",
        "RFC 9113 §10.5",
        _rapid_reset,
        force="expected",
    ),
    _check(
        "h2-app-raises",
        "App that raises before its answer",
        "The client gets 500 or RST_STREAM, and other streams go on.",
        "RFC 9110 §15.6.1, RFC 9113 §8.1, §5.4.2",
        _app_error("/raise", _is_error),
        force="expected",
    ),
    _check(
        "h2-app-raises-midway",
        "App that raises in its answer",
        "A sender MUST NOT generate what it knows to be false: an answer that is not whole does not look whole, but "
        "ends with RST_STREAM, and other streams go on.",
        "RFC 9110 §2.2, RFC 9113 §8.1, §5.4.2",
        _app_error("/raise-midway", _is_cut),
    ),
    _check(
        "h2-app-raises-later",
        "App that raises after another did",
        "A fault of one request leaves nothing behind: a later one still gets 500 or RST_STREAM.",
        "RFC 9110 §15.6.1, RFC 9113 §5.4.2",
        _later_error,
        force="expected",
    ),
    _check(
        "h2-app-answers-nothing",
        "App that returns without an answer",
        "The client gets 500 or RST_STREAM, and other streams go on.",
        "RFC 9113 §8.1, §5.4.2",
        _app_error("/nothing", _is_error),
        force="expected",
    ),
)
