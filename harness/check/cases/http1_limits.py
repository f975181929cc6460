"""HTTP/1.1: how much of a request's head a server takes, and how it says that it is too much."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, CLEAR
from harness.check.clients.http1 import Cut, Wire, request
from harness.check.model import Check, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

KIB = 1024
SIZES = tuple(KIB << power for power in range(2, 11))
"""4 KiB to 1 MiB."""
COUNTS = (25, 50, 100, 200, 400, 1600, 6400, 25_600)
PAUSES_S = (0.0, 0.02, 0.05)
"""Between pieces of a request, at each try."""
OK = 200
CLIENT_ERRORS = range(400, 500)
LINE_BYTES = 8000
"""What every server should take as a request line, RFC 9112 §3."""


@dataclass(frozen=True)
class Part:
    """A part of a request's head that is made larger and larger."""

    what: str
    sizes: tuple[int, ...]
    sent: Callable[[Target, int], bytes]
    """A request with so much of it."""


def _large_header(target: Target, size: int) -> bytes:
    return request(target, "/hello", f"X-Large: {'x' * size}")


def _many_headers(target: Target, count: int) -> bytes:
    return request(target, "/hello", *(f"X-{number}: {number}" for number in range(count)))


def _long_target(target: Target, size: int) -> bytes:
    return request(target, f"/hello?{'x' * (size - len('/hello?'))}")


HEADER = Part("bytes of one header", SIZES, _large_header)
HEADERS = Part("headers", COUNTS, _many_headers)
TARGET = Part("bytes of request target", (KIB, 2 * KIB, *SIZES), _long_target)


def _refused_with_a_word(part: Part, target: Target) -> Finding:
    """More and more until it is refused, with a 4xx; no refusal at all is for `head-limit` to find."""
    taken = 0
    for size in part.sizes:
        status, story = _tried(target, part.sent(target, size))
        figure = f"{taken:,} {part.what} were taken, {size:,}"
        if status is None:
            return failed(
                f"expected a 4xx to {size:,} {part.what}, found the connection closed without one; "
                f"{taken:,} were taken\n{story}"
            )
        if status in CLIENT_ERRORS:
            return passed(f"{figure} answered with {status}\n{story}", f"{taken:,}")
        if status != OK:
            return failed(f"expected 200 or a 4xx to {size:,} {part.what}, found {status}\n{story}")
        taken = size
    return passed(f"{taken:,} {part.what} were taken, the most that were tried", f"≥ {taken:,}")


def _tried(target: Target, sent: bytes) -> tuple[int | None, str]:
    """The status of the answer, None for an end without one, and the story.

    A reset may destroy an answer to a client that is still sending (RFC 9112 §9.6): it is tried again, with pauses.
    """
    for pause_s in PAUSES_S:
        wire = Wire(target)
        wire.send_until_answered(sent, pause_s)
        try:
            status = wire.answer().status
        except Cut:
            status = None
        wire.socket.close()
        if status is not None or not wire.was_reset:
            break
    return status, wire.story


def _long_line(target: Target) -> Finding:
    size = LINE_BYTES - len("GET  HTTP/1.1\r\n")
    status, story = _tried(target, _long_target(target, size))
    found = "the connection closed" if status is None else str(status)
    return (passed if status == OK else failed)(f"a request line of {LINE_BYTES:,} bytes: {found}\n{story}")


def _bounded(target: Target) -> Finding:
    statuses = {part.what: _tried(target, part.sent(target, part.sizes[-1]))[0] for part in (HEADER, HEADERS, TARGET)}
    told = [f"{part.sizes[-1]:,} {part.what}: {statuses[part.what] or 'closed'}" for part in (HEADER, HEADERS, TARGET)]
    if OK in statuses.values():
        return failed(f"expected a limit, found {'; '.join(told)}")
    return passed("; ".join(told))


CHECKS = (
    Check(
        "header-size",
        "One header too large",
        CLEAR,
        "A server that gets a field larger than it wishes to process MUST answer with a 4xx; up to 1 MiB is tried.",
        "RFC 9110 §5.4",
        partial(_refused_with_a_word, HEADER),
        ANY_APP,
    ),
    Check(
        "header-count",
        "Too many headers",
        CLEAR,
        "A server that gets more fields than it wishes to process MUST answer with a 4xx; up to 25,600 are tried.",
        "RFC 9110 §5.4",
        partial(_refused_with_a_word, HEADERS),
        ANY_APP,
    ),
    Check(
        "target-size",
        "Request target too long",
        CLEAR,
        "A target longer than the server parses MUST be answered with 414 – any 4xx is accepted, for a limit of the "
        "whole head; up to 1 MiB is tried.",
        "RFC 9112 §3",
        partial(_refused_with_a_word, TARGET),
        ANY_APP,
    ),
    Check(
        "request-line-8000",
        "Request line of 8,000 bytes",
        CLEAR,
        "It is RECOMMENDED to support request lines of 8,000 octets at least.",
        "RFC 9112 §3",
        _long_line,
        ANY_APP,
        "should",
    ),
    Check(
        "head-limit",
        "Limit of a request's head",
        CLEAR,
        "A header of 1 MiB, 25,600 headers and a target of 1 MiB are more than any server should take in.",
        "RFC 9110 §17.5; the figures are of this project",
        _bounded,
        ANY_APP,
        "expected",
    ),
)
