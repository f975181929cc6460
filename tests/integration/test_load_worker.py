"""A load worker asks for work while one master follows another."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import zmq

from harness.host import guard
from harness.host.process import free_port
from harness.load import messages
from harness.model.errors import LoadError
from harness.model.load_workers import WantedWorkers
from harness.run.load_hosts import gather
from tests.integration.scripted_worker import scripted_workers

HOST = "127.0.0.1"

ASK_WITHIN_MS = 60_000
"""More than starting a worker takes on a slow machine."""
HOME_S = 4.0
"""Shorter than a worker waits for one answer (`ANSWER_S`), longer than it takes to ask again."""


def test_a_question_that_a_master_took_with_it_is_asked_of_the_next(tmp_path: Path) -> None:
    about = {"name": "gen1-1", "host": "gen1", "python": "CPython", "cpus": 1, "cpu_model": "none", "kernel": "none"}
    with zmq.Context() as context, context.socket(zmq.ROUTER) as master:
        port = master.bind_to_random_port("tcp://127.0.0.1")
        told = {"host": "127.0.0.1", "port": port, "worker": about, "wait_s": 60.0, "folder": str(tmp_path)}
        worker = subprocess.Popen((sys.executable, "-m", "harness.load.worker", json.dumps(told)))
        try:
            assert master.poll(ASK_WITHIN_MS)
            _, question = master.recv_multipart()
            kind, hello, _ = msgspec.msgpack.decode(question)
            assert kind == messages.HELLO
            master.close(linger=0)
            names = [hello["worker"]["name"]]
            last = {"host": "127.0.0.1", "port": port, "count": 1, "wait_s": HOME_S, "names": names}
            home = subprocess.run((sys.executable, "-m", "harness.load.roll_call", json.dumps(last)), check=False)
            assert home.returncode == 0, "the worker did not ask again"
            assert worker.wait(60) == 100  # the run is over
        finally:
            worker.kill()
            worker.wait()


def test_a_worker_that_waits_for_the_next_run_is_not_sent_home(tmp_path: Path) -> None:
    port = free_port(HOST)
    fresh = {"name": "gen2-1", "host": "gen2"}
    told = {"host": HOST, "port": port, "count": 1, "wait_s": 60.0, "names": ["gen1-1"]}
    home = subprocess.Popen((sys.executable, "-m", "harness.load.roll_call", json.dumps(told)), cwd=tmp_path)
    try:
        with scripted_workers(port, {"name": "gen1-1", "host": "gen1"}, fresh) as (one, two):
            two.say(messages.HELLO, {"worker": fresh, "process": 1, "ended": None, "met": False})
            two.say("heartbeat")
            two.hear("quit")  # so the question was heard
            assert one.ask() == messages.END
            assert home.wait(60) == 0
            assert [each.kind for each in two.heard] == ["quit"]
    finally:
        home.kill()
        home.wait()


def test_a_run_whose_address_another_program_has_says_so() -> None:
    with socket.create_server((HOST, 0)) as taken, guard.guard() as token:
        wanted = WantedWorkers(1, HOST, taken.getsockname()[1])
        with pytest.raises(LoadError, match=f"expected to listen on {wanted.master}, found .*in use"):
            gather(wanted, token, lambda _: None).__enter__()
