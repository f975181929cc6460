"""The Locust plugin: measures one window in every process with users, and reports requests to Locust's statistics.

It adds options to Locust (`locust -f scenarios/plaintext.py --help` shows them). Without `--result` it measures no
window, and a scenario is an ordinary Locust file with Locust's statistics.
"""

from __future__ import annotations

import gc
import logging
import resource
import time
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, get_args

import gevent
import gevent.event
import msgspec
import numpy as np
from locust import events, stats
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import StatsEntry

from harness.load.account import Account, Folded, merge
from harness.load.exchange import Failure
from harness.load.series import Tally
from harness.model.histogram import bucket, bucket_range
from harness.model.loads import Arrivals
from harness.model.protocols import PROTOCOLS
from harness.model.results import LoadResult

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import Runner

FOLD_S = 1.0
"""The interval at which requests are added to Locust's statistics."""
FOLD_MEASURING_S = 10.0
"""The same interval in a trial; longer, because a fold takes milliseconds in which no request can be sent."""
LATE_S = 1.0
"""The interval at which requests are checked for a timeout."""

RESULTS_WAIT_S = 5.0
"""How long to wait for the results of the processes after the window."""
READY, GO, RESULT = "harness_ready", "harness_go", "harness_result"
"""Messages between the processes of one trial; a single process sends them to itself."""

logger = logging.getLogger(__name__)
account = Account()
"""The account of this process."""
passed = gevent.event.Event()
"""Set when the verification pass of this process is over."""
gate: gevent.event.AsyncResult[float] = gevent.event.AsyncResult()
"""Users wait here until the load begins; the value is the share of the rate that this process sends."""


class Recorder:
    """Runs beside the users of one process: folds their account, ends late requests and measures the window."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self._options: Any = environment.parsed_options
        self._custom_users = not all(hasattr(cls, "drives_itself") for cls in environment.user_classes)
        if self._custom_users:
            environment.events.request.add_listener(self._count_custom)
        gevent.spawn(self._fold_regularly)
        gevent.spawn(self._end_late_requests)

    def start(self, **_: Any) -> None:
        """Open the gate if no window is measured; Locust's web page may start and stop repeatedly."""
        if self._options.result is None:
            gate.set(1.0)

    def stop(self, **_: Any) -> None:
        """Add the remaining requests to Locust's statistics."""
        self._fold()

    def all_users_spawned(self, **_: Any) -> None:
        """Prepare the window, in a new greenlet because Locust waits for its listeners."""
        if self._options.result is not None:
            gevent.spawn(self._get_ready)

    def go(self, msg: Message, **_: Any) -> None:
        """All processes are ready; `right` says whether the verification pass was right in all of them."""
        gevent.spawn(self._measure, right=msg.data["right"], share=msg.data["share"])

    def _get_ready(self) -> None:
        users = 0 if self._custom_users else self._runner.user_count
        if users:
            passed.wait()
        while account.failed == 0 and len(account.clients) < users:
            gevent.sleep(0.01)
        # Existing objects stay; without the freeze, collections would examine them and stop all users for long.
        gc.collect()
        gc.freeze()
        self._runner.send_message(READY, {"right": self._custom_users or account.failed == 0})

    def _measure(self, *, right: bool, share: float) -> None:
        """Warm up, measure one window and send the result."""
        if right:
            gate.set(share)
            gevent.sleep(self._options.warmup)
        window_s = self._options.window if right else 0.0
        start_ns, cpu_start_s = perf_counter_ns(), time.process_time()
        account.window = (start_ns, start_ns + int(window_s * 1e9))
        gevent.sleep(window_s)
        cpu_s, elapsed_s = time.process_time() - cpu_start_s, (perf_counter_ns() - start_ns) / 1e9
        self._fold()
        result = account.result(cpu_s / elapsed_s if right else 0.0, checked=right)
        memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        result = replace(result, memory_bytes=memory_bytes, verified=not self._custom_users)
        self._runner.send_message(RESULT, {"result": msgspec.json.encode(result).decode()})

    def _count_custom(
        self, request_type: str, name: str, response_time: float, exception: Exception | None, **_: Any
    ) -> None:
        """Count a request of custom Locust users; its response time is all that they report."""
        now_ns = perf_counter_ns()
        account.started += 1
        if exception is not None:
            account.fail(request_type, name, Failure(type(exception).__name__, str(exception)), 0)
            return
        began_ns = now_ns - int(response_time * 1e6)
        series = account.series(request_type, name)
        series.intended(began_ns)
        series.written(began_ns)
        series.ended(now_ns)

    def _fold(self) -> None:
        for folded in account.fold():
            if not self._custom_users:
                _report_to_locust(self._environment, folded)
        for failed in account.take_failures():
            if not self._custom_users:
                self._environment.events.request.fire(
                    request_type=failed.method,
                    name=failed.name,
                    response_time=failed.response_ns / 1e6,
                    response_length=0,
                    exception=failed.failure,
                    context={},
                )

    def _fold_regularly(self) -> None:
        while True:
            gevent.sleep(FOLD_S if self._options.result is None else FOLD_MEASURING_S)
            self._fold()

    def _end_late_requests(self) -> None:
        timeout_s = self._options.request_timeout
        while True:
            gevent.sleep(LATE_S)
            oldest_ns = perf_counter_ns() - int(timeout_s * 1e9)
            for client in account.clients:
                if 0 < client.pending_since_ns < oldest_ns:
                    client.give_up(Failure("timeout", f"no complete answer within {timeout_s:g} s"))


