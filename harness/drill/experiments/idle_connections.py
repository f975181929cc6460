"""Idle connections: the memory that each costs, kept alive or as a WebSocket."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.drill.crowd import Connections
from harness.drill.model import Drill, Figure, NotApplicable, Observation, Seen, Words
from harness.drill.words import FORMS, choose_option
from harness.host.limits import raise_open_files
from harness.host.proc import memory_bytes
from harness.text.numbers import count, join

if TYPE_CHECKING:
    from harness.drill.site import Served, Site

COUNTS = (1000, 5000)
SPARE_FILES = 200
"""Open files of the server, or of the client, besides its connections."""
FIRST = 32
"""Connections before the first reading, so that what the first ones load is not counted."""
QUIET_S = 0.2
"""After the last answer the server puts away what it needed for it; gunicorn closes idle connections after 2 s."""
MUCH_BYTES = 100 * 1024
"""10,000 connections of this size fill a gigabyte."""
_KINDS = {"keep_alive": "keep-alive", "websocket": "WebSocket"}

_OPTIONS = {
    "uvicorn": "--timeout-keep-alive S (5) closes idle connections; --limit-concurrency N answers 503 beyond N",
    "gunicorn": "--keep-alive S (2) closes idle connections; its asgi worker does not limit their number",
    "hypercorn": "--keep-alive S (5) closes idle connections; none limits their number",
    "granian": "--backpressure N (--backlog ÷ workers, 1024) is the number of connections that a worker serves",
    "daphne": "--websocket_timeout S (86400) closes WebSockets; idle connections are closed after 60 s",
}


def _idle_connections(site: Site) -> dict[str, Connections]:
    """What opens a connection of each kind that this server and app have."""
    most = max(COUNTS)
    found = {"keep_alive": Connections(most, site.head(site.path), answer=b"HTTP/1.1 ")}
    if site.websocket_path and "ws" in site.server.protocols:
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455 §1.3
        lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
        found["websocket"] = Connections(most, site.head(site.websocket_path, *lines), answer=b" 101 ")
    return found


def _run(site: Site) -> Observation:
    wanted = max(COUNTS) + SPARE_FILES
    if (found := raise_open_files()) < wanted:
        raise NotApplicable(f"needs {count(wanted)} open files, found a limit of {count(found)} (ulimit -Hn)")
    numbers: dict[str, float] = {}
    facts: list[str] = []
    for kind, most in _idle_connections(site).items():
        for number in COUNTS:
            with site.serving() as served:
                fact = _measure(served, replace(most, count=number), f"{kind}_{number}", numbers)
            if fact:
                facts.append(f"{count(number)} {_KINDS[kind]}: {fact}")
    return Observation((), numbers, tuple(facts))


def _measure(served: Served, connections: Connections, name: str, numbers: dict[str, float]) -> str:
    """Add to the numbers what was served and what one connection takes; say what prevented others, if anything did."""
    with served.hold(replace(connections, count=FIRST)):
        time.sleep(QUIET_S)
    before_bytes = memory_bytes(served.processes())
    with served.hold(connections) as crowd:
        time.sleep(QUIET_S)
        left = crowd.count_open()
        if left:
            numbers[f"{name}_bytes"] = max(0, memory_bytes(served.processes()) - before_bytes) / left
    numbers[f"{name}_served"] = crowd.opened
    closed = f"{count(crowd.opened - left)} already closed" if left < crowd.opened else ""
    return "; ".join(filter(None, [crowd.failure, closed, served.ended and f"the server ended with {served.ended}"]))


def _explain(family: str, seen: Seen) -> Words:
    most = max(COUNTS)
    option = choose_option(_OPTIONS, family)
    sizes = {kind: size for kind in _KINDS if (size := seen.number(f"{kind}_{most}_bytes"))}
    served = {kind: number for kind in _KINDS if (number := seen.number(f"{kind}_{most}_served"))}
    took = [f"{FORMS['bytes'](size.median)} for each {_KINDS[kind]}" for kind, size in sizes.items()]
    short = {kind: number.median for kind, number in served.items() if number.low < most}
    if short:
        least = count(min(short.values()))
        meaning = (
            f"Of {count(most)} idle connections ({join([_KINDS[kind] for kind in short])}) it served {least}; the next "
            "one got no answer. One laptop that opens so many and says nothing locks all users out."
        )
        return Words("bad", f"serves {least}", meaning, option)
    if not sizes:
        meaning = "No connection stayed open after its first answer: each request of a proxy needs a new one."
        return Words("fair", "not kept alive", meaning, option)
    cell = " / ".join(FORMS["bytes"](size.median).removesuffix(" KiB") for size in sizes.values()) + " KiB"
    meaning = f"{count(most)} idle connections were served, and took {join(took)}."
    if any(size.median > MUCH_BYTES for size in sizes.values()):
        return Words("fair", cell, meaning, option)
    return Words("good", cell, meaning)


DRILL = Drill(
    "idle-connections",
    "Idle connections",
    f"{join([count(number) for number in COUNTS])} connections to one worker, each kept alive after an answer or open "
    "as a WebSocket. Measured: how many were served, and the memory that they added to all processes of the server, "
    "divided by their number.",
    tuple(
        figure
        for kind, title in _KINDS.items()
        for number in COUNTS
        for figure in (
            Figure(
                f"{kind}_{number}_bytes", f"each of {count(number)} {title}", "bytes", charted=number == max(COUNTS)
            ),
            Figure(f"{kind}_{number}_served", f"served of {count(number)} {title}", ""),
        )
    ),
    _run,
    _explain,
    order=6,
)
