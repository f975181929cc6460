"""The agent of a server host, asked through a pipe as ssh makes one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from harness.host import guard
from harness.hosts import messages
from harness.hosts.agent import greet
from harness.hosts.connection import Connection
from harness.model.errors import ServerError
from harness.model.machine import Machine
from harness.model.targets import HOST

AGENT = (sys.executable, "-m", "harness", "agent")
WITHIN_S = 30.0
_MORE_THAN_A_PIPE_HOLDS = 100
"""So many answers of some kilobytes are more than 64 KiB."""


@contextmanager
def connected(folder: Path, argv: tuple[str, ...] = AGENT) -> Iterator[Connection]:
    with guard.guard() as token:
        connection = Connection(argv, "there", folder / "said.log", token)
        try:
            yield connection
        finally:
            connection.close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Connection]:
    with connected(tmp_path) as connection:
        yield connection


def start(agent: Connection, server: str = "uvicorn", app: str = "apps.asgi:app") -> messages.StartedServer:
    port = agent.ask(messages.ChoosePort(HOST), int)
    cpus = agent.greeting.cpus
    asked = messages.StartServer(server, (), app, {}, HOST, port, app, 1, sys.executable, cpus, None)
    started: messages.StartedServer = agent.ask(asked, messages.StartedServer)
    return started


def await_end(pids: set[int]) -> None:
    until_s = time.monotonic() + WITHIN_S
    while left := {pid for pid in pids if psutil.pid_exists(pid)}:
        assert time.monotonic() < until_s, left
        time.sleep(0.01)


def find_servers(started: messages.StartedServer) -> set[int]:
    """The processes that a server's command runs in."""
    until_s = time.monotonic() + WITHIN_S
    while not (found := {each.pid for each in psutil.process_iter(["cmdline"]) if is_of(each, started)}):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return found


def is_of(process: psutil.Process, started: messages.StartedServer) -> bool:
    return process.info["cmdline"] == list(started.argv)


def test_it_says_what_it_is_and_reads_facts(agent: Connection) -> None:
    here = greet()
    assert (agent.greeting.version, agent.greeting.catalogue) == (here.version, here.catalogue)
    assert agent.greeting.machine_id == here.machine_id
    machine = agent.ask(messages.ReadMachine(0.05), Machine)
    assert machine.system.kernel == os.uname().release
    found = agent.ask(messages.DescribePython(sys.executable), messages.Interpreter)
    assert "uvicorn" in found.packages
    assert agent.ask(messages.DescribePython("/nowhere/python"), messages.Interpreter).description is None


def test_its_clock_is_known_to_half_of_a_round_trip(agent: Connection) -> None:
    before_ns = time.perf_counter_ns()
    offset = agent.read_offset()
    after_ns = time.perf_counter_ns()
    # On one machine, it is the same clock.
    assert before_ns <= offset.there_ns <= after_ns
    assert abs(offset.there_ns - offset.here_ns) <= offset.error_ns


def test_a_server_is_started_sampled_and_stopped(agent: Connection) -> None:
    started = start(agent)
    own = find_servers(started)
    agent.ask(messages.StartSampling(started.number))
    sampled = agent.ask(messages.EndSampling(started.number), messages.Sampled)
    assert [each.processes for each in sampled.samples] == [1, 1]
    assert agent.ask(messages.ReadMemory(started.number), int) > 0
    agent.ask(messages.StopServer(started.number, 5.0))
    await_end(own)
    assert agent.ended == {}


def test_a_server_that_ends_by_itself_is_told_with_its_log(agent: Connection, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no database')\n")
    found = agent.ask(
        messages.FindApp("broken:app", None, str(tmp_path), "/", sys.executable, factory=False, import_path=None),
        messages.FoundApp,
    )
    assert found.directory == str(tmp_path)
    started = start(agent, app=found.target)
    until_s = time.monotonic() + WITHIN_S
    while started.number not in agent.ended:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert agent.ended[started.number].startswith("exit status")
    assert "no database" in agent.ask(messages.ReadLog(started.number), str)


@pytest.mark.parametrize(
    ("server", "app", "told"),
    [("rm", "apps.asgi:app", "--servers"), ("uvicorn", "os:system", "expected an app of the catalogue")],
)
def test_nothing_else_is_started(agent: Connection, server: str, app: str, told: str) -> None:
    with pytest.raises(ServerError, match=told):
        start(agent, server, app)


def test_the_end_of_the_pipe_ends_what_it_started(tmp_path: Path) -> None:
    with connected(tmp_path) as agent:
        own = find_servers(start(agent))
    await_end(own)


def test_an_agent_that_is_killed_leaves_nothing_and_is_told(tmp_path: Path) -> None:
    with connected(tmp_path) as agent:
        own = find_servers(start(agent))
        (leader,) = (psutil.Process(pid) for pid in own)
        os.kill(leader.ppid(), 9)
        await_end(own)
        with pytest.raises(ServerError, match="the connection to there ended"):
            agent.ask(messages.ReadMachine(0.05), Machine)
        assert agent.lost is not None


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo Last login; echo kex: refused >&2; exit 255", "expected ssh to connect, found: kex: refused"),
        ("exit 3", "expected an agent of the harness, found: exit status 3 of ssh; --server-python"),
        ("echo Warning: Permanently added x >&2; exit 255", "found: exit status 255 of ssh"),
    ],
)
def test_why_there_is_no_agent_is_told_in_the_words_of_ssh(tmp_path: Path, script: str, told: str) -> None:
    with pytest.raises(ServerError, match=told), connected(tmp_path, ("sh", "-c", script)):
        pass


def test_what_a_shell_prints_before_is_passed_over(tmp_path: Path) -> None:
    noisy = ("sh", "-c", f"echo Welcome; echo '{{}}'; exec {' '.join(AGENT)}")
    with connected(tmp_path, noisy) as agent:
        assert agent.greeting.version == greet().version


@pytest.mark.long
def test_an_agent_that_nobody_hears_ends_also_while_it_writes() -> None:
    """As on a network that is cut off, where what is written goes nowhere."""
    with subprocess.Popen(AGENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None
        agent.stdout.readline()
        for number in range(_MORE_THAN_A_PIPE_HOLDS):
            call = messages.Call(number, messages.DescribePython(sys.executable))
            agent.stdin.write(msgspec.json.encode(call) + b"\n")
        agent.stdin.flush()
        assert agent.wait(messages.SILENCE_S + WITHIN_S) == 0
