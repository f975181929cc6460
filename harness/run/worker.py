"""Runs load workers for a run of another host, each in a process of its own, until the run is over."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.host import cgroups, facts, guard, inherited, limits
from harness.plan.settings import MOST_USERS
from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Callable

_STATUSES = {100: 0, 101: 2, 102: 3}
"""Exit statuses of the command by those of `harness/load/worker.py`."""


def serve(host: str, port: int, processes: int, wait_s: float, name: str | None, say: Callable[[str], None]) -> int:
    """Run so many load workers for the master at this address; return the exit status of the command.

    0: the run is over; 2: a worker was refused; 3: there was no master for `wait_s`, or a worker ended by itself.
    """
    about = {
        "host": name or platform.node(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cpus": cgroups.count_cpus(),
        "cpu_model": facts.read_processor().model or "unknown",
        "kernel": platform.release(),
    }
    quota = cgroups.read(Path("/")).quota_cpus
    if quota is not None and quota < processes:
        wanted = f"expected a core for each of {plural(processes, 'load worker')}"
        say(f"! {wanted}, found a CPU quota of {quota:g}: where it pauses them, results are client-limited")
    limits.raise_open_files(MOST_USERS + limits.OTHER_FILES)
    with guard.guard() as token, guard.temporary_folder() as folder, ExitStack() as stack:
        told = {"host": host, "port": port, "worker": about, "wait_s": wait_s, "folder": str(folder)}
        started = [stack.enter_context(_start(told, token, folder)) for _ in range(processes)]
        for each in started:
            stack.callback(each.kill)
        say(f"{plural(processes, 'load worker')} of {about['host']}: waiting for work from {host}:{port}")
        status = max(_STATUSES.get(each.wait(), 3) for each in started)
    if status == 0:
        say("The run is over.")
    return status


def _start(told: dict[str, Any], token: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (sys.executable, "-m", "harness.load.worker", json.dumps(told)),
        stdin=subprocess.DEVNULL,
        env={**inherited.clean(os.environ), **cgroups.tell_load(), guard.VARIABLE: token},
        cwd=folder,
        start_new_session=True,
    )
