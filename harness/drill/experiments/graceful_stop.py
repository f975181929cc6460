"""SIGTERM under load: what becomes of requests, and how long the server takes to end."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, Observation, Seen, Tally, Words
from harness.drill.site import SETTLE_S
from harness.drill.words import counted, option_of, seconds

if TYPE_CHECKING:
    from harness.drill.site import Site

LIMIT_S = 40.0
"""A server that has not ended by then is killed; gunicorn's own limit is 30 s."""
KUBERNETES_S = 30.0
"""Kubernetes kills a pod after this time, Docker after 10 s."""
DOCKER_S = 10.0

_OPTIONS = {
    "uvicorn": "--timeout-graceful-shutdown SECONDS bounds the time that requests in flight get",
    "gunicorn": "--graceful-timeout SECONDS (30) bounds the time that requests in flight get",
    "hypercorn": "--graceful-timeout SECONDS (3) bounds the time that requests in flight get",
    "granian": "--workers-kill-timeout SECONDS bounds the time that requests in flight get",
    "daphne": "no option: daphne drops what is in flight; let the proxy in front stop sending first",
}


def _run(site: Site) -> Observation:
    slow = site.slow_requests
    with site.serving(workers=site.most_workers) as served:
        with served.load(site.requests, *([slow] if slow else [])) as traffic:
            time.sleep(SETTLE_S + (1 if slow else 0))
            told_ns = served.signal(signal.SIGTERM)
            ended_ns = served.await_(lambda: not served.processes(), LIMIT_S)
        until_ns = ended_ns or time.monotonic_ns()
        tallies = [traffic.tally(site.requests.name, told_ns, until_ns)]
        if slow:
            tallies.append(Tally.of("slow requests in flight", traffic.in_flight(told_ns, slow.name)))
        numbers = {"end_s": (ended_ns - told_ns) / 1e9} if ended_ns else {}
        facts = (f"ended with {served.ended}",) if served.ended else (f"did not end within {LIMIT_S:g} s",)
    return Observation(tuple(tallies), numbers, facts)


def _explain(family: str, seen: Seen) -> Words:
    requests, slow, end = seen.tally("requests"), seen.tally("slow requests in flight"), seen.number("end_s")
    option = option_of(_OPTIONS, family)
    lost = Tally.total("all", (requests, slow))
    if end is None:
        return Words("bad", "does not end", "The supervisor has to kill it, and what is in flight is lost.", option)
    took = seconds(end.median)
    if lost.lost:
        meaning = (
            f"Each deployment loses requests: {counted(lost)} in flight at SIGTERM or sent before the end, "
            f"which took {took}. Stop sending to it before SIGTERM (preStop, drain), or users see errors."
        )
        return Words("bad", f"{lost.lost} lost", meaning, option)
    if end.high > DOCKER_S:
        limit = "Docker and Kubernetes kill" if end.high > KUBERNETES_S else "Docker kills"
        meaning = f"Nothing was lost, but it took {took} to end; by default {limit} it before, and what is in flight."
        return Words("fair", took, meaning, option)
    meaning = f"What was in flight was answered, and it ended after {took}. Refused requests can go to others."
    return Words("good", f"0 lost, {took}", meaning)


DRILL = Drill(
    "graceful-stop",
    "Graceful stop",
    "SIGTERM under load. Counted: every request in flight then, or due from then until the last process has ended.",
    (Figure("end_s", "time to end"),),
    _run,
    _explain,
    order=1,
)
