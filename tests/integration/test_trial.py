"""A trial gives a result for each turn, or says in one line why there is none; nothing of it is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.host import certificates, guard
from harness.host.cpus import available, place
from harness.load.slices import SLICE_RESIDENCES
from harness.model.blocks import BlockOrder, Turn
from harness.model.errors import LoadError
from harness.model.results import LoadResult
from harness.run import trial
from harness.run.calibration import ceiling, others
from harness.run.load_process import ForkServer
from tests.fault_table import Fault
from tests.integration.answering_server import AnsweringServer, answering


@pytest.fixture(scope="module")
def null_url(token: str, shared_fork_server: ForkServer) -> Iterator[str]:
    """Where the null server answers over HTTP/1.1."""
    with certificates.issue() as tls:
        generator = ceiling.Generator(sys.executable, place(available()), tls, token, shared_fork_server)
        with others.start_null_server(generator) as null:
            yield null.url("h1")


@pytest.fixture
def order(tmp_path: Path, null_url: str, fork_server: ForkServer) -> trial.Order:
    """0.3 s of `plaintext` against the null server."""
    return trial.Order(
        BlockOrder((null_url,), (Turn(0, users=4),), 0.05, 0.3, None, request_timeout_s=10.0, seed=0),
        ceiling.find_smallest_scenario("h1").path,
        "h1",
        1,
        None,
        available(),
        tmp_path / "load.log",
        processes=1,
        fork_server=fork_server,
    )


def change(order: trial.Order, **changes: Any) -> trial.Order:
    """The order with another block."""
    return replace(order, block=replace(order.block, **changes))


def beside(order: trial.Order, *servers: AnsweringServer, users: int, rate_rps: float | None = None) -> trial.Order:
    """The order with these servers as candidates, with so many users each."""
    turns = tuple(Turn(number, users, rate_rps) for number in range(len(servers)))
    return change(order, hosts=tuple(server.url for server in servers), turns=turns)


def assert_accounted_for(results: list[LoadResult]) -> None:
    for result in results:
        assert result.started == result.finished + result.abandoned
        assert result.response.count >= result.requests


def test_the_account_of_a_trial_adds_up(order: trial.Order) -> None:
    results = trial.run(change(order, slice_s=0.2))
    (result,) = results
    assert_accounted_for(results)
    assert result.requests > 0
    assert result.answers == pytest.approx(result.requests, abs=2 * 4 * len(result.slices))
    assert [each.counted_s for each in result.slices] == pytest.approx([0.2, 0.2])
    assert result.unanswered == 0


def test_candidates_take_turns_and_each_slice_ends_before_the_next_begins(order: trial.Order) -> None:
    (host,) = order.block.hosts
    turns = (Turn(0, 4), Turn(1, 2), Turn(2, 4))
    results = trial.run(change(order, hosts=(host, host, host), turns=turns, slice_s=0.1))
    assert_accounted_for(results)
    assert [result.connections.opened for result in results] == [4, 2, 4]
    slices = sorted((each for result in results for each in result.slices), key=lambda each: each.opened_ns)
    assert [len(result.slices) for result in results] == [3, 3, 3]
    assert [each.cycle for each in slices] == [0] * 3 + [1] * 3 + [2] * 3
    for before, after in pairwise(slices):
        assert before.opened_ns < before.start_ns < before.end_ns <= before.drained_ns <= after.opened_ns


def test_one_candidate_is_measured_with_several_numbers_of_users(order: trial.Order) -> None:
    with answering(lambda _: 0.1) as server:
        turns = (Turn(0, 2), Turn(0, 6))
        two, six = trial.run(change(order, hosts=(server.url,), turns=turns, duration_s=1.0))
    for result, users in ((two, 2), (six, 6)):
        assert result.throughput_rps * result.service.mean_us / 1e6 == pytest.approx(users, rel=0.2)
        assert (result.connections.opened, result.connections.reopened) == (users, 0)


def test_two_processes_give_one_result(order: trial.Order) -> None:
    results = trial.run(replace(change(order, slice_s=0.2), processes=2))
    (result,) = results
    assert_accounted_for(results)
    assert result.connections.opened == 4
    assert result.errors.examples == {}
    assert result.response.count == result.requests > 0
    assert len(result.slices) == 2


@pytest.mark.parametrize(("users", "processes"), [(5, 2), (1, 2), (4, 3)])
def test_users_are_divided_exactly_among_processes_for_each_candidate(
    users: int, processes: int, order: trial.Order
) -> None:
    with answering(lambda _: 0.1) as one, answering(lambda _: 0.1) as other:
        both = change(beside(order, one, other, users=users), duration_s=1.0)
        results = trial.run(replace(both, processes=processes))
    assert_accounted_for(results)
    for result, server in zip(results, (one, other), strict=True):
        assert result.errors.examples == {}
        assert (result.connections.opened, len(server.accepted_ns)) == (users, users)
        assert server.most_at_once == users


@pytest.mark.parametrize("processes", [1, 2])
def test_an_open_loop_sends_its_rate_in_every_slice(processes: int, order: trial.Order) -> None:
    with answering(lambda _: 0.005) as server:
        turns = (Turn(0, 8, rate_rps=100.0), Turn(0, 8, rate_rps=50.0, arrivals="poisson"))
        block = change(order, hosts=(server.url,), turns=turns, duration_s=2.0, slice_s=1.0)
        uniform, poisson = trial.run(replace(block, processes=processes))
    assert (len(uniform.slices), uniform.errors.total, poisson.errors.total) == (2, 0, 0)
    assert uniform.requests == pytest.approx(200, abs=4)
    assert 50 < poisson.requests < 150


def test_an_overloaded_open_loop_sends_all_that_was_due(order: trial.Order) -> None:
    """2 users with answers of 0.1 s get 20/s; of 40/s, half wait for a user, and the last one for as long again."""
    with answering(lambda _: 0.1) as server:
        turn = Turn(0, 2, rate_rps=40.0)
        results = trial.run(change(order, hosts=(server.url,), turns=(turn,), duration_s=1.0, slice_s=1.0))
    (result,) = results
    assert_accounted_for(results)
    assert (result.requests, result.errors.total, result.dropped) == (40, 0, 0)
    assert result.response.percentile(100) > 800_000
    assert result.service.percentile(50) < 400_000
    assert result.throughput_rps == pytest.approx(20, rel=0.25)


@pytest.mark.parametrize("rate_rps", [None, 100.0])
def test_one_request_in_fifty_takes_as_long_as_it_takes(rate_rps: float | None, order: trial.Order) -> None:
    """2 % of the requests take 1.8 s, so the p99 is 1.8 s, whatever the length of a slice and the load."""
    with answering(lambda number: 1.8 if number % 50 == 0 else 0.005) as server:
        turn = Turn(0, 64, rate_rps)
        block = change(order, hosts=(server.url,), turns=(turn,), warmup_s=0.2, duration_s=1.5, slice_s=0.5)
        results = trial.run(block)
    (result,) = results
    assert_accounted_for(results)
    assert (result.errors.total, result.response.count) == (0, result.requests)
    assert result.response.percentile(99) == pytest.approx(1_800_000, rel=0.2)
    assert result.response.percentile(90) < 200_000
    assert all(each.drained_ns - each.end_ns < 6e9 for each in result.slices)


@pytest.mark.parametrize("slice_s", [None, 0.5, 2.0])
def test_answers_in_batches_count_by_their_time(slice_s: float | None, order: trial.Order) -> None:
    """32 users with answers of 0.8 s get 40/s, however many batches end in a slice."""
    with answering(lambda _: 0.8) as server:
        turn = Turn(0, 32)
        block = change(order, hosts=(server.url,), turns=(turn,), warmup_s=0.2, duration_s=2.0, slice_s=slice_s)
        (result,) = trial.run(block)
    assert result.throughput_rps == pytest.approx(40, rel=0.1)
    if slice_s != 0.5:  # all requests may begin between two stretches that are shorter than an answer takes
        assert result.response.percentile(50) == pytest.approx(800_000, rel=0.2)
    if slice_s is None:
        assert [each.counted_s for each in result.slices] == [pytest.approx(SLICE_RESIDENCES * 0.8, rel=0.2)]


def test_unanswered_requests_are_errors_and_in_the_percentiles(order: trial.Order) -> None:
    """It costs the candidate its further turns, and not those of the other one."""
    never = lambda number: None if number % 20 == 0 else 0.005  # noqa: E731
    with answering(never) as silent, answering(lambda _: 0.005) as sound:
        both = beside(order, silent, sound, users=8)
        results = trial.run(change(both, duration_s=0.6, slice_s=0.2, request_timeout_s=0.5))
    hanging, other = results
    assert_accounted_for(results)
    assert set(hanging.errors.by_kind) == {"unanswered"}
    assert hanging.unanswered == hanging.errors.total > 0
    assert hanging.response.percentile(99) >= 500_000
    assert hanging.response.percentile(50) < 200_000
    assert hanging.errors.examples == {"unanswered": "GET /plaintext: no complete answer within 0.5 s"}
    assert len(hanging.slices) == 1
    assert (other.errors.total, len(other.slices)) == (0, 3)
    assert other.requests > 0


@pytest.mark.parametrize("where", ["pass", "warm-up", "slice"])
def test_a_candidate_that_hangs_costs_its_own_numbers_alone(where: str, order: trial.Order) -> None:
    """It hangs in the verification pass, in the warm-up, or in a slice."""

    def delay(number: int) -> float | None:
        # Each candidate gets one request in the pass, and the other one is warmed up after this one.
        begun = {"pass": number > 0, "warm-up": number > 1, "slice": len(sound.began_ns) > 1}
        return None if begun[where] else 0.002

    with answering(delay) as hanging, answering(lambda _: 0.002) as sound:
        both = beside(order, hanging, sound, users=4)
        results = trial.run(change(both, duration_s=0.4, slice_s=0.2, request_timeout_s=0.5))
    ill, well = results
    assert_accounted_for(results)
    assert ill.unanswered > 0
    assert ill.checked == (where != "pass")
    assert len(ill.slices) == (where == "slice")
    assert (well.errors.total, len(well.slices), well.checked) == (0, 2, True)
    assert well.requests > 0


ENDLESS = """
from pathlib import Path

