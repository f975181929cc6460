"""Conducts a block: tells all load processes which slice comes next, and merges their results."""

from __future__ import annotations

import os
import signal
from bisect import bisect
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent
import gevent.event
import gevent.queue
import msgspec
import psutil
from locust.runners import MasterRunner

from harness.load import messages
from harness.load.account import TASK_TIMEOUTS, merge, shift
from harness.load.division import FixedDivision
from harness.load.remote_workers import ProcessLostError, RemoteWorkers, describe_lost
from harness.load.slices import choose_lead_in_s, choose_slice_s, count_cycles, order_turns
from harness.load.transport import CONNECT_TIMEOUT_S
from harness.model.clocks import Offset, choose_at
from harness.model.load_workers import LoadFailure, WorkersOrder
from harness.model.results import LoadResult

if TYPE_CHECKING:
    from collections.abc import Collection

    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import Runner

    from harness.model.blocks import BlockOrder

GAP_S = 0.12
"""The pause before a second slice in a row of one candidate: the server is sampled in it."""
START_WAIT_S = 20.0
"""How long Locust may take to start its processes and users."""
ANSWER_WAIT_S = 10.0
"""How long a process may be silent beyond the time that its part can take."""
NEAR = 10
"""So many slices before and after a time tell how far a process's clock is ahead then."""
CONNECT_POLL_S = 0.01
"""The interval at which it is checked whether all load processes of this machine can take users."""
WATCH_S = 0.1
"""The interval at which the load processes are checked."""


