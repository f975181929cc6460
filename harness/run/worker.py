"""Runs load workers for a run of another host, each in a process of its own, until the run is over."""

from __future__ import annotations

import json
import os
import platform
import secrets
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.host import cgroups, facts, guard, inherited, limits, memory
from harness.plan.settings import MOST_USERS
from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STATUSES = {100: 0, 101: 2, 102: 3}
"""Exit statuses of the command by those of `harness/load/worker.py`."""

WATCH_S = 0.1
"""The interval at which the load workers are looked at."""


def serve(
    host: str,
    port: int,
    processes: int,
    wait_s: float,
    name: str | None,
    say: Callable[[str], None],
    *,
    memory_bytes: int,
) -> int:
    """Run so many load workers for the master at this address; return the exit status of the command.

    A process that uses more memory is ended, and its measurement with it.

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
        told = {"host": host, "port": port, "wait_s": wait_s, "folder": str(folder)}
        started: dict[str, subprocess.Popen[bytes]] = {}
        for _ in range(processes):
            own = f"{about['host']}-{secrets.token_hex(3)}"
            each = _start({**told, "worker": {**about, "name": own}}, token, folder)
            started[own] = stack.enter_context(each)
            stack.callback(each.kill)
        say(f"{plural(processes, 'load worker')} of {about['host']}: waiting for work from {host}:{port}")
        _limit_memory(started, folder, memory_bytes)
        status = max(_STATUSES.get(each.wait(), 3) for each in started.values())
    if status == 0:
        say("The run is over.")
    return status


def _limit_memory(started: Mapping[str, subprocess.Popen[bytes]], folder: Path, limit_bytes: int) -> None:
    """End what uses more memory until all workers have ended; each tells its master what its log says last."""
    watches = {name: memory.Watch(each.pid, children=1) for name, each in started.items()}
    while any(each.poll() is None for each in started.values()):
        for name, watch in watches.items():
            if (excess := watch.find_excess(limit_bytes)) is not None:
                pid, used_bytes = excess
                expected = f"expected at most {limit_bytes / memory.MEBIBYTE:.0f} MiB of memory (--memory)"
                with suppress(OSError), (folder / f"{name}.log").open("a") as log:
                    log.write(f"\n{expected}, found {used_bytes / memory.MEBIBYTE:.0f} MiB\n")
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(WATCH_S)


def _start(told: dict[str, Any], token: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (sys.executable, "-m", "harness.load.worker", json.dumps(told)),
        stdin=subprocess.DEVNULL,
        env={**inherited.clean(os.environ), **cgroups.tell_load(), guard.VARIABLE: token},
        cwd=folder,
        start_new_session=True,
    )