import gevent
from locust import task
from harness.load import HttpScenario, get

class Endless(HttpScenario):
    hello = get("/plaintext")
    sent = 0

    def on_start(self):
        if self.lane.host == {url!r} and {begins_at} == 0:
            gevent.sleep(1_000)
        super().on_start()

    @task
    def read(self):
        self.send(self.hello)
        self.sent += 1
        if self.lane.host == {url!r} and self.sent >= {begins_at} and Path({mark!r}).exists():
            gevent.sleep(1_000)
"""


@pytest.mark.parametrize(
    ("begins_at", "where", "rate_rps"),
    [
        pytest.param(0, "start", None, marks=pytest.mark.long),
        (1, "pass", None),
        (2, "warm-up", None),
        (2, "warm-up", 200.0),
        (1, "slice", None),
    ],
)
def test_a_task_that_never_ends_costs_its_own_candidate_alone(
    begins_at: int, where: str, rate_rps: float | None, order: trial.Order, tmp_path: Path
) -> None:
    """It begins when a user starts, in the verification pass, in the warm-up, or in a slice."""
    scenario, mark = tmp_path / "endless.py", tmp_path / "mark"

    def delay(number: int) -> float:
        if number > 1:  # this candidate gets one request in the pass, and is warmed up last
            mark.touch()
        return 0.002

    if where != "slice":
        mark.touch()
    with answering(lambda _: 0.002) as one, answering(delay) as other:
        scenario.write_text(ENDLESS.format(url=one.url, begins_at=begins_at, mark=str(mark)))
        both = change(beside(order, one, other, users=4, rate_rps=rate_rps), duration_s=0.6, slice_s=0.3)
        results = trial.run(replace(change(both, request_timeout_s=0.5), scenario=scenario))
    ill, well = results
    assert_accounted_for(results)
    assert ("connect" if where == "start" else "endless") in ill.errors.by_kind
    measured = where in {"warm-up", "slice"}
    assert (ill.checked, len(ill.slices)) == (measured, int(measured))
    assert (well.errors.total, len(well.slices), well.checked) == (0, 2, True)
    assert well.requests > 0


CUSTOM_ENDLESS = """
from pathlib import Path

