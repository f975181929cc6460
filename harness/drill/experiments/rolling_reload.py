"""SIGHUP under load: are workers replaced without a loss, and how long do requests take meanwhile?"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, NotApplicable, Observation, Seen, Tally, Words, percentile_ms
from harness.drill.site import LIMIT_S, SETTLE_S
from harness.drill.words import choose_option, count_times, describe_pause, list_lost, seconds, span_lost

if TYPE_CHECKING:
    from harness.drill.site import Site

_REQUESTS = "in flight at SIGHUP, or due until it is over"

_RELOADS = {
    "uvicorn": "no option",
    "gunicorn": "--graceful-timeout S (30) limits the wait for what old workers have in flight",
    "hypercorn": "no option: SIGHUP ends all workers before new ones start; start a second server beside it instead",
    "granian": "--respawn-interval S (3.5): for so long old and new worker run side by side",
    "anycorn": "no option is known",
    "h2corn": "no option is known",
    "palfrey": "no option is known",
    "pyuwsgi": "no option: pyuwsgi starts itself again by the interpreter outside its virtual environment; install it "
    "there, or use the program uwsgi",
}
"""The servers that reload on SIGHUP, each with the option that matters."""


def _run(site: Site) -> Observation:
    if site.family not in _RELOADS:
        raise NotApplicable("no reload" if site.server.max_workers == 1 else "no reload is known")
    workers = site.demand_workers()
    with site.serving(workers=workers) as served:
        before = served.all_workers()
        with served.load(*site.mixed_requests) as traffic:
            time.sleep(site.settle_s)
            told_ns = served.signal(signal.SIGHUP)
            over_ns = served.await_replaced(before, workers, LIMIT_S)
            until_ns = time.monotonic_ns()
            ended = served.ended
            if ended is None:
                time.sleep(SETTLE_S)
    name = site.requests.name
    numbers = {
        "reload_s": (over_ns - told_ns) / 1e9 if over_ns else None,
        "p99_ms": percentile_ms(traffic.due(told_ns, until_ns, name), 99),
        "p99_before_ms": percentile_ms(traffic.due(0, told_ns, name), 99),
    }
    concerned = [*traffic.in_flight(told_ns), *traffic.due(told_ns, until_ns)]
    facts = (f"the server ended with {ended}",) if ended else ()
    known = {figure: value for figure, value in numbers.items() if value is not None}
    return Observation((Tally.of(_REQUESTS, concerned),), known, facts)


def _explain(family: str, seen: Seen) -> Words:
    requests, took = seen.tally(_REQUESTS), seen.number("reload_s")
    option = choose_option(_RELOADS, family)
    if seen.facts:
        return Words("bad", "server ends", "SIGHUP ended the server.", option)
    if took is None:
        meaning = f"Not all workers were new after {LIMIT_S:g} s: old code goes on serving."
        return Words("bad", "not replaced", meaning, option)
    after = f"until every worker was new took {seconds(took.median)}"
    pause = describe_pause(seen, "p99_ms", "reload")
    cell = f"{span_lost(seen, refused=True)}, {seconds(took.median)}"
    if requests.lost + requests.refused:
        refused = f", {requests.refused} refused" if requests.refused else ""
        of_all = f"of {requests.all} requests in {count_times(seen, 'reload')}"
        meaning = f"Lost: {list_lost(requests)}{refused} {of_all}; {'; '.join(filter(None, [pause, after]))}."
        return Words("bad", cell, meaning, option)
    if pause:
        return Words("fair", f"{cell}, pauses", f"Nothing was lost, but {pause}; {after}.", option)
    return Words("good", cell, f"Users do not notice a reload; {after}.")


DRILL = Drill(
    "rolling-reload",
    "Rolling reload",
    "SIGHUP under load. Counted: the requests in flight then, and those due until every worker has been replaced and "
    "as many as before answer.",
    (
        Figure("reload_s", "until all are new"),
        Figure("p99_ms", "p99 meanwhile", "ms"),
        Figure("p99_before_ms", "p99 before", "ms"),
    ),
    _run,
    _explain,
    order=3,
)
