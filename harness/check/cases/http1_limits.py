"""HTTP/1.1: how large a request's head a server accepts, and how it refuses a larger one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.check.cases.malformed_http1 import CLIENT_ERRORS, OK
from harness.check.clients.connection import Cut
from harness.check.clients.http1 import Http1, request
from harness.check.model import ANY_APP, HTTP1_CLEAR, Family, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

_TOO_LARGE_QUOTE = (
    "A server that receives a request header field line, field value, or set of fields larger than "
    "it wishes to process MUST respond with an appropriate 4xx (Client Error) status code."
)

KIB = 1024
SIZES = tuple(KIB << power for power in range(2, 11))
"""From 4 KiB to 1 MiB."""
COUNTS = (25, 50, 100, 200, 400, 1600, 6400, 25_600)
PAUSES_S = (0.0, 0.02, 0.05)
"""The pause between pieces of a request, for each attempt."""
LINE_BYTES = 8000
"""Every server should accept a request line of this length (RFC 9112 §3)."""


@dataclass(frozen=True)
class Part:
    """A part of a request's head that is made larger and larger."""

    what: str
    sizes: tuple[int, ...]
    request: Callable[[Target, int], bytes]
    """A request with this much of it."""


def _large_header(target: Target, size: int) -> bytes:
    return request(target, "/hello", f"X-Large: {'x' * size}")


def _many_headers(target: Target, count: int) -> bytes:
    return request(target, "/hello", *(f"X-{number}: {number}" for number in range(count)))


def _long_target(target: Target, size: int) -> bytes:
    return request(target, f"/hello?{'x' * (size - len('/hello?'))}")


HEADER = Part("bytes of one header", SIZES, _large_header)
HEADERS = Part("headers", COUNTS, _many_headers)
TARGET = Part("bytes of request target", (KIB, 2 * KIB, *SIZES), _long_target)


def _refused_by_status(part: Part, target: Target) -> Finding:
    """Increase the part until the server refuses it; a server that refuses none is judged by `head-limit`."""
    accepted = 0
    for size in part.sizes:
        status, transcript = _send_large(target, part.request(target, size))
        if status is None:
            found = f"found the connection closed without one; {accepted:,} were accepted"
            return failed(f"expected a 4xx to {size:,} {part.what}, {found}\n{transcript}")
        if status in CLIENT_ERRORS:
            found = f"{accepted:,} {part.what} were accepted, {size:,} answered with {status}"
            return passed(f"{found}\n{transcript}", f"{accepted:,}")
        if status != OK:
            return failed(f"expected 200 or a 4xx to {size:,} {part.what}, found {status}\n{transcript}")
        accepted = size
    return passed(f"{accepted:,} {part.what} were accepted, the most that were tried", f"≥ {accepted:,}")


def _send_large(target: Target, sent: bytes) -> tuple[int | None, str]:
    """The status of the response, None if the connection ended without one, and the transcript.

    A reset may destroy a response to a client that is still sending (RFC 9112 §9.6), so it is tried again with pauses.
    """
    for pause_s in PAUSES_S:
        with Http1(target) as connection:
            connection.send_until_answered(sent, pause_s)
            try:
                status = connection.response().status
            except Cut:
                status = None
        if status is not None or not connection.was_reset:
            break
    return status, str(connection.transcript)


CHECKS.add(
    "header-size",
    "One header too large",
    "A server MUST answer with a 4xx to a header larger than it accepts. Up to 1 MiB is tried.",
    "RFC 9110 §5.4",
    partial(_refused_by_status, HEADER),
    quote=_TOO_LARGE_QUOTE,
    consequence="Users with large cookies see a broken connection, and nobody learns why.",
)
CHECKS.add(
    "header-count",
    "Too many headers",
    "A server MUST answer with a 4xx to more headers than it accepts. Up to 25,600 are tried.",
    "RFC 9110 §5.4",
    partial(_refused_by_status, HEADERS),
    quote=_TOO_LARGE_QUOTE,
    consequence="Requests that proxies have added many headers to see a broken connection, and nobody learns why.",
)
CHECKS.add(
    "target-size",
    "Request target too long",
    "A server MUST answer with 414 to a request target longer than it accepts. Any 4xx passes, as the limit may be one"
    " of the whole head. Up to 1 MiB is tried.",
    "RFC 9112 §3",
    partial(_refused_by_status, TARGET),
    quote="A server that receives a request-target longer than any URI it wishes to parse MUST respond "
    "with a 414 (URI Too Long) status code (see Section 15.5.15 of [HTTP]).",
    consequence="Users of long search links see a broken connection, and nobody learns why.",
)


@CHECKS.check(
    "request-line-8000",
    "Request line of 8,000 bytes",
    "RFC 9112 §3",
    level="should",
    quote="It is RECOMMENDED that all HTTP senders and recipients support, at a minimum, request-line "
    "lengths of 8000 octets.",
    consequence="Long links, such as those of single sign-on, are refused.",
)
def request_line_8000(target: Target) -> Finding:
    """It is RECOMMENDED that a server accepts request lines of at least 8,000 bytes."""
    size = LINE_BYTES - len("GET  HTTP/1.1\r\n")
    status, transcript = _send_large(target, _long_target(target, size))
    found = "the connection closed" if status is None else str(status)
    return (passed if status == OK else failed)(f"a request line of {LINE_BYTES:,} bytes: {found}\n{transcript}")


@CHECKS.check(
    "head-limit",
    "Limit of a request's head",
    "RFC 9110 §17.5; the figures are of this project",
    level="expected",
    consequence="A few clients can use up the memory or the CPU of the server with endless headers.",
    danger="memory",
)
def head_limit(target: Target) -> Finding:
    """A server has a limit below a header of 1 MiB, below 25,600 headers, and below a request target of 1 MiB."""
    parts = (HEADER, HEADERS, TARGET)
    statuses = [_send_large(target, part.request(target, part.sizes[-1]))[0] for part in parts]
    pairs = zip(parts, statuses, strict=True)
    found = "; ".join(f"{part.sizes[-1]:,} {part.what}: {status or 'closed'}" for part, status in pairs)
    return failed(f"expected a limit, found {found}") if OK in statuses else passed(found)
