"""A load worker asks for work while one master follows another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import zmq

from harness.load import messages

ASK_WITHIN_MS = 60_000
"""More than starting a worker takes on a slow machine."""
HOME_S = 4.0
"""Shorter than a worker waits for one answer (`ANSWER_S`), longer than it takes to ask again."""


def test_a_question_that_a_master_took_with_it_is_asked_of_the_next(tmp_path: Path) -> None:
    about = {"host": "gen1", "python": "CPython", "cpus": 1, "cpu_model": "none", "kernel": "none"}
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
