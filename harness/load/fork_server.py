"""Forks the load processes of a run from one that has imported Locust already.

Importing Locust takes 0.4 s, as long as starting three servers: without it, more rounds fit the same time.

Each line of standard input is a JSON object with `argv`, `cpus`, `log` (a file, at whose end it writes) and
`environment` (further variables). The answer is two lines: the id of the process, which leads a group of its own, and,
when it has ended, its exit status, which is negative for a signal. End of file ends the fork server.
`harness/run/load_process.py` is the other side.
"""

from __future__ import annotations

import json
import os
import random
import sys
from typing import IO, Any

import gevent.os
from gevent.monkey import get_original
from locust import main as locust_main

from harness.load import plugin as _plugin  # noqa: F401 - imported once for all, like Locust


def _fork_load_processes(orders: IO[bytes], answers: int) -> None:
    """Fork a process for each order, one after the other; returns in each of them."""
    wait = get_original("os", "waitpid")  # gevent's would run a hub, which a process that forks must not have
    for line in orders:
        pid = gevent.os.fork_gevent()
        if pid == 0:
            _become(json.loads(line), answers)
            return
        _, status = wait(pid, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    sys.exit()


def _become(order: dict[str, Any], answers: int) -> None:
    """Become the process that the order asks for, as if it had been started by that command."""
    os.setsid()
    os.sched_setaffinity(0, order["cpus"])
    os.write(answers, b"%d\n" % os.getpid())
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_APPEND)  # at its end, wherever that is
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, replacement in enumerate((nothing, log, log)):
        os.dup2(replacement, number)
    os.environ.update(order["environment"])
    sys.argv = list(order["argv"])
    random.seed()  # else every measurement would take the same random choices


if __name__ == "__main__":
    orders, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.dup(1)
    os.dup2(2, 1)  # what Locust prints is no answer
    _fork_load_processes(orders, answers)
    os.close(answers)
    locust_main.main()  # type: ignore[no-untyped-call] # Locust gives it no types
