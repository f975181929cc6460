"""Locust's master and load workers of other hosts: who is lost stays lost, and nobody else counts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from harness.host import guard
from harness.host.cpus import available
from harness.host.process import free_port
from harness.load import messages
from harness.model.blocks import BlockOrder, Turn
from harness.model.errors import WorkersLostError
from harness.model.load_workers import WantedWorkers
from harness.run import trial
from harness.run.load_hosts import LoadHosts
from harness.run.load_process import ForkServer
from tests.integration.scripted_worker import ScriptedWorker, scripted_workers

HOST = "127.0.0.1"
VERSIONS = "from harness.load.versions import *; print(read_harness_version(), read_locust_version(), sep='|')"
OBSERVED = """
import logging, os, socket
from locust import User, events, task

class Nothing(User):
    drives_itself = True

    @task
    def wait(self): ...

class Tell(logging.Handler):
    def emit(self, record):
        if "setting state to missing" in record.getMessage():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as teller:
                teller.sendto(b"missing", ("127.0.0.1", int(os.environ["TELL"])))

@events.init.add_listener
def tell(**_):
    logging.getLogger("locust.runners").setLevel(logging.INFO)
    logging.getLogger("locust.runners").addHandler(Tell(logging.INFO))
"""
"""A Locust file that loads nothing, and says when the master misses a worker."""


@pytest.fixture(scope="module")
def versions() -> dict[str, str]:
    """What a load worker must have in common with its master."""
    done = subprocess.run((sys.executable, "-c", VERSIONS), capture_output=True, text=True, check=True)
    return dict(zip(("harness", "locust"), done.stdout.strip().split("|"), strict=True))


def about(name: str, versions: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "host": name.rpartition("-")[0], "python": "CPython", "cpus": 1, **versions}


@contextmanager
def measuring(tmp_path: Path, port: int, workers: int, missing: int = 9) -> Iterator[Any]:
    """A measurement with so many load workers, while the block lasts: its outcome, as a future."""
    scenario = tmp_path / "nothing.py"
    scenario.write_text(OBSERVED)
    block = BlockOrder((f"http://{HOST}:1",), (Turn(0, users=2),), 0.05, 0.2, 0.1, request_timeout_s=1.0, seed=0)
    hosts = LoadHosts(WantedWorkers(workers, HOST, port), [])
    with guard.guard() as token, ForkServer(token) as fork_server, ThreadPoolExecutor(1) as pool:
        order = trial.Order(
            *(block, scenario, "h1", 1, None, available(), tmp_path / "load.log"),
            processes=1,
            fork_server=fork_server,
            environment={"TELL": str(missing)},
            hosts=hosts,
        )
        yield pool.submit(trial.run, order)


def await_missing(told: socket.socket, beating: ScriptedWorker) -> None:
    """Wait until the master misses a worker, while another one goes on to send heartbeats."""
    for _ in range(60):
        beating.beat()
        with suppress(TimeoutError):
            told.recv(100)
            return
    pytest.fail("the master has missed nobody")


def test_a_worker_that_was_silent_is_lost_though_it_is_back_at_once(tmp_path: Path, versions: dict[str, str]) -> None:
    """Locust's master would divide users anew, and all processes would begin again in the middle of a slice."""
    port = free_port(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told:
        told.bind((HOST, 0))
        told.settimeout(1.0)
        with (
            measuring(tmp_path, port, 2, told.getsockname()[1]) as outcome,
            scripted_workers(port, about("gen1-1", versions), about("gen2-2", versions)) as (one, two),
        ):
            for each in (one, two):
                each.join()
            for each in (one, two):
                each.get_ready()
            for each in (one, two):
                each.hear(messages.SLICE)
            await_missing(told, beating=one)
            two.beat()
            two.hear("heartbeat")
            for each in (one, two):
                each.finish_slice()
                each.hear("quit")
            with pytest.raises(WorkersLostError, match="load worker gen2-2 sent no heartbeat"):
                outcome.result(60)
    assert [each.kind for each in one.heard].count("spawn") == 1


def test_the_answer_of_a_worker_that_takes_no_part_is_not_counted(tmp_path: Path, versions: dict[str, str]) -> None:
    """It may have been given work by the master before this one."""
    port = free_port(HOST)
    with (
        measuring(tmp_path, port, 1) as outcome,
        scripted_workers(port, about("gen1-1", versions), about("gen2-2", versions)) as (one, stray),
    ):
        one.join()
        one.get_ready()
        one.hear(messages.SLICE)
        stray.finish_slice(right=0, failed=1)
        assert stray.ask() == messages.WAIT  # so the master has heard the other message too
        one.finish_slice()
        one.hear(messages.SLICE)
        assert not outcome.done()
    assert messages.FINISH not in [each.kind for each in one.heard]


def test_users_are_sent_to_a_load_process_once_its_plugins_have_begun(tmp_path: Path) -> None:
    """Locust says that it is ready before that; users that came then would not be counted, and never be ready."""
    port, scenario = free_port(HOST), tmp_path / "nothing.py"
    scenario.write_text(OBSERVED)
    block = BlockOrder((f"http://{HOST}:1",), (Turn(0, users=2),), 0.05, 0.2, 0.1, request_timeout_s=1.0, seed=0)
    given = (block, scenario, "h1", 1, None, available(), tmp_path / "load.log")
    order = trial.Order(*given, processes=1, fork_server=ForkServer("unused"))
    listen = ("--master", "--expect-workers", "1", "--master-bind-host", HOST, "--master-bind-port", str(port))
    argv = (*order.argv(tmp_path / "result.json"), *listen)
    master = subprocess.Popen(argv, env={**os.environ, "TELL": "9"})
    try:
        with scripted_workers(port, {"name": "process"}) as (process,):
            process.say("client_ready", version("locust"))
            process.hear("ack")
            assert process.hears_nothing(1000)
            process.say(messages.PREPARED)
            process.get_ready()
            process.hear(messages.SLICE)
    finally:
        master.kill()
        master.wait()
