"""HTTP/1.1: several requests on one connection, and when the connection ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from harness.check.clients.connection import Cut
from harness.check.clients.http1 import Http1, Response, request
from harness.check.clients.transcript import shown
from harness.check.model import ANY_APP, HTTP1, HTTP1_CLEAR, Family, Finding, not_applicable
from harness.check.target import new_marker

if TYPE_CHECKING:
    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

OK, UNAUTHORIZED = 200, 401
FIRST_BYTE_S = 0.2
"""A server that judges a request by its first byte has answered by then."""


def judge_next(connection: Http1, response: Response, words: str) -> Finding:
    """Passed if the next response follows directly, or the server closes the connection as it said."""
    target = connection.target
    if response.says_close:
        if stray := connection.rest(target.timeout_s):
            return connection.failed(f"expected the end of the connection, found {shown(stray)}")
        return connection.passed(f"{words}, and the connection was closed")
    connection.send(request(target, "/hello"))
    if connection.await_close(target.timeout_s):  # closing without saying so is left to keep-alive
        return connection.passed(f"{words}, and the connection was closed")
    if (following := connection.response()).body != b"hello":
        return connection.failed(f"expected the next response to follow directly, found {following.body!r}")
    return connection.passed(f"{words}, and the connection goes on")


def judge_close(connection: Http1, words: str) -> Finding:
    """Passed if the server closes the connection."""
    if not connection.await_close(connection.target.timeout_s):
        open_for = f"found it open after {connection.target.timeout_s:g} s"
        return connection.failed(f"expected the connection closed, {open_for}")
    return connection.passed(words)


@CHECKS.check(
    "keep-alive",
    "Connection kept open",
    "RFC 9112 §9.3",
    level="should",
    protocols=HTTP1,
    quote="HTTP implementations SHOULD support persistent connections.",
    consequence="Each request costs a new connection, and a TLS handshake: more latency and more CPU.",
)
def keep_alive(target: Target) -> Finding:
    """A server SHOULD keep an HTTP/1.1 connection open for further requests, unless one side says close."""
    connection = Http1(target)
    for _ in range(2):
        response = connection.fetch("/hello")
        if response.body != b"hello" or response.says_close:
            return connection.failed("expected two responses on one connection")
    return connection.passed("two responses on one connection")


@CHECKS.check(
    "http10-close",
    "HTTP/1.0 closed",
    "RFC 9112 §9.3",
    protocols=HTTP1,
    quote="The connection will close after the current response.",
    consequence="Old clients and health checks that wait for the end of the connection hang.",
    danger="hangs",
)
def http10_close(target: Target) -> Finding:
    """A server closes the connection after its response to an HTTP/1.0 request that does not ask for keep-alive."""
    connection = Http1(target)
    connection.send(b"GET /hello HTTP/1.0\r\n\r\n")
    response = connection.response()
    if response.status != OK or response.body != b"hello":
        return connection.failed("expected the response to an HTTP/1.0 request")
    return judge_close(connection, "answered and closed")


@CHECKS.check(
    "http10-no-chunks",
    "No chunks to HTTP/1.0",
    "RFC 9112 §6.1",
    quote="A server MUST NOT send a response containing Transfer-Encoding unless the corresponding request "
    "indicates HTTP/1.1 (or later minor revisions).",
    consequence="Old clients, and nginx with its default proxy_http_version 1.0, take chunk sizes for a part of "
    "the body.",
)
def http10_no_chunks(target: Target) -> Finding:
    """A server MUST NOT send Transfer-Encoding in response to an HTTP/1.0 request."""
    connection = Http1(target)
    connection.send(b"GET /stream HTTP/1.0\r\n\r\n")
    response = connection.response()
    if response.chunked:
        return connection.failed("expected no Transfer-Encoding to HTTP/1.0")
    right = response.body == b"onetwothree"
    return connection.finding(right, "not chunked" if right else f"expected the whole body, found {response.body!r}")


@CHECKS.check(
    "connection-close",
    "Connection: close honoured",
    "RFC 9112 §9.6",
    protocols=HTTP1,
    quote='A server that receives a "close" connection option MUST initiate closure of the connection (see '
    'below) after it sends the final response to the request that contained the "close" connection '
    "option.",
    consequence="Clients that wait for the end of the connection hang, and connections pile up.",
    danger="hangs",
)
def connection_close(target: Target) -> Finding:
    """A server MUST close the connection after its response to a request that says close.

    It SHOULD say close in its response.
    """
    connection = Http1(target)
    response = connection.fetch("/hello", "Connection: close")
    if response.body != b"hello":
        return connection.failed("expected the response")
    said = "with" if response.says_close else "without"
    return judge_close(connection, f"closed, {said} saying so in the Connection header")


@CHECKS.check(
    "pipelining",
    "Pipelined requests",
    "RFC 9112 §9.3.2",
    protocols=HTTP1,
    quote="A server MAY process a sequence of pipelined requests in parallel if they all have safe methods "
    "(Section 9.2.1 of [HTTP]), but it MUST send the corresponding responses in the same order that "
    "the requests were received.",
    consequence="A client gets the response to another request, which may be another user's behind a proxy.",
    danger="mixes",
)
def pipelining(target: Target) -> Finding:
    """A server MUST answer pipelined requests in the order in which they arrived.

    A server that closes the connection before it has answered all of them is not judged.
    """
    connection = Http1(target)
    bodies = [b"first", b"second", b"third"]
    connection.send(
        b"".join(request(target, "/echo", f"Content-Length: {len(body)}", method="POST", body=body) for body in bodies)
    )
    found: list[bytes] = []
    with suppress(Cut):  # a server may close between responses; that is left to keep-alive
        found += (connection.response().body for _ in bodies)
    if found != bodies[: len(found)]:
        return connection.failed(f"expected {bodies} in this order, found {found}")
    if not found:
        return connection.failed("expected a response, found the connection closed without one")
    if len(found) < len(bodies):
        closed = f"the server closed the connection after {len(found)} of {len(bodies)} responses"
        return not_applicable(f"{closed}\n{connection.transcript}")
    return connection.passed("three responses in the order of the requests")


@CHECKS.check(
    "unread-body",
    "Body that the app leaves unread",
    "RFC 9112 §9.3",
    quote="A server MUST read the entire request message body or close the connection after sending its "
    "response; otherwise, the remaining data on a persistent connection would be misinterpreted as "
    "the next request.",
    consequence="The body of one user's request is served as a request of its own: request smuggling.",
    danger="smuggles",
)
def unread_body(target: Target) -> Finding:
    """A server MUST read the whole request body, or close the connection after its response.

    It does not take any part of the body for a request.
    """
    connection, marker = Http1(target), new_marker()
    hidden = request(target, f"/hello?marker={marker}")
    if connection.fetch("/refuse", f"Content-Length: {len(hidden)}", method="POST", body=hidden).status != UNAUTHORIZED:
        return connection.failed("expected the app's 401")
    connection.send(request(target, "/hello"))
    if connection.await_close(target.timeout_s):
        words = "the connection was closed after the response"
    elif (response := connection.response()).status == OK and response.body == b"hello":
        words = "the body was skipped, and the next request answered"
    else:
        return connection.failed("expected the next request answered or the connection closed")
    if target.events(marker):
        return connection.failed("expected the body skipped, found that it was served as a request")
    return connection.passed(words)


@CHECKS.check(
    "empty-line-first",
    "Empty line before a request",
    "RFC 9112 §2.2",
    level="should",
    quote="In the interest of robustness, a server that is expecting to receive and parse a request-line "
    "SHOULD ignore at least one empty line (CRLF) received prior to the request-line.",
    consequence="Clients that end a body with an empty line get 400 for their next request.",
)
def empty_line_first(target: Target) -> Finding:
    """A server SHOULD ignore at least one empty line before the request line."""
    connection = Http1(target)
    connection.send(b"\r\n" + request(target, "/hello"))
    response = connection.response()
    right = response.body == b"hello"
    ignored = "an empty line before the request was ignored"
    return connection.finding(right, ignored if right else f"expected the response, found {response.status}")


@CHECKS.check(
    "byte-by-byte",
    "Request in many segments",
    "RFC 9112 §2.2",
    quote="If a message body has been indicated, then it is read as a stream until an amount of octets "
    "equal to the message body length is read or the connection is closed.",
    consequence="Requests fail at random, as the network cuts them in different places.",
    danger="loses",
)
def byte_by_byte(target: Target) -> Finding:
    """A server answers a request that arrives byte by byte, because TCP may cut a message anywhere."""
    connection = Http1(target)
    whole = request(target, "/echo", "Content-Length: 3", method="POST", body=b"abc")
    connection.send(whole[:1])
    if not connection.readable(FIRST_BYTE_S):  # the pause keeps the first byte apart from the others
        for at in range(1, len(whole)):
            connection.send(whole[at : at + 1])
    response = connection.response()
    right = response.body == b"abc"
    answered = f"a request in {len(whole)} segments was answered"
    return connection.finding(right, answered if right else f"expected the response, found {response}")
