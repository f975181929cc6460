"""Carries out every drill on every server, several times, and keeps what was seen."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from harness.drill import experiments
from harness.drill.model import Drill, Entry, NotApplicable
from harness.host.limits import raise_open_files
from harness.model.errors import LoadError, ServerError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.drill.site import Site


MOST_RPS = 200.0
"""Requests per second, where the servers can do more: so many are in flight for each that takes 5 ms."""
LEAST_RPS = 1.0
SHARE = 0.25
"""Of the capacity: with a quarter of it, hardly any request waits for another."""


@cache
def drills() -> tuple[Drill, ...]:
    """All drills of the modules in `experiments/`, in their order."""
    names = [info.name for info in pkgutil.iter_modules(experiments.__path__) if not info.name.startswith("_")]
    found = [importlib.import_module(f"{experiments.__name__}.{name}").DRILL for name in names]
    return tuple(sorted(found, key=lambda drill: (drill.order, drill.name)))


@dataclass
class Runner:
    """Which drills run on which sites, and what was seen so far."""

    sites: Sequence[Site]
    drills: Sequence[Drill]
    repeats: int
    not_installed: Mapping[str, str]
    """The servers that are not installed, with the reason to show."""
    watch: Callable[[str], None]
    """Called with the place, `uvicorn · graceful-stop · 1 of 3`, before each repetition."""
    finds_rate: bool = False
    """Is the rate found by measuring, rather than given?"""
    _found: dict[tuple[str, str], Entry] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How often `watch` is called at most."""
        return (self.repeats * len(self.drills) + self.finds_rate) * len(self.sites)

    @property
    def entries(self) -> list[Entry]:
        """What was seen so far, by drill and server, in words too."""
        keys = ((drill, site) for drill in self.drills for site in self.sites)
        return [
            replace(entry, words=drill.explain(site.family, entry.seen) if entry.observations else None)
            for drill, site in keys
            if (entry := self._found.get((drill.name, site.server.name)))
        ]

    def run(self) -> None:
        """Carry out all repetitions in turns; if an exception ends this, `entries` has what was seen."""
        raise_open_files()
        if self.finds_rate:
            self.sites = self._with_rate()
        for repetition in range(self.repeats):
            for drill in self.drills:
                # Each repetition begins with another server.
                first = repetition % len(self.sites)
                for site in [*self.sites[first:], *self.sites[:first]]:
                    self.watch(f"{site.server.name} · {drill.name} · {repetition + 1} of {self.repeats}")
                    self._repeat(drill, site)

    def _with_rate(self) -> list[Site]:
        """The sites, with a rate well below the capacity of one worker of any of their servers."""
        rates = [MOST_RPS]
        for site in self.sites:
            self.watch(f"{site.server.name} · capacity")
            # What fails here fails in the drills too, and is told there.
            with suppress(NotApplicable, ServerError, LoadError):
                if site.server.name not in self.not_installed:
                    with site.serving() as served:
                        rates.append(SHARE * served.measure_capacity_rps(site.requests))
        return [replace(site, rate_rps=max(LEAST_RPS, min(rates))) for site in self.sites]

    def _repeat(self, drill: Drill, site: Site) -> None:
        key = drill.name, site.server.name
        before = self._found.get(key, Entry(site.server.name, drill.name, "seen"))
        if before.outcome == "seen":
            self._found[key] = self._carry_out(drill, site, before)

    def _carry_out(self, drill: Drill, site: Site, before: Entry) -> Entry:
        """What was seen with one repetition more; a server that fails once is not tried again."""
        if reason := self.not_installed.get(site.server.name):
            return replace(before, outcome="n/a", reason=reason)
        begun, sent = len(site.argv), len(site.traffic)
        try:
            observation = drill.run(site)
        except NotApplicable as reason:
            return replace(before, outcome="n/a", reason=str(reason))
        except ServerError as error:
            return replace(before, outcome="no-start", reason=f"{error}\n{error.log_tail}".strip())
        except LoadError as error:
            return replace(before, outcome="error", reason=str(error))
        except StorageError:
            raise
        except Exception:  # noqa: BLE001 - other drills go on, and the command reports it
            return replace(before, outcome="error", reason=traceback.format_exc())
        lag_ms = max((traffic.lag_ms for traffic in site.traffic[sent:]), default=0.0)
        seen = (*before.observations, replace(observation, lag_ms=lag_ms))
        return replace(before, argv=before.argv or site.argv[begun], observations=seen)
