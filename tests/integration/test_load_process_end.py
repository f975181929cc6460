"""How a load process ended is told right, however soon that is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import os, signal
from locust import User  # gevent's fork from here on
import psutil
from gevent.monkey import get_original
from harness.load.conductor import _describe_end

pid = os.fork()
if pid == 0:
    {end}
sleep = get_original("time", "sleep")
while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
    sleep(0.001)  # gevent's loop does not run, so it has not heard of the end
print(_describe_end(pid))
"""


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os._exit(3)", "ended with status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL, perhaps for lack of memory"),
    ],
)
def test_the_end_is_told_before_gevent_has_heard_of_it(end: str, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(end=end)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == told, done.stderr
