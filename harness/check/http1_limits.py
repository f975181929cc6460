"""HTTP/1.1: how much of a request's head a server takes, and how it says that it is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.http1 import ANY_APP, CLEAR
from harness.check.model import Check, Finding, failed, passed
from harness.check.wire import Cut, Wire, request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.check.target import Target

KIB = 1024
SIZES = tuple(KIB << power for power in range(2, 11))
"""4 KiB to 1 MiB."""
COUNTS = (25, 50, 100, 200, 400, 1600, 6400, 25_600)
OK = 200
CLIENT_ERRORS = range(400, 500)
URI_BYTES = 8000
"""What every server should take as a request line, RFC 9112 §3."""


def _header_size(target: Target) -> Finding:
    return _climb(
        target, SIZES, "bytes of one header", lambda size: request(target, "/hello", f"X-Large: {'x' * size}"), least=0
    )


def _header_count(target: Target) -> Finding:
    def lines(count: int) -> bytes:
        return request(target, "/hello", *(f"X-{number}: {number}" for number in range(count)))

    return _climb(target, COUNTS, "headers", lines, least=0)


def _target_size(target: Target) -> Finding:
    def long(size: int) -> bytes:
        return request(target, f"/hello?{'x' * (size - len('/hello?'))}")

    line = len("GET  HTTP/1.1\r\n")
    return _climb(target, (URI_BYTES - line, *SIZES[2:]), "bytes of request target", long, least=URI_BYTES - line)


def _climb(target: Target, sizes: Sequence[int], what: str, sent: Callable[[int], bytes], *, least: int) -> Finding:
    """More and more until it is refused: with a word, before the last size, and not before the least."""
    taken = 0
    for size in sizes:
        wire = Wire(target)
        wire.send_until_answered(sent(size))
        try:
            answer = wire.answer()
        except Cut:
            return failed(
                f"expected a 4xx to {size:,} {what}, found the connection closed without one; "
                f"{taken:,} were taken\n{wire.story}"
            )
        wire.socket.close()
        if answer.status in CLIENT_ERRORS:
            figure = f"{taken:,} {what} were taken, {size:,} answered with {answer.status}"
            return (
                failed(f"expected at least {least:,}: {figure}\n{wire.story}")
                if taken < least
                else passed(f"{figure}\n{wire.story}")
            )
        if answer.status != OK:
            return failed(f"expected 200 or a 4xx to {size:,} {what}, found {answer.status}\n{wire.story}")
        taken = size
    return failed(f"expected a limit, found {taken:,} {what} taken")


CHECKS = (
    Check(
        "header-size",
        "Limit of one header",
        CLEAR,
        "A server that gets a field larger than it wishes to process MUST answer with a 4xx; 1 MiB is more than any "
        "should wish.",
        "RFC 9110 §5.4",
        _header_size,
        ANY_APP,
    ),
    Check(
        "header-count",
        "Limit of headers",
        CLEAR,
        "A server that gets more fields than it wishes to process MUST answer with a 4xx; 25,600 are more than any "
        "should wish.",
        "RFC 9110 §5.4",
        _header_count,
        ANY_APP,
    ),
    Check(
        "target-size",
        "Limit of the request target",
        CLEAR,
        "A request line of 8,000 octets should be taken (RECOMMENDED); a longer target than the server parses MUST "
        "be answered with 414 – any 4xx is accepted, for a limit of the whole head – and 1 MiB is more than any "
        "should parse.",
        "RFC 9112 §3",
        _target_size,
        ANY_APP,
    ),
)
