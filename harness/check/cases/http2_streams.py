"""HTTP/2: many streams on one connection, and streams that end early."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.check.cases.http2 import OK, SILENCE_S, is_hello
from harness.check.clients.h2 import Http2
from harness.check.clients.h2_frames import MAX_CONCURRENT_STREAMS, PROTOCOL_ERROR, REFUSED_STREAM
from harness.check.clients.h2_raw import RawHttp2, Response
from harness.check.model import Family, Finding, not_applicable
from harness.check.target import POLL_S, new_marker
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(HTTP2_PROTOCOLS)

_LEFT = (
    "Sent to the application if receive is called after a response has been sent or after the HTTP "
    "connection has been closed."
)

RECOMMENDED_STREAMS = 100
"""RFC 9113 §6.5.2 recommends to allow at least this many streams at once."""
MOST_STREAMS = 500
"""A higher limit than this is not tried."""
RESETS = 200
SERVER_ERRORS = range(500, 600)


@CHECKS.check(
    "h2-streams-at-once",
    "100 streams at once",
    "RFC 9113 §6.5.2, §5.1.2",
    level="should",
    quote="It is recommended that this value be no smaller than 100, so as to not unnecessarily limit parallelism.",
    consequence="Proxies and pages with many requests at once are slowed down.",
)
def streams_at_once(target: Target) -> Finding:
    """It is recommended that a server allows at least 100 streams at once, and serves them at the same time."""
    with Http2(target) as client:
        marker, limit = new_marker(), client.settings.get(MAX_CONCURRENT_STREAMS, RECOMMENDED_STREAMS)
        count = min(limit, RECOMMENDED_STREAMS)
        streams = [client.request(f"/late?marker={marker}") for _ in range(count)]
        called = _await_calls(client, marker, count)
        target.open_gate(marker)
        responses = [client.response(stream_id) for stream_id in streams]
        client.run_until(lambda: all(response.over for response in responses))
        answered = sum(map(_is_late, responses))
        words = f"{count} streams at once, {called} in the app at once, {answered} answered"
        if limit < RECOMMENDED_STREAMS:
            words = f"{words}; the limit is {limit}"
        return client.finding(called == answered == RECOMMENDED_STREAMS, words)


def _await_calls(client: Http2, marker: str, count: int) -> int:
    """How many requests with the marker the app has been called with, once all have or the time is up."""

    def called() -> int:
        return sum(event["event"] == "http" for event in client.target.events(marker))

    deadline = time.monotonic() + client.timeout_s
    while called() < count and time.monotonic() < deadline:
        client.poll()
        time.sleep(POLL_S)
    return called()


def _is_late(response: Response) -> bool:
    """Is it the correct response to GET /late?"""
    return response.is_complete(OK, b"late")


@CHECKS.check(
    "h2-streams-one-too-many",
    "One stream more than allowed",
    "RFC 9113 §5.1.2",
    quote="An endpoint that receives a HEADERS frame that causes its advertised concurrent stream limit to "
    "be exceeded MUST treat this as a stream error (Section 5.4.2) of type PROTOCOL_ERROR or "
    "REFUSED_STREAM.",
    consequence="One client can start any number of requests at once, and use up the memory of the server.",
    danger="memory",
)
def one_stream_too_many(target: Target) -> Finding:
    """A server MUST treat a stream beyond its limit as a stream error (PROTOCOL_ERROR or REFUSED_STREAM).

    A server that lets the stream wait until others have ended passes too.
    """
    with RawHttp2(target) as raw:
        limit = raw.settings.get(MAX_CONCURRENT_STREAMS)
        if limit is None or limit > MOST_STREAMS:
            return not_applicable(f"the server's limit of streams at once: {limit}")
        waiting, extra = new_marker(), new_marker()
        streams = [2 * number + 1 for number in range(limit)]
        for stream_id in streams:
            raw.send_fields(stream_id, raw.request_fields(f"/late?marker={waiting}"))
        raw.send_fields(2 * limit + 1, raw.request_fields(f"/hello?marker={extra}"))
        raw.ping()
        refused = raw.response(2 * limit + 1)
        raw.run_until(lambda: refused.over, 0.5)
        served_early = bool(target.events(extra))
        target.open_gate(waiting)
        responses = [raw.response(stream_id) for stream_id in streams]
        raw.run_until(lambda: raw.goaway is not None or all(response.over for response in responses))
        answered = sum(map(_is_late, responses))
        words = f"{limit} streams allowed at once, one more: {refused}; {answered} of the {limit} answered"
        if raw.goaway is not None:
            return raw.finding(raw.goaway.error_code != 0, f"{words}; treated as a connection error")
        if served_early:
            return raw.failed(f"{words}; the one more was served while the others waited")
        stream_error = refused.reset in (PROTOCOL_ERROR, REFUSED_STREAM)
        return raw.finding(answered == limit and (stream_error or is_hello(raw.await_response(2 * limit + 1))), words)


@CHECKS.check(
    "h2-streams-interleaved",
    "A slow stream blocks no other",
    "RFC 9113 §5",
    level="expected",
    consequence="One slow request stops every other of the same browser or proxy.",
)
def interleaved(target: Target) -> Finding:
    """A server answers a later stream while the app still works on an earlier one."""
    with Http2(target) as client:
        slow, marker = client.call_app("/late")
        quick = client.fetch("/hello")
        overtaken = is_hello(quick) and not client.response(slow).over
        meanwhile = str(quick)
        target.open_gate(marker)
        late = client.await_response(slow)
        words = f"while one stream waits, another: {meanwhile}; the first: {late}"
        return client.finding(overtaken and _is_late(late), words)


@CHECKS.check(
    "h2-reset",
    "RST_STREAM reaches the app",
    "ASGI HTTP, Disconnect; RFC 9113 §6.4",
    quote=_LEFT,
    consequence="Apps go on working for requests that users have cancelled.",
)
def reset(target: Target) -> Finding:
    """The app gets http.disconnect when the client resets the stream, and the connection goes on."""
    with Http2(target) as client:
        stream_id, marker = client.call_app("/wait")
        client.reset(stream_id)
        told = target.await_event(marker, "http.disconnect") is not None
        goes_on = is_hello(client.fetch("/hello"))
        words = f"RST_STREAM: the app was {'told' if told else 'not told'}, the connection {_state(goes_on)}"
        return client.finding(told and goes_on, words)


def _state(goes_on: bool) -> str:
    return "goes on" if goes_on else "serves no more"


@CHECKS.check(
    "h2-connection-lost",
    "A lost connection reaches the app",
    "ASGI HTTP, Disconnect",
    quote=_LEFT,
    consequence="Apps go on working for clients that have left.",
)
def connection_lost(target: Target) -> Finding:
    """The app gets http.disconnect for every request in flight when the connection is lost."""
    with Http2(target) as client:
        markers = [client.call_app("/wait")[1] for _ in range(2)]
        client.close()
    told = sum(target.await_event(marker, "http.disconnect") is not None for marker in markers)
    return client.finding(told == len(markers), f"connection lost with {len(markers)} requests in it: {told} were told")


@CHECKS.check(
    "h2-rapid-reset",
    "200 streams opened and reset",
    "RFC 9113 §10.5",
    level="expected",
    consequence="One connection can stop the server (rapid reset, CVE-2023-44487).",
    danger="dies",
)
def rapid_reset(target: Target) -> Finding:
    """A server goes on after 200 streams that are opened and reset, or ends that connection; it serves others."""
    with Http2(target) as client:
        for _ in range(RESETS):
            if client.goaway is not None:
                break
            client.reset(client.request("/hello"))
            client.poll()
        goes_on = client.goaway is None and client.ping() and is_hello(client.fetch("/hello"))
        with Http2(target) as another:
            serves_others = is_hello(another.fetch("/hello"))
        ended = client.goaway is not None or client.closed
        how = "goes on" if goes_on else "was ended" if ended else "hangs"
        words = f"{RESETS} streams opened and reset: the connection {how}; the server {_state(serves_others)}"
        return client.finding(how != "hangs" and serves_others, words)


def _app_fails(path: str, is_right: Callable[[Response], bool]) -> Callable[[Target], Finding]:
    """A check that passes if the response is right and the connection goes on.

    It starts a new server, because the app's failure may leave a server in a bad state.
    """

    def run(target: Target) -> Finding:
        with target.fresh() as server, Http2(server) as client:
            waiting, marker = client.call_app("/late")
            response = client.await_response(client.request(path), SILENCE_S)
            server.open_gate(marker)
            goes_on = _is_late(client.await_response(waiting)) and is_hello(client.fetch("/hello"))
            words = f"{path}: {response}; the connection {_state(goes_on)}"
            return client.finding(is_right(response) and goes_on, words)

    return run


def _is_error(response: Response) -> bool:
    return response.reset is not None or (response.ended and response.status in SERVER_ERRORS)


def _is_cut_off(response: Response) -> bool:
    return response.reset not in (None, 0) and not response.ended


CHECKS.add(
    "h2-app-raises",
    "App that raises before its response",
    "The client gets 500 or RST_STREAM if the app raises, and other streams go on.",
    "RFC 9110 §15.6.1, RFC 9113 §8.1, §5.4.2",
    _app_fails("/raise", _is_error),
    level="expected",
    consequence="Clients wait until their timeout when the app fails.",
    danger="hangs",
)
CHECKS.add(
    "h2-app-raises-midway",
    "App that raises in its response",
    "A server MUST NOT make an incomplete response look complete: it ends it with RST_STREAM, and other streams go on.",
    "ASGI Error Handling, RFC 9113 §8.1, §5.4.2",
    _app_fails("/raise-midway", _is_cut_off),
    quote="Servers are free to surface errors that bubble up out of application instances they are running "
    "however they wish - log to console, send to syslog, or other options - but they must terminate "
    "the application instance and its associated connection if this happens.",
    consequence="Half a response looks whole: clients and caches keep it, and nobody notices the error.",
    danger="loses",
)


@CHECKS.check(
    "h2-app-raises-later",
    "App that raises after another did",
    "RFC 9110 §15.6.1, RFC 9113 §5.4.2",
    level="expected",
    consequence="After one error, every later error leaves its client waiting, until the server is restarted.",
    danger="hangs",
)
def app_raises_later(target: Target) -> Finding:
    """The client gets 500 or RST_STREAM if the app raises, also after the app has failed for an earlier request."""
    with target.fresh() as server:
        with Http2(server) as client:
            first = client.await_response(client.request("/raise-midway"), SILENCE_S)
        with Http2(server) as client:
            later = client.await_response(client.request("/raise"), SILENCE_S)
            words = f"after an app that raised in its response ({first}), another raises before its own: {later}"
            return client.finding(_is_error(later), words)


CHECKS.add(
    "h2-app-answers-nothing",
    "App that returns without a response",
    "The client gets 500 or RST_STREAM if the app returns without a response, and other streams go on.",
    "RFC 9113 §8.1, §5.4.2",
    _app_fails("/nothing", _is_error),
    level="expected",
    consequence="Clients wait until their timeout when the app returns without a response.",
    danger="hangs",
)
