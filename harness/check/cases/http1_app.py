"""HTTP/1.1: what the client gets from an app that does what it must not."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from harness.check.clients.connection import Cut, Silent
from harness.check.clients.http1 import Http1, Response, request
from harness.check.model import (
    ANY_APP,
    ASGI_ONLY,
    HTTP1,
    HTTP1_CLEAR,
    Family,
    Finding,
    ProtocolFault,
    failed,
    not_applicable,
    passed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

_TERMINATED = (
    "Servers are free to surface errors that bubble up out of application instances they are running "
    "however they wish - log to console, send to syslog, or other options - but they must terminate "
    "the application instance and its associated connection if this happens."
)

INTERNAL_ERROR = 500


def _gives_500(path: str) -> Callable[[Target], Finding]:
    """A check that passes if the client gets a 500, and after it a correct response or a closed connection."""

    def run(target: Target) -> Finding:
        connection = Http1(target)
        try:
            response = connection.fetch(path)
        except Cut:
            return connection.failed("expected 500, found the connection closed without a response")
        if response.status != INTERNAL_ERROR:
            return connection.failed(f"expected 500, found {response.status}")
        return _judge_reuse(connection, "500")

    return run


def _judge_reuse(connection: Http1, words: str) -> Finding:
    """Passed if the connection is closed, or the next request on it is answered correctly."""
    connection.send(request(connection.target, "/hello"))
    try:
        response = connection.response()
    except Cut:
        return connection.passed(f"{words}, and the connection was closed")
    if response.body != b"hello":
        return connection.failed(f"expected a correct next response, found {response}")
    return connection.passed(f"{words}, and the connection goes on")


def _cut_off(path: str) -> Callable[[Target], Finding]:
    """A check that passes if the response does not look complete: it is cut off, or an error in its place."""

    def run(target: Target) -> Finding:
        connection = Http1(target)
        try:
            response = connection.fetch(path)
        except Cut as cut:
            return passed(str(cut))
        except Silent as silent:
            return failed(f"expected the response cut off, found the client left waiting: {silent}")
        if response.status >= INTERNAL_ERROR:
            return connection.passed(f"{response.status} in place of the response")
        return connection.failed(f"expected the response cut off, found it complete: {_summary(response)}")

    return run


def _summary(response: Response) -> str:
    if response.chunked:
        end = "and the last chunk"
    elif response.all(b"content-length"):
        end = "as its Content-Length says"
    else:
        end = "ended by the end of the connection"
    return f"{response.status}, {len(response.body)} bytes {end}"


CHECKS.add(
    "app-raises",
    "App raises before its response",
    "A server answers 500 if the app raises. It then closes the connection, or serves the next request on it.",
    "RFC 9110 §15.6.1",
    _gives_500("/raise"),
    protocols=HTTP1,
    level="expected",
    consequence="Clients see a broken connection in place of an error, and proxies may send the request again.",
)
CHECKS.add(
    "app-silent",
    "App returns without a response",
    "A server answers 500 if the app returns without a response.",
    "RFC 9110 §15.6.1",
    _gives_500("/nothing"),
    level="expected",
    consequence="Clients wait until their timeout, or see a broken connection in place of an error.",
    danger="hangs",
)
CHECKS.add(
    "app-raises-midway",
    "App raises in a chunked response",
    "A server MUST NOT make an incomplete response look complete: it sends no last chunk and closes the connection.",
    "ASGI Error Handling, RFC 9112 §8, §7.1",
    _cut_off("/raise-midway"),
    protocols=HTTP1,
    quote=_TERMINATED,
    consequence="Half a response looks whole: clients and caches keep it, and nobody notices the error.",
    danger="loses",
)
CHECKS.add(
    "app-raises-midway-length",
    "App raises in a response with a length",
    "A server must close the connection if the app raises before it has sent as much as its Content-Length says.",
    "ASGI Error Handling, RFC 9112 §8",
    _cut_off("/raise-midway?length=10"),
    quote=_TERMINATED,
    consequence="Clients wait for the rest of the response until their timeout.",
    danger="hangs",
)
CHECKS.add(
    "app-starts-only",
    "App returns after the start of its response",
    "A server cuts off a response whose body the app never sends, or answers 500; the client is not left waiting.",
    "RFC 9112 §8, ASGI HTTP 2.5 Response Start",
    _cut_off("/start-only"),
    level="expected",
    interfaces=ASGI_ONLY,
    consequence="Clients wait for the body until their timeout, and each holds a connection.",
    danger="hangs",
)
CHECKS.add(
    "app-body-short",
    "App sends less than Content-Length",
    "A server closes the connection if the app sends less than its Content-Length says, so that the client notices.",
    "RFC 9112 §8",
    _cut_off("/length?says=10&sends=5"),
    level="expected",
    consequence="Clients wait for the rest of the response until their timeout, or read the next response as a "
    "part of this one.",
    danger="hangs",
)


@CHECKS.check(
    "app-body-long",
    "App sends more than Content-Length",
    "RFC 9110 §8.6, RFC 9112 §6.3",
    quote="As a result, a sender MUST NOT forward a message with a Content-Length header field value that "
    "is known to be incorrect.",
    consequence="The surplus is read as the next response on the connection: a user may get another's data.",
    danger="mixes",
)
def app_body_long(target: Target) -> Finding:
    """A server MUST NOT send more bytes than Content-Length says: a client would read them as the next response.

    An error in place of the response passes too.
    """
    connection = Http1(target)
    try:
        response = connection.fetch("/length?says=5&sends=10")
    except Cut as cut:
        return passed(str(cut))
    if response.status < INTERNAL_ERROR and response.body != b"xxxxx":
        return connection.failed(f"expected 5 bytes or an error, found {_summary(response)}")
    return _judge_reuse(connection, _summary(response))


@CHECKS.check(
    "header-injection",
    "CR LF in a header of the app",
    "RFC 9110 §2.2, §5.5, RFC 9112 §11.1",
    protocols=HTTP1,
    quote="A sender MUST NOT generate protocol elements that do not match the grammar defined by the "
    "corresponding ABNF rules.",
    consequence="User input in a header lets an attacker add headers or a whole response (response splitting).",
    danger="mixes",
)
def header_injection(target: Target) -> Finding:
    """A server MUST NOT send a header value with CR or LF in it: it refuses the app's header, or replaces them."""
    connection = Http1(target)
    try:
        response = connection.fetch("/injection")
    except Cut as cut:
        return passed(f"no response: {cut}")
    except ProtocolFault as fault:
        return failed(f"expected the header refused or CR and LF replaced, found {fault}")
    if response.all(b"x-injected"):
        return connection.failed("expected no header beside the app's own, found x-injected")
    return connection.passed(f"{response.status} without the injected header")


