"""One load process's part of a block: lets each candidate's users through in its slices, and records what they find."""

from __future__ import annotations

import gc
import itertools
import math
import resource
import time
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from locust.runners import WorkerRunner

from harness.load import locust_statistics, messages
from harness.load.account import (
    ENDLESS,
    REPORTED,
    TASK_TIMEOUTS,
    UNANSWERED,
    Counters,
    Failed,
    Ledger,
    Stretch,
    tally_service,
)
from harness.load.arrivals import NEVER_NS, poisson, uniform
from harness.load.exchange import Failure
from harness.load.lane import Lane, stage
from harness.load.slices import LEAD_IN_RESIDENCES, LEAD_IN_S, divide_users
from harness.load.transport import CONNECT_TIMEOUT_S
from harness.load.user_watch import UserWatch, is_starting, running_users
from harness.model.blocks import BlockOrder, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import Runner

REPORT_S = 1.0
"""The interval at which requests are added to Locust's statistics, where no block is measured."""
LATE_S = 0.25
"""The interval at which requests are checked for a timeout."""
ENDED_LATE_NS = 1_000_000_000
"""At the end of a run without a block, what has waited for less is not unanswered."""
READY_POLL_S = 0.01
"""The interval at which users are checked that still start."""
POLL_S = 0.001
"""The interval at which a slice is checked for its end, once no further task may begin."""
STRAGGLERS_POLL_S = 0.01
"""The interval at which custom users are checked that have not reported their last request of a slice."""
STRAGGLERS_AT_LEAST_S = 0.2
"""How long to wait at least, after a slice of custom users, for reports of requests that began in it."""


