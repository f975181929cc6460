"""Who gets which CPU: the generator never competes with the server it measures, where that can be had."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@dataclass(frozen=True)
class Placement:
    """CPU numbers for the server and for the load generator."""

    server: frozenset[int]
    load: frozenset[int]

    @property
    def disjoint(self) -> bool:
        return not self.server & self.load


def available() -> frozenset[int]:
    """The CPUs that this process may run on."""
    return frozenset(os.sched_getaffinity(0))


def place(cpus: Collection[int], load_processes: int = 1) -> Placement:
    """The last CPUs to the load, one for each of its processes, and the rest, at least one, to the server.

    A lone CPU is shared.
    """
    ordered = sorted(cpus)
    if len(ordered) == 1:
        return Placement(frozenset(ordered), frozenset(ordered))
    cut = max(1, len(ordered) - load_processes)
    return Placement(frozenset(ordered[:cut]), frozenset(ordered[cut:]))


@contextmanager
def running_on(cpus: frozenset[int]) -> Iterator[None]:
    """What this thread starts within the block inherits these CPUs; other threads are not touched."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
