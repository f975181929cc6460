"""What many load workers need of Locust's master: messages, bytes, CPU time, by the number of workers and of names.

The master is a real one that conducts a block. Its workers are real ones of Locust too, each a process, but they load
nothing: they send the answers that load workers send, with results as 20,000 requests of each name would leave them.

    python benchmarks/load_workers_simulation.py --workers 10,30,100 --names 1,20
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, perf_counter_ns, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
import gevent.os
import msgspec
import numpy as np
import psutil
from locust import User, task
from locust.env import Environment
from locust.rpc import Message

from harness.host.process import free_port
from harness.load import messages
from harness.load.account import Ledger, Recorded, Stretch
from harness.load.series import Batch
from harness.model.blocks import BlockOrder, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.runners import WorkerRunner

HOST = "127.0.0.1"
CANDIDATES = 3
SLICE_S = 0.1
REQUESTS = 20_000
"""Of each name, in each turn; a histogram of so many is nearly as long as any."""
PLUGIN = Path(__file__).parents[1] / "harness" / "load" / "locustfile.py"
NOTHING = """
from locust import User, task

class Nothing(User):
    drives_itself = True

    @task
    def wait(self): ...
"""
BEGUN = ".begun"
"""The ending of a file that says that the first slice has begun."""
LIMIT_S = 300.0


class Nothing(User):
    """Does nothing."""

    @task
    def wait(self) -> None:
        """Do nothing for longer than a run."""
        gevent.sleep(3600)


class Seen(NamedTuple):
    """What one worker saw of a block, and what it sent."""

    between_s: list[float]
    """From the end of each slice to the beginning of the next one."""
    sent_bytes: int
    """For one slice."""
    result_bytes: int


def make_results(names: int, slices: int) -> str:
    """The results of all turns of one worker, as it sends them."""
    chance = np.random.default_rng(1)
    ledgers = [Ledger() for _ in range(CANDIDATES)]
    for ledger in ledgers:
        for number in range(slices):
            start_ns = number * 1_000_000_000
            recorded = []
            for name in range(names):
                begun = start_ns + np.sort(chance.integers(0, 10**8, REQUESTS // slices))
                ended = begun + (chance.lognormal(0, 1, begun.size) * 1e6).astype(np.int64)
                recorded.append(Recorded("GET", f"/items/{name}", Batch(begun, begun, ended, ended), 0))
            ledger.add(Stretch(number, start_ns, start_ns, start_ns + 10**8, start_ns + 10**8), recorded, [], {})
    return msgspec.json.encode([ledger.result(verified=True) for ledger in ledgers]).decode()


class Worker:
    """Answers the master as a load worker does."""

    def __init__(self, port: int, results: str, report: Path | None) -> None:
        self._environment = Environment(user_classes=[Nothing])
        self._runner: WorkerRunner = self._environment.create_worker_runner(HOST, port)
        self._results = results
        self._report = report
        self._ended_ns = 0
        self._between_s: list[float] = []
        self._sent_bytes = 0
        self._environment.events.spawning_complete.add_listener(self._get_ready)  # type: ignore[no-untyped-call] # Locust has no types
        self._runner.register_message(messages.SLICE, self._slice)
        self._runner.register_message(messages.FINISH, self._finish)

    def run(self) -> None:
        """Work until the master says that it ends."""
        self._runner.greenlet.join()

    def _get_ready(self, **_: Any) -> None:
        gevent.spawn(self._send, messages.READY, {"right": [True] * CANDIDATES})

    def _slice(self, msg: Message, **_: Any) -> None:
        gevent.spawn(self._work, msg.data["lead_in_s"] + msg.data["length_s"], perf_counter_ns())

    def _work(self, length_s: float, begun_ns: int) -> None:
        if self._ended_ns:
            self._between_s.append((begun_ns - self._ended_ns) / 1e9)
        elif self._report is not None:
            self._report.with_suffix(BEGUN).touch()
        gevent.sleep(length_s)
        counts = {"residence_us": 1000.0, "right": 100, "failed": 0, "hanging": 0}
        self._ended_ns = perf_counter_ns()
        self._send(messages.DONE, {**counts, "begun_ns": begun_ns, "ended_ns": self._ended_ns})

    def _finish(self, **_: Any) -> None:
        if self._report is not None:
            seen = Seen(self._between_s, self._sent_bytes, len(self._results))
            self._report.write_bytes(msgspec.json.encode(seen))
        gevent.spawn(self._send, messages.RESULT, {"results": self._results})

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        if kind == messages.DONE and not self._sent_bytes:
            message = Message(kind, data, self._runner.client_id)  # type: ignore[no-untyped-call] # as above
            self._sent_bytes = len(message.serialize())  # type: ignore[no-untyped-call] # as above
        self._runner.send_message(kind, data)


@contextmanager
def workers(count: int, port: int, results: str, report: Path) -> Iterator[None]:
    """So many worker processes, which are ended at the latest with the block."""
    pids = []
    for number in range(count):
        pid = gevent.os.fork_gevent()
        if pid == 0:
            try:
                Worker(port, results, report if number == 0 else None).run()
            except Exception:  # noqa: BLE001 - a child must not go on in its parent's code
                traceback.print_exc()
            finally:
                os._exit(1)
        pids.append(pid)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError, ChildProcessError):  # the master has sent it home already
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def measure(count: int, names: int, slices: int) -> None:
    """One block with so many workers; prints a line."""
    turns = tuple(Turn(candidate, 1, None, "uniform") for candidate in range(CANDIDATES))
    hosts = tuple(f"http://{HOST}:{port}" for port in range(1, CANDIDATES + 1))
    block = BlockOrder(hosts, turns, 0.1, slices * SLICE_S, SLICE_S, 30.0, seed=1)
    results = make_results(names, slices)
    port = free_port(HOST)
    with tempfile.TemporaryDirectory() as folder:
        scenario, result, report = (Path(folder) / name for name in ("nothing.py", "result.json", "seen.json"))
        scenario.write_text(NOTHING)
        argv = [
            *(sys.executable, "-m", "locust", "-f", f"{PLUGIN},{scenario}", "--headless", "--only-summary"),
            *("--loglevel", "WARNING", "--host", hosts[0], "--users", str(count), "--spawn-rate", str(count)),
            *("--master", "--expect-workers", str(count), "--master-bind-host", HOST, "--master-bind-port", str(port)),
            *("--harness-protocol", "h1", "--harness-block", msgspec.json.encode(block).decode()),
            *("--harness-result", str(result)),
        ]
        with workers(count, port, results, report), subprocess.Popen(argv) as master:
            process = psutil.Process(master.pid)
            cpu_s, finished_s = _await(result, report, process)
            master.kill()
        if b'"slices"' not in result.read_bytes()[:200]:
            raise SystemExit(f"expected results, found {result.read_text()[:200]}")
        seen = msgspec.json.decode(report.read_bytes(), type=Seen)
    between_ms = sorted(1e3 * each for each in seen.between_s)
    every = len(between_ms) + 1
    print(
        f"{count:7,} {names:6,} {every:7,} {2 * count:15,} {count * seen.sent_bytes / 1e3:9,.1f} "
        f"{statistics.median(between_ms):12.1f} {between_ms[-1]:7.1f} {1e3 * cpu_s / every:13.1f} "
        f"{count * seen.result_bytes / 1e6:11,.1f} {finished_s:9.1f}",
        flush=True,
    )


def _await(result: Path, report: Path, master: psutil.Process) -> tuple[float, float]:
    """CPU seconds of the master from the first slice to the last, and how long it then took to merge all results."""
    _wait_for(report.with_suffix(BEGUN))
    before = master.cpu_times()
    _wait_for(report)
    after, began_s = master.cpu_times(), monotonic()
    _wait_for(result)
    return after.user + after.system - before.user - before.system, monotonic() - began_s


def _wait_for(path: Path) -> None:
    until_s = monotonic() + LIMIT_S
    while not path.exists():
        if monotonic() > until_s:
            raise SystemExit(f"expected {path.name} within {LIMIT_S:.0f} s, found none")
        sleep(0.005)


def main() -> None:
    """Print a line for each number of workers and of names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="10,30,100", metavar="A,B", help="numbers of worker processes")
    parser.add_argument("--names", default="1,20", metavar="A,B", help="numbers of names that requests have")
    parser.add_argument("--slices", type=int, default=20, help="slices of each of the three candidates")
    asked = parser.parse_args()
    print("workers  names  slices  messages/slice  kB/slice   between ms   worst  CPU ms/slice  results MB  merged s")
    for names in map(int, asked.names.split(",")):
        for count in map(int, asked.workers.split(",")):
            measure(count, names, asked.slices)


if __name__ == "__main__":
    main()
