"""A load worker for a run of another host: it asks for work, and is one of Locust's workers in each measurement.

`python -m harness.load.worker JSON`, an object with `host` and `port` of the master, `worker` (a `LoadWorker` without
its versions), `wait_s` and `folder`. Each measurement has a process of its own, forked from this one, which
has imported Locust. What it prints is for the user; `harness/run/worker.py` starts it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import gevent
import gevent.os
from gevent.monkey import get_original
from locust import events
from locust import main as locust_main
from locust.exception import RPCError
from locust.rpc import Message, rpc

from harness.load import messages
from harness.load import plugin as _plugin  # noqa: F401 - imported once for all, like Locust
from harness.load.versions import read_harness_version, read_locust_version

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.runners import WorkerRunner

ASK_S = 0.5
"""The interval at which a worker asks for work. A master that ends may take a question with it."""
KNOCK_S = 0.1
"""The interval at which it looks whether there is a master: measurements wait for it."""
ANSWER_S = 5.0
"""How long it waits for an answer, which may hold large files, before it connects again."""
SILENCE_S = 6.0
"""A master that sends no heartbeat for so long is gone. Locust's own limit is a minute, in which users would go on."""
CONNECT_S = 30.0
"""How long importing the Locust file and connecting to the master may take: Locust would try for five minutes."""
FLUSH_S = 0.05
"""How long the last message takes to leave this process."""
RETRY_S = 1.0
"""The pause after a process that failed."""
OVER, REFUSED, ALONE = 100, 101, 102
"""Exit statuses: the run is over; the worker cannot take part; there was no master for too long."""
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def serve(told: dict[str, Any]) -> None:
    """Fork a process for each measurement, one after the other; returns in each of them when it has work."""
    wait = get_original("os", "waitpid")  # gevent's would run a hub, which a process that forks must not have
    log = Path(told["folder"]) / f"{told['worker']['name']}.log"
    ended, met = None, False
    while True:
        log.write_bytes(b"")
        folder = Path(tempfile.mkdtemp(dir=told["folder"]))
        pid = gevent.os.fork_gevent()
        if pid == 0:
            _take_work(told, ended, log, folder, met=met)
            return
        status = os.waitstatus_to_exitcode(wait(pid, 0)[1])
        shutil.rmtree(folder, ignore_errors=True)
        if status in {OVER, REFUSED, ALONE}:
            sys.exit(status)
        met = True
        ended = None if status == 0 else f"{_describe_end(status)}{_quote_last_line(log)}"
        if ended is not None:
            print(f"{told['worker']['name']}: {ended}", flush=True)
            get_original("time", "sleep")(RETRY_S)


def _take_work(told: dict[str, Any], ended: str | None, log: Path, folder: Path, *, met: bool) -> None:
    """Ask for work until there is some, and make this process what it needs; ends the process if there is none."""
    random.seed()  # else every measurement would take the same random choices
    hello = {"worker": told["worker"], "process": os.getpid(), "ended": ended, "met": met}
    name, place = told["worker"]["name"], f"{told['host']}:{told['port']}"
    answer = _ask(told["host"], told["port"], hello, told["wait_s"])
    if answer is None:
        found = f"found none; start harness run there with --load-workers and --listen {place}"
        print(f"{name}: expected a run at {place} within {told['wait_s']:g} s (--wait), {found}", flush=True)
        os._exit(ALONE)
    if answer["do"] == messages.END:
        os._exit(OVER)
    if answer["do"] == messages.LEAVE:
        print(answer["why"], flush=True)
        os._exit(REFUSED)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.chdir(folder)
    for path, content in answer["files"].items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    os.environ.update(answer["environment"])
    scenario = folder / next(iter(answer["files"]))
    master = ("--worker", "--master-host", told["host"], "--master-port", str(told["port"]))
    sys.argv = ["locust", "-f", f"{_LOCUSTFILE},{scenario}", *master, *answer["argv"]]
    giving_up = gevent.spawn_later(CONNECT_S, os._exit, 0)

    def begin(environment: Environment, runner: WorkerRunner, **_: Any) -> None:
        giving_up.kill()
        _begin(environment, runner, name)

    events.init.add_listener(begin)


def _ask(host: str, port: int, hello: dict[str, Any], wait_s: float) -> dict[str, Any] | None:
    """What the master answers, once it is not to wait; None if there was no answer for so long."""
    heard_s = time.monotonic()
    while time.monotonic() - heard_s < wait_s:
        if not _listens(host, port):
            gevent.sleep(KNOCK_S)
            continue
        answer = _say_hello(host, port, hello)
        if answer is not None:
            heard_s = time.monotonic()
            hello = {**hello, "met": True}
            if answer["do"] != messages.WAIT:
                return answer
        gevent.sleep(ASK_S)
    return None


def _listens(host: str, port: int) -> bool:
    """Is there a master? ZeroMQ would keep all messages for one that comes later."""
    try:
        socket.create_connection((host, port), timeout=ANSWER_S).close()
    except OSError:
        return False
    return True


def _say_hello(host: str, port: int, hello: dict[str, Any]) -> dict[str, Any] | None:
    """The first answer to a question that is asked again and again; None if there is none in time."""
    identity = f"{hello['worker']['name']}-{uuid4().hex}"
    client = rpc.Client(host, port, identity)
    try:
        with gevent.Timeout(ANSWER_S, False), suppress(RPCError):
            while True:
                client.send(Message(messages.HELLO, hello, identity))
                with gevent.Timeout(ASK_S, False):
                    return _read_answer(client)
    finally:
        client.close(linger=0)
    return None


def _read_answer(client: rpc.Client) -> dict[str, Any]:
    while True:
        message = client.recv()
        if message.type == messages.ANSWER:
            answer: dict[str, Any] = message.data
            return answer


def _begin(environment: Environment, runner: WorkerRunner, name: str) -> None:
    """Locust has connected to its master: say who this is, and end with the master."""
    heard_s = time.monotonic()

    def hear(**_: Any) -> None:
        nonlocal heard_s
        heard_s = time.monotonic()

    def end_with_master() -> None:
        while time.monotonic() - heard_s < SILENCE_S:
            gevent.sleep(1.0)
        os._exit(0)

    environment.events.heartbeat_received.add_listener(hear)
    environment.events.quit.add_listener(_end)
    gevent.spawn(end_with_master)
    runner.send_message(messages.HERE, {"name": name, "process": os.getpid()})


def _end(**_: Any) -> None:
    """End with status 0, where a failed request of custom users would make it 1."""
    gevent.sleep(FLUSH_S)
    os._exit(0)


def _describe_end(status: int) -> str:
    return f"ended with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"


def _quote_last_line(log: Path) -> str:
    """The last line that the process wrote, which says why it ended."""
    lines = log.read_text(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f": {said[-1]}" if said else ""


def _introduce(about: dict[str, Any]) -> dict[str, Any]:
    """The worker with its versions, as a `LoadWorker` has them."""
    return {**about, "harness": read_harness_version(), "locust": read_locust_version()}


if __name__ == "__main__":
    _told = json.loads(sys.argv[1])
    serve({**_told, "worker": _introduce(_told["worker"])})
    locust_main.main()
