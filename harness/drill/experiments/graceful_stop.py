"""SIGTERM under load: what becomes of requests, and how long the server takes to end."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, Observation, Seen, Tally, Words
from harness.drill.site import LIMIT_S
from harness.drill.words import choose_option, count_on, count_times, list_lost, seconds, span_lost

if TYPE_CHECKING:
    from harness.drill.site import Site

KUBERNETES_S = 30.0
DOCKER_S = 10.0
"""By default, a container is killed when it has not ended this long after SIGTERM."""
_IN_FLIGHT, _AFTER = "in flight at SIGTERM", "due until the end"

_OPTIONS = {
    "uvicorn": "one worker for each container: with --workers the parent keeps the port open until the last worker has "
    "ended; --timeout-graceful-shutdown S shortens that and cancels what is in flight",
    "gunicorn": "--graceful-timeout S (30) limits the wait for what is in flight",
    "hypercorn": "one worker for each container: with several, the first that ends takes the others along; with one, "
    "--graceful-timeout S (3) limits the wait for what is in flight",
    "granian": "--workers-kill-timeout S limits the wait for what is in flight",
    "daphne": "no option: it drops what is in flight; let the proxy in front stop sending, and wait, before SIGTERM",
}


def _run(site: Site) -> Observation:
    with site.serving(workers=site.most_workers) as served:
        with served.load(*site.mixed_requests) as traffic:
            time.sleep(site.settle_s)
            told_ns = served.signal(signal.SIGTERM)
            ended_ns = served.await_(lambda: not served.processes(), LIMIT_S)
            until_ns = ended_ns or time.monotonic_ns()
        fact = f"ended with {served.ended}" if ended_ns else f"did not end within {LIMIT_S:g} s"
    tallies = (
        Tally.of(_IN_FLIGHT, traffic.in_flight(told_ns)),
        Tally.of(_AFTER, traffic.due(told_ns, until_ns)),
    )
    return Observation(tallies, {"end_s": (ended_ns - told_ns) / 1e9} if ended_ns else {}, (fact,))


def _explain(family: str, seen: Seen) -> Words:
    in_flight, after, end = seen.tally(_IN_FLIGHT), seen.tally(_AFTER), seen.number("end_s")
    option = choose_option(_OPTIONS, family)
    lost = Tally.total("lost", (in_flight, after))
    if end is None:
        return Words("bad", "does not end", f"It had not ended after {LIMIT_S:g} s: it has to be killed.", option)
    took = seconds(end.median)
    if lost.lost:
        parts = []
        if in_flight.lost:
            parts.append(f"{list_lost(in_flight)} of the {in_flight.all} in flight at SIGTERM")
        if after.lost:
            parts.append(f"{list_lost(after)} of those that came later")
        meaning = f"Lost in {count_times(seen, 'stop')}: {', and '.join(parts)}; it took {took} to end."
        if unread := count_on("new", after):
            meaning += f" {unread} of them were on new connections: the port stayed open while no worker answered."
        return Words("bad", f"{span_lost(seen)}, {took}", meaning, option)
    if end.high > DOCKER_S:
        limit = "Docker and Kubernetes kill" if end.high > KUBERNETES_S else "Docker kills"
        meaning = f"Nothing was lost, but it took {took} to end: by default {limit} it before that, and what it does."
        return Words("fair", f"0 lost, {took}", meaning, option)
    meaning = f"What was in flight was answered, new connections were refused, and it ended after {took}."
    return Words("good", f"0 lost, {took}", meaning)


DRILL = Drill(
    "graceful-stop",
    "Graceful stop",
    "SIGTERM under load. Counted: the requests in flight then, and those due until the last process has ended.",
    (Figure("end_s", "time to end"),),
    _run,
    _explain,
    order=1,
)
