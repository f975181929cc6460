"""Slow clients: what honest users notice of 500 connections that send or read one byte a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.drill.crowd import Connections
from harness.drill.model import Drill, Figure, Observation, Seen, Tally, Words, percentile_ms
from harness.drill.site import SETTLE_S
from harness.drill.words import choose_option, list_lost, seconds
from harness.text.numbers import join

if TYPE_CHECKING:
    from harness.drill.site import Served, Site

SLOW_CLIENTS = 500
LOAD_S = 5.0
"""Honest users are measured for so long."""
TRIES, LATE_MS = 3, 50.0
"""They are measured again, so often at most, if the client itself was later than this: the machine was busy."""
BODY_BYTES = 100_000
"""A body that drips in for a day."""
PAUSE_MS, TIMES = 100.0, 3.0
"""Users notice a p99 that is longer than this, and so many times longer than without slow clients."""
_VARIANTS = {"headers": "headers", "bodies": "bodies", "readers": "answers"}
_REQUESTS = "honest requests beside slow clients"

_OPTIONS = {
    "uvicorn": "none limits the time of a request; --limit-concurrency N answers 503 to all beyond N connections",
    "gunicorn": "none with its asgi worker; its documentation asks for nginx in front",
    "hypercorn": "--keep-alive S (5) limits the time for headers too, --read-timeout S that between two reads",
    "granian": "--http1-header-read-timeout MS (30000) limits the time for headers; none limits bodies",
    "daphne": "--http-timeout S (none) limits the time of a request, the app's included",
}


def _slow_connections(site: Site) -> dict[str, Connections]:
    upload = site.upload_path or site.path
    length = f"Content-Length: {BODY_BYTES}"
    return {
        "headers": Connections(SLOW_CLIENTS, site.head(site.path, "X-Slow: ").removesuffix(b"\r\n\r\n"), b"a"),
        "bodies": Connections(SLOW_CLIENTS, site.head(upload, length, method="POST"), b"a"),
        "readers": Connections(SLOW_CLIENTS, site.head(site.large_path or site.path), reads_slowly=True),
    }


def _run(site: Site) -> Observation:
    numbers: dict[str, float | None] = {}
    tallies, facts = [], []
    with site.serving() as served:
        numbers["p99_ms"], _ = _measure(served)
        for name, connections in _slow_connections(site).items():
            with served.hold(connections) as crowd:
                time.sleep(SETTLE_S)
                numbers[f"{name}_ms"], tally = _measure(served)
                tallies.append(tally)
                closed = crowd.opened - crowd.count_open()
            if crowd.failure:
                facts.append(f"slow {_VARIANTS[name]}: {crowd.failure}")
            if closed:
                facts.append(f"slow {_VARIANTS[name]}: {'all' if closed == crowd.opened else 'some'} closed")
        if served.ended:
            facts.append(f"the server ended with {served.ended}")
    known = {name: value for name, value in numbers.items() if value is not None}
    return Observation((Tally.total(_REQUESTS, tallies),), known, tuple(facts))


def _measure(served: Served) -> tuple[float | None, Tally]:
    """The p99 of honest users, and how their requests ended, those of all tries."""
    tallies = []
    for _ in range(TRIES):
        with served.load() as traffic:
            time.sleep(LOAD_S)
        tallies.append(Tally.of(_REQUESTS, traffic.exchanges))
        if traffic.lag_ms <= LATE_MS:
            break
    return percentile_ms(traffic.exchanges, 99), Tally.total(_REQUESTS, tallies)


def _explain(family: str, seen: Seen) -> Words:
    honest, before = seen.tally(_REQUESTS), seen.number("p99_ms")
    option = choose_option(_OPTIONS, family)
    lost = honest.lost + honest.refused
    if lost:
        meaning = (
            f"Beside {SLOW_CLIENTS} slow clients, {list_lost(honest)} and {honest.refused} refused of {honest.all} "
            "requests of honest users were lost: one laptop can do this. Let a proxy with time limits read for it."
        )
        return Words("bad", f"{lost} lost", meaning, option)
    found = {name: number for name in _VARIANTS if (number := seen.number(f"{name}_ms"))}
    if before is None or not found:
        return Words("bad", "no answer", "Honest users got no answer.", option)
    worst = max(found, key=lambda name: found[name].median)
    p99, without = seconds(found[worst].median / 1000), seconds(before.median / 1000)
    noticed = [_VARIANTS[name] for name, number in found.items() if number.low > max(PAUSE_MS, TIMES * before.high)]
    if noticed:
        meaning = (
            f"Honest users wait: with {SLOW_CLIENTS} clients whose {join(noticed)} drip, the p99 is {p99} instead of "
            f"{without}. Let a proxy with time limits read for it."
        )
        return Words("fair", f"p99 {p99}", meaning, option)
    meaning = f"Honest users do not notice {SLOW_CLIENTS} slow clients: the p99 is {p99}, and {without} without them."
    held = [title for title in _VARIANTS.values() if f"slow {title}: all closed" not in seen.facts]
    if held:
        meaning += f" After {SETTLE_S + LOAD_S:g} s it still held those whose {join(held)} dripped."
    return Words("good", f"p99 {p99}", meaning)


DRILL = Drill(
    "slow-clients",
    "Slow clients",
    f"Load beside {SLOW_CLIENTS} connections, first without them, then with headers and bodies that come in at one "
    "byte a second, then with answers that are read so. Counted: the honest requests, and their response times.",
    (
        Figure("p99_ms", "p99 without", "ms", charted=True),
        *(Figure(f"{name}_ms", f"p99, slow {title}", "ms", charted=True) for name, title in _VARIANTS.items()),
    ),
    _run,
    _explain,
    order=5,
)
