"""A timer that is late by tens of microseconds, where `gevent.sleep` is late by half a millisecond (timerfd, Linux)."""

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
    """Calls `fired` in gevent's hub when the time has come that was set last; setting it anew is all it costs."""

    def __init__(self, fired: Callable[[], None]) -> None:
        self._descriptor = _LIBC.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Itimerspec()
        self._pointer = ctypes.byref(self._setting)
        self._watcher = gevent.get_hub().loop.io(self._descriptor, 1)
        self._watcher.start(fired)

    def set(self, at_ns: int) -> None:
        """Fire at this time of `perf_counter_ns`, at once if it has passed; what was set before is forgotten."""
        self._setting.value.s, self._setting.value.ns = divmod(at_ns, _NS_PER_S)
        # A new setting also takes back an expiry that was not read, so nothing has to be read.
        _LIBC.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None)

    def clear(self) -> None:
        """Do not fire."""
        self.set(0)