class Recorder:
    """Runs beside the users of one process: carries out its part of each slice and keeps a ledger of each turn."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self._options: Any = environment.parsed_options
        self._order: BlockOrder | None = None
        self._index, self._processes = 0, 1
        self._custom_users = not all(hasattr(cls, "drives_itself") for cls in environment.user_classes)
        self._ledgers: list[Ledger] = []
        self._counters: list[Counters] = []
        self._failed: dict[int, tuple[int, list[Failed]]] = {}
        """Of candidates that failed: how many requests the last such slice began, and which failed."""
        self._started_ns = 0
        """When Locust began to start users."""
        self._longest_ns = 0
        """The longest response time of custom users so far."""
        self._watch: UserWatch | None = None
        if self._custom_users:
            self._watch = UserWatch(runner)
            environment.events.request.add_listener(self._count_custom)
        environment.events.user_error.add_listener(self._count_exception)
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
            self._index, self._processes = self._runner.worker_index, max(1, int(self._options.expect_workers))
        if self._order is not None:
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
        longest_ns = int(self._environment.stats.total.max_response_time * 1e6)
        now_ns = perf_counter_ns()
        for client in lane.clients.values():
            waited_ns = now_ns - client.pending_since_ns
            if client.pending_since_ns and waited_ns > max(ENDED_LATE_NS, 2 * longest_ns):
                client.give_up(
                    Failure(UNANSWERED, f"no complete answer when the run ended, after {waited_ns / 1e9:.1f} s")
                )
        gevent.sleep(0)  # until they are counted

    def stop(self, **_: Any) -> None:
        """Add the remaining requests to Locust's statistics."""
        if self._order is None:
            self._report()

    def all_users_spawned(self, **_: Any) -> None:
        """Prepare the block, in a new greenlet because Locust waits for its listeners."""
        if self._order is not None:
            gevent.spawn(self._get_ready)

    def slice(self, msg: Message, **_: Any) -> None:
        """Run a slice, as the conductor asks; in a new greenlet, because Locust waits for its listeners."""
        gevent.spawn(self._run_slice, **msg.data)

    def finish(self, msg: Message, **_: Any) -> None:
        """Send the results, because the conductor has no more slices; in a new greenlet, as for a slice."""
        gevent.spawn(self._finish, **msg.data)

    def _finish(self, right: list[bool]) -> None:
        if self._watch is not None:
            self._await_silent_users(self._watch, perf_counter_ns())
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
            ledger.negotiated = lane.account.negotiated
            ledger.users_ready_s = lane.ready_s
            ledger.changes = lane.account.changes
            results.append(ledger.result(verified=not self._custom_users))
        self._runner.send_message(messages.RESULT, {"results": msgspec.json.encode(results).decode()})

    @property
    def _turns(self) -> tuple[Turn, ...]:
        return () if self._order is None else self._order.turns

    def _get_ready(self) -> None:
        for lane in stage.lanes if stage.needed_users else ():
            self._await_users(lane)
        if self._watch is not None:
            self._watch.look()
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
        if self._custom_users:
            return max(0, math.ceil(self._order.users / self._processes) - running)
        return lane.members() - running

    def _list_users(self, lane: Lane) -> list[Any]:
        """The users of a lane that have not ended."""
        users = running_users(self._runner)
        return users if self._custom_users else [user for user in users if user.lane is lane]

    def _await_users(self, lane: Lane) -> None:
        """Wait until the users of a lane have ended `on_start`; a lane whose users have not in time gets no turn."""
        limit_s = CONNECT_TIMEOUT_S + TASK_TIMEOUTS * self._options.harness_request_timeout
        with gevent.Timeout(limit_s, False):
            if not self._custom_users:
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
        cpu_start_s, cpu_start_ns = time.process_time(), perf_counter_ns()
        gevent.sleep(max(0.0, (end_ns - cpu_start_ns) / 1e9))
        cpu_s, measured_s = time.process_time() - cpu_start_s, (perf_counter_ns() - cpu_start_ns) / 1e9
        lane.close()
        running = len(self._list_users(lane))
        if self._watch is not None and not counted:
            self._await_silent_users(self._watch, opened_ns)  # else an answer slower than the warm-up is not seen
        self._drain(lane, end_ns)
        running = running if self._custom_users else min(running, users)
        stretch = Stretch(cycle, opened_ns, start_ns, end_ns, perf_counter_ns(), running)
        (recorded, failures), gained = account.take(), self._counters[order.candidate].gained()
        residence_us = 0.0
        if failures:
            self._failed[order.candidate] = gained["started"], failures
        if counted:
            ledger.cpu_s += cpu_s * length_s / measured_s
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
            },
        )

    def _open_gradually(self, lane: Lane, users: int, lead_in_s: float) -> None:
        """Let the users of a closed loop through, evenly over the time of an answer where answers are slow.

        At once, they would go on in step: each batch of answers would let the next batch of requests begin.
        """
        over_s = lead_in_s / LEAD_IN_RESIDENCES if lead_in_s > LEAD_IN_S else 0.0
        steps = max(1, min(users, int(over_s / POLL_S)))
        for step in range(1, steps + 1):
            lane.open(users * step // steps)
            if step < steps:
                gevent.sleep(over_s / steps)

    def _drain(self, lane: Lane, end_ns: int) -> None:
        """Wait until every request that began has ended; what has no answer within the time limit is unanswered.

        A task may still not end, because it waits for something else. Then it is left alone.
        """
        if self._custom_users:
            self._await_stragglers(lane, end_ns)
            return
        timeout_ns = int(self._options.harness_request_timeout * 1e9)
        while not lane.is_idle(now_ns := perf_counter_ns()):
            if now_ns > end_ns + TASK_TIMEOUTS * timeout_ns:
                late = Failure(ENDLESS, f"not ended {TASK_TIMEOUTS * timeout_ns / 1e9:g} s after its slice")
                for _ in range(lane.active):
                    lane.account.fail_task("task", late, now_ns)
                return
            if now_ns > end_ns + timeout_ns:
                self._give_up(lane, now_ns)
            gevent.sleep(POLL_S)

    def _give_up(self, lane: Lane, now_ns: int) -> None:
        """End what is in flight, and what is due and was not sent."""
        failure = self._unanswered()
        if lane.arrivals is not None:
            for intended_ns in lane.arrivals.cancel(now_ns):
                lane.account.started += 1
                lane.account.fail("queue", "queue", failure, intended_ns, now_ns)
        for client in lane.clients.values():
            if client.pending_since_ns:
                client.give_up(failure)

    def _await_stragglers(self, lane: Lane, end_ns: int) -> None:
        """Wait until each custom user has reported a request, which it does when it has ended, or waits between tasks.

        A user may be silent for other reasons: not longer than twice the longest response time so far.
        """
        limit_ns = int(self._options.harness_request_timeout * 1e9)
        while True:
            self._longest_ns = max(self._longest_ns, lane.account.longest_ns())
            wait_ns = min(limit_ns, max(int(STRAGGLERS_AT_LEAST_S * 1e9), 2 * self._longest_ns))
            left_ns = end_ns + wait_ns - perf_counter_ns()
            watch = self._watch
            if left_ns <= 0 or (watch is not None and watch.sees_all and not watch.are_silent_since(end_ns)):
                return
            gevent.sleep(min(left_ns / 1e9, STRAGGLERS_POLL_S))

    def _schedule(self, rate_rps: float, arrivals: str, seed: int, until_ns: int) -> Iterator[int]:
        """When the requests of this process are due; evenly spaced ones of several processes alternate."""
        start_ns = perf_counter_ns() + round(self._index * 1e9 / rate_rps)
        own_rps = rate_rps / self._processes
        due = poisson(own_rps, start_ns, seed + self._index) if arrivals == "poisson" else uniform(own_rps, start_ns)
        return itertools.takewhile(lambda due_ns: due_ns < until_ns, due)

    def _unanswered(self) -> Failure:
        return Failure(UNANSWERED, f"no complete answer within {self._options.harness_request_timeout:g} s")

    def _await_silent_users(self, watch: UserWatch, since_ns: int) -> None:
        """Wait until each custom user has reported a request since then, for as long as that may take."""
        while watch.are_silent_since(since_ns):
            gevent.sleep(POLL_S)

    def _count_custom(
        self, request_type: Any = "", name: Any = "", response_time: Any = None, exception: Any = None, **_: Any
    ) -> None:
        """Count a request of custom Locust users, who report its response time, or none, and no send time.

        A Locust file may fire the event itself: an exception may be a text, and what is missing is no error.
        """
        account = stage.lanes[0].account
        now_ns = perf_counter_ns()
        if self._watch is not None and not self._watch.hear(now_ns):
            return  # it was unanswered
        account.started += 1
        request_type, name = str(request_type or ""), str(name or "")
        try:
            began_ns = now_ns - max(0, int((response_time or 0) * 1e6))
        except (TypeError, ValueError, OverflowError):
            began_ns, exception = now_ns, f"expected its response_time in ms or None, found {response_time!r}"
        if exception:  # as for Locust's own statistics, not an empty text
            kind = type(exception).__name__ if isinstance(exception, BaseException) else REPORTED
            account.fail(request_type, name, Failure(kind, str(exception)), began_ns, now_ns)
            return
        series = account.series(request_type, name)
        if response_time is None:
            series.untimed(now_ns)
            return
        series.intended(began_ns)
        series.written(began_ns)
        series.ended(now_ns)

    def _count_exception(self, user_instance: Any, exception: Exception, **_: Any) -> None:
        """Count what a user's own code raised in a task, in `on_start` or in `wait_time`."""
        user = getattr(user_instance, "user", user_instance)  # in a task it is the task set
        lane: Lane = getattr(user, "lane", stage.lanes[0])
        lane.account.raised(type(user).__name__, exception, perf_counter_ns())
        lane.right = lane.right and self._custom_users
        lane.verified.set()  # nobody else would, if it was raised in `on_start`

    def _report(self) -> None:
        """Add what was recorded since the last report to Locust's statistics; custom users have done so themselves."""
        (lane,) = stage.lanes
        if self._custom_users:
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
            oldest_ns = perf_counter_ns() - int(self._options.harness_request_timeout * 1e9)
            for lane in stage.lanes:
                for client in lane.clients.values():
                    if 0 < client.pending_since_ns < oldest_ns:
                        client.give_up(self._unanswered())
            if self._watch is not None and self._order is not None:
                self._end_silent_users(self._watch, oldest_ns)

    def _end_silent_users(self, watch: UserWatch, oldest_ns: int) -> None:
        """Count a request as unanswered for each custom user that has reported none for longer than the limit."""
        account = stage.lanes[0].account
        limit = f"no request reported for {self._options.harness_request_timeout:g} s in a task"
        for name, since_ns in watch.find_silent(oldest_ns):
            account.started += 1
            account.fail("task", name, Failure(UNANSWERED, limit), since_ns, perf_counter_ns())


def read_order(options: Any) -> BlockOrder | None:
    """The block that the options ask for; None for an ordinary run of Locust."""
    return None if options.harness_block is None else msgspec.json.decode(options.harness_block, type=BlockOrder)
