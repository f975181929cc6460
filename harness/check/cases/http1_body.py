"""HTTP/1.1: where a message ends, in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, AnyStr

from harness.check.cases.http1 import OK, UNAUTHORIZED, judge_next
from harness.check.clients.connection import Cut
from harness.check.clients.http1 import Http1, request
from harness.check.model import ANY_APP, ASGI_ONLY, HTTP1, HTTP1_CLEAR, Family, Finding, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

CONTINUE = 100
NO_CONTENT = 204
CLOCK_DIFFERENCE = timedelta(seconds=5)


_NO_CONTENT_IN_HEAD = (
    "The HEAD method is identical to GET except that the server MUST NOT send content in the response."
)


def _chunked(body: bytes, words: str, *lines: str) -> Callable[[Target], Finding]:
    """A check that passes if a chunked request with this body reaches the app as `hello, world`."""

    def run(target: Target) -> Finding:
        connection = Http1(target)
        response = connection.fetch("/echo", "Transfer-Encoding: chunked", *lines, method="POST", body=body)
        if response.status != OK or response.body != b"hello, world":
            return connection.failed(f"expected the app to get b'hello, world', found {response}")
        return judge_next(connection, response, words)

    return run


CHECKS.add(
    "chunked-request",
    "Chunked request",
    "A server MUST be able to decode the chunked transfer coding; the app gets the plain body.",
    "RFC 9112 §7.1, §6.1, ASGI HTTP 2.5 Connection Scope, PEP 3333 Input and Error Streams",
    _chunked(b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", "two chunks were read"),
    protocols=HTTP1,
    quote="A recipient MUST be able to parse and decode the chunked transfer coding.",
    consequence="Uploads of clients that do not know the length in advance fail or arrive damaged.",
)
CHECKS.add(
    "chunk-extension",
    "Chunk extensions ignored",
    "A server MUST ignore chunk extensions that it does not know.",
    "RFC 9112 §7.1.1",
    _chunked(b"5\r\nhello\r\n7;name=value;flag\r\n, world\r\n0\r\n\r\n", "an extension was ignored"),
    quote="A recipient MUST ignore unrecognized chunk extensions.",
    consequence="Uploads through some proxies fail or arrive damaged.",
)
CHECKS.add(
    "request-trailer",
    "Trailer of a chunked request",
    "A server MUST be able to decode a chunked body that ends with trailer fields.",
    "RFC 9112 §7.1, §7.1.2",
    _chunked(b"5\r\nhello\r\n7\r\n, world\r\n0\r\nX-Sum: 42\r\n\r\n", "a trailer was read", "Trailer: X-Sum"),
    quote="The chunked transfer coding is complete when a chunk with a chunk-size of zero is received, "
    "possibly followed by a trailer section, and finally terminated by an empty line.",
    consequence="Uploads that end with a checksum in a trailer fail.",
)


@CHECKS.check(
    "response-framing",
    "Response without a length",
    "RFC 9112 §6.3, ASGI HTTP 2.5 Connection Scope, PEP 3333 Handling the Content-Length Header",
    protocols=HTTP1,
    quote="If a Transfer-Encoding header field is present and the chunked transfer coding (Section 7.1) is "
    "the final encoding, the message body length is determined by reading and decoding the chunked "
    "data until the transfer coding indicates the data is complete.",
    consequence="Clients cannot tell where a streamed response ends.",
)
def response_framing(target: Target) -> Finding:
    """A server sends a response for which the app gives no length chunked, with a length, or closes after it."""
    connection = Http1(target)
    response = connection.fetch("/stream")
    if response.body != b"onetwothree":
        return connection.failed(f"expected the three parts, found {response.body!r}")
    if not response.chunked and not response.all(b"content-length"):
        return connection.passed("the end of the connection ends the body")
    return judge_next(connection, response, "chunked" if response.chunked else "with a length")


@CHECKS.check(
    "app-transfer-encoding",
    "Transfer-Encoding of the app ignored",
    "ASGI HTTP 2.5 Response Start",
    interfaces=ASGI_ONLY,
    quote="You may send a Transfer-Encoding header in this message, but the server must ignore it.",
    consequence="Responses of apps that set the header are chunked twice, and clients read chunk sizes as data.",
)
def app_transfer_encoding(target: Target) -> Finding:
    """A server must ignore a Transfer-Encoding header that the app sends."""
    connection = Http1(target)
    response = connection.fetch("/transfer-encoding")
    codings = b", ".join(response.all(b"transfer-encoding"))
    if response.body != b"hello" or codings.lower().count(b"chunked") > 1:
        found = f"found {response.body!r} and codings {codings!r}"
        return connection.failed(f"expected the body chunked once at most, {found}")
    return connection.passed("the app's header was ignored")


@CHECKS.check(
    "expect-continue",
    "Expect: 100-continue",
    "RFC 9110 §10.1.1, PEP 3333 HTTP 1.1 Expect/Continue",
    protocols=HTTP1,
    quote="Upon receiving an HTTP/1.1 (or later) request that has a method, target URI, and complete "
    "header section that contains a 100-continue expectation and an indication that request content "
    "will follow, an origin server MUST send either:",
    consequence="curl and other clients wait a second or more before each large upload, or fail.",
)
def expect_continue(target: Target) -> Finding:
    """A server MUST answer 100-continue with 100 or a final status.

    If the app reads the body, 100 is sent before the client sends the body.
    """
    connection = Http1(target)
    connection.send(request(target, "/echo", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    interim = connection.next_head()
    if interim.status != CONTINUE:
        return connection.failed(f"expected 100 before the body is sent, found {interim.status}")
    connection.send(b"hello")
    response = connection.response()
    if response.status != OK or response.body != b"hello":
        return connection.failed(f"expected the final response, found {response}")
    return connection.passed("100, then the response")


@CHECKS.check(
    "expect-refused",
    "Expect: refused by the app",
    "RFC 9110 §10.1.1",
    quote="an immediate response with a final status code, if that status can be determined by examining "
    "just the method, target URI, and header fields",
    consequence="Clients send large uploads that the app had already refused, or wait for an answer that does "
    "not come.",
)
def expect_refused(target: Target) -> Finding:
    """A server MUST answer 100-continue with 100 or a final status.

    If the app responds without reading the body, that is the app's response; a 100 before it passes too.
    """
    connection = Http1(target)
    connection.send(request(target, "/refuse", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    first = connection.next_head()
    if first.status == UNAUTHORIZED:
        return connection.passed("the app's 401 came without a 100")
    if first.status != CONTINUE:
        return connection.failed(f"expected the app's 401 or a 100, found {first.status}")
    connection.send(b"hello")
    if (response := connection.response()).status != UNAUTHORIZED:
        return connection.failed(f"expected the app's 401 after a 100 and the body, found {response.status}")
    return connection.passed("a 100 that the app did not ask for, then its 401")


@CHECKS.check(
    "head",
    "HEAD without body",
    "RFC 9110 §9.3.2",
    protocols=HTTP1,
    quote=_NO_CONTENT_IN_HEAD,
    consequence="The body is read as the next response on the connection; behind a proxy that may be another user's.",
    danger="mixes",
)
def head(target: Target) -> Finding:
    """A server MUST NOT send a body in response to HEAD, and SHOULD send the headers of GET."""
    connection = Http1(target)
    response = connection.fetch("/hello", method="HEAD")
    lengths = response.all(b"content-length")
    if response.status != OK or lengths not in ([], [b"5"]):
        return connection.failed(f"expected 200 with the headers of GET, found {response.status} {lengths}")
    return judge_next(connection, response, f"no body, Content-Length {'as for GET' if lengths else 'left out'}")


@CHECKS.check(
    "head-streamed",
    "HEAD of a streamed response",
    "RFC 9110 §9.1, §9.3.2",
    protocols=HTTP1,
    quote=_NO_CONTENT_IN_HEAD,
    consequence="The body is read as the next response on the connection; behind a proxy that may be another user's.",
    danger="mixes",
)
def head_streamed(target: Target) -> Finding:
    """A server MUST support HEAD, and MUST NOT send a body in response, also if the app sends one in several parts."""
    connection = Http1(target)
    try:
        response = connection.fetch("/stream", method="HEAD")
    except Cut as cut:
        return failed(f"expected a response to HEAD, found {cut}")
    if response.status != OK:
        return connection.failed(f"expected 200, found {response.status}")
    return judge_next(connection, response, "no body")


def _bodiless(status: int, *forbidden: bytes) -> Callable[[Target], Finding]:
    """A check that passes if a response with this status has no body and none of these headers."""

    def run(target: Target) -> Finding:
        connection = Http1(target)
        response = connection.fetch(f"/status/{status}")
        if response.status != status:
            return connection.failed(f"expected {status}, found {response.status}")
        for name in forbidden:
            if response.all(name):
                return connection.failed(f"expected no {name.decode()} in a {status}")
        return judge_next(connection, response, "no body")

    return run


CHECKS.add(
    "status-204",
    "204 without body",
    "A server MUST NOT send Transfer-Encoding or Content-Length in a 204, which ends with its headers.",
    "RFC 9110 §8.6, §15.3.5, RFC 9112 §6.1",
    _bodiless(NO_CONTENT, b"transfer-encoding", b"content-length"),
    quote="A server MUST NOT send a Content-Length header field in any response with a status code of 1xx "
    "(Informational) or 204 (No Content).",
    consequence="Strict clients and proxies reject the response, or wait for a body.",
)
CHECKS.add(
    "status-304",
    "304 without body",
    "A server ends a 304 with its headers.",
    "RFC 9110 §15.4.5, RFC 9112 §6.3",
    _bodiless(304),
    quote="A 304 response is terminated by the end of the header section; it cannot contain content or trailers.",
    consequence="The body is read as the next response on the connection.",
    danger="mixes",
)


@CHECKS.check(
    "date",
    "Date header",
    "RFC 9110 §6.6.1",
    quote="An origin server with a clock (as defined in Section 5.6.7) MUST generate a Date header field "
    "in all 2xx (Successful), 3xx (Redirection), and 4xx (Client Error) responses, and MAY generate "
    "a Date header field in 1xx (Informational) and 5xx (Server Error) responses.",
    consequence="Caches misjudge the age of responses.",
)
def date(target: Target) -> Finding:
    """A server with a clock MUST send Date in responses of status 2xx, 3xx and 4xx."""
    connection = Http1(target)
    response = connection.fetch("/hello")
    server = b", ".join(response.all(b"server")).decode("latin-1") or "none"
    dates = response.all(b"date")
    if len(dates) != 1:
        return connection.failed(f"expected one Date, found {len(dates)}; Server: {server}")
    try:
        difference = abs(parsedate_to_datetime(dates[0].decode("ascii")) - datetime.now(UTC))
    except (ValueError, TypeError) as error:
        return connection.failed(f"expected an HTTP date, found {dates[0]!r}: {error}")
    if difference > CLOCK_DIFFERENCE:
        return connection.failed(f"expected the time of the response, found one that differs by {difference}")
    return connection.passed(f"one Date; Server: {server}")


@CHECKS.check(
    "app-date-server",
    "Date and Server set by the app",
    "RFC 9110 §5.3",
    quote="This means that, aside from the well-known exception noted below, a sender MUST NOT generate multiple field "
    "lines with the same name in a message (whether in the headers or trailers) or append a field line when a field "
    "line of the same name already exists in the message, unless that field's definition allows multiple field line "
    "values to be recombined as a comma-separated list",
    consequence="Strict proxies and caches reject the response, or pick one of two dates.",
)
def app_date_server(target: Target) -> Finding:
    """A server MUST NOT add its own Date and Server to those that the app has set."""
    connection = Http1(target)
    response = connection.fetch("/date-and-server")
    return connection.finding(*judge_single(response.fields))


def judge_single(fields: Sequence[tuple[AnyStr, AnyStr]]) -> tuple[bool, str]:
    """Are Date and Server in a response once each at most? And what was found, in words."""
    names = [name if isinstance(name, str) else name.decode("latin-1") for name, _ in fields]
    dates, servers = names.count("date"), names.count("server")
    return max(dates, servers) <= 1, f"the app set Date and Server; received {dates} Date and {servers} Server"


@CHECKS.check(
    "request-body-type",
    "Type of a request's body",
    "ASGI HTTP 2.5 Request",
    interfaces=ASGI_ONLY,
    quote="body (byte string) -- Body of the request.",
    consequence="Apps that use the body as a key, hash it or decode it fail, or keep data that change later.",
)
def request_body_type(target: Target) -> Finding:
    """The body of a request is given as bytes, and not as bytearray or memoryview."""
    connection = Http1(target)
    response = connection.fetch("/body-types", "Content-Length: 5", method="POST", body=b"hello")
    types = set(response.body.decode("latin-1").split())
    return connection.finding(types == {"bytes"}, f"body given as {', '.join(sorted(types)) or 'nothing'}")
