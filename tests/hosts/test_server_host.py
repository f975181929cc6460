"""Servers on another host, which a real ssh reaches; what is left there when something breaks."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.catalog.sources import digest
from harness.hosts import bootstrap
from harness.hosts.installation import LOCK_FILE
from harness.hosts.messages import SILENCE_S
from tests.command import ALONE, ONE, SOUND, records_of, summary_of
from tests.fault_table import MARKER, Fault
from tests.hosts.commands import WITHIN_S, Command, await_load, harness_on
from tests.hosts.namespaces import Host, connected, other_clock
from tests.hosts.sshd import Way, line_of, sshd_on

pytestmark = pytest.mark.hosts

LONG = (
    *("--warmup", "50ms", "--duration", "20s", "--users", "4", "--no-control", "--rounds", "1"),
    *("--request-timeout", "3s"),
)
"""One trial that is still going on when it is disturbed."""
SOON_S = 5.0


class Place:
    """Two hosts: where the harness is, and where servers are."""

    def __init__(self, here: Host, way: Way) -> None:
        self.here = here
        self.there = way.host
        self.way = way

    @property
    def options(self) -> tuple[str, ...]:
        own = ("--server-host", self.way.url, "--bind", self.there.address)
        return (*own, "--server-python", sys.executable)

    def run(self, *arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> Any:
        """The command, as long as the block lasts."""
        given = self.way.environment(environment)
        return harness_on(self.here, *arguments, cwd=cwd, environment=given)

    def finish(self, *arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
        """Run a command to its end; its status, and what it said."""
        with self.run(*arguments, cwd=cwd, environment=environment) as command:
            return command.end(), command.text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The monotonic clock over there is another one."""
    folder = tmp_path_factory.mktemp("sshd")
    with connected("here", "there") as (here, there), sshd_on(there, folder, before=other_clock()) as way:
        yield Place(here, way)


def make_way(host: Host, folder: Path, fault: Fault) -> Any:
    """An sshd whose sessions are marked, so that what they leave is found."""
    names = (MARKER, "TMPDIR")
    return sshd_on(host, folder, {name: fault.environment[name] for name in names})


def reasons_of(folder: Path) -> str:
    return " ".join(reason for record in records_of(folder) for reason in record["reasons"])


def test_servers_on_another_host_are_measured_as_here(place: Place, tmp_path: Path) -> None:
    servers = ("--servers", "uvicorn,granian", "--scenarios", "plaintext", "--protocols", "h1,h1-tls")
    status, said = place.finish("run", *place.options, *ALONE, *servers, cwd=tmp_path)
    folder = tmp_path / "results" / "latest"
    assert status == 0, said
    for record in records_of(folder):
        assert record["verdict"] in SOUND, record["reasons"]
        assert all(each is not None for each in record["slice_cpu_s"])
        assert any(each["memory_bytes"] for each in record["samples"])
        first, last = record["samples"][0]["at_ns"], record["samples"][-1]["at_ns"]
        slices = record["result"]["slices"]
        assert first < slices[0]["opened_ns"] < slices[-1]["drained_ns"] < last
    starts = [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]
    assert all(place.there.address in start["argv"] and start["stop_s"] > 0 for start in starts)
    here, there = json.loads((folder / "run.json").read_text())["hosts"]
    assert (here["role"], there["role"], there["address"]) == ("load", "server", place.there.address)
    assert [each["role"] for each in summary_of(folder)["run"]["hosts"]] == ["load", "server"]
    assert f"root@{place.there.address}" in (folder / "report.md").read_text()
    place.way.await_nothing(SOON_S)


def test_two_generators_load_a_third_host(tmp_path: Path) -> None:
    names = ("load", "gen1", "gen2", "servers")
    with connected(*names) as (here, gen1, gen2, there), sshd_on(there, tmp_path) as way, ExitStack() as stack:
        place, master = Place(here, way), f"{here.address}:5557"
        for each in (gen1, gen2):
            own = ("worker", "--master", master, "--name", each.name)
            stack.enter_context(harness_on(each, *own, cwd=tmp_path, environment=way.environment()))
        asked = ("--load-workers", "2", "--listen", master)
        status, said = place.finish("run", *place.options, *asked, *ALONE, *ONE, cwd=tmp_path)
    assert status == 0, said
    (record,) = records_of(tmp_path / "results" / "latest")
    assert record["verdict"] in SOUND, record["reasons"]
    assert sorted(each.partition("-")[0] for each in record["result"]["load_workers"]) == ["gen1", "gen2"]
    assert all(each is not None for each in record["slice_cpu_s"])


