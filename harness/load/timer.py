"""A timer (timerfd, Linux) that fires tens of microseconds late; `gevent.sleep` is half a millisecond late."""

from __future__ import annotations

import ctypes
import os
import time
from typing import TYPE_CHECKING

import gevent

if TYPE_CHECKING:
    from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_NS_PER_S = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """Calls `fired` in gevent's hub at the time that was set last; setting it again costs one system call."""

    def __init__(self, fired: Callable[[], None]) -> None:
        self._descriptor = _LIBC.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Itimerspec()
        self._pointer = ctypes.byref(self._setting)
        self._watcher = gevent.get_hub().loop.io(self._descriptor, 1)
        self._watcher.start(fired)

    def set(self, at_ns: int) -> None:
        """Fire at this time of `perf_counter_ns`, immediately if it has passed; replaces the former setting."""
        self._setting.value.s, self._setting.value.ns = divmod(at_ns, _NS_PER_S)
        # Setting the timer also clears an expiration that was not read, so the descriptor need not be read.
        _LIBC.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None)

    def clear(self) -> None:
        """Do not fire."""
        self.set(0)
