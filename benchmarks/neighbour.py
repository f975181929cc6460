"""A busy neighbour: on every CPU a process that works for a while and sleeps for a while, until this one ends.

python benchmarks/neighbour.py --work-ms 50 --sleep-ms 50 --seconds 60
"""

from __future__ import annotations

import argparse
import os
import time


def main() -> None:
    """Start a process on each CPU, say so with a line, and wait; the processes end when this one has ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work-ms", type=float, default=50)
    parser.add_argument("--sleep-ms", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=3600, help="the longest time")
    options = parser.parse_args()
    own = os.getpid()
    for cpu in sorted(os.sched_getaffinity(0)):
        if os.fork() == 0:
            os.sched_setaffinity(0, {cpu})
            work_and_sleep(own, options.work_ms / 1e3, options.sleep_ms / 1e3)
            os._exit(0)
    print("busy", flush=True)
    time.sleep(options.seconds)


def work_and_sleep(parent: int, work_s: float, sleep_s: float) -> None:
    """Use this CPU and leave it, as long as the parent runs."""
    while os.getppid() == parent:
        until_s = time.perf_counter() + work_s
        while time.perf_counter() < until_s:
            pass
        time.sleep(sleep_s)


if __name__ == "__main__":
    main()
