"""One load process's part of a block: lets each candidate's users through in its slices, and records what they find."""

from __future__ import annotations

import gc
import itertools
import math
import os
import resource
import time
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from locust.runners import WorkerRunner

from harness.load import locust_statistics, messages
from harness.load.account import ENDLESS, TASK_TIMEOUTS, UNANSWERED, Counters, Failed, Ledger, Stretch, tally_service
from harness.load.arrivals import NEVER_NS, poisson, uniform
from harness.load.custom_users import CustomUsers
from harness.load.exchange import Failure
from harness.load.lane import Lane, stage
from harness.load.late_requests import drain, end_late_requests, end_run
from harness.load.slices import LEAD_IN_RESIDENCES, LEAD_IN_S, divide_users
from harness.load.transport import CONNECT_TIMEOUT_S
from harness.load.user_errors import UserErrors
from harness.load.user_watch import is_starting, running_users
from harness.model.blocks import BlockOrder, Turn
from harness.model.machine import CPU_STATISTICS, parse_paused_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import Runner

REPORT_S = 1.0
"""The interval at which requests are added to Locust's statistics, where no block is measured."""
LATE_S = 0.25
"""The interval at which requests are checked for a timeout."""
READY_POLL_S = 0.01
"""The interval at which users are checked that still start."""
OPEN_STEP_S = 0.001
"""The shortest pause between users that are let through one after the other."""


