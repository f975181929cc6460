"""HTTP/1.1: where a message ends, in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, CLEAR, HTTP1, next_is_right
from harness.check.clients.http1 import Wire, request
from harness.check.model import Check, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

OK = 200
CONTINUE = 100
UNAUTHORIZED = 401
"""What the app answers without a look at the body."""


def _chunked(body: bytes, what: str, *lines: str) -> Callable[[Target], Finding]:
    """A run in which a chunked request of two chunks reaches the app as `hello, world`."""

    def run(target: Target) -> Finding:
        wire = Wire(target)
        wire.send(request(target, "/echo", "Transfer-Encoding: chunked", *lines, method="POST", body=body))
        answer = wire.answer()
        if answer.status != OK or answer.body != b"hello, world":
            return failed(
                f"expected the app to get b'hello, world', found {answer.status} {answer.body!r}\n{wire.story}"
            )
        return next_is_right(wire, target, answer, what)

    return run


def _length_response(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/stream"))
    answer = wire.answer()
    if answer.body != b"onetwothree":
        return failed(f"expected the three parts, found {answer.body!r}\n{wire.story}")
    if not answer.chunked and not answer.all(b"content-length"):
        return passed(f"the end of the connection ends the body\n{wire.story}")
    return next_is_right(wire, target, answer, "chunked" if answer.chunked else "with a length")


def _app_transfer_encoding(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/transfer-encoding"))
    answer = wire.answer()
    codings = b", ".join(answer.all(b"transfer-encoding"))
    if answer.body != b"hello" or codings.lower().count(b"chunked") > 1:
        return failed(f"expected the body once chunked, found {answer.body!r} and codings {codings!r}\n{wire.story}")
    return passed(f"the app's header did no harm\n{wire.story}")


def _expect_continue(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/echo", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    interim = wire.interim_or_final()
    if interim.status != CONTINUE:
        return failed(f"expected 100 before the body is sent, found {interim.status}\n{wire.story}")
    wire.send(b"hello")
    answer = wire.answer()
    if answer.status != OK or answer.body != b"hello":
        return failed(f"expected the final answer, found {answer.status} {answer.body!r}\n{wire.story}")
    return passed(f"100, then the answer\n{wire.story}")


def _expect_refused(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/refuse", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    first = wire.interim_or_final()
    if first.status == UNAUTHORIZED:
        return passed(f"the app's 401 came without a 100\n{wire.story}")
    if first.status != CONTINUE:
        return failed(f"expected the app's 401 or a 100, found {first.status}\n{wire.story}")
    wire.send(b"hello")
    if (answer := wire.answer()).status != UNAUTHORIZED:
        return failed(f"expected the app's 401 after a 100 and the body, found {answer.status}\n{wire.story}")
    return passed(f"a 100 that the app did not ask for, then its 401\n{wire.story}")


def _head(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/hello", method="HEAD"))
    answer = wire.answer("HEAD")
    lengths = answer.all(b"content-length")
    if answer.status != OK or lengths not in ([], [b"5"]):
        return failed(f"expected 200 with the fields of GET, found {answer.status} {lengths}\n{wire.story}")
    return next_is_right(wire, target, answer, f"no body, Content-Length {'as for GET' if lengths else 'left out'}")


def _bodiless(status: int) -> Callable[[Target], Finding]:
    def run(target: Target) -> Finding:
        wire = Wire(target)
        wire.send(request(target, f"/status/{status}"))
        answer = wire.answer()
        if answer.status != status:
            return failed(f"expected {status}, found {answer.status}\n{wire.story}")
        forbidden = [b"transfer-encoding", b"content-length"] if status == 204 else []  # noqa: PLR2004 - No Content
        for name in forbidden:
            if answer.all(name):
                return failed(f"expected no {name.decode()} in a {status}\n{wire.story}")
        return next_is_right(wire, target, answer, "no body")

    return run


def _date(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/hello"))
    answer = wire.answer()
    server = b", ".join(answer.all(b"server")).decode("latin-1") or "none"
    dates = answer.all(b"date")
    if len(dates) != 1:
        return failed(f"expected one Date, found {len(dates)}; Server: {server}\n{wire.story}")
    try:
        off = abs(parsedate_to_datetime(dates[0].decode("ascii")) - datetime.now(UTC))
    except (ValueError, TypeError) as error:
        return failed(f"expected an HTTP date, found {dates[0]!r}: {error}\n{wire.story}")
    if off > timedelta(seconds=5):
        return failed(f"expected the time of the answer, found one {off} away\n{wire.story}")
    return passed(f"Date is there; Server: {server}\n{wire.story}")


CHECKS = (
    Check(
        "chunked-request",
        "Chunked request",
        HTTP1,
        "A recipient MUST be able to parse and decode the chunked transfer coding; the app gets the plain body.",
        "RFC 9112 §7.1, §6.1, ASGI HTTP 2.5 Connection Scope, PEP 3333 Input and Error Streams",
        _chunked(b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", "two chunks were read"),
        ANY_APP,
    ),
    Check(
        "chunk-extension",
        "Chunk extensions ignored",
        CLEAR,
        "A recipient MUST ignore chunk extensions that it does not know.",
        "RFC 9112 §7.1.1",
        _chunked(b"5\r\nhello\r\n7;name=value;flag\r\n, world\r\n0\r\n\r\n", "an extension was ignored"),
        ANY_APP,
    ),
    Check(
        "request-trailer",
        "Trailer of a chunked request",
        CLEAR,
        "A recipient MUST be able to parse the chunked transfer coding, which may end with trailer fields.",
        "RFC 9112 §7.1, §7.1.2",
        _chunked(b"5\r\nhello\r\n7\r\n, world\r\n0\r\nX-Sum: 42\r\n\r\n", "a trailer was read", "Trailer: X-Sum"),
        ANY_APP,
    ),
    Check(
        "response-framing",
        "Answer without a length",
        HTTP1,
        "An answer for which the app gives no length is chunked, given one, or ended by the end of the connection.",
        "RFC 9112 §6.3, ASGI HTTP 2.5 Connection Scope, PEP 3333 Handling the Content-Length Header",
        _length_response,
        ANY_APP,
    ),
    Check(
        "app-transfer-encoding",
        "Transfer-Encoding of the app ignored",
        CLEAR,
        "The app may send a Transfer-Encoding header, but the server must ignore it.",
        "ASGI HTTP 2.5 Response Start",
        _app_transfer_encoding,
    ),
    Check(
        "expect-continue",
        "Expect: 100-continue",
        HTTP1,
        "A server MUST answer 100-continue with 100 or a final status; for an app that reads the body, 100 comes "
        "before the client sends it.",
        "RFC 9110 §10.1.1, PEP 3333 HTTP 1.1 Expect/Continue",
        _expect_continue,
        ANY_APP,
    ),
    Check(
        "expect-refused",
        "Expect: refused by the app",
        CLEAR,
        "A server MUST answer 100-continue with 100 or a final status; for an app that answers without reading it is"
        " the app's answer, or a 100 that the app did not ask for.",
        "RFC 9110 §10.1.1",
        _expect_refused,
        ANY_APP,
    ),
    Check(
        "head",
        "HEAD without body",
        HTTP1,
        "A server MUST NOT send content in the answer to HEAD, and SHOULD send the header fields of GET.",
        "RFC 9110 §9.3.2",
        _head,
        ANY_APP,
    ),
    Check(
        "status-204",
        "204 without body",
        CLEAR,
        "A 204 ends with its header section; a server MUST NOT send Transfer-Encoding or Content-Length in it.",
        "RFC 9110 §8.6, §15.3.5, RFC 9112 §6.1",
        _bodiless(204),
        ANY_APP,
    ),
    Check(
        "status-304",
        "304 without body",
        CLEAR,
        "A 304 ends with its header section.",
        "RFC 9110 §15.4.5, RFC 9112 §6.3",
        _bodiless(304),
        ANY_APP,
    ),
    Check(
        "date",
        "Date header",
        CLEAR,
        "A server with a clock MUST generate Date in answers of status 2xx, 3xx and 4xx.",
        "RFC 9110 §6.6.1",
        _date,
        ANY_APP,
    ),
)