import gevent
from locust import FastHttpUser, task

class Endless(FastHttpUser):
    @task
    def read(self):
        self.client.get("/plaintext")
        gevent.sleep(1_000)
"""


@pytest.mark.parametrize("answers", [True, False], ids=["a task that never ends", "a server that hangs"])
def test_custom_users_that_hang_end_with_the_measurement(answers: bool, order: trial.Order, tmp_path: Path) -> None:
    scenario = tmp_path / "endless.py"
    scenario.write_text(CUSTOM_ENDLESS)
    with answering(lambda _: 0.002 if answers else None) as server:
        hanging = change(beside(order, server, users=4), request_timeout_s=0.5)
        (result,) = trial.run(replace(hanging, scenario=scenario))
    assert (result.requests, result.verified) == (0, False)


def test_connections_that_were_closed_while_idle_are_opened_again_as_a_turn_begins(order: trial.Order) -> None:
    """One candidate closes them as soon as the other one has its turn."""

    def close_the_others(_: int) -> float:
        closing.close_idle()
        return 0.005

    with answering(lambda _: 0.005) as closing, answering(close_the_others) as sound:
        both = beside(order, closing, sound, users=8)
        results = trial.run(change(both, duration_s=1.2, slice_s=0.4))
    assert_accounted_for(results)
    closed, other = results
    assert (closed.errors.total, other.errors.total) == (0, 0)
    assert (closed.unanswered, other.connections.reopened) == (0, 0)
    # Those that are opened again before the first counted slice are only among the opened ones.
    assert closed.connections.opened >= 8 + closed.connections.reopened
    assert closed.connections.reopened >= 8
    # Before any user has sent a second request: none is opened while requests count.
    again = [min(at - since for since in closing.closed_after if at >= since) for at in closing.accepted_after[8:]]
    assert max(again) < 8


def test_connections_that_are_closed_within_a_slice_of_an_open_loop_are_opened_again(order: trial.Order) -> None:
    """Users may be idle for longer than the server waits."""
    rate_rps = 200.0
    with answering(lambda _: 0.005, idle_s=0.3) as closing, answering(lambda _: 0.005) as sound:
        both = beside(order, closing, sound, users=8, rate_rps=rate_rps)
        results = trial.run(change(both, duration_s=1.2, slice_s=0.4))
    assert_accounted_for(results)
    closed, other = results
    # The test's server loses a request that arrives as its time-out of an idle connection fires, and so do real ones.
    crossed = closed.errors.by_kind.get("reset", 0)
    assert (closed.errors.total, other.errors.total) == (crossed, 0)
    assert crossed <= 12  # of 240 requests
    assert (closed.unanswered, other.connections.reopened) == (0, 0)
    assert closed.connections.opened >= 8 + closed.connections.reopened > 8
    # As many as were due; in a closed loop, 8 users with answers of 5 ms would send several times as many.
    assert [each.requests for each in results] == pytest.approx([rate_rps * 1.2] * 2, abs=6)


def test_a_server_that_closes_after_each_answer_gives_right_answers(order: trial.Order, fault: Fault) -> None:
    with answering(lambda _: 0.002, idle_s=0.0) as server:
        results = trial.run(change(order, hosts=(server.url,)))
    (result,) = results
    assert_accounted_for(results)
    assert result.errors.examples == {}
    assert result.connections.reopened > 0
    fault.report(
        name="the server closes the idle connection after each answer",
        happened=f"the connection is opened again, {result.errors.total} errors",
        lost="nothing",
        left="nothing",
        told="reopened in the summary",
    )


def test_a_process_that_is_killed_ends_the_trial_at_once_with_the_reason(
    order: trial.Order, load_token: str, fault: Fault
) -> None:
    order = replace(change(order, duration_s=100.0, slice_s=100.0), processes=2)  # its end is not waited for
    killed, told, _ = signal_a_load_process(signal.SIGKILL, order, load_token)
    assert f"found that process {killed} was killed by SIGKILL, perhaps" in told
    fault.report(
        name="1 of 2 load processes is killed",
        happened="the measurement fails at once",
        lost="its result",
        left="nothing",
        told=told.replace(str(killed), "ID"),
    )


@pytest.mark.long
def test_a_process_that_is_stopped_ends_the_trial_with_the_reason(
    order: trial.Order, load_token: str, fault: Fault
) -> None:
    order = replace(change(order, duration_s=60.0, slice_s=0.5, request_timeout_s=0.5), processes=2)
    _, told, waited_s = signal_a_load_process(signal.SIGSTOP, order, load_token)
    assert "found 1 of 2 after" in told
    fault.report(
        name="1 of 2 load processes is stopped (SIGSTOP)",
        happened=f"the measurement fails after {waited_s:.0f} s",
        lost="its result",
        left="nothing",
        told=told,
    )


def signal_a_load_process(number: signal.Signals, order: trial.Order, token: str) -> tuple[int, str, float]:
    """Send a signal to a process with users in mid-trial; its id, what the trial said, and after how many seconds."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(trial.run, order)
        until = threading.Event()
        connected: list[psutil.Process] = []
        while not connected and not running.done():
            until.wait(0.05)
            connected = [process for process in processes(token) if loads(process)]
        os.kill(connected[0].pid, number)
        began_s = time.monotonic()
        with pytest.raises(LoadError) as error:
            running.result(timeout=60)
        return connected[0].pid, str(error.value), time.monotonic() - began_s


