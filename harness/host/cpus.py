"""Which CPUs the server gets and which the load generator, so that they do not compete if the machine has enough."""

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
"""The CPU numbers of one core, in ascending order."""


def available() -> frozenset[int]:
    """The CPUs that this process is allowed to run on."""
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
    """Give both sides whole cores: the last ones to the load, one for each of its processes, the rest to the server.

    `cpus` are the CPUs that this process may use, at least one; a CPU that is not in `topology` counts as a core.
    Both sides get cores of the first NUMA node that has a core for each process, else of the first such package, else
    of the whole machine; all other cores stay idle. If there is one core only, each side gets some of its
    hyper-threads; if there is one CPU only, both sides share it.

    `server_cpus` and `load_cpus` are lists such as `0-3,8` and take precedence. If one of them is given, the other side
    gets the cores that are not in it; if there are none, the other CPUs; if there are none, all CPUs.
    Raises `UsageError` for a list that is malformed or names CPUs that this process cannot use.
    """
    allowed = frozenset(cpus)
    server = _parse_option("--server-cpus", server_cpus, allowed, topology)
    load = _parse_option("--load-cpus", load_cpus, allowed, topology)
    if server is not None:
        load = _remaining(allowed, server, topology) if load is None else load
    elif load is not None:
        server = _remaining(allowed, load, topology)
    else:
        server, load = _split(_nearby_cores(allowed, topology, load_processes + server_processes), load_processes)
    return Placement(server, load, shares_cores=not server & load and bool(_with_siblings(server, topology) & load))


def place_apart(
    here: frozenset[int], there: frozenset[int], server_cpus: str | None, load_cpus: str | None
) -> Placement:
    """All CPUs of two machines, or those that are listed; raises `UsageError` as `place` does."""
    server = _parse_option("--server-cpus", server_cpus, there, ())
    load = _parse_option("--load-cpus", load_cpus, here, ())
    return Placement(there if server is None else server, here if load is None else load, apart=True)


def parse_list(text: str) -> frozenset[int]:
    """Parse the kernel's format for CPUs, `0-3,8`; raises `ValueError` for anything else, also for an empty list."""
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
    """Processes that this thread starts in the block inherit these CPUs; other threads keep theirs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _parse_option(
    option: str, text: str | None, allowed: frozenset[int], topology: Iterable[Cpu]
) -> frozenset[int] | None:
    if text is None:
        return None
    try:
        asked = parse_list(text)
    except ValueError:
        raise UsageError(f"{option}: expected CPU numbers such as 0-3,8, found {text!r}") from None
    online = {cpu.number for cpu in topology} | allowed
    if absent := asked - online:
        raise UsageError(f"{option}: expected CPUs of {format_list(online)}, found {format_list(absent)}")
    if forbidden := asked - allowed:
        usable = format_list(allowed)
        raise UsageError(
            f"{option}: expected CPUs that this process may use ({usable}), found {format_list(forbidden)}"
        )
    return asked


def _remaining(allowed: frozenset[int], taken: frozenset[int], topology: Iterable[Cpu]) -> frozenset[int]:
    """The CPUs for one side when the other has `taken`."""
    untouched = [core for core in _cores(allowed, topology) if not _with_siblings(taken, topology) & frozenset(core)]
    return frozenset().union(*untouched) or allowed - taken or allowed


def _split(cores: list[Core], load_processes: int) -> tuple[frozenset[int], frozenset[int]]:
    if len(cores) == 1:
        # One core: its first hyper-thread and the others. If it has one only, both sides share it.
        threads = cores[0]
        return frozenset(threads[:1]), frozenset(threads[1:] or threads)
    cut = max(1, len(cores) - load_processes)
    return frozenset().union(*cores[:cut]), frozenset().union(*cores[cut:])


def _nearby_cores(allowed: frozenset[int], topology: Iterable[Cpu], processes: int) -> list[Core]:
    """The cores of the first NUMA node, or else package, that has a core for each process; else all cores."""
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
    """The allowed CPUs grouped by core; the cores are in the order of their first CPUs."""
    threads_of = {cpu.number: frozenset(cpu.siblings) for cpu in topology}
    cores: list[Core] = []
    placed: set[int] = set()
    for number in sorted(allowed):
        if number not in placed:
            core = sorted({number} | (threads_of.get(number, frozenset()) & allowed - placed))
            placed.update(core)
            cores.append(tuple(core))
    return cores


def _with_siblings(cpus: frozenset[int], topology: Iterable[Cpu]) -> frozenset[int]:
    """These CPUs and all other CPUs of the same cores."""
    return cpus.union(*(cpu.siblings for cpu in topology if cpu.number in cpus))