def test_an_app_of_the_users_over_there_is_found_and_asked_there(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "over there"
    folder.mkdir()
    (folder / "greeting.txt").write_text("Good morning")
    (folder / "shop.py").write_text(
        "from pathlib import Path\n"
        "text = Path('greeting.txt').read_bytes()\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http':\n"
        "        raise NotImplementedError\n"
        "    headers = [(b'content-length', b'%d' % len(text)), (b'content-type', b'text/plain')]\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})\n"
        "    await send({'type': 'http.response.body', 'body': text})\n"
    )
    own = ("--app", "shop:app", "--app-dir", str(folder), "--openapi", "none", "--with-reference", "off")
    measured = ("--servers", "uvicorn", "--protocols", "h1")
    status, said = place.finish("run", *place.options, *ALONE, *measured, *own, cwd=tmp_path)
    assert status == 0, said
    (record,) = records_of(tmp_path / "results" / "latest")
    assert record["verdict"] in SOUND, record["reasons"]
    status, said = place.finish("plan", *place.options, *measured, *own[:3], str(tmp_path), cwd=tmp_path)
    assert status == 2
    assert "no shop.py there" in said
    assert said.count("\n") == 0


def test_why_a_server_did_not_start_over_there_is_told_with_its_log(place: Place, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("raise RuntimeError('no database')\n")
    own = ("--app", "shop:app", "--app-dir", str(tmp_path), "--scenarios", "plaintext", "--with-reference", "off")
    measured = ("--servers", "uvicorn", "--protocols", "h1")
    status, said = place.finish("run", *place.options, *ALONE, *measured, *own, cwd=tmp_path)
    assert status == 3, said
    (record,) = records_of(tmp_path / "results" / "latest")
    assert record["verdict"] == "failed"
    assert "RuntimeError: no database" in record["reasons"][0]
    assert "RuntimeError: no database" in record["log_tail"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("--bind", "10.77.0.9"), "expected an address of root@10.77.0.2, found 10.77.0.9"),
        (("--bind", "0.0.0.0"), "expected the IPv4 address over there"),
        (("--bind", "127.0.0.1"), "expected an address that is reached from here"),
        (("--server-python", "/nowhere/python"), "/nowhere/python"),
        (("--server-host", "ssh://root@10.77.0.2:1"), "Connection refused"),
        (("--server-host", "ssh://stranger@10.77.0.2:2222"), "Permission denied"),
        (("--server-host", "root@10.77.0.2"), "expected ssh://USER@HOST"),
        (("--servers", "uvicorn@0.30.0"), "expected no versions with --server-host"),
    ],
)
def test_what_is_wrong_with_the_other_host_is_told_in_one_line(
    place: Place, tmp_path: Path, changed: tuple[str, str], told: str
) -> None:
    status, said = place.finish("plan", *place.options, *ONE, *changed, cwd=tmp_path)
    assert status == 2
    assert told in said
    assert changed[0] in said
    assert said.count("\n") == 0


def test_another_version_over_there_is_refused(place: Place, tmp_path: Path, fault: Fault) -> None:
    older = tmp_path / "python"
    older.write_text('#!/bin/sh\necho \'{"harness_agent": "greeting", "version": "0.0.9"}\'\nexec cat\n')
    older.chmod(0o755)
    status, said = place.finish("plan", *place.options, *ONE, "--server-python", str(older), cwd=tmp_path)
    assert status == 2
    assert "found 0.0.9" in said
    place.way.await_nothing(SOON_S)
    fault.report(
        name="another version of the harness on the server host",
        happened=f"exit {status}, nothing started",
        lost="nothing",
        left="nothing",
        told=said,
    )


