"""HTTP/2: many requests on one connection, which a server may put an end to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check.cases.http2 import is_hello
from harness.check.clients.h2 import Client
from harness.check.model import Check, Finding, not_applicable, passed
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from harness.check.target import Target

MANY = 1_100
"""More requests than hypercorn takes on a connection, 1,000, the lowest limit of the servers known."""
MANY_S = 12.0
"""So many requests take less than a second; on a machine that is busy with others they may take ten."""
CONNECTIONS = 3
"""Where streams are lost it is by chance: not on every connection."""
IN_FLIGHT = 8


def _many_requests(target: Target) -> Finding:
    runs = []
    for _ in range(CONNECTIONS):
        with Client(target) as client:
            runs.append(_run_of_many(client))
        if runs[-1].lost or not runs[-1].enough:
            return runs[-1].finding(client)
    return passed("\n".join(run.words for run in runs))


@dataclass(frozen=True)
class _Run:
    """What became of many requests on one connection."""

    words: str
    lost: list[int]
    """Streams that had to be answered and were not."""
    enough: bool
    """Did the time suffice for all requests, or to the GOAWAY?"""

    def finding(self, client: Client) -> Finding:
        if self.lost:
            return client.finding(False, f"{self.words}; lost: {self.lost[:10]}")
        return not_applicable(f"too slow to tell: {self.words}")


def _run_of_many(client: Client) -> _Run:
    opened: list[int] = []

    def flying() -> int:
        return sum(not client.answer(stream_id).over for stream_id in opened[-IN_FLIGHT:])

    def refill() -> bool:
        while client.goaway is None and not client.closed and len(opened) < MANY and flying() < IN_FLIGHT:
            opened.append(client.request("/hello"))
        return flying() == 0

    client.work_until(refill, MANY_S)
    enough = len(opened) == MANY or client.goaway is not None or client.closed
    client.run_until(lambda: flying() == 0)
    highest = client.goaway.last_stream_id if client.goaway is not None else opened[-1]
    due = [stream_id for stream_id in opened if stream_id <= highest]
    lost = [stream_id for stream_id in due if not is_hello(client.answer(stream_id))]
    end = f"GOAWAY names stream {highest} as the last one" if client.goaway is not None else "no GOAWAY"
    words = f"{len(opened):,} requests, {IN_FLIGHT} in flight, {end}: {len(due) - len(lost):,} of {len(due):,} answered"
    return _Run(words, lost, enough)


CHECKS = (
    Check(
        "h2-many-requests",
        "1,100 requests on one connection",
        HTTP2_PROTOCOLS,
        "A server may end a connection with GOAWAY, after which streams up to the last one named might still complete: "
        "on each of three connections they do.",
        "RFC 9113 §6.8",
        _many_requests,
        force="expected",
    ),
)