class Conductor:
    """Starts the window of all processes of a trial together and merges their results; runs in Locust's master."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self._options: Any = environment.parsed_options
        self._right: list[bool] = []
        self._results: list[LoadResult] = []

    @property
    def _processes(self) -> int:
        if not isinstance(self._runner, MasterRunner):
            return 1
        # A process that died is still counted: without its share of the load the trial is not valid.
        return max(self._runner.worker_count, int(self._options.expect_workers))

    def ready(self, msg: Message, **_: Any) -> None:
        """A process is ready; the last one starts the window."""
        self._right.append(msg.data["right"])
        if len(self._right) == self._processes:
            self._runner.send_message(GO, {"right": all(self._right), "share": 1 / self._processes})
            gevent.spawn_later(self._options.warmup + self._options.window + RESULTS_WAIT_S, self._give_up)

    def _give_up(self) -> None:
        """Exit without a result if a process has died, because its answers are missing."""
        if len(self._results) < len(self._right):
            logger.error("expected results of %d load processes, found %d", len(self._right), len(self._results))
            self._environment.process_exit_code = 1
            self._runner.quit()

    def result(self, msg: Message, **_: Any) -> None:
        """A process has finished; the last one ends the trial."""
        self._results.append(msgspec.json.decode(msg.data["result"], type=LoadResult))
        if len(self._results) == len(self._right):
            Path(self._options.result).write_bytes(msgspec.json.encode(merge(self._results)))
            self._environment.process_exit_code = 0
            # In a new greenlet, because quitting kills the one that reads messages.
            gevent.spawn(self._runner.quit)


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser) -> None:
    # Locust's master sends the options to its workers, so their types must be serialisable; Path is not.
    group = parser.add_argument_group("harness", "Options of the harness")
    group.add_argument("--protocol", choices=PROTOCOLS, help="Protocol to use; by default HTTP/1.1 or WebSocket")
    group.add_argument(
        "--streams", type=int, default=1, help="HTTP/2 and HTTP/3: number of users that share a connection"
    )
    group.add_argument("--authority", help="PEM file of the certificate authority to trust")
    group.add_argument(
        "--request-timeout", type=float, default=30.0, help="Seconds after which a request without an answer fails"
    )
    group.add_argument(
        "--rate", type=float, help="Open loop with this many requests per second; without it, a closed loop"
    )
    group.add_argument(
        "--arrivals", choices=get_args(Arrivals), default="uniform", help="Open loop: how requests are spaced in time"
    )
    group.add_argument("--arrivals-seed", type=int, default=0, help="Seed for --arrivals poisson")
    group.add_argument("--result", help="Measure one window and write its result to this JSON file")
    group.add_argument("--warmup", type=float, default=0.5, help="Seconds of load before the window")
    group.add_argument("--window", type=float, default=2.0, help="Length of the window in seconds")


def _bucket_response_time(response_time_ms: float) -> float:
    """Three significant digits, in steps of at least a microsecond; Locust's default rounds to milliseconds."""
    return bucket_range(bucket(int(response_time_ms * 1000)))[0] / 1000


# Locust documents this ("Customizing response time bucketing")
stats.bucket_response_time = _bucket_response_time  # type: ignore[assignment] # Locust accepts keys that are not integers


@events.init.add_listener
def _init(environment: Environment, runner: Runner, **_: Any) -> None:
    if not isinstance(runner, MasterRunner):
        recorder = Recorder(environment, runner)
        environment.events.test_start.add_listener(recorder.start)
        environment.events.test_stop.add_listener(recorder.stop)
        environment.events.spawning_complete.add_listener(recorder.all_users_spawned)
        runner.register_message(GO, recorder.go)
    if not isinstance(runner, WorkerRunner):
        conductor = Conductor(environment, runner)
        runner.register_message(READY, conductor.ready)
        runner.register_message(RESULT, conductor.result)


def _report_to_locust(environment: Environment, folded: Folded) -> None:
    """Add a batch to Locust's statistics in one step, as its master adds the reports of workers."""
    batch, name, method = folded.batch, folded.name, folded.method
    response_ns = batch.ended - batch.intended
    tally = Tally()
    tally.add(response_ns)
    now_s = time.time()
    entry: Any = StatsEntry(environment.stats, name, method)  # Any: Locust annotates float times as int
    entry.num_requests = int(response_ns.size)
    entry.total_response_time = float(response_ns.sum()) / 1e6
    entry.min_response_time = float(response_ns.min()) / 1e6
    entry.max_response_time = float(response_ns.max()) / 1e6
    entry.last_request_timestamp = now_s
    entry.total_content_length = folded.body_bytes
    for index, count in tally.histogram().counts.items():
        entry.response_times[bucket_range(index)[0] / 1000] += count
    ended_s = ((batch.ended - perf_counter_ns()) / 1e9 + now_s).astype(np.int64)
    seconds, counts = np.unique(ended_s, return_counts=True)
    entry.num_reqs_per_sec.update(zip(seconds.tolist(), counts.tolist(), strict=True))
    environment.stats.get(name, method).extend(entry)
    environment.stats.total.extend(entry)
