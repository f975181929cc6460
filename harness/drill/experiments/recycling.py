"""Workers that are replaced after so many requests, or so much time, as against leaks: what is lost at each change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, NotApplicable, Observation, Seen, Tally, Words, percentile_ms
from harness.drill.site import SETTLE_S
from harness.drill.words import choose_option, count_times, describe_pause, list_lost, span_lost

if TYPE_CHECKING:
    from harness.drill.site import Site

LIMIT_S = 100.0
"""granian's shortest lifetime is 60 s."""
_AFTER = "500"
_REQUESTS = "due until every worker has been replaced once"

_RECYCLES = {
    "uvicorn": ("--limit-max-requests", _AFTER),
    "gunicorn": ("--max-requests", _AFTER),
    "hypercorn": ("--max-requests", _AFTER),
    "anycorn": ("--max-requests", _AFTER),
    "nonecorn": ("--max-requests", _AFTER),
    "h2corn": ("--max-requests", _AFTER),
    "palfrey": ("--limit-max-requests", _AFTER),
    "granian": ("--workers-lifetime", "60"),
    "pyuwsgi": ("--max-requests", _AFTER),
}
_OPTIONS = {
    "uvicorn": "--timeout-worker-healthcheck S (5): the parent may wait so long for a worker that has just ended "
    "before it starts another; --limit-max-requests-jitter N keeps workers from ending at the same time",
    "gunicorn": "--max-requests-jitter N keeps workers from ending at the same time",
    "hypercorn": "--max-requests-jitter N keeps workers from ending at the same time",
    "granian": "the kernel's net.ipv4.tcp_migrate_req=1 hands waiting connections to another worker; "
    "--respawn-interval S (3.5): for so long old and new worker run side by side",
}


def _run(site: Site) -> Observation:
    options = _RECYCLES.get(site.family)
    if options is None:
        raise NotApplicable("no option to recycle" if site.server.max_workers == 1 else "no option is known")
    workers = site.demand_workers()
    with site.serving(*options, workers=workers) as served:
        before = served.all_workers()
        with served.load(*site.mixed_requests) as traffic:
            since_ns = time.monotonic_ns()
            over_ns = served.await_replaced(before, workers, LIMIT_S)
            until_ns = time.monotonic_ns()
            ended = served.ended
            if ended is None:
                time.sleep(SETTLE_S)
    p99_ms = percentile_ms(traffic.due(since_ns, until_ns, site.requests.name), 99)
    numbers = {"replaced_s": (over_ns - since_ns) / 1e9 if over_ns else None, "p99_ms": p99_ms}
    facts = (f"the server ended with {ended}",) if ended else ()
    known = {figure: value for figure, value in numbers.items() if value is not None}
    return Observation((Tally.of(_REQUESTS, traffic.due(since_ns, until_ns)),), known, facts)


def _explain(family: str, seen: Seen) -> Words:
    requests = seen.tally(_REQUESTS)
    option = choose_option(_OPTIONS, family)
    flags = " ".join(_RECYCLES[family])
    if seen.facts:
        return Words("bad", "server ends", f"With {flags} the whole server ended.", option)
    if seen.number("replaced_s") is None:
        return Words("bad", "not replaced", f"With {flags} not every worker was new after {LIMIT_S:g} s.", option)
    pause = describe_pause(seen, "p99_ms", "repetition")
    cell = span_lost(seen, refused=True)
    if requests.lost + requests.refused:
        refused = f", {requests.refused} refused" if requests.refused else ""
        meaning = (
            f"With {flags}, lost: {list_lost(requests)}{refused} of {requests.all} requests in "
            f"{count_times(seen, 'repetition')}, in each of which every worker was replaced once."
        )
        return Words("bad", cell, f"{meaning} Of the others, {pause}." if pause else meaning, option)
    if pause:
        return Words("fair", f"{cell}, pauses", f"With {flags} nothing was lost, but {pause}.", option)
    return Words("good", cell, f"With {flags}, users do not notice that workers are replaced.")


DRILL = Drill(
    "recycling",
    "Recycling",
    "Load on workers that are replaced after 500 requests, or after 60 s where only a time can be given. Counted: "
    "the requests until every worker has been replaced once.",
    (Figure("replaced_s", "until all are new"), Figure("p99_ms", "p99 meanwhile", "ms")),
    _run,
    _explain,
    order=4,
)
