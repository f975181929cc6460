"""A signal ends long work, also where Python drops the exception of its handler."""

from __future__ import annotations

import signal
import subprocess
import sys

LOST = """
import os, signal
from harness.host import interruption

class Callback:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})

interruption.install()
interruption.check()
callback = Callback()
del callback
print("goes on")
interruption.check()
print("not ended")
"""


def test_a_signal_whose_exception_was_dropped_ends_the_work_at_the_next_look() -> None:
    for name in ("SIGTERM", "SIGINT"):
        done = subprocess.run(
            [sys.executable, "-c", LOST.format(name=name)],
            preexec_fn=_take_signals,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "goes on\n"
        assert done.returncode != 0
        assert "Exception ignored in" in done.stderr


def _take_signals() -> None:
    """Tests may have been started where SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