def test_this_harness_is_put_over_there_and_used(tmp_path: Path) -> None:
    """The packages of the lock file, which take minutes, are there already."""
    with connected("load", "servers") as (here, there), sshd_on(there, tmp_path, {"PYTHONPATH": "/nowhere"}) as way:
        python = (
            tmp_path / ".cache/asgi-harness/hosts" / bootstrap.name_environment(digest([LOCK_FILE])) / "bin" / "python"
        )
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (python.parents[1] / "complete").touch()
        own = ("--server-host", way.url, "--bind", there.address, "--server-python", sys.executable, "--install")
        status, said = Place(here, way).finish("run", *own, *ALONE, *ONE, cwd=tmp_path)
        assert status == 0, said
        (start,) = map(json.loads, (tmp_path / "results/latest/starts.jsonl").read_text().splitlines())
        assert start["ready_s"] > 0
        (code,) = python.parents[2].glob("code-*")
        assert (code / "harness" / "hosts" / "agent.py").is_file()


@pytest.mark.parametrize(("victim", "why"), [("agent", "the agent is killed"), ("ssh", "the ssh connection is lost")])
def test_nothing_is_left_over_there_and_the_next_round_has_servers_again(
    tmp_path: Path, fault: Fault, victim: str, why: str
) -> None:
    with connected("load", "servers") as (here, there), make_way(there, tmp_path, fault) as way:
        place = Place(here, way)
        again = ("--rounds", "2", "--duration", "3s")
        with place.run(
            "run", *place.options, *LONG, *again, *ONE, cwd=tmp_path, environment=fault.environment
        ) as command:
            servers = await_server(way)
            await_load(there)
            find(victim, way, command).kill()
            _, left = psutil.wait_procs(servers, SOON_S)
            status = command.end()
        folder = tmp_path / "results" / "latest"
        first, second = records_of(folder)
        assert left == []
        assert first["verdict"] == "failed"
        assert "the loss of its host" in first["reasons"][0]
        assert second["verdict"] in SOUND, second["reasons"]
        assert status == 3, command.text  # one of two rounds is no result
        seen = fault.left()
        assert seen == "nothing"
        fault.report(
            name=f"{why} in mid-trial",
            happened=f"round 1 {first['verdict']}, round 2 {second['verdict']}",
            lost="1 trial",
            left=seen,
            told=first["reasons"][0],
        )


def test_a_server_host_that_is_cut_off_ends_its_servers(tmp_path: Path, fault: Fault) -> None:
    with connected("load", "servers") as (here, there), make_way(there, tmp_path, fault) as way:
        place = Place(here, way)
        with place.run("run", *place.options, *LONG, *ONE, cwd=tmp_path, environment=fault.environment) as command:
            await_server(way)
            await_load(there)
            there.unplug()
            took_s = way.await_nothing(SILENCE_S + SOON_S)
            status = command.end()
        (record,) = records_of(tmp_path / "results" / "latest")
        assert record["verdict"] == "failed"
        assert "did not answer for" in record["reasons"][0]
        assert status == 3
        seen = fault.left()
        assert seen == "nothing"
        fault.report(
            name="the network of the server host fails in mid-trial",
            happened=f"{record['verdict']}, exit {status}",
            lost="1 trial",
            left=f"{seen}, {took_s:.0f} s later",
            told=record["reasons"][0],
        )


def test_a_harness_that_is_killed_leaves_nothing_over_there(tmp_path: Path, fault: Fault) -> None:
    with connected("load", "servers") as (here, there), make_way(there, tmp_path, fault) as way:
        place = Place(here, way)
        with place.run("run", *place.options, *LONG, *ONE, cwd=tmp_path, environment=fault.environment) as command:
            await_server(way)
            await_load(there)
            command.process.send_signal(signal.SIGKILL)
            way.await_nothing(SOON_S)
        seen = fault.left()
        assert seen == "nothing"
        fault.report(
            name="the harness is killed while servers run on another host",
            happened=f"ended with {signal.Signals(-command.end()).name}",
            lost="the trial",
            left=seen,
            told="nobody is left to tell it",
        )


def find(victim: str, way: Way, command: Command) -> psutil.Process:
    """The agent over there, or the ssh that a command has started."""
    if victim == "ssh":
        return next(
            each
            for each in psutil.Process(command.process.pid).children(recursive=True)
            if "BatchMode=yes" in line_of(each)
        )
    return next(each for each in way.list_processes() if line_of(each).endswith("-m harness agent"))


def await_server(way: Way) -> list[psutil.Process]:
    """Wait until a server of the catalogue runs over there."""
    until_s = time.monotonic() + WITHIN_S
    while not (found := way.list_servers()):
        assert time.monotonic() < until_s
        time.sleep(0.02)
    return found
