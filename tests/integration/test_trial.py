"""A trial gives a result of all its processes, or says in one line why there is none; nothing of it is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.host import certificates, guard
from harness.host.cpus import available, place
from harness.model.errors import LoadError
from harness.model.plan import Case
from harness.run import trial
from harness.run.calibration import ceiling, others


@pytest.fixture
def order(tmp_path: Path) -> Iterator[trial.Order]:
    """Half a second of `plaintext` against the null server."""
    with guard.guard() as token, certificates.issue() as tls:
        generator = ceiling.Generator(sys.executable, place(available()), tls, token)
        with others.start_null_server(generator) as null:
            yield trial.Order(
                Case("null", "none", "plaintext", "h1", users=4),
                ceiling.find_smallest_scenario("h1").path,
                null.url("h1"),
                None,
                warmup_s=0.05,
                window_s=0.3,
                cpus=available(),
                log=tmp_path / "load.log",
                seed=0,
                processes=1,
                token=f"{token}/load",
            )
            assert guard.processes_of(f"{token}/load") == []


def test_the_account_of_a_trial_adds_up(order: trial.Order) -> None:
    result = trial.run(order)
    assert result.started == result.finished + result.abandoned
    assert result.answers >= result.requests > 0
    assert result.window_s == pytest.approx(0.3)


def test_two_processes_give_one_result(order: trial.Order) -> None:
    result = trial.run(replace(order, processes=2))
    assert result.started == result.finished + result.abandoned
    assert result.connections.opened == 4
    assert result.errors.examples == {}
    assert result.response.count == result.requests > 0


def test_a_process_that_dies_leaves_no_result_rather_than_half_of_one(order: trial.Order) -> None:
    order = replace(order, processes=2, window_s=3.0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(trial.run, order)
        until = threading.Event()
        connected: list[psutil.Process] = []
        while not connected and not running.done():
            until.wait(0.05)
            connected = [process for process in processes(order.token) if loads(process)]
        os.kill(connected[0].pid, signal.SIGKILL)
        # At once if it died in the window, at the trial's deadline if it died before all were ready.
        with pytest.raises(LoadError, match="expected a result"):
            running.result()


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
    result = trial.run(replace(order, url="http://127.0.0.1:9"))
    assert not result.checked
    assert result.answers == 0
    assert set(result.errors.by_kind) == {"connect"}
    assert result.started == result.finished + result.abandoned


def test_a_task_that_raises_is_a_failure_and_not_a_pause(order: trial.Order, tmp_path: Path) -> None:
    scenario = tmp_path / "raising.py"
    scenario.write_text(
        """from locust import task

from harness.load import HttpScenario, get


class Raising(HttpScenario):
    hello = get("/plaintext")

    @task
    def read(self):
        self.send(self.hello).json()["message"]
"""
    )
    result = trial.run(replace(order, scenario=scenario))
    assert not result.checked
    assert "read: JSONDecodeError" in result.errors.examples["scenario"]
    assert result.started == result.finished + result.abandoned


def processes(token: str) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in guard.processes_of(token)]


def loads(process: psutil.Process) -> bool:
    """Is it one that has users: connected to the server, two of four each?"""
    try:
        return len([each for each in process.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]) > 2
    except psutil.NoSuchProcess:
        return False
