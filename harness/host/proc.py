"""CPU time, memory and context switches of processes, and CPU time of the machine, as Linux's /proc has them.

It is read directly because psutil takes 3.5 to 10 times the CPU time for the same facts: for 8 processes of 8 threads
each, 1.5 ms instead of 0.4 ms to find them, 0.14 ms instead of 0.015 ms to read their CPU time, and 3.3 ms instead of
0.9 ms to read their context switches (`benchmarks/sampler_cost.py`). psutil also gives a process's CPU time
in hundredths of a second only, where the kernel's clock has nanoseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host import cgroups
from harness.host.programs import name_program
from harness.model.errors import HarnessError
from harness.model.records import MachineTime

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_LIBC = ctypes.CDLL(None)

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


def tree_memory_bytes(*roots: int) -> int | None:
    """Memory of the process trees of the `roots`, now; None if there are none, or they may not be looked at."""
    return memory_bytes(tree(*roots)) or None


def machine_time(cpus: Collection[int], cpu_statistics: Iterable[Path] = ()) -> MachineTime:
    """CPU time since boot of the whole machine and of these CPUs; `man 5 proc_stat`.

    `cpu_statistics` are files of `cgroups.list_cpu_statistics`.
    """
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
    counts = (sum(every), every[7], sum(map(sum, own)), used)
    total_s, stolen_s, server_s, used_s = (count / _TICKS_PER_S for count in counts)
    return MachineTime(total_s, stolen_s, server_s, used_s, cgroups.read_paused_s(cpu_statistics))


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


def mean_mhz(paths: Collection[str]) -> float | None:
    """The mean of the frequencies in these files, which have them in kHz; None without files."""
    return sum(int(_read(path)) for path in paths) / len(paths) / 1000 if paths else None


def require_children() -> None:
    """Raise `HarnessError` if the kernel has no list of the children of each thread."""
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


def running(pids: Iterable[int]) -> frozenset[int]:
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
