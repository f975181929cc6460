"""From exec to the first right answer: how long a new instance takes when load rises."""

from __future__ import annotations

import os
import statistics
import subprocess
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, Observation, Seen, Words
from harness.drill.words import seconds
from harness.host.process import server_environment

if TYPE_CHECKING:
    from harness.drill.site import Site

STARTS = 5
"""In one repetition, which has their median."""
LONG_S = 5.0
"""An autoscaler that waits longer than this for an instance needs a reserve."""
HALF = 0.5
_IMPORT_LIMIT_S = 60.0
_IMPORT = """
import importlib, sys, time
began = time.perf_counter()
importlib.import_module(sys.argv[1])
print(time.perf_counter() - began)
"""


def _run(site: Site) -> Observation:
    ready_s = []
    for _ in range(STARTS):
        with site.serving() as served:
            ready_s.append(served.running.ready_s)
    imports_s = _time_imports(site)
    return Observation(
        (),
        {
            "ready_s": statistics.median(ready_s),
            "slowest_s": max(ready_s),
            **({} if imports_s is None else {"imports_s": imports_s}),
        },
    )


def _time_imports(site: Site) -> float | None:
    """Seconds that the app's module takes to be imported without a server; None if it cannot be."""
    module = (site.server.target(site.app) or site.app.target).partition(":")[0]
    directory = site.app.directory.resolve()
    found = []
    for _ in range(STARTS):
        try:
            done = subprocess.run(
                [site.server.python or site.python, "-c", _IMPORT, module],
                cwd=site.app.working_directory,
                env=server_environment(os.environ, site.app, directory, site.token),
                capture_output=True,
                timeout=_IMPORT_LIMIT_S,
                check=True,
            )
            found.append(float(done.stdout.split()[-1]))
        except (OSError, subprocess.SubprocessError, ValueError, IndexError):
            return None
    return statistics.median(found)


def _explain(_family: str, seen: Seen) -> Words:
    ready, imports = seen.number("ready_s"), seen.number("imports_s")
    if ready is None:
        return Words("bad", "no answer", "It gave no right answer.")
    took = seconds(ready.median)
    meaning = f"A new instance answers {took} after its start."
    if imports:
        meaning += f" The app's imports alone take {seconds(imports.median)}, whatever the server."
    if ready.median <= LONG_S:
        return Words("good", took, meaning)
    meaning += " Until then a peak, or a restart, has to be borne by the others."
    if imports and imports.median > HALF * ready.median:
        return Words("fair", took, meaning, "none: python -X importtime says which imports of the app take long")
    return Words("fair", took, meaning, "none is known: look at what the app does in its lifespan start-up")


DRILL = Drill(
    "cold-start",
    "Cold start",
    f"{STARTS} starts of one worker, asked every 10 ms. Measured: the median time from exec to the first right answer, "
    "and the time that the app's module takes to be imported without a server. Files are in the page cache, and "
    "bytecode is compiled.",
    (
        Figure("ready_s", "first right answer", charted=True),
        Figure("slowest_s", "slowest of 5"),
        Figure("imports_s", "the app's imports alone"),
    ),
    _run,
    _explain,
    order=9,
)
