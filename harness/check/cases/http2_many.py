"""HTTP/2: many requests on one connection, which a server may end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check.cases.http2 import is_hello
from harness.check.clients.h2 import Http2
from harness.check.model import Family, Finding, not_applicable, passed
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from harness.check.target import Target

CHECKS = Family(HTTP2_PROTOCOLS)

MANY = 1_100
"""More requests than hypercorn serves on a connection (1,000), which is the lowest limit of the servers known."""
MANY_S = 12.0
"""This many requests take less than a second; on a busy machine they may take ten."""
CONNECTIONS = 3
"""Servers that lose streams do so by chance, not on every connection."""
IN_FLIGHT = 8


@dataclass(frozen=True)
class _Run:
    """How many requests on one connection were answered."""

    words: str
    lost: list[int]
    """Streams that had to be answered and were not."""
    in_time: bool
    """Was there time for all requests, or for those up to the GOAWAY?"""


@CHECKS.check(
    "h2-many-requests",
    "1,100 requests on one connection",
    "RFC 9113 §6.8",
    level="expected",
    consequence="Requests of proxies that keep a connection for long are lost when the server renews it.",
    danger="loses",
)
def many_requests(target: Target) -> Finding:
    """A server that ends a connection with GOAWAY completes the streams up to the last one that it names.

    Three connections are tried.
    """
    runs = []
    for _ in range(CONNECTIONS):
        with Http2(target) as client:
            run = _send_many(client)
        if run.lost:
            return client.failed(f"{run.words}; lost: {run.lost[:10]}")
        if not run.in_time:
            return not_applicable(f"too slow to tell: {run.words}")
        runs.append(run)
    return passed("\n".join(run.words for run in runs))


def _send_many(client: Http2) -> _Run:
    opened: list[int] = []

    def in_flight() -> int:
        return sum(not client.response(stream_id).over for stream_id in opened[-IN_FLIGHT:])

    def refill() -> bool:
        while client.goaway is None and not client.closed and len(opened) < MANY and in_flight() < IN_FLIGHT:
            opened.append(client.request("/hello"))
        return in_flight() == 0

    client.work_until(refill, MANY_S)
    in_time = len(opened) == MANY or client.goaway is not None or client.closed
    client.run_until(lambda: in_flight() == 0)
    last = client.goaway.last_stream_id if client.goaway is not None else opened[-1]
    due = [stream_id for stream_id in opened if stream_id <= last]
    lost = [stream_id for stream_id in due if not is_hello(client.response(stream_id))]
    end = f"GOAWAY names stream {last} as the last one" if client.goaway is not None else "no GOAWAY"
    words = f"{len(opened):,} requests, {IN_FLIGHT} in flight, {end}: {len(due) - len(lost):,} of {len(due):,} answered"
    return _Run(words, lost, in_time)
