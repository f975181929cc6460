"""Samples a server's process tree over time: its CPU time, memory and context switches, and what others used."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from harness.host import cgroups
from harness.host.proc import (
    Thread,
    Usage,
    context_switches,
    find_usages,
    machine_time,
    mean_mhz,
    memory_bytes,
    refresh,
    require_children,
    running,
    tree,
)
from harness.model.records import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

INTERVAL_S = 0.05
"""A sample is taken this often: between two slices of a server there are several, which give its CPU time exactly."""
_FULL_EVERY = 10
"""Every tenth sample is a full one: it also finds new processes and reads context switches, of every thread."""
_FULL_SHARE = 0.003
"""Full samples take at most this share of one CPU; with dozens of threads they become rarer."""
_COSTLY_SHARE = 0.001
"""Reading memory takes at most this share of one CPU, and reading the machine's CPU time as much again.

Every server of a block has a sampler, so it is small.
For memory the kernel walks all pages and stops the process meanwhile; for the machine's time it asks every CPU and
adds up every interrupt.
"""
_FREQUENCY = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"

Value = TypeVar("Value")


class Sampler:
    """Samples a process tree twenty times a second while its block runs, and once at either end.

    `root` is its first process, or a function that finds its first processes; where there are none, only the machine is
    sampled. `cpus` are the server's: their frequency is sampled, and how much of them was used. A new child is found by
    the next full sample, which is every tenth; the CPU time that it used before counts from then on. Which program a
    process runs is read when it is found.
    """

    def __init__(self, root: int | Callable[[], Sequence[int]], cpus: Collection[int] = ()) -> None:
        self._find_roots = root if callable(root) else lambda: (root,)
        self._frequencies = [path for cpu in sorted(cpus) if os.path.exists(path := _FREQUENCY.format(cpu))]  # noqa: PTH110 - read by os
        self._samples: list[Sample] = []
        self._alive: Mapping[int, Usage] = {}
        self._lost_s: dict[str, float] = defaultdict(float)
        self._switches: Mapping[Thread, int] = {}
        self._lost_switches = 0
        self._full_due_s = 0.0
        self._cpus = frozenset(cpus)
        self._roots: frozenset[int] = frozenset()
        self._first: frozenset[int] = frozenset()
        self._last: frozenset[int] = frozenset()
        self._memory = _Costly(self._read_memory)
        statistics = cgroups.list_cpu_statistics(Path("/"))
        self._machine = _Costly(lambda: machine_time(self._cpus, statistics))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(self._samples)

    @property
    def ended_workers(self) -> tuple[int, ...]:
        """The processes, beside the first of the tree, that ran when the block began and not when it ended."""
        return tuple(sorted(self._first - self._last - self._roots))

    @property
    def new_workers(self) -> int:
        """How many processes ran when the block ended and not when it began."""
        return len(self._last - self._first)

    def __enter__(self) -> Self:
        require_children()
        self._roots = frozenset(self._find_roots())
        self._take_sample(full=True, edge=True)
        self._first = running(self._alive)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._take_sample(full=True, edge=True)
        self._last = running(self._alive)

    def _run(self) -> None:
        while not self._done.wait(INTERVAL_S):
            due = time.monotonic() >= self._full_due_s
            self._take_sample(full=due and len(self._samples) % _FULL_EVERY == 0)

    def _take_sample(self, *, full: bool, edge: bool = False) -> None:
        """Add a sample; one at an `edge` of the block reads memory and the machine's time whatever they cost."""
        began_s = time.thread_time()
        at_ns, alive = time.perf_counter_ns(), refresh(self._alive)
        if full or len(alive) < len(self._alive):
            # A worker whose parent died is no longer a descendant of `pid`, but still serves.
            pids = tree(*self._find_roots(), *self._alive)
            at_ns = time.perf_counter_ns()
            alive = find_usages(pids, self._alive)
            for program, lost_s in lost_cpu_s(self._alive, alive).items():
                self._lost_s[program] += lost_s
        self._alive = alive
        by_program = dict(self._lost_s)
        for usage in alive.values():
            by_program[usage.program] = by_program.get(usage.program, 0.0) + usage.total_s
        switches = self._count_switches() if full and alive else None
        if full:
            self._full_due_s = time.monotonic() + (time.thread_time() - began_s) / _FULL_SHARE
        self._samples.append(
            Sample(
                at_ns,
                sum(by_program.values()),
                len(alive),
                self._memory.read(always=edge),
                switches=switches,
                frequency_mhz=mean_mhz(self._frequencies) if full else None,
                machine=self._machine.read(always=edge),
                cpu_s_by_program=by_program,
            )
        )

    def _read_memory(self) -> int | None:
        """Memory of the tree; None if its processes are unknown, or are another user's and may not be looked at."""
        found = memory_bytes(self._alive)
        return found if found or (self._roots and not running(self._alive)) else None

    def _count_switches(self) -> int:
        switches = context_switches(self._alive)
        self._lost_switches += lost_switches(self._switches, switches)
        self._switches = switches
        return self._lost_switches + sum(switches.values())


class _Costly(Generic[Value]):
    """A value that is read so rarely that it takes no more than `_COSTLY_SHARE` of a CPU."""

    def __init__(self, read: Callable[[], Value]) -> None:
        self._read = read
        self._due_s = 0.0

    def read(self, *, always: bool) -> Value | None:
        """The value now; None while it is not due, unless it is `always` to be read."""
        if not always and time.monotonic() < self._due_s:
            return None
        before_s = time.thread_time()
        value = self._read()
        self._due_s = time.monotonic() + (time.thread_time() - before_s) / _COSTLY_SHARE
        return value


def lost_cpu_s(before: Mapping[int, Usage], now: Mapping[int, Usage]) -> dict[str, float]:
    """CPU seconds, by program, that vanished with processes between two samples of a tree.

    That is what they had used, less what their parents were credited with by waiting for them: it stays where it was
    used. Only what is more than was seen of the ended, as of children that came and went, is their parents'.
    """
    ended: dict[str, float] = defaultdict(float)
    credited: dict[str, float] = defaultdict(float)
    for pid, usage in before.items():
        if pid not in now:
            ended[usage.program] += usage.total_s
        else:
            credited[usage.program] += now[pid].waited_s - usage.waited_s
    ended_s, credited_s = sum(ended.values()), sum(credited.values())
    if credited_s <= 0:
        return dict(ended)
    known = min(1.0, ended_s / credited_s)
    return {program: ended[program] - known * credited[program] for program in (*ended, *credited)}


def lost_switches(before: Mapping[Thread, int], now: Mapping[Thread, int]) -> int:
    """Context switches, seen in one sample, that vanished with their threads before the next.

    A count that fell belongs to a new thread with a reused id.
    """
    return sum(count for thread, count in before.items() if now.get(thread, -1) < count)
