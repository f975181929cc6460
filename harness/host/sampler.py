"""CPU time, memory and context switches of a server's process tree over time, and what other processes used.

Linux's /proc is read directly because psutil takes 3.5 to 10 times the CPU time for the same facts: for 8 processes
of 8 threads each, 1.5 ms instead of 0.4 ms to find them, 0.14 ms instead of 0.015 ms to read their CPU time, and 3.3 ms
instead of 0.9 ms to read their context switches (`benchmarks/sampler_cost.py`). psutil also gives a process's CPU time
in hundredths of a second only, where the kernel's clock has nanoseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from harness.host.programs import name_program
from harness.model.errors import HarnessError
from harness.model.results import MachineTime, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

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
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_FREQUENCY = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
_LIBC = ctypes.CDLL(None)

Value = TypeVar("Value")
Thread = tuple[int, str]
"""The ids of a process and of one of its threads."""


@dataclass(frozen=True)
class Usage:
    """CPU seconds, user and system, of one process."""

    own_s: float
    waited_s: float
    """CPU seconds of its children that have ended and been waited for, and of their waited-for children."""
    program: str = ""

    @property
    def total_s(self) -> float:
        return self.own_s + self.waited_s


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
        self._machine = _Costly(lambda: machine_time(self._cpus))
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
        _require_children()
        self._roots = frozenset(self._find_roots())
        self._take_sample(full=True, edge=True)
        self._first = _running(self._alive)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._take_sample(full=True, edge=True)
        self._last = _running(self._alive)

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
                frequency_mhz=_mean_mhz(self._frequencies) if full else None,
                machine=self._machine.read(always=edge),
                cpu_s_by_program=by_program,
            )
        )

    def _read_memory(self) -> int | None:
        """Memory of the tree; None if its processes are unknown, or are another user's and may not be looked at."""
        found = memory_bytes(self._alive)
        return found if found or (self._roots and not _running(self._alive)) else None

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


def tree_memory_bytes(*roots: int) -> int | None:
    """Memory of the process trees of the `roots`, now; None if there are none, or they may not be looked at."""
    return memory_bytes(tree(*roots)) or None


def machine_time(cpus: Collection[int]) -> MachineTime:
    """CPU time since boot of the whole machine and of these CPUs; `man 5 proc_stat`."""
    # user nice system idle iowait irq softirq steal; the fields after these are part of user and nice.
    ticks: dict[bytes, list[int]] = {}
    for line in _read("/proc/stat").splitlines():
        name, *words = line.split(maxsplit=9)
        if not name.startswith(b"cpu"):
            break
        ticks[name[3:]] = [int(word) for word in words[:8]]
    every = ticks.pop(b"")
    # With CONFIG_IRQ_TIME_ACCOUNTING, hard interrupts have time, and no process is charged for interrupts.
    # Without it, hard interrupts have none, and softirqs are charged to the process that they interrupt as well.
    interrupts_count = every[5] == 0
    own = [each for number, each in ticks.items() if int(number) in cpus]
    used = sum(sum(each[:3]) + (each[5] + each[6] if interrupts_count else 0) for each in own)
    seconds = (count / _TICKS_PER_S for count in (sum(every), every[7], sum(map(sum, own)), used))
    return MachineTime(*seconds)


def tree(*roots: int) -> list[int]:
    """The pids of the `roots` and of all their descendants, from the kernel's list of children of each thread."""
    found = list(dict.fromkeys(roots))
    for parent in found:
        found += [child for child in _children(parent) if child not in found]
    return found


def find_usages(pids: Iterable[int], known: Mapping[int, Usage]) -> dict[int, Usage]:
    """The CPU time of those that are there, and their programs; `pids` has parents before their children."""
    found: dict[int, Usage] = {}
    for pid in pids:
        usage = _usage(pid, found, known)
        if usage is not None:
            found[pid] = usage
    return found


def refresh(usages: Mapping[int, Usage]) -> dict[int, Usage]:
    """The processes that are still there with their own CPU time read again; that of their children is kept."""
    return {
        pid: Usage(own_s, usage.waited_s, usage.program)
        for pid, usage in usages.items()
        if (own_s := _own_s(pid)) is not None
    }


def context_switches(pids: Iterable[int]) -> dict[Thread, int]:
    """Voluntary and involuntary context switches of every thread."""
    found = {}
    for pid in pids:
        for thread in _threads(pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = _read(f"/proc/{pid}/task/{thread}/status")
                voluntary, _, involuntary = status.partition(b"\nvoluntary_ctxt_switches:")[2].split()[:3]
                found[pid, thread] = int(voluntary) + int(involuntary)
    return found


def memory_bytes(pids: Iterable[int]) -> int:
    """Memory of a process tree that does not depend on what else runs on the machine.

    The proportional set size (PSS) divides the pages of shared libraries among all processes that map them, so it falls
    when other servers run. Here anonymous and shared memory is divided within the tree only (nobody else maps it), and
    the pages of files count as in the process of the tree that maps most of them.
    """
    own_kib, files_kib = 0, 0
    for pid in pids:
        with contextlib.suppress(OSError):  # gone, or a zombie, which has no memory
            sizes = _rollup_kib(pid)
            own_kib += sizes[b"Pss_Anon"] + sizes[b"Pss_Shmem"]
            shared_kib = _shared_kib(pid) if sizes[b"Pss_Shmem"] else 0
            files_kib = max(files_kib, sizes[b"Rss"] - sizes[b"Anonymous"] - shared_kib)
    return (own_kib + files_kib) * 1024


def _rollup_kib(pid: int) -> dict[bytes, int]:
    """The sizes in `/proc/PID/smaps_rollup` (Linux 5.4 and later) by their names."""
    lines = (line.split() for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()[1:])
    return {words[0].rstrip(b":"): int(words[1]) for words in lines}


def _shared_kib(pid: int) -> int:
    """Resident shared memory, not divided among the processes that share it; smaps_rollup does not have it."""
    return int(_read(f"/proc/{pid}/status").partition(b"\nRssShmem:")[2].split(maxsplit=1)[0])


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for thread in _threads(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            children += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return children


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


def _usage(pid: int, found: Mapping[int, Usage], known: Mapping[int, Usage]) -> Usage | None:
    """None for a process that is gone; a zombie still has its figures."""
    own_s = _own_s(pid)
    if own_s is None:
        return None
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if pid in known:
            program = known[pid].program
        else:
            words = _read(f"/proc/{pid}/cmdline").decode(errors="replace").split("\0")
            parent = found.get(int(fields[1]))
            program = name_program(words, parent.program if parent else "")
    except OSError:
        return None
    return Usage(own_s, (int(fields[13]) + int(fields[14])) / _TICKS_PER_S, program)


def _running(pids: Iterable[int]) -> frozenset[int]:
    """Those that are neither gone nor zombies."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            if _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0] not in {b"Z", b"X"}:
                found.add(pid)
    return frozenset(found)


def _own_s(pid: int) -> float | None:
    """CPU seconds of all threads, ended ones included, in nanoseconds; /proc/PID/stat has hundredths of a second."""
    clock = ctypes.c_int()
    if _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        return None
    try:
        return time.clock_gettime(clock.value)
    except OSError:
        return None


def _read(path: str) -> bytes:
    """The content of a file of /proc; pathlib and buffers would cost more than the read."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)