ENDING = """import os
from locust import events
from locust.runners import WorkerRunner
from scenarios.plaintext import *


@events.init.add_listener
def end(runner, **_):
    if isinstance(runner, WorkerRunner):
        try:
            os.remove({mark!r})  # only one of them can
        except FileNotFoundError:
            return
        {end}
"""


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os.kill(os.getpid(), 9)", r"found that process \d+ was killed by SIGKILL, perhaps for lack of memory$"),
        ("os.kill(os.getpid(), 15)", r"found that process \d+ was killed by SIGTERM$"),
        ("raise SystemExit('no such luck')", r"found that process \d+ ended with status \d; it said: no such luck$"),
        ("os._exit(3)", r"found that process \d+ ended with status 3$"),
    ],
)
def test_a_process_that_ends_before_all_are_ready_ends_the_trial_at_once(
    end: str, told: str, order: trial.Order, tmp_path: Path, fault: Fault
) -> None:
    mark, scenario = tmp_path / "mark", tmp_path / "ending.py"
    mark.touch()
    scenario.write_text(ENDING.format(mark=str(mark), end=end))
    with pytest.raises(LoadError, match=told) as caught:
        trial.run(replace(order, processes=2, scenario=scenario))
    fault.report(
        name=f"one of two load processes ends before all are ready: {end}",
        happened="the measurement has failed at once",
        lost="nothing that was measured",
        left="nothing",  # as the fixture of its token asserts
        told=str(caught.value),
    )


