"""What the sampler costs: CPU time of its thread ÷ time, while it samples a tree of processes with threads.

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

from harness.host.cpus import available
from harness.host.sampler import INTERVAL_S, Sampler

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
    """Start the tree, sample it, and print the cost."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--threads", type=int, default=8, help="of each process")
    options.add_argument("--megabytes", type=int, default=40, help="of each process; the kernel walks it for PSS")
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
        with Sampler(subject.pid, available()) as sampler:
            began_s = time.monotonic()
            clock = next(each for each in threading.enumerate() if each.name == "sampler").ident
            assert clock  # noqa: S101 - it was started
            clock_id = time.pthread_getcpuclockid(clock)
            before_s = time.clock_gettime(clock_id)
            time.sleep(given.seconds)
            share = (time.clock_gettime(clock_id) - before_s) / (time.monotonic() - began_s)
        last = sampler.samples[-1]
        print(
            f"{last.processes} processes × {given.threads} threads, {(last.pss_bytes or 0) >> 20} MiB, "
            f"{1 / INTERVAL_S:g} samples/s: {share:.2%} of one CPU, {share * INTERVAL_S * 1e6:,.0f} µs a sample"
        )
    finally:
        os.killpg(subject.pid, signal.SIGKILL)
        subject.wait()


if __name__ == "__main__":
    main()
