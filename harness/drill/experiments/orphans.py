"""SIGKILL for the parent alone: do its workers go on serving?"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, Observation, Seen, Tally, Words
from harness.drill.site import LIMIT_S, SETTLE_S
from harness.drill.words import choose_option, count_times, seconds
from harness.host.supervised import ORPHANS_S

if TYPE_CHECKING:
    from harness.drill.site import Site

_REQUESTS = "in flight at the kill, or due in the look"
_SERVING, _LEFT, _ALONE = "workers go on serving", "processes are left", "no parent: one process"

_GROUP = "see that the supervisor ends the whole group, as containers and systemd (KillMode=control-group) do"
_SHARED = "none, and its port is shared: a new server starts beside the orphans, and both answer"
_OPTIONS = {
    "uvicorn": f"none; a new server does not start as long as they have the port; {_GROUP}",
    "gunicorn": f"none with uvicorn-worker, while gunicorn's own workers watch their parent; {_GROUP}",
    "hypercorn": f"{_SHARED}; {_GROUP}",
    "granian": f"{_SHARED}; {_GROUP}",
}


def _run(site: Site) -> Observation:
    with site.serving(workers=site.most_workers) as served:
        alone = len(served.processes()) == 1
        with served.load() as traffic:
            time.sleep(SETTLE_S)
            killed_ns = served.signal(signal.SIGKILL)
            gone_ns = served.await_(lambda: not served.processes(), ORPHANS_S)
            serving = gone_ns is None and bool(served.workers())
            if gone_ns is None and not serving:
                gone_ns = served.await_(lambda: not served.processes(), LIMIT_S - ORPHANS_S)
            until_ns = time.monotonic_ns()
    answered_ns = [each.ended_ns for each in traffic.exchanges if each.end == "right" and each.ended_ns > killed_ns]
    numbers = {}
    if not serving:
        numbers["served_s"] = (max(answered_ns, default=killed_ns) - killed_ns) / 1e9
    if gone_ns:
        numbers["gone_s"] = (gone_ns - killed_ns) / 1e9
    concerned = [*traffic.in_flight(killed_ns), *traffic.due(killed_ns, until_ns)]
    seen = {_ALONE: alone, _SERVING: serving, _LEFT: gone_ns is None and not serving}
    facts = tuple(fact for fact, is_so in seen.items() if is_so)
    return Observation((Tally.of(_REQUESTS, concerned),), numbers, facts)


def _explain(family: str, seen: Seen) -> Words:
    requests, gone = seen.tally(_REQUESTS), seen.number("gone_s")
    option = choose_option(_OPTIONS, family)
    if times := seen.facts.get(_SERVING):
        every = times == len(seen.observations)
        often = "go on serving" if every else f"went on serving after {times} of {count_times(seen, 'kill')}"
        meaning = (
            f"Without their parent, workers {often}: they hold the port with the old code, and nobody can reload or "
            "stop them all at once."
        )
        return Words("fair", "go on serving", meaning, option)
    if seen.facts.get(_LEFT) or gone is None:
        meaning = f"Processes were left {LIMIT_S:g} s later that take no connections, and hold their memory."
        return Words("bad", "processes left", meaning, option)
    if seen.facts.get(_ALONE):
        return Words("good", "none", "It is one process: nothing is left, and the port is free at once.")
    meaning = (
        f"Workers end by themselves, {seconds(gone.median)} after their parent: until then {requests.right} of "
        f"{requests.all} requests were answered, on kept connections too."
    )
    return Words("good", f"end in {seconds(gone.median)}", meaning)


DRILL = Drill(
    "orphans",
    "Orphans",
    "SIGKILL for the first process alone, as by a supervisor in a hurry or a kernel without memory, under load. Seen: "
    f"whether its workers take new connections {ORPHANS_S:g} s later; if not, when all have ended.",
    (Figure("served_s", "answers for", charted=True), Figure("gone_s", "until all have ended")),
    _run,
    _explain,
    order=8,
)
