"""A scenario is an ordinary Locust file: without the harness, Locust's own statistics, CSV and HTML are right."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.catalog import listing
from harness.host import guard, process
from harness.host.cpus import available
from harness.model.targets import Launch
from tests.endless import Endless
from tests.integration.endless_server import sending_endlessly

HOST = "127.0.0.1"
ENOUGH = 400
"""Requests after which a run ends: on a busy machine, nobody knows how long they take."""
ENDING = f"""import gevent
from locust import events
from locust.runners import WorkerRunner


@events.init.add_listener
def end(runner, **_):
    def watch():
        while runner.stats.total.num_requests < {ENOUGH}:
            gevent.sleep(0.1)
        runner.quit()

    if not isinstance(runner, WorkerRunner):
        gevent.spawn(watch)
"""
ENDING_LATER = """import gevent
from locust import events


@events.init.add_listener
def end(environment, runner, **_):
    environment.events.spawning_complete.add_listener(lambda **_: gevent.spawn_later(3, runner.quit))
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    (entry,) = listing.choose("servers", listing.servers(), ["uvicorn"])
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])
    launch = Launch(HOST, process.free_port(HOST), app.target, python=sys.executable)
    log = tmp_path_factory.mktemp("log") / "server.log"
    with guard.guard() as token, process.start(entry, app, launch, cpus=available(), log=log, token=token):
        yield f"http://{launch.address}"


def locust(file: Path, url: str, folder: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """Run Locust without the harness for some requests; return its exit status and its statistics."""
    ending = folder / "ending.py"
    ending.write_text(ENDING)
    argv = [sys.executable, "-m", "locust", "-f", f"{file},{ending}", "-H", url, "--headless", "-u", "4", "-r", "100"]
    done = subprocess.run(
        [*argv, "-t", "50s", "--json", *options], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, read_entries(done.stdout)


def read_entries(text: str) -> list[dict[str, Any]]:
    """The entries of all lists. Each process prints one, at any time; those that are not the master an empty one."""
    decoder, entries = json.JSONDecoder(), []
    while text := text.lstrip():
        found, end = decoder.raw_decode(text)
        entries += found
        text = text[end:]
    return entries


def test_lists_of_processes_are_read_one_after_the_other() -> None:
    assert read_entries('[][]\n\n[\n {"name": "a"}\n]\n') == [{"name": "a"}]


@pytest.mark.parametrize("scenario", ["plaintext", "items", "json", "ws_echo"])
def test_locusts_own_statistics_are_right(scenario: str, url: str, tmp_path: Path) -> None:
    file = listing.folder("scenarios") / f"{scenario}.py"
    status, entries = locust(file, url, tmp_path, "--html", str(tmp_path / "report.html"))
    assert status == 0
    assert entries
    for entry in entries:
        assert entry["num_requests"] > 0
        assert entry["num_failures"] == 0
        assert sum(entry["response_times"].values()) == entry["num_requests"]
        assert sum(entry["num_reqs_per_sec"].values()) == entry["num_requests"]
        times_ms = [float(key) for key in entry["response_times"]]
        assert min(times_ms) == pytest.approx(entry["min_response_time"], rel=0.002, abs=0.0011)
        assert max(times_ms) == pytest.approx(entry["max_response_time"], rel=0.002, abs=0.0011)
        # Locust alone would round to whole milliseconds.
        assert any(time_ms % 1 for time_ms in times_ms)
    assert (tmp_path / "report.html").stat().st_size > 0


def test_a_wrong_answer_is_a_failure_in_locusts_statistics(url: str, tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.py"
    scenario.write_text(
        """from locust import task

from harness.load import HttpScenario, get


class Wrong(HttpScenario):
    wrong = get("/plaintext", expected_body=b"Hello, Wurld!")

    @task
    def read(self):
        self.send(self.wrong)
"""
    )
    status, (entry,) = locust(scenario, url, tmp_path)
    assert status == 1
    assert entry["num_failures"] == entry["num_requests"] > 0


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one process", "two processes"])
def test_an_open_loop_sends_its_rate(processes: tuple[str, ...], url: str, tmp_path: Path) -> None:
    file = listing.folder("scenarios") / "plaintext.py"
    status, (entry,) = locust(file, url, tmp_path, "--rate", "200", *processes)
    assert (status, entry["num_failures"]) == (0, 0)
    seconds = [int(second) for second in entry["num_reqs_per_sec"]]
    # A busy machine may send late, and never more than was due: a closed loop sends thousands in a second.
    assert ENOUGH <= entry["num_requests"] <= 200 * (max(seconds) - min(seconds) + 1)


def test_custom_users_are_counted_once_beside_the_plugin(url: str, tmp_path: Path) -> None:
    custom = tmp_path / "custom.py"
    custom.write_text(
        """from locust import FastHttpUser, constant, task

import harness.load.plugin


class Reader(FastHttpUser):
    wait_time = constant(0.01)
    sent = 0

    @task
    def read(self):
        self.client.get("/plaintext")
        Reader.sent += 1

    def on_stop(self):
        # Locust's statistics may lack what is being sent at this moment, and nothing may be there twice.
        if not 0 <= self.environment.stats.total.num_requests - Reader.sent <= 4:
            self.environment.process_exit_code = 3
"""
    )
    status, (entry,) = locust(custom, url, tmp_path)
    assert (status, entry["num_failures"]) == (0, 0)
    assert sum(entry["response_times"].values()) == entry["num_requests"] > 0


def test_an_answer_that_does_not_come_to_its_end_is_an_error_when_the_run_ends(tmp_path: Path) -> None:
    """Its time limit is not over yet: it is late because it waits for longer than any answer took.

    Locust's `-t` would count from before its imports, which may take longer than that on a busy machine.
    """
    ending = tmp_path / "ending.py"
    ending.write_text(ENDING_LATER)
    files = f"{listing.folder('scenarios') / 'plaintext.py'},{ending}"
    with sending_endlessly("http1", {"slow": Endless(b"HTTP/1.1 200 OK\r\n", b"")}) as urls:
        done = subprocess.run(
            [sys.executable, "-m", "locust", "-f", files, "-H", urls["slow"], "--headless", "-u", "1"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
        )
    assert done.returncode == 1
    assert re.search(
        r"unanswered: no complete answer when the run ended, after \d\.\d s; found 17 bytes, 'HTTP/1.1 200",
        done.stdout + done.stderr,  # wherever Locust logs its report
    )