class Conductor:
    """Runs the slices of a block on all load processes at the same time; in Locust's master if there are several."""

    def __init__(self, environment: Environment, runner: Runner, order: BlockOrder) -> None:
        self._environment = environment
        self._runner = runner
        self._options: Any = environment.parsed_options
        self._order = order
        self._answers: gevent.queue.Queue[dict[str, Any]] = gevent.queue.Queue()
        self._failing: set[int] = set()
        """Candidates that get no further turn: a request or a task did not end, or not one answer was right."""
        self._children = psutil.Process().children() if isinstance(runner, MasterRunner) else []
        if isinstance(runner, MasterRunner):
            environment.dispatcher_class = FixedDivision
        self._remote = self._find_remote_workers()
        self._gathered = gevent.event.Event()
        self._prepared: set[str] = set()
        """The load processes that can take users, by their ids as Locust's workers."""
        self._offsets: defaultdict[str, list[Offset]] = defaultdict(list)
        """Of the clock of each process, by messages about slices and their answers."""
        self._over = False
        environment.events.test_stopping.add_listener(self.stopping)
        # Whoever waits for the file finds it whole. It is open from the start, as users may take all descriptors.
        self._unfinished = self._result.with_suffix(".part")
        self._file = self._unfinished.open("wb")
        # Without its conductor a process would wait for slices for ever; gevent has printed the error.
        gevent.spawn(self._conduct).link_exception(lambda _: os._exit(1))

    def _find_remote_workers(self) -> RemoteWorkers | None:
        """The load workers on other hosts, if load comes from there."""
        if self._options.harness_workers is None:
            return None
        assert isinstance(self._runner, MasterRunner)
        order = msgspec.json.decode(Path(self._options.harness_workers).read_bytes(), type=WorkersOrder)
        return RemoteWorkers(self._environment, self._runner, order)

    def await_workers(self) -> None:
        """Wait until all load processes are there: Locust would look for them once a second only."""
        if self._remote is not None:
            self._gathered.wait()
        elif isinstance(self._runner, MasterRunner):
            while len(self._prepared) < self._processes and not self._over:
                gevent.sleep(CONNECT_POLL_S)

    def count_prepared(self, msg: Message, **_: Any) -> None:
        """A process can take users."""
        self._prepared.add(msg.node_id)

    def answer(self, msg: Message, **_: Any) -> None:
        """A process is ready, has finished a slice, or sends its results."""
        if self._remote is not None and not self._remote.takes_part(msg.node_id):
            return  # it answers the master before this one, in whose place it has found this one
        self._answers.put({**msg.data, "kind": msg.type, "from": msg.node_id, "received_ns": perf_counter_ns()})

    def _conduct(self) -> None:
        try:
            found: list[LoadResult] | LoadFailure = self._carry_out()
        except ProcessLostError as error:
            found = error.failure
        finally:
            self._gathered.set()
        self._over = True  # Locust stops as soon as its last worker has left
        if self._remote is not None:
            self._remote.dismiss()
        self._write(found)
        # In a new greenlet, because quitting kills the one that reads messages.
        gevent.spawn(self._runner.quit)

    def stopping(self, **_: Any) -> None:
        """Locust ends: by this conductor, or in the middle of a block: by the Locust file, or without any worker."""
        if self._over:
            return
        if self._remote is not None and (lost := self._remote.find_lost()):
            self._write(describe_lost(self._processes, "load worker", lost).failure)
            return
        found = "found that the Locust file ended it"
        self._write(LoadFailure(f"expected users that go on until the harness ends the run, {found}", {}))

    def _write(self, found: list[LoadResult] | LoadFailure) -> None:
        self._over = True
        with self._file:
            self._file.write(msgspec.json.encode(found))
        self._unfinished.rename(self._result)
        self._environment.process_exit_code = 1 if isinstance(found, LoadFailure) else 0

    def _carry_out(self) -> list[LoadResult]:
        """Warm up every candidate, then all cycles; the result of each turn."""
        order = self._order
        if self._remote is not None:
            self._remote.gather(order.users, len(order.hosts))
            self._gathered.set()
        connecting_s = CONNECT_TIMEOUT_S + TASK_TIMEOUTS * order.request_timeout_s
        readiness = self._collect(messages.READY, "to connect", START_WAIT_S + len(order.hosts) * connecting_s)
        right = [all(each["right"][number] for each in readiness) for number in range(len(order.hosts))]
        self._failing = {number for number, each in enumerate(right) if not each}
        residence_us = self._warm_up()
        rate_rps = max((turn.rate_rps for turn in order.turns if turn.rate_rps is not None), default=None)
        slice_s = order.slice_s or choose_slice_s(residence_us, order.duration_s, rate_rps)
        lead_in_s = choose_lead_in_s(residence_us)
        cycles = count_cycles(order.duration_s, slice_s)
        last = None
        groups = [(turn.users, turn.rate_rps) for turn in order.turns]
        for cycle, turns in enumerate(order_turns(groups, cycles, order.seed)):
            for turn in turns:
                candidate = order.turns[turn].candidate
                if candidate in self._failing:
                    continue
                if candidate == last and len(order.hosts) > 1:
                    # The server's CPU time is read between its slices.
                    gevent.sleep(GAP_S)
                last = candidate
                done = self._slice(turn, cycle, lead_in_s, slice_s, counted=True)
                if _all_failed(done) or any(each["hanging"] for each in done):
                    self._failing.add(candidate)
        self._runner.send_message(messages.FINISH, {"right": right})
        sent = self._collect(messages.RESULT, "to send its results", order.request_timeout_s + ANSWER_WAIT_S)
        return [merge(parts) for parts in zip(*map(self._read_results, sent), strict=True)]

    def _read_results(self, sent: dict[str, Any]) -> list[LoadResult]:
        """The results of a process, on the clock of this host."""
        results = msgspec.json.decode(sent["results"], type=list[LoadResult])
        if self._remote is None:
            return results
        offsets, name = self._offsets[sent["from"]], self._remote.names[sent["from"]]

        def find_ns(there_ns: int) -> int:
            near = bisect(offsets, there_ns, key=lambda each: each.there_ns)
            return -choose_at(offsets[max(0, near - NEAR) : near + NEAR], there_ns).ahead_ns

        return [replace(shift(each, find_ns), load_workers={name: each.cpu_ratio}) for each in results]

    def _warm_up(self) -> list[float]:
        """Load on each candidate under its heaviest turn; the residence times (µs) of those that answered.

        A candidate that answers some requests and not others is measured all the same, in one slice, because its
        unanswered requests count only there.
        """
        order, found = self._order, []
        for candidate in range(len(order.hosts)):
            own = [number for number, turn in enumerate(order.turns) if turn.candidate == candidate]
            if candidate in self._failing or not own or not order.warmup_s:
                continue
            heaviest = max(own, key=lambda number: (order.turns[number].users, order.turns[number].rate_rps or 0.0))
            done = self._slice(heaviest, -1, 0.0, order.warmup_s, counted=False)
            if _all_failed(done):
                self._failing.add(candidate)
            found.append(max(each["residence_us"] for each in done))
        return found

    def _slice(
        self, turn: int, cycle: int, lead_in_s: float, length_s: float, *, counted: bool
    ) -> list[dict[str, Any]]:
        """One slice on all processes; how it went in each."""
        data = {"turn": turn, "cycle": cycle, "lead_in_s": lead_in_s, "length_s": length_s, "counted": counted}
        sent_ns = perf_counter_ns()
        self._runner.send_message(messages.SLICE, data)
        waiting_s = TASK_TIMEOUTS * (self._order.request_timeout_s + CONNECT_TIMEOUT_S)
        done = self._collect(messages.DONE, "to end a slice", lead_in_s + length_s + waiting_s + ANSWER_WAIT_S)
        for each in done:
            offset = Offset.between(sent_ns, each["begun_ns"], each["ended_ns"], each["received_ns"])
            self._offsets[each["from"]].append(offset)
        return done

    def _collect(self, kind: str, what: str, within_s: float) -> list[dict[str, Any]]:
        """One answer of this kind from each process; raises `ProcessLostError` when one cannot come.

        A load worker that was lost is lost, though it has come back and answered.
        """
        answers: dict[str, dict[str, Any]] = {}
        until_s = monotonic() + within_s
        while len(answers) < self._processes:
            try:
                answer = self._answers.get(timeout=WATCH_S)
            except gevent.queue.Empty:
                self._require_all()
                if monotonic() > until_s:
                    raise self._miss(what, within_s, answers) from None
                continue
            if answer["kind"] == kind:
                answers[answer["from"]] = answer
        if self._remote is not None:
            self._require_all()
        return list(answers.values())

    def _miss(self, what: str, within_s: float, answers: Collection[str]) -> ProcessLostError:
        """Not all processes have answered in time."""
        found = f"found {len(answers)} of {self._processes} after {within_s:.0f} s"
        names = {} if self._remote is None else self._remote.names
        silent = sorted(name for client, name in names.items() if client not in answers)
        who = f"; missing: {', '.join(silent)}" if silent else ""
        return ProcessLostError(f"expected all load processes {what}, {found}{who}", dict.fromkeys(silent, "is silent"))

    def _require_all(self) -> None:
        """Raise `ProcessLostError` if a process has ended: without its share of the load the block is not valid."""
        if self._remote is not None:
            kind, lost = "load worker", self._remote.find_lost()
        else:
            # A process of this machine may be too busy for heartbeats and still run.
            ended = [child.pid for child in self._children if not _runs(child)]
            kind, lost = "process", {str(pid): _describe_end(pid) for pid in ended}
        if lost:
            raise describe_lost(self._processes, kind, lost)

    @property
    def _result(self) -> Path:
        return Path(self._options.harness_result)

    @property
    def _processes(self) -> int:
        return int(self._options.expect_workers) if isinstance(self._runner, MasterRunner) else 1


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _describe_end(pid: int) -> str:
    """How a child of this process ended, for which gevent may have to hear of it first."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return "has ended"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with status {code}"
    perhaps = ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-code).name}{perhaps}"


def _all_failed(done: list[dict[str, Any]]) -> bool:
    """Was there a failure, and not one right answer?"""
    return any(each["failed"] for each in done) and not any(each["right"] for each in done)