def test_trials_at_the_same_time_keep_their_processes_apart(order: trial.Order, load_token: str, fault: Fault) -> None:
    with answering(lambda _: 0.02) as one, answering(lambda _: 0.02) as other, ForkServer(load_token) as second:
        orders = [replace(beside(order, server, users=4), processes=2) for server in (one, other)]
        orders[1] = replace(orders[1], fork_server=second, log=order.log.with_name("other.log"))
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(trial.run, orders))
    for (result,), server in zip(found, (one, other), strict=True):
        assert_accounted_for([result])
        assert result.errors.examples == {}
        assert (result.connections.opened, len(server.accepted_ns)) == (4, 4)
    fault.report(
        name="two runs at once with --load-processes 2",
        happened="each had its own users and answers",
        lost="nothing",
        left="nothing",
        told="nothing to tell",
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_a_process_that_uses_too_much_memory_is_ended_and_told(
    processes: int, order: trial.Order, tmp_path: Path, fault: Fault
) -> None:
    scenario = tmp_path / "greedy.py"
    scenario.write_text(
        """from locust import task
from scenarios.plaintext import *

kept = []


class Greedy(Plaintext):
    @task
    def read(self):
        kept.append(bytes(1 << 20))
        super().read()
"""
    )
    greedy = replace(order, scenario=scenario, memory_bytes=256 << 20, processes=processes)
    told = r"^expected load processes that use at most 256 MiB of memory \(--load-memory\), found that process \d+ used"
    with pytest.raises(LoadError, match=told) as caught:
        trial.run(change(greedy, duration_s=60.0, slice_s=20.0))
    fault.report(
        name=f"a Locust file fills the memory of {'a load process' if processes == 1 else 'two load processes'}",
        happened="the load was ended, and the measurement has failed",
        lost="the results of this measurement",
        left="nothing",
        told=str(caught.value),
    )


TAKES = """from locust import events, task

from harness.load import HttpScenario, get


class Taking(HttpScenario):
    hello = get("/plaintext")

    @task
    def read(self):
        self.send(self.hello)
        {take}
"""


def test_users_without_a_descriptor_are_errors_and_the_result_is_written(
    order: trial.Order, tmp_path: Path, fault: Fault
) -> None:
    scenario = tmp_path / "taking.py"
    scenario.write_text(TAKES.format(take="__import__('resource').setrlimit(7, (3, 3))"))
    (result,) = trial.run(replace(order, scenario=scenario))
    assert_accounted_for([result])
    assert not result.checked
    assert set(result.errors.by_kind) == {"connect"}
    (told,) = result.errors.examples.values()
    assert "Too many open files" in told
    fault.report(
        name="load process short of descriptors",
        happened="the measurement is invalid",
        lost="nothing",
        left="nothing",
        told=told,
    )


def test_a_load_process_that_cannot_write_its_result_ends_at_once(
    order: trial.Order, tmp_path: Path, fault: Fault
) -> None:
    scenario = tmp_path / "taking.py"
    take = (
        "folder = __import__('pathlib').Path(self.environment.parsed_options.harness_result).parent; "
        "__import__('shutil').rmtree(folder, ignore_errors=True)"
    )
    scenario.write_text(TAKES.format(take=take))
    with pytest.raises(LoadError, match="ended with status 1; it said: FileNotFoundError") as caught:
        trial.run(replace(order, scenario=scenario))
    fault.report(
        name="temporary folder of a load process removed",
        happened="the measurement has failed at once",
        lost="its result",
        left="nothing",
        told=str(caught.value),
    )


def test_a_fork_server_that_was_killed_is_started_again(order: trial.Order, load_token: str) -> None:
    trial.run(order)
    (fork_server,) = processes(load_token)
    fork_server.kill()
    assert_accounted_for(trial.run(order))


def test_a_scenario_that_cannot_be_loaded_is_told_with_what_locust_said(order: trial.Order, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no such luck')\n")
    with pytest.raises(LoadError, match=r"ended with status 1; it said: RuntimeError: no such luck$") as caught:
        trial.run(replace(order, scenario=broken))
    assert "no such luck" in caught.value.log_tail


def test_a_module_that_a_scenario_lacks_is_told_with_the_place_where_it_lacks(
    order: trial.Order, tmp_path: Path
) -> None:
    lacking = tmp_path / "lacking.py"
    lacking.write_text("import no_such_module\n")
    told = f"; it said: ModuleNotFoundError: No module named 'no_such_module'; Locust files run in .* {sys.executable}$"
    with pytest.raises(LoadError, match=told):
        trial.run(replace(order, scenario=lacking))


def test_a_server_that_is_not_there_is_a_pass_that_failed(order: trial.Order) -> None:
    (host,) = order.block.hosts
    results = trial.run(change(order, hosts=("http://127.0.0.1:9", host), turns=(Turn(0, 4), Turn(1, 4))))
    missing, there = results
    assert_accounted_for(results)
    assert not missing.checked
    assert (missing.answers, missing.slices) == (0, ())
    assert set(missing.errors.by_kind) == {"connect"}
    assert (there.errors.examples, there.checked) == ({}, True)
    assert there.requests > 0


def test_a_task_that_raises_is_a_failure_and_not_a_pause(order: trial.Order, tmp_path: Path) -> None:
    scenario = tmp_path / "raising.py"
    scenario.write_text(
        """from locust import task

from harness.load.slices import SLICE_RESIDENCES
from harness.load import HttpScenario, get


class Raising(HttpScenario):
    hello = get("/plaintext")

    @task
    def read(self):
        self.send(self.hello).json()["message"]
"""
    )
    results = trial.run(replace(order, scenario=scenario))
    (result,) = results
    assert not result.checked
    assert "read: json.decoder.JSONDecodeError" in result.errors.examples["exception"]
    assert_accounted_for(results)


def test_custom_users_are_counted_by_the_events_that_they_fire(order: trial.Order, tmp_path: Path) -> None:
    scenario = tmp_path / "custom.py"
    scenario.write_text(
        """from locust import FastHttpUser, task


class Reader(FastHttpUser):
    @task
    def read(self):
        self.client.get("/plaintext")
        self.environment.events.request.fire(
            request_type="WSR", name="pushed", response_time=None, response_length=3, exception=None, context={}
        )
"""
    )
    results = trial.run(replace(change(order, slice_s=0.15), scenario=scenario))
    (result,) = results
    assert not result.verified
    assert result.errors.examples == {}
    requests = {(each.method, each.name): each for each in result.by_request}
    assert set(requests) == {("GET", "/plaintext"), ("WSR", "pushed")}
    assert requests["GET", "/plaintext"].response.count > 0
    # What was pushed has no response time, and is counted all the same.
    assert requests["WSR", "pushed"].response.count == 0
    assert requests["WSR", "pushed"].requests > 0
    assert result.requests > 1.5 * result.response.count
    assert len(result.slices) == 2
    assert result.started == result.finished


IN_A_LOCUST_FILE = """from locust import FastHttpUser, constant, task
from locust.exception import RescheduleTask, StopUser


class Reader(FastHttpUser):
    network_timeout = 20.0

    @task
    def read(self):
        self.client.get("/plaintext")
        {task}

    def on_start(self):
        {on_start}

    def wait_time(self):
        {wait_time}
"""


@pytest.mark.parametrize(
    ("place", "code", "example", "stopped"),
    [
        ("task", "raise KeyError('id')", "Reader: KeyError: 'id'", 0),
        pytest.param("task", "assert False, 'wrong'", "Reader: AssertionError: wrong", 0, marks=pytest.mark.long),
        ("on_start", "raise OSError('no login')", "Reader: OSError: no login", 4),
        pytest.param(
            "wait_time", "return 1 / 0", "Reader: ZeroDivisionError: division by zero", 4, marks=pytest.mark.long
        ),
        ("task", "import gevent; raise gevent.Timeout(1)", "Reader: gevent.timeout.Timeout: 1 second", 4),
        ("task", "raise StopUser()", None, 4),
        pytest.param("task", "self.stop()", None, 4, marks=pytest.mark.long),
        pytest.param("task", "raise RescheduleTask()", None, 0, marks=pytest.mark.long),
        pytest.param("task", "pass", None, 0, marks=pytest.mark.long),
    ],
)
def test_what_a_locust_file_raises_is_an_error_and_a_user_that_ended_is_counted(
    order: trial.Order, tmp_path: Path, place: str, code: str, example: str | None, stopped: int
) -> None:
    scenario = tmp_path / "custom.py"
    code_of = {"task": "pass", "on_start": "pass", "wait_time": "return 0"} | {place: code}
    scenario.write_text(IN_A_LOCUST_FILE.format(**code_of))
    (result,) = trial.run(replace(change(order, slice_s=0.15), scenario=scenario))
    assert result.errors.examples == ({} if example is None else {"exception": example})
    assert result.stopped_users == stopped
    assert result.started == result.finished


@pytest.mark.parametrize(
    ("place", "code", "example", "stopped"),
    [
        ("on_start", "raise OSError('no login')", "Reader: OSError: no login", 0),
        ("task", "raise StopUser()", None, 4),
        pytest.param("task", "self.stop()", None, 4, marks=pytest.mark.long),
        pytest.param("task", "raise RescheduleTask()", None, 0, marks=pytest.mark.long),
        pytest.param(
            "wait_time", "return 1 / 0", "Reader: ZeroDivisionError: division by zero", 4, marks=pytest.mark.long
        ),
    ],
)
def test_what_a_scenario_raises_is_an_error_too(
    order: trial.Order, tmp_path: Path, place: str, code: str, example: str | None, stopped: int
) -> None:
    scenario = tmp_path / "own.py"
    code_of = {"task": "pass", "on_start": "super().on_start()", "wait_time": "return 0"} | {place: code}
    scenario.write_text(
        IN_A_LOCUST_FILE.format(**code_of)
        .replace("import FastHttpUser, constant,", "import")
        .replace("FastHttpUser", "HttpScenario")
        .replace('self.client.get("/plaintext")', 'self.send(get("/plaintext"))')
        .replace("from locust.exc", "from harness.load import HttpScenario, get\nfrom locust.exc")
    )
    (result,) = trial.run(replace(order, scenario=scenario))
    assert result.errors.examples == ({} if example is None else {"exception": example})
    assert result.stopped_users == stopped
    assert result.checked == (place != "on_start")


def test_a_request_of_a_locust_file_that_is_never_answered_is_an_error(order: trial.Order, tmp_path: Path) -> None:
    scenario = tmp_path / "custom.py"
    scenario.write_text(IN_A_LOCUST_FILE.format(task="pass", on_start="pass", wait_time="return 0"))
    with answering(lambda number: None if number == 30 else 0.001) as server:
        longer = change(order, duration_s=1.0, request_timeout_s=0.5)
        (result,) = trial.run(replace(beside(longer, server, users=4), scenario=scenario))
    assert (result.unanswered, result.errors.by_kind) == (1, {"unanswered": 1})
    assert result.errors.examples == {"unanswered": "Reader: no request reported for 0.5 s in a task"}


@pytest.mark.long
def test_a_user_whose_helpers_report_its_requests_may_be_silent(order: trial.Order, tmp_path: Path) -> None:
    scenario = tmp_path / "custom.py"
    task = 'import gevent; gevent.spawn(self.client.get, "/plaintext").join(); gevent.sleep(0.5)'
    code = IN_A_LOCUST_FILE.replace('self.client.get("/plaintext")', task)
    scenario.write_text(code.format(task="pass", on_start="pass", wait_time="return 0"))
    (result,) = trial.run(replace(change(order, request_timeout_s=0.2), scenario=scenario))
    assert (result.errors.by_kind, result.stopped_users) == ({}, 0)


def test_a_candidate_that_fails_in_the_warm_up_has_errors_in_each_of_its_cases(order: trial.Order) -> None:
    with answering(lambda number: None if number > 20 else 0.0) as server:
        turns = (Turn(0, users=2), Turn(0, users=4))
        found = trial.run(change(order, hosts=(server.url,), turns=turns, request_timeout_s=0.3, warmup_s=0.3))
    assert [result.requests for result in found] == [0, 0]
    assert [set(result.errors.by_kind) for result in found] == [{"unanswered"}] * 2


@pytest.mark.long
def test_a_candidate_that_is_given_up_has_errors_in_the_cases_that_had_no_turn(order: trial.Order) -> None:
    with answering(lambda number: None if number > 20 else 0.01) as server:
        turns = (Turn(0, users=2), Turn(0, users=4))
        found = trial.run(change(order, hosts=(server.url,), turns=turns, request_timeout_s=0.3, warmup_s=0.0))
    assert all(result.errors.by_kind["unanswered"] for result in found)
    assert sorted(len(result.slices) for result in found) == [0, 1]


def processes(token: str) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in guard.processes_of(token)]


def loads(process: psutil.Process) -> bool:
    """Is it one that has users: connected to the server, two of four each?"""
    try:
        return len([each for each in process.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]) > 2
    except psutil.NoSuchProcess:
        return False
