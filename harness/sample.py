"""CPU and memory of a server's process tree over time, and what the machine's host took away. Linux's /proc."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.findings import Sample
from harness.model import HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INTERVAL_S = 0.1
_MEMORY_EVERY = 5
"""Memory is looked at in every fifth sample: the kernel walks all pages for it."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Usage:
    """CPU seconds, user and system, of one process."""

    own_s: float
    waited_s: float
    """Of its children that have ended and been waited for, and of theirs."""

    @property
    def total_s(self) -> float:
        return self.own_s + self.waited_s


class Sampler:
    """Looks at the tree of `pid` ten times a second while its block runs, and once at either end."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples: list[Sample] = []
        self._alive: Mapping[int, Usage] = {}
        self._lost_s = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(self._samples)

    def __enter__(self) -> Self:
        _require_children()
        self._look(memory=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look(memory=True)

    def _run(self) -> None:
        while not self._done.wait(INTERVAL_S):
            self._look(memory=len(self._samples) % _MEMORY_EVERY == 0)

    def _look(self, *, memory: bool) -> None:
        # A worker whose parent died is no longer in the tree, and works on.
        pids = {*tree(self._pid), *self._alive}
        at_ns = time.perf_counter_ns()
        alive = {pid: usage for pid in pids if (usage := _usage(pid)) is not None}
        self._lost_s += lost(self._alive, alive)
        self._alive = alive
        cpu_s = self._lost_s + sum(usage.total_s for usage in alive.values())
        self._samples.append(Sample(at_ns, cpu_s, len(alive), _pss(alive) if memory else None))


def lost(before: Mapping[int, Usage], now: Mapping[int, Usage]) -> float:
    """CPU seconds that vanished with processes between two looks at a tree.

    That is what they had used, less what their parents were credited with by waiting for them.
    """
    ended_s = sum(usage.total_s for pid, usage in before.items() if pid not in now)
    credited_s = sum(usage.waited_s - before[pid].waited_s for pid, usage in now.items() if pid in before)
    return max(0.0, ended_s - credited_s)


def idle_pss(pid: int) -> int:
    """Proportional set size in bytes of the tree of `pid`, now."""
    return _pss(tree(pid))


@dataclass(frozen=True)
class MachineTime:
    """Ticks of all CPUs together since the machine started; `man 5 proc_stat`."""

    total: int
    stolen: int


def machine_time() -> MachineTime:
    """The machine's CPU time so far."""
    # user nice system idle iowait irq softirq steal; what follows is part of user and nice.
    ticks = [int(word) for word in (_PROC / "stat").read_text().split(maxsplit=9)[1:9]]
    return MachineTime(sum(ticks), ticks[7])


def steal_ratio(before: MachineTime, after: MachineTime) -> float:
    """Share of the machine's CPU time between two looks that its host gave to others; 0 for no time at all."""
    total = after.total - before.total
    return (after.stolen - before.stolen) / total if total > 0 else 0.0


def tree(pid: int) -> list[int]:
    """`pid` and all that descends from it.

    The kernel's lists of children are read, one for each thread; psutil would read every process of the machine.
    """
    found = [pid]
    for parent in found:
        found += _children(parent)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, _read(f"{thread.path}/children").split())
    return children


def _require_children() -> None:
    if not (_PROC / "thread-self" / "children").exists():
        raise HarnessError(
            "expected /proc/PID/task/TID/children, found a kernel without it; use one with CONFIG_PROC_CHILDREN"
        )


def _usage(pid: int) -> Usage | None:
    """None for a process that is gone; a zombie still has its figures."""
    clock = ctypes.c_int()
    if _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        return None
    try:
        # Exact, all threads, the ended ones too; /proc/PID/stat counts in hundredths of a second.
        own_s = time.clock_gettime(clock.value)
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    return Usage(own_s, (int(fields[13]) + int(fields[14])) / _TICKS_PER_S)


def _pss(pids: Iterable[int]) -> int:
    total_kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # gone, or a zombie, which has no memory
            rollup = _read(f"/proc/{pid}/smaps_rollup")
            total_kib += int(rollup.partition(b"\nPss:")[2].split(maxsplit=1)[0])
    return total_kib * 1024


def _read(path: str) -> bytes:
    """All of a file of /proc; without pathlib and buffers, as this is done many times a second."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)
