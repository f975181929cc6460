"""SIGKILL for one of several workers under load: what is lost, and when all workers answer again."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, Observation, Seen, Tally, Words
from harness.drill.site import LIMIT_S, SETTLE_S
from harness.drill.words import choose_option, count_on, count_times, list_lost, seconds, span_lost

if TYPE_CHECKING:
    from harness.drill.site import Site

LONG_S = 5.0
"""For this time a deployment can do with a worker less."""
_IN_FLIGHT, _AFTER = "in flight at the kill", "due until all answer again"

_OPTIONS = {
    "uvicorn": "--timeout-worker-healthcheck S (5): how long a worker that hangs, rather than ends, is left alone",
    "gunicorn": "--timeout S (30): how long a worker that hangs, rather than ends, is left alone",
    "hypercorn": "no option: run one worker for each container, and let a supervisor start it again",
    "granian": "--respawn-failed-workers starts another one instead",
}


def _run(site: Site) -> Observation:
    workers = site.demand_workers()
    with site.serving(workers=workers) as served, served.load(*site.mixed_requests) as traffic:
        time.sleep(site.settle_s)
        victim = served.busiest_worker()
        killed_ns = served.signal(signal.SIGKILL, victim)
        again_ns = served.await_workers(workers, LIMIT_S, without={victim})
        until_ns = time.monotonic_ns()
        ended = served.ended
        if ended is None:
            time.sleep(SETTLE_S)
    tallies = (
        Tally.of(_IN_FLIGHT, traffic.in_flight(killed_ns)),
        Tally.of(_AFTER, traffic.due(killed_ns, until_ns)),
    )
    facts = (f"the whole server ended with {ended}",) if ended else ()
    return Observation(tallies, {"again_s": (again_ns - killed_ns) / 1e9} if again_ns else {}, facts)


def _explain(family: str, seen: Seen) -> Words:
    in_flight, after, again = seen.tally(_IN_FLIGHT), seen.tally(_AFTER), seen.number("again_s")
    option = choose_option(_OPTIONS, family)
    lost = Tally.total("lost", (in_flight, after))
    if any("ended" in fact for fact in seen.facts):
        meaning = (
            "One worker that crashes, or is killed for its memory, takes the whole server down with all that is in "
            f"flight in the others: {list_lost(lost)} in {count_times(seen, 'kill')}."
        )
        return Words("bad", "server ends", meaning, option)
    if again is None:
        meaning = f"The worker was not replaced within {LIMIT_S:g} s: capacity is lost until somebody restarts it."
        return Words("bad", "not replaced", meaning, option)
    took, own = seconds(again.median), count_on("kept", lost)  # the connections of others were not touched
    died = f"In {count_times(seen, 'kill')}, {own} requests died with their worker, as they must"
    again_after = f"All workers answered again after {took}."
    cell = f"{span_lost(seen)}, {took}"
    if lost.lost > own:
        return Words("bad", cell, f"{died}, and {lost.lost - own} others. {again_after}", option)
    if again.high > LONG_S:
        return Words("fair", cell, f"{died}. {again_after} Until then the others have to do its work.", option)
    return Words("good", cell, f"{died}, and no others. {again_after}")


DRILL = Drill(
    "worker-killed",
    "Worker killed",
    "SIGKILL for the worker with the most connections. Counted: the requests in flight then, and those due until as "
    "many workers as before answer, or until the server ends.",
    (Figure("again_s", "until all answer"),),
    _run,
    _explain,
    order=2,
)
