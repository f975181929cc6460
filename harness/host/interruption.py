"""Ends a command on a signal, as on Ctrl-C, also where Python drops the exception that says so.

Python calls the handler between two instructions of whatever runs then. In a callback, as of the garbage collector, an
exception is printed and forgotten ("Exception ignored in …"), so long work looks here too whether it should end.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_asked = False


def install() -> None:
    """Let SIGTERM, and SIGINT unless it is ignored, interrupt this process."""
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell without job control has it ignored
        signal.signal(signal.SIGINT, interrupt)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """The handler: servers are stopped, and records kept. Raises `KeyboardInterrupt`."""
    global _asked  # noqa: PLW0603 - a signal is for the process
    _asked = True
    raise KeyboardInterrupt


def check() -> None:
    """Raise `KeyboardInterrupt` if the process has been asked to end."""
    if _asked:
        raise KeyboardInterrupt
