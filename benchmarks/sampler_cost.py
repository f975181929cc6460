"""What sampling costs: CPU time of the sampler's thread ÷ time, and each of its facts beside psutil's way to it.

python benchmarks/sampler_cost.py --processes 8 --threads 8 --megabytes 40
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil

from harness.host.cpus import available
from harness.host.proc import Usage, context_switches, machine_time, memory_bytes, refresh, tree
from harness.host.sampler import INTERVAL_S, Sampler

if TYPE_CHECKING:
    from collections.abc import Callable

SUBJECT = """
import os, sys, threading, time

processes, threads, megabytes = map(int, sys.argv[1:])
for _ in range(processes - 1):
    if os.fork() == 0:
        break
ballast = os.urandom(megabytes << 20)
for _ in range(threads - 1):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
os.write(1, b".")
while True:
    time.sleep(0.01)
"""


def main() -> None:
    """Start a tree of processes, sample it, and print what that took."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--threads", type=int, default=8, help="of each process")
    options.add_argument("--megabytes", type=int, default=40, help="of each process; memory has to be walked")
    options.add_argument("--seconds", type=float, default=10)
    given = options.parse_args()
    shape = [str(number) for number in (given.processes, given.threads, given.megabytes)]
    subject = subprocess.Popen(
        [sys.executable, "-c", SUBJECT, *shape], stdout=subprocess.PIPE, process_group=0, bufsize=0
    )
    try:
        assert subject.stdout  # noqa: S101 - it was asked for
        for _ in range(given.processes):
            subject.stdout.read(1)
        measure_sampler(subject.pid, given.threads, given.seconds)
        compare_with_psutil(subject.pid)
    finally:
        os.killpg(subject.pid, signal.SIGKILL)
        subject.wait()


def measure_sampler(pid: int, threads: int, seconds: float) -> None:
    """Print the share of a CPU that the sampler's thread takes."""
    with Sampler(pid, available()) as sampler:
        began_s = time.monotonic()
        clock = next(each for each in threading.enumerate() if each.name == "sampler").ident
        assert clock  # noqa: S101 - it was started
        clock_id = time.pthread_getcpuclockid(clock)
        before_s = time.clock_gettime(clock_id)
        time.sleep(seconds)
        share = (time.clock_gettime(clock_id) - before_s) / (time.monotonic() - began_s)
    last = sampler.samples[-1]
    print(
        f"{last.processes} processes × {threads} threads, {(last.memory_bytes or 0) >> 20} MiB, "
        f"{1 / INTERVAL_S:g} samples/s: {share:.2%} of one CPU, {share * INTERVAL_S * 1e6:,.0f} µs a sample"
    )


def compare_with_psutil(pid: int) -> None:
    """Print what reading each fact once costs, from /proc and by psutil, whose objects are kept between readings."""
    pids = tree(pid)
    usages = dict.fromkeys(pids, Usage(0.0, 0.0))
    processes = [psutil.Process(each) for each in pids]
    cpus = available()
    facts: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "processes of the tree": (lambda: tree(pid), lambda: processes[0].children(recursive=True)),
        "CPU time": (lambda: refresh(usages), lambda: [each.cpu_times() for each in processes]),
        "context switches": (
            lambda: context_switches(pids),
            # Of a process, psutil counts the main thread's alone.
            lambda: [psutil.Process(thread.id).num_ctx_switches() for each in processes for thread in each.threads()],
        ),
        "memory": (lambda: memory_bytes(pids), lambda: [each.memory_full_info().pss for each in processes]),
        "the machine's CPU time": (
            lambda: machine_time(cpus),
            lambda: (psutil.cpu_times(), psutil.cpu_times(percpu=True)),
        ),
    }
    for name, (ours, theirs) in facts.items():
        ours_us, theirs_us = cost_us(ours), cost_us(theirs)
        print(f"{name}: /proc {ours_us:,.0f} µs, psutil {theirs_us:,.0f} µs ({theirs_us / ours_us:.1f} times)")


def cost_us(read: Callable[[], object], times: int = 50, repetitions: int = 5) -> float:
    """CPU time of one call, the least of some repetitions."""
    least_s = float("inf")
    for _ in range(repetitions):
        began_s = time.thread_time()
        for _ in range(times):
            read()
        least_s = min(least_s, time.thread_time() - began_s)
    return least_s / times * 1e6


if __name__ == "__main__":
    main()
