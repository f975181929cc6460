"""SIGKILL for the parent alone: do its workers go on serving?"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, Observation, Seen, Tally, Words
from harness.drill.words import choose_option, count_times, list_lost, seconds
from harness.text.numbers import plural

if TYPE_CHECKING:
    from harness.drill.site import Site

LOOK_S = 10.0
"""Workers that have gone on for so long go on for ever."""
SERVING_S = 1.0
"""Workers that give answers in the last second of the look go on serving."""
_REQUESTS = "in flight at the kill, or due in the look"
_SERVING, _LEFT, _NO_PARENT = "workers go on serving", "processes are left", "no parent: one process"

_OPTIONS = {
    "uvicorn": "none",
    "gunicorn": "none is needed: its own workers watch their parent; uvicorn-worker's do not",
    "hypercorn": "none",
    "granian": "none; its port is shared (SO_REUSEPORT): a new server starts beside the orphans, and both answer",
    "daphne": "none is needed: it is one process",
}
_MEANING = (
    "Nobody can reload or stop them by their parent, and they hold the port with the old code. In a container, or "
    "under systemd (KillMode=control-group), they are killed with it; else the supervisor has to end the whole group."
)


def _run(site: Site) -> Observation:
    with site.serving(workers=site.most_workers) as served:
        alone = len(served.processes()) == 1
        with served.load() as traffic:
            time.sleep(site.settle_s)
            killed_ns = served.signal(signal.SIGKILL)
            gone_ns = served.await_(lambda: not served.processes(), LOOK_S)
            until_ns = time.monotonic_ns()
        left = len(served.processes())
    right_ns = [each.ended_ns for each in traffic.exchanges if each.end == "right" and each.ended_ns <= until_ns]
    serving = not gone_ns and max(right_ns, default=0) > until_ns - SERVING_S * 1e9
    facts = {_NO_PARENT: alone, _SERVING: serving, _LEFT: left > 0 and not serving}
    answered = max((at_ns for at_ns in right_ns if at_ns > killed_ns), default=killed_ns)
    numbers = {
        **({} if serving else {"served_s": (answered - killed_ns) / 1e9}),
        **({"gone_s": (gone_ns - killed_ns) / 1e9} if gone_ns else {}),
    }
    concerned = [*traffic.in_flight(killed_ns), *traffic.due(killed_ns, until_ns)]
    return Observation(
        (Tally.of(_REQUESTS, concerned),), numbers, tuple(fact for fact, is_so in facts.items() if is_so)
    )


def _explain(family: str, seen: Seen) -> Words:
    requests, gone = seen.tally(_REQUESTS), seen.number("gone_s")
    option = choose_option(_OPTIONS, family)
    kills = count_times(seen, "kill")
    if times := seen.facts.get(_SERVING):
        how = "go on" if times == len(seen.observations) else f"went on in {plural(times, 'time')} of {kills}"
        return Words("fair", "go on serving", f"Without their parent, workers {how} serving. {_MEANING}", option)
    if seen.facts.get(_LEFT) or gone is None:
        meaning = f"Processes were left {LOOK_S:g} s later that do not serve, and may hold the port. {_MEANING}"
        return Words("bad", "processes left", meaning, option)
    if seen.facts.get(_NO_PARENT):
        return Words("good", "none", "It is one process: nothing is left, and the port is free at once.")
    meaning = (
        f"Workers end by themselves, {seconds(gone.median)} after their parent; meanwhile {list_lost(requests)} of "
        f"{requests.all} requests were lost. The port is free for a restart."
    )
    return Words("good", f"end in {seconds(gone.median)}", meaning)


DRILL = Drill(
    "orphans",
    "Orphans",
    f"SIGKILL for the first process alone, as of a supervisor in a hurry or of the kernel without memory, then load "
    f"for {LOOK_S:g} s or until all processes have ended. Seen: whether the workers that it leaves go on serving.",
    (Figure("served_s", "answers for", charted=True), Figure("gone_s", "until all have ended")),
    _run,
    _explain,
    order=8,
)
