"""Watches the memory of a process and its children, and says when one uses more than it may.

From outside, because a process whose event loop is busy cannot watch itself. A limit of the kernel would be no better:
RLIMIT_AS counts address space, of which stacks and shared libraries take more than they use, and ends in a MemoryError
anywhere; a control group must belong to this user.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

MEBIBYTE = 1 << 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_EVERY_S = 0.1
"""The interval between two looks: a process that receives as fast as it can grows by 50 MB meanwhile."""
_CHILDREN_EVERY_S = 1.0
"""The interval between searches for children, which read all of /proc."""


class Watch:
    """The processes to look at: one and so many children of it, as soon as they are found."""

    def __init__(self, pid: int, children: int) -> None:
        self._pids = {pid}
        self._leader = pid
        self._expected = 1 + children
        self._look_at_s = 0.0
        self._search_at_s = 0.0

    def find_excess(self, limit_bytes: int) -> tuple[int, int] | None:
        """A process that uses more than the limit, and how much; only looks if the last time was long enough ago."""
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return None
        self._look_at_s = now_s + _EVERY_S
        if len(self._pids) < self._expected and now_s > self._search_at_s:
            self._search_at_s = now_s + _CHILDREN_EVERY_S
            self._pids |= _children(self._leader)
        used = [(pid, own_memory_bytes(pid)) for pid in sorted(self._pids)]
        self._pids -= {pid for pid, size in used if not size}  # they have ended, and others may follow
        return next(((pid, size) for pid, size in used if size > limit_bytes), None)


def own_memory_bytes(pid: int) -> int:
    """The resident memory of a process without files and shared memory (proc(5), statm); 0 if it has ended."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES


def _children(pid: int) -> set[int]:
    try:
        return {child.pid for child in psutil.Process(pid).children()}
    except psutil.NoSuchProcess:
        return set()
