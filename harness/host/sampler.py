"""CPU, memory and context switches of a server's process tree over time, and what others took. Linux's /proc."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from harness.model.errors import HarnessError
from harness.model.results import MachineTime, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

INTERVAL_S = 0.1
_WIDE_EVERY = 5
"""New processes, context switches and frequency are looked for in every fifth sample: every thread is asked."""
_WIDE_SHARE = 0.003
"""Of one CPU, at most, goes into that; with dozens of threads it is done less often."""
_SHARE = 0.0025
"""Of one CPU, at most, goes into looking at memory, for which the kernel walks all pages and halts their owner, and as
much into the machine's own time, for which it asks every CPU and counts every interrupt."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_FREQUENCY = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
_LIBC = ctypes.CDLL(None)

Seen = TypeVar("Seen")
Thread = tuple[int, str]
"""A process and a thread of it, by their numbers."""


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
    """Looks at the tree of `pid` ten times a second while its block runs, and once at either end.

    `cpus` are the server's: their frequency is looked at, and who used them. A child that a process of the tree starts
    is known by the next fifth sample; what it used until then counts from there on.
    """

    def __init__(self, pid: int, cpus: Collection[int] = ()) -> None:
        self._pid = pid
        self._frequencies = [path for cpu in sorted(cpus) if os.path.exists(path := _FREQUENCY.format(cpu))]  # noqa: PTH110 - read by os
        self._samples: list[Sample] = []
        self._alive: Mapping[int, Usage] = {}
        self._lost_s = 0.0
        self._switches: Mapping[Thread, int] = {}
        self._lost_switches = 0
        self._wide_due_s = 0.0
        self._cpus = frozenset(cpus)
        self._memory, self._machine = _Seldom(lambda: _pss(self._alive)), _Seldom(lambda: machine_time(self._cpus))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(self._samples)

    def __enter__(self) -> Self:
        _require_children()
        self._look(wide=True, edge=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look(wide=True, edge=True)

    def _run(self) -> None:
        while not self._done.wait(INTERVAL_S):
            due = time.monotonic() >= self._wide_due_s
            self._look(wide=due and len(self._samples) % _WIDE_EVERY == 0)

    def _look(self, *, wide: bool, edge: bool = False) -> None:
        began_s = time.thread_time()
        at_ns, alive = time.perf_counter_ns(), _again(self._alive)
        if wide or len(alive) < len(self._alive):
            # A worker whose parent died is no longer below `pid`, and works on.
            pids = tree(self._pid, *self._alive)
            at_ns = time.perf_counter_ns()
            alive = {pid: usage for pid in pids if (usage := _usage(pid)) is not None}
            self._lost_s += lost(self._alive, alive)
        self._alive = alive
        cpu_s = self._lost_s + sum(usage.total_s for usage in alive.values())
        switches = self._count_switches() if wide else None
        if wide:
            self._wide_due_s = time.monotonic() + (time.thread_time() - began_s) / _WIDE_SHARE
        self._samples.append(
            Sample(
                at_ns,
                cpu_s,
                len(alive),
                self._memory.look(anyway=edge),
                switches=switches,
                frequency_mhz=_mean_mhz(self._frequencies) if wide else None,
                machine=self._machine.look(anyway=edge),
            )
        )

    def _count_switches(self) -> int:
        switches = _switches(self._alive)
        self._lost_switches += lost_switches(self._switches, switches)
        self._switches = switches
        return self._lost_switches + sum(switches.values())


class _Seldom(Generic[Seen]):
    """Something to look at so seldom that it takes no more than `_SHARE` of a CPU."""

    def __init__(self, at: Callable[[], Seen]) -> None:
        self._at = at
        self._due_s = 0.0

    def look(self, *, anyway: bool) -> Seen | None:
        """None where it is not due yet."""
        if not anyway and time.monotonic() < self._due_s:
            return None
        before_s = time.thread_time()
        seen = self._at()
        self._due_s = time.monotonic() + (time.thread_time() - before_s) / _SHARE
        return seen


def lost(before: Mapping[int, Usage], now: Mapping[int, Usage]) -> float:
    """CPU seconds that vanished with processes between two looks at a tree.

    That is what they had used, less what their parents were credited with by waiting for them.
    """
    ended_s = sum(usage.total_s for pid, usage in before.items() if pid not in now)
    credited_s = sum(usage.waited_s - before[pid].waited_s for pid, usage in now.items() if pid in before)
    return max(0.0, ended_s - credited_s)


def lost_switches(before: Mapping[Thread, int], now: Mapping[Thread, int]) -> int:
    """Context switches that vanished with threads between two looks, as far as they had been seen.

    A count that fell is that of a new thread under an old number.
    """
    return sum(count for thread, count in before.items() if now.get(thread, -1) < count)


def idle_pss(pid: int) -> int:
    """Proportional set size in bytes of the tree of `pid`, now."""
    return _pss(tree(pid))


def machine_time(cpus: Collection[int]) -> MachineTime:
    """The machine's CPU time so far, and that of these CPUs; `man 5 proc_stat`."""
    # user nice system idle iowait irq softirq steal; what follows is part of user and nice.
    ticks: dict[bytes, list[int]] = {}
    for line in _read("/proc/stat").splitlines():
        name, *words = line.split(maxsplit=9)
        if not name.startswith(b"cpu"):
            break
        ticks[name[3:]] = [int(word) for word in words[:8]]
    every = ticks.pop(b"")
    # Where the time of interrupts is measured (CONFIG_IRQ_TIME_ACCOUNTING), hard ones have some, and it is nobody's.
    # Elsewhere they have none, and softirqs are a process's time too: of the one that they interrupt.
    interrupts_count = every[5] == 0
    own = [each for number, each in ticks.items() if int(number) in cpus]
    used = sum(sum(each[:3]) + (each[5] + each[6] if interrupts_count else 0) for each in own)
    seconds = (count / _TICKS_PER_S for count in (sum(every), every[7], sum(map(sum, own)), used))
    return MachineTime(*seconds)


def tree(*roots: int) -> list[int]:
    """The `roots` and all that descends from them.

    The kernel's lists of children are read, one for each thread; psutil would read every process of the machine.
    """
    found = list(dict.fromkeys(roots))
    for parent in found:
        found += [child for child in _children(parent) if child not in found]
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for thread in _threads(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            children += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return children


def _switches(pids: Iterable[int]) -> dict[Thread, int]:
    """Voluntary and involuntary context switches of every thread."""
    found = {}
    for pid in pids:
        for thread in _threads(pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = _read(f"/proc/{pid}/task/{thread}/status")
                voluntary, _, involuntary = status.partition(b"\nvoluntary_ctxt_switches:")[2].split()[:3]
                found[pid, thread] = int(voluntary) + int(involuntary)
    return found


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names only, and many times a second
    except (FileNotFoundError, ProcessLookupError):
        return []


def _mean_mhz(paths: Collection[str]) -> float | None:
    return sum(int(_read(path)) for path in paths) / len(paths) / 1000 if paths else None


def _require_children() -> None:
    if not (_PROC / "thread-self" / "children").exists():
        raise HarnessError(
            "expected /proc/PID/task/TID/children, found a kernel without it; use one with CONFIG_PROC_CHILDREN"
        )


def _again(usages: Mapping[int, Usage]) -> dict[int, Usage]:
    """These processes again, those that are still there; what their children used is not asked."""
    return {pid: Usage(own_s, usage.waited_s) for pid, usage in usages.items() if (own_s := _own_s(pid)) is not None}


def _usage(pid: int) -> Usage | None:
    """None for a process that is gone; a zombie still has its figures."""
    own_s = _own_s(pid)
    if own_s is None:
        return None
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    return Usage(own_s, (int(fields[13]) + int(fields[14])) / _TICKS_PER_S)


def _own_s(pid: int) -> float | None:
    """CPU seconds of all threads, the ended ones too; exact, where /proc/PID/stat counts in hundredths."""
    clock = ctypes.c_int()
    if _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        return None
    try:
        return time.clock_gettime(clock.value)
    except OSError:
        return None


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