class Recorder:
    """Runs beside the users of one process: carries out its part of each slice and keeps a ledger of each turn."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self._options: Any = environment.parsed_options
        self._order: BlockOrder | None = None
        self._index, self._processes = 0, 1
        self._place: int | None = None
        custom_users = not all(hasattr(cls, "drives_itself") for cls in environment.user_classes)
        self._custom = CustomUsers(environment, runner) if custom_users else None
        self._user_errors = UserErrors(environment, custom_users=custom_users)
        self._ledgers: list[Ledger] = []
        self._counters: list[Counters] = []
        self._failed: dict[int, tuple[int, list[Failed]]] = {}
        """Of candidates that failed: how many requests the last such slice began, and which failed."""
        self._started_ns = 0
        """When Locust began to start users."""
        gevent.spawn(self._report_regularly)
        gevent.spawn(self._end_late_requests)

    def start(self, **_: Any) -> None:
        """Locust begins: make the lanes of a block, or open the gate where none is measured.

        Only now does a worker know its number, and the options that its master sends. Locust's web page may start and
        stop repeatedly.
        """
        self._options = self._environment.parsed_options
        self._order = read_order(self._options)
        if isinstance(self._runner, WorkerRunner):
            self._index = self._runner.worker_index if self._place is None else self._place
            self._processes = max(1, int(self._options.expect_workers))
        if self._order is not None:
            self._user_errors.watch_deaths()
            self._started_ns = perf_counter_ns()
            stage.prepare(self._order, self._processes, self._index)
            self._ledgers = [Ledger() for _ in self._order.turns]
            self._counters = [Counters(lane.account) for lane in stage.lanes]
            return
        (lane,) = stage.lanes
        schedule = None
        if self._options.harness_rate is not None:
            schedule = self._schedule(
                self._options.harness_rate,
                self._options.harness_arrivals,
                self._options.harness_arrivals_seed,
                NEVER_NS,
            )
        lane.open(stage.needed_users, schedule)

    def stopping(self, **_: Any) -> None:
        """Locust ends a run without a block: a request that waits for far longer than any answer took is unanswered."""
        if self._order is not None:
            return
        (lane,) = stage.lanes
        end_run(lane, int(self._environment.stats.total.max_response_time * 1e6))
        gevent.sleep(0)  # until they are counted

    def stop(self, **_: Any) -> None:
        """Add the remaining requests to Locust's statistics."""
        if self._order is None:
            self._report()

    def all_users_spawned(self, **_: Any) -> None:
        """Prepare the block, in a new greenlet because Locust waits for its listeners."""
        if self._order is not None:
            gevent.spawn(self._get_ready)

    def take_place(self, msg: Message, **_: Any) -> None:
        """The number of this process: Locust's own counts those that have left as well."""
        self._place = msg.data["index"]

    def slice(self, msg: Message, **_: Any) -> None:
        """Run a slice, as the conductor asks; in a new greenlet, because Locust waits for its listeners."""
        gevent.spawn(self._run_slice, **msg.data)

    def finish(self, msg: Message, **_: Any) -> None:
        """Send the results, because the conductor has no more slices; in a new greenlet, as for a slice."""
        gevent.spawn(self._finish, **msg.data)

    def _finish(self, right: list[bool]) -> None:
        if self._custom is not None:
            self._custom.await_silent(perf_counter_ns())
            failures = stage.lanes[0].account.take()[1]  # what fails in the end counts too
            self._add_failures(0, len(failures), failures)
        memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        results = []
        for turn, ledger in zip(self._turns, self._ledgers, strict=True):
            ledger.memory_bytes = memory_bytes
            lane = stage.lanes[turn.candidate]
            ledger.checked = right[turn.candidate]
            if ledger.is_empty and turn.candidate in self._failed:
                # It failed in another case, and got no turn in this one.
                ledger.add_failures(*self._failed[turn.candidate])
            if ledger.checked:
                ledger.stopped_users = self._count_stopped_users(lane)
            ledger.connections = lane.count_connections(divide_users(turn.users, self._processes, self._index))
            ledger.idle = lane.count_idle()
            ledger.negotiated = lane.account.negotiated
            ledger.users_ready_s = lane.ready_s
            ledger.changes = lane.account.changes
            results.append(ledger.result(verified=self._custom is None))
        self._runner.send_message(messages.RESULT, {"results": msgspec.json.encode(results).decode()})

    @property
    def _timeout_s(self) -> float:
        return float(self._options.harness_request_timeout)

    @property
    def _turns(self) -> tuple[Turn, ...]:
        return () if self._order is None else self._order.turns

    def _get_ready(self) -> None:
        for lane in stage.lanes if stage.needed_users else ():
            self._await_users(lane)
        if self._custom is not None:
            self._custom.begin()
        # Without the freeze, each collection would examine all existing objects and stop all users meanwhile.
        gc.collect()
        gc.freeze()
        for candidate, lane in enumerate(stage.lanes):
            self._add_failures(candidate, self._counters[candidate].gained()["started"], lane.account.take()[1])
        self._runner.send_message(messages.READY, {"right": [lane.right for lane in stage.lanes]})

    def _add_failures(self, candidate: int, started: int, failures: list[Failed]) -> None:
        """Add what went wrong before anything counted, or after it, to every case of a candidate."""
        for turn, ledger in zip(self._turns, self._ledgers, strict=True):
            if turn.candidate == candidate and failures:
                ledger.add_failures(started, failures)

    def _count_stopped_users(self, lane: Lane) -> int:
        """How many users of this process have ended that should still run."""
        assert self._order is not None
        running = len(self._list_users(lane))
        if self._custom is not None:
            return max(0, math.ceil(self._order.users / self._processes) - running)
        return lane.members() - running

    def _list_users(self, lane: Lane) -> list[Any]:
        """The users of a lane that have not ended."""
        users = running_users(self._runner)
        return users if self._custom is not None else [user for user in users if user.lane is lane]

    def _await_users(self, lane: Lane) -> None:
        """Wait until the users of a lane have ended `on_start`; a lane whose users have not in time gets no turn."""
        limit_s = CONNECT_TIMEOUT_S + TASK_TIMEOUTS * self._timeout_s
        with gevent.Timeout(limit_s, False):
            if self._custom is None:
                lane.verified.wait()
                while lane.right and lane.ready < stage.needed_users:
                    gevent.sleep(READY_POLL_S)
            starting = self._list_users(lane)
            while starting := [user for user in starting if lane.right and is_starting(user)]:
                gevent.sleep(READY_POLL_S)
            lane.ready_s = (perf_counter_ns() - self._started_ns) / 1e9
            return
        lane.right = False
        lane.account.fail_task("on_start", Failure("connect", f"not ended after {limit_s:g} s"), perf_counter_ns())

    def _run_slice(self, turn: int, cycle: int, lead_in_s: float, length_s: float, *, counted: bool) -> None:
        """Let a candidate's users through, measure, and wait until nothing is in flight."""
        order, ledger = self._turns[turn], self._ledgers[turn]
        lane = stage.lanes[order.candidate]
        account = lane.account
        users = divide_users(order.users, self._processes, self._index)
        opened_ns = perf_counter_ns()
        lane.restore_connections(users)
        start_ns = perf_counter_ns() + int(lead_in_s * 1e9)
        end_ns = start_ns + int(length_s * 1e9)
        schedule = None
        if order.rate_rps is not None:
            # The same gaps for all candidates of a cycle, since they are compared.
            seed = self._options.harness_arrivals_seed + 1000 * cycle
            schedule = self._schedule(order.rate_rps, order.arrivals, seed, end_ns)
        if schedule is None:
            self._open_gradually(lane, users, lead_in_s)
        else:
            lane.open(users, schedule)
        gevent.sleep(max(0.0, (start_ns - perf_counter_ns()) / 1e9))
        cpu_start_s, paused_start_s, cpu_start_ns = time.process_time(), _read_paused_s(), perf_counter_ns()
        gevent.sleep(max(0.0, (end_ns - cpu_start_ns) / 1e9))
        cpu_s, measured_s = time.process_time() - cpu_start_s, (perf_counter_ns() - cpu_start_ns) / 1e9
        paused_s = min(measured_s, _read_paused_s() - paused_start_s)  # each CPU counts its own pauses
        lane.close()
        running = len(self._list_users(lane))
        if self._custom is not None and not counted:
            self._custom.await_silent(opened_ns)  # else an answer slower than the warm-up is not seen
        if self._custom is not None:
            self._custom.await_stragglers(end_ns, self._timeout_s)
        else:
            drain(lane, end_ns, self._timeout_s)
            running = min(running, users)
        stretch = Stretch(cycle, opened_ns, start_ns, end_ns, perf_counter_ns(), running)
        (recorded, failures), gained = account.take(), self._counters[order.candidate].gained()
        residence_us = 0.0
        if failures:
            self._failed[order.candidate] = gained["started"], failures
        if counted:
            ledger.cpu_s += cpu_s * length_s / measured_s
            ledger.paused_s += paused_s * length_s / measured_s
            ledger.add(stretch, recorded, failures, gained)
        else:
            residence_us = tally_service(recorded).mean_residence_us
            self._add_failures(order.candidate, gained["started"], failures)
        self._runner.send_message(
            messages.DONE,
            {
                "residence_us": residence_us,
                "right": sum(each.finished for each in recorded),
                "failed": len(failures),
                "hanging": sum(each.failure.kind in {UNANSWERED, ENDLESS} for each in failures),
                "begun_ns": opened_ns,
                "ended_ns": perf_counter_ns(),
            },
        )

    def _open_gradually(self, lane: Lane, users: int, lead_in_s: float) -> None:
        """Let the users of a closed loop through, evenly over the time of an answer where answers are slow.

        At once, they would go on in step: each batch of answers would let the next batch of requests begin.
        """
        over_s = lead_in_s / LEAD_IN_RESIDENCES if lead_in_s > LEAD_IN_S else 0.0
        steps = max(1, min(users, int(over_s / OPEN_STEP_S)))
        for step in range(1, steps + 1):
            lane.open(users * step // steps)
            if step < steps:
                gevent.sleep(over_s / steps)

    def _schedule(self, rate_rps: float, arrivals: str, seed: int, until_ns: int) -> Iterator[int]:
        """When the requests of this process are due; evenly spaced ones of several processes alternate."""
        start_ns = perf_counter_ns() + round(self._index * 1e9 / rate_rps)
        own_rps = rate_rps / self._processes
        due = poisson(own_rps, start_ns, seed + self._index) if arrivals == "poisson" else uniform(own_rps, start_ns)
        return itertools.takewhile(lambda due_ns: due_ns < until_ns, due)

    def _report(self) -> None:
        """Add what was recorded since the last report to Locust's statistics; custom users have done so themselves."""
        (lane,) = stage.lanes
        if self._custom is not None:
            lane.account.take()
        else:
            locust_statistics.report(self._environment, lane.account)

    def _report_regularly(self) -> None:
        while True:
            gevent.sleep(REPORT_S)
            if self._order is None:
                self._report()

    def _end_late_requests(self) -> None:
        while True:
            gevent.sleep(LATE_S)
            for lane in stage.lanes:
                end_late_requests(lane, self._timeout_s)
            if self._custom is not None and self._order is not None:
                self._custom.end_silent(self._timeout_s)


def _read_paused_s() -> float:
    """For how long CPU quotas have paused this process and others of its control groups."""
    files = os.environ.get(CPU_STATISTICS, "").split(":")
    return sum(parse_paused_s(Path(each).read_text()) for each in files if each)


def read_order(options: Any) -> BlockOrder | None:
    """The block that the options ask for; None for an ordinary run of Locust."""
    return None if options.harness_block is None else msgspec.json.decode(options.harness_block, type=BlockOrder)
