"""Who gets which CPU: the generator never competes with the server it measures, where that can be had."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.model.errors import UsageError
from harness.model.machine import Placement, format_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from harness.model.machine import Cpu

Core = tuple[int, ...]
"""CPUs of one core, in order."""


def available() -> frozenset[int]:
    """The CPUs that this process may run on."""
    return frozenset(os.sched_getaffinity(0))


def place(
    cpus: Collection[int],
    load_processes: int = 1,
    topology: Collection[Cpu] = (),
    *,
    server_processes: int = 1,
    server_cpus: str | None = None,
    load_cpus: str | None = None,
) -> Placement:
    """Whole cores for either: the last ones for the load, one for each of its processes, and the rest for the server.

    `cpus` are those that this process may use, at least one; one that `topology` does not tell of counts as a core.
    Both stay on the first NUMA node, or else the first package, that has a core for each process; what is left of the
    others is idle. A lone core is shared by its hyper-threads, a lone CPU by all.

    `server_cpus` and `load_cpus` are lists such as `0-3,8` and win. Given one of them, the other side gets the cores
    that it leaves, or else its CPUs, or else all. Raises `UsageError` for a list that cannot be followed.
    """
    allowed = frozenset(cpus)
    server = _asked("--server-cpus", server_cpus, allowed, topology)
    load = _asked("--load-cpus", load_cpus, allowed, topology)
    if server is not None:
        load = _left(allowed, server, topology) if load is None else load
    elif load is not None:
        server = _left(allowed, load, topology)
    else:
        server, load = _halves(_near(allowed, topology, load_processes + server_processes), load_processes)
    return Placement(server, load, shares_cores=not server & load and bool(_threads(server, topology) & load))


def parse_list(text: str) -> frozenset[int]:
    """The kernel's format for CPUs, `0-3,8`; raises `ValueError` for anything else, an empty list included."""
    found: set[int] = set()
    for part in text.strip().split(","):
        bounds = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip(), re.ASCII)
        if bounds is None:
            raise ValueError(text)
        first, last = int(bounds[1]), int(bounds[2] or bounds[1])
        if first > last:
            raise ValueError(text)
        found.update(range(first, last + 1))
    return frozenset(found)


@contextmanager
def running_on(cpus: frozenset[int]) -> Iterator[None]:
    """What this thread starts within the block inherits these CPUs; other threads are not touched."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _asked(option: str, text: str | None, allowed: frozenset[int], topology: Iterable[Cpu]) -> frozenset[int] | None:
    if text is None:
        return None
    try:
        asked = parse_list(text)
    except ValueError:
        raise UsageError(f"{option}: expected CPU numbers such as 0-3,8, found {text!r}") from None
    online = {cpu.number for cpu in topology} | allowed
    if absent := asked - online:
        raise UsageError(f"{option}: expected CPUs of {format_list(online)}, found {format_list(absent)}")
    if barred := asked - allowed:
        usable = format_list(allowed)
        raise UsageError(f"{option}: expected CPUs that this process may use ({usable}), found {format_list(barred)}")
    return asked


def _left(allowed: frozenset[int], taken: frozenset[int], topology: Iterable[Cpu]) -> frozenset[int]:
    """What one side can have when the other has `taken`."""
    untouched = [core for core in _cores(allowed, topology) if not _threads(taken, topology) & frozenset(core)]
    return frozenset().union(*untouched) or allowed - taken or allowed


def _halves(cores: list[Core], load_processes: int) -> tuple[frozenset[int], frozenset[int]]:
    if len(cores) == 1:
        # The hyper-threads of a lone core; a lone CPU is both its first and its last.
        threads = cores[0]
        return frozenset(threads[:1]), frozenset(threads[1:] or threads)
    cut = max(1, len(cores) - load_processes)
    return frozenset().union(*cores[:cut]), frozenset().union(*cores[cut:])


def _near(allowed: frozenset[int], topology: Iterable[Cpu], processes: int) -> list[Core]:
    """The cores of the first node, or else package, that has one for each process; else all."""
    by_number = {cpu.number: cpu for cpu in topology}
    cores = _cores(allowed, topology)
    for place_of in (lambda cpu: (cpu.package, cpu.node), lambda cpu: cpu.package):
        groups: dict[object, list[Core]] = {}
        for core in cores:
            cpu = by_number.get(core[0])
            groups.setdefault(None if cpu is None else place_of(cpu), []).append(core)
        for group in groups.values():
            if len(group) >= processes:
                return group
    return cores


def _cores(allowed: frozenset[int], topology: Iterable[Cpu]) -> list[Core]:
    """The allowed CPUs by core, in the order of their first CPUs."""
    threads_of = {cpu.number: frozenset(cpu.siblings) for cpu in topology}
    cores: list[Core] = []
    placed: set[int] = set()
    for number in sorted(allowed):
        if number not in placed:
            core = sorted({number} | (threads_of.get(number, frozenset()) & allowed - placed))
            placed.update(core)
            cores.append(tuple(core))
    return cores


def _threads(cpus: frozenset[int], topology: Iterable[Cpu]) -> frozenset[int]:
    """These CPUs and all others of their cores."""
    return cpus.union(*(cpu.siblings for cpu in topology if cpu.number in cpus))
