"""The Locust plugin: opens and closes the window in every process that has users, and folds their account.

It adds options to Locust (`locust -f scenarios/plaintext.py --help` shows them) and measures nothing unless
`--result` is among them; without it a scenario is an ordinary Locust file under Locust's own statistics.
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
"""How often Locust's statistics hear of the requests."""
FOLD_MEASURING_S = 10.0
"""Rarer in a trial: folding takes milliseconds, which requests that are due meanwhile would wait."""
LATE_S = 1.0
"""How often requests that got no answer in time are looked for."""

RESULTS_WAIT_S = 5.0
"""How long after the window the result of a process may take to come."""
READY, GO, RESULT = "harness_ready", "harness_go", "harness_result"
"""Messages between the processes of one trial; with one process, Locust's runner hands them to itself."""

logger = logging.getLogger(__name__)
account = Account()
"""The one of this process."""
passed = gevent.event.Event()
"""Set when the unmeasured pass of this process is over."""
gate: gevent.event.AsyncResult[float] = gevent.event.AsyncResult()
"""Users wait here for the load to begin; its value is the share of the whole rate that falls to this process."""


class Recorder:
    """The greenlets that keep the account of one process while its users count in it."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self._options: Any = environment.parsed_options
        self._foreign = not all(hasattr(cls, "drives_itself") for cls in environment.user_classes)
        if self._foreign:
            environment.events.request.add_listener(self._count_foreign)
        gevent.spawn(self._fold_regularly)
        gevent.spawn(self._give_up_the_late)

    def start(self, **_: Any) -> None:
        """Open the gate where nothing is measured; Locust's web page may start and stop many times."""
        if self._options.result is None:
            gate.set(1.0)

    def stop(self, **_: Any) -> None:
        """Locust's statistics shall have all of it."""
        self._fold()

    def all_users_spawned(self, **_: Any) -> None:
        """Locust waits for its listeners, so what takes time is done in a greenlet."""
        if self._options.result is not None:
            gevent.spawn(self._get_ready)

    def go(self, msg: Message, **_: Any) -> None:
        """All processes are ready; `right` says whether the pass was, in all of them."""
        gevent.spawn(self._measure, right=msg.data["right"], share=msg.data["share"])

    def _get_ready(self) -> None:
        users = 0 if self._foreign else self._runner.user_count
        if users:
            passed.wait()
        while account.failed == 0 and len(account.clients) < users:
            gevent.sleep(0.01)
        # What was made until now is here to stay; a collection that looks through it would stop all users for long.
        gc.collect()
        gc.freeze()
        self._runner.send_message(READY, {"right": self._foreign or account.failed == 0})

    def _measure(self, *, right: bool, share: float) -> None:
        """Warm up, measure one window and hand in the result."""
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
        result = replace(result, memory_bytes=memory_bytes, verified=not self._foreign)
        self._runner.send_message(RESULT, {"result": msgspec.json.encode(result).decode()})

    def _count_foreign(
        self, request_type: str, name: str, response_time: float, exception: Exception | None, **_: Any
    ) -> None:
        """Count what a user class that is not ours reports to Locust; more than that is not known of it."""
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
            if not self._foreign:
                _tell_locust(self._environment, folded)
        for failed in account.take_failures():
            if not self._foreign:
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

    def _give_up_the_late(self) -> None:
        timeout_s = self._options.request_timeout
        while True:
            gevent.sleep(LATE_S)
            oldest_ns = perf_counter_ns() - int(timeout_s * 1e9)
            for client in account.clients:
                if 0 < client.pending_since_ns < oldest_ns:
                    client.give_up(Failure("timeout", f"no whole answer within {timeout_s:g} s"))


class Conductor:
    """Lets all processes of a trial begin together, and makes one result of theirs; where Locust's master is."""

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
        # One that has died is still waited for: half of the load is not the load.
        return max(self._runner.worker_count, int(self._options.expect_workers))

    def ready(self, msg: Message, **_: Any) -> None:
        """One more process is ready."""
        self._right.append(msg.data["right"])
        if len(self._right) == self._processes:
            self._runner.send_message(GO, {"right": all(self._right), "share": 1 / self._processes})
            gevent.spawn_later(self._options.warmup + self._options.window + RESULTS_WAIT_S, self._give_up)

    def _give_up(self) -> None:
        """A process has died with its part of the answers; without them there is no result."""
        if len(self._results) < len(self._right):
            logger.error("expected results of %d load processes, found %d", len(self._right), len(self._results))
            self._environment.process_exit_code = 1
            self._runner.quit()

    def result(self, msg: Message, **_: Any) -> None:
        """One more process is done; with the last one, so is the trial."""
        self._results.append(msgspec.json.decode(msg.data["result"], type=LoadResult))
        if len(self._results) == len(self._right):
            Path(self._options.result).write_bytes(msgspec.json.encode(merge(self._results)))
            self._environment.process_exit_code = 0
            # In a greenlet of its own: quitting ends the one that messages are read in.
            gevent.spawn(self._runner.quit)


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser) -> None:
    # Locust's master sends the options to its workers, so they must be of types that its messages know; Path is none.
    group = parser.add_argument_group("harness", "How the harness drives a scenario")
    group.add_argument("--protocol", choices=PROTOCOLS, help="Protocol to speak; found from the host unless given")
    group.add_argument("--streams", type=int, default=1, help="HTTP/2 and 3: users that share one connection")
    group.add_argument("--authority", help="PEM file of the certificate authority to trust")
    group.add_argument("--request-timeout", type=float, default=30.0, help="Seconds until an answer counts as none")
    group.add_argument(
        "--rate", type=float, help="Open loop: requests per second that are due; a closed loop if not given"
    )
    group.add_argument("--arrivals", choices=get_args(Arrivals), default="uniform", help="How they are spaced in time")
    group.add_argument("--arrivals-seed", type=int, default=0, help="Fixes the random gaps of --arrivals poisson")
    group.add_argument("--result", help="Measure one window and write its result to this JSON file")
    group.add_argument("--warmup", type=float, default=0.5, help="Seconds under load before the window opens")
    group.add_argument("--window", type=float, default=2.0, help="Seconds that are measured")


def _bucket_response_time(response_time_ms: float) -> float:
    """Three digits from the microsecond on; Locust's own statistics know nothing between 0 and 1 ms."""
    return bucket_range(bucket(int(response_time_ms * 1000)))[0] / 1000


# Locust's documented way of changing how it rounds ("Customizing response time bucketing").
stats.bucket_response_time = _bucket_response_time  # type: ignore[assignment] # Locust's keys need not be whole


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


def _tell_locust(environment: Environment, folded: Folded) -> None:
    """Add a batch to Locust's statistics in one step, as its master does with what its workers send."""
    batch, name, method = folded.batch, folded.name, folded.method
    response_ns = batch.ended - batch.intended
    tally = Tally()
    tally.add(response_ns)
    now_s = time.time()
    entry: Any = StatsEntry(environment.stats, name, method)  # Any: Locust's times are floats that it calls int
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