FAULTS = (
    *("/raise", "/nothing", "/raise-midway", "/raise-midway?length=10", "/start-only"),
    *("/length?says=10&sends=5", "/length?says=5&sends=10", "/injection"),
)
"""What an app does wrong, each of which may leave a server in a bad state."""


@CHECKS.check(
    "app-raises-later",
    "App that raises after it has failed before",
    "RFC 9110 §15.6.1",
    level="expected",
    interfaces=ASGI_ONLY,
    consequence="After one error, every later error leaves its client waiting, until the server is restarted.",
    danger="hangs",
)
def app_raises_later(target: Target) -> Finding:
    """A server answers 500 if the app raises, and serves others, also after the app has failed in any other way."""
    with target.fresh() as server:
        if (before := _state(server)) != _WELL:
            return not_applicable(f"the first exception is not answered with 500, as app-raises says: {before}")
        for path in FAULTS:
            with suppress(ProtocolFault):  # how the fault itself is answered is left to other checks
                Http1(server).fetch(path)
            if (found := _state(server)) != _WELL:
                return failed(f"expected 500 and 200 after GET {path}, found {found}")
    return passed(f"answered 500 to an exception, and 200 to others, after {', '.join(FAULTS)}")


_WELL = "500 to an exception, 200 to others"


def _state(server: Target) -> str:
    """What the server answers if the app raises, and otherwise."""
    found = []
    for path in ("/raise", "/hello"):
        try:
            found.append(str(Http1(server).fetch(path).status))
        except Silent:
            found.append("nothing")
        except Cut:
            found.append("a closed connection")
    return "{} to an exception, {} to others".format(*found)
