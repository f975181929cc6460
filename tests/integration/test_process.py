"""Servers of every behaviour as real processes: they start or are refused, and none of their processes is left."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import psutil
import pytest

from harness.host import process
from harness.host.guard import guard, processes_of
from harness.host.server_processes import Stopped
from harness.model.errors import ServerError
from harness.model.targets import App, Launch, RunsAt, Server
from tests.fault_table import Fault
from tests.integration import stub_server
from tests.integration.stubs import stub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
APP = App("stub", "stub:app", FOLDER, ready_body=b"hello", counts_workers=True)
ANONYMOUS = App("stub", "stub:app", FOLDER, ready_body=b"hello")
"""The same app, but it does not name the worker that answered."""


@pytest.fixture
def token() -> Iterator[str]:
    with guard() as token:
        yield token
        assert processes_of(token) == []


@pytest.fixture
def start(token: str, tmp_path: Path) -> Callable[..., process.Running]:
    def start(
        entry: str | Server,
        *,
        app: App = APP,
        port: int | None = None,
        workers: int = 1,
        deadline_s: float | None = 15,
        cpus: frozenset[int] | None = None,
    ) -> process.Running:
        return process.start(
            stub(entry) if isinstance(entry, str) else entry,
            app,
            Launch(HOST, port or process.free_port(HOST), app.target, workers),
            cpus=cpus or frozenset(os.sched_getaffinity(0)),
            log=tmp_path / "server.log",
            token=token,
            deadline_s=deadline_s,
        )

    return start


def eventually(condition: Callable[[], bool], within_s: float = 20) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("behaviour", ["prompt", "late", "forks"])
def test_a_server_that_answers_is_running_and_one_that_was_stopped_is_not(
    behaviour: str, token: str, start: Callable[..., process.Running]
) -> None:
    running = start(behaviour)
    assert running.ended is None
    assert running.ready_s > 0
    assert running.pid in processes_of(token)
    assert running.argv[-3:-1] == (behaviour, HOST)

    stopped = running.stop()

    assert not stopped.killed
    assert processes_of(token) == []
    assert running.ended == "SIGTERM"
    assert running.stop() is stopped


@pytest.mark.parametrize(
    ("behaviour", "found"),
    [
        ("dies", "found that it ended with exit status 1; it said: no such database; its log is"),
        ("daemon", "found that it ended with exit status 0; it must stay in the foreground;"),
        ("elsewhere", "found that nothing listens yet; it listens on 127.0.0.1:"),
        ("hangs", "within 2 s (--ready-within), found no answer; its log is"),
        ("mute", "within 2 s (--ready-within), found a connection that was closed without an answer;"),
        ("deaf", "within 0.2 s (--ready-within), found that nothing listens yet;"),
        ("wrong", "found the wrong answer b'HELLO'"),
        ("cut", "found an answer that was cut off after 5 bytes"),
        ("gateway", "found 502 Bad Gateway, as from a proxy without its server"),
        ("unavailable", "within 2 s (--ready-within), found 503 Service Unavailable;"),
        ("endless", "found an answer that does not end"),
    ],
)
def test_a_server_without_a_right_answer_is_refused_in_one_line_and_none_of_its_processes_is_left(
    behaviour: str, found: str, token: str, start: Callable[..., process.Running]
) -> None:
    with pytest.raises(ServerError) as refusal:
        start(behaviour, deadline_s=0.2 if behaviour == "deaf" else 2)

    assert found in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert processes_of(token) == []


def test_the_error_of_a_refused_server_has_the_end_of_its_log(start: Callable[..., process.Running]) -> None:
    with pytest.raises(ServerError) as refusal:
        start("dies")
    assert refusal.value.log_tail == "starting\nno such database"
    assert refusal.value.ended == "exit status 1"


def test_a_time_limit_that_no_option_sets_is_reported_without_an_option(
    start: Callable[..., process.Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "DEADLINE_S", 0.2)
    with pytest.raises(ServerError, match=r"GET / within 0\.2 s, found that nothing listens yet"):
        start("deaf", deadline_s=None)


def test_a_server_that_is_unavailable_for_a_while_is_waited_for(start: Callable[..., process.Running]) -> None:
    port = process.free_port(HOST)
    with start("later", app=App("any", "any:app", FOLDER), port=port), urlopen(f"http://{HOST}:{port}/") as answer:
        assert answer.status == HTTPStatus.OK


def test_any_complete_answer_is_right_if_the_app_has_no_ready_body(start: Callable[..., process.Running]) -> None:
    with start("wrong", app=App("any", "any:app", FOLDER)) as running:
        assert running.ended is None


def test_a_server_that_runs_already_is_found_and_goes_on(start: Callable[..., process.Running]) -> None:
    port = process.free_port(HOST)
    with start("prompt", port=port) as running:
        for place, roots in (
            (RunsAt(HOST, port), ()),
            (RunsAt(HOST, port, pid=running.pid), (running.pid,)),
        ):
            with start(replace(stub("prompt"), name="ours", runs_at=place), port=port, deadline_s=2) as found:
                assert (found.argv, found.roots(), found.processes(), found.ended) == ((), roots, set(), None)
            assert found.stop() == Stopped(None, killed=False)
        assert running.ended is None
    with pytest.raises(
        ServerError, match=f"ours: expected the right answer to GET / from http://{HOST}:{port} within 0.1 s"
    ):
        start(replace(stub("prompt"), name="ours", runs_at=RunsAt(HOST, port)), port=port, deadline_s=0.1)


def test_a_command_that_does_not_exist_is_named_in_the_error(start: Callable[..., process.Running]) -> None:
    absent = Server("absent", (), frozenset({"h1"}), lambda _: ["./no-such-command"])
    with pytest.raises(ServerError, match="no-such-command"):
        start(absent)


def test_two_workers_are_waited_for_until_both_have_answered(start: Callable[..., process.Running]) -> None:
    with pytest.raises(ServerError, match="found answers of 1 of 2 workers"):
        start("prompt", workers=2, deadline_s=2)


def test_two_workers_that_the_app_does_not_name_are_waited_for_until_both_accept_connections(
    start: Callable[..., process.Running],
) -> None:
    with pytest.raises(ServerError, match="found 1 of 2 workers that take connections"):
        start("epoll", app=ANONYMOUS, workers=2, deadline_s=2)


def test_workers_that_cannot_be_counted_are_not_waited_for(start: Callable[..., process.Running]) -> None:
    with start("prompt", app=ANONYMOUS, workers=2) as running:
        assert running.ended is None


def test_a_server_that_ignores_sigterm_is_killed_after_the_grace_period(
    token: str, start: Callable[..., process.Running], fault: Fault
) -> None:
    running = start("stubborn")
    stopped = running.stop(grace_s=0.2)
    assert stopped.killed
    assert stopped.stop_s >= 0.2
    assert running.ended == "SIGKILL"
    assert processes_of(token) == []
    fault.report(
        name="the server ignores SIGTERM",
        happened=f"ended with {running.ended} after the grace period",
        lost="nothing",
        left="nothing",
        told=f"killed: {stopped.killed} in its record",
    )


def test_a_worker_whose_parent_was_killed_is_stopped_as_well(
    token: str, start: Callable[..., process.Running], fault: Fault
) -> None:
    running = start("forks")
    os.kill(running.pid, signal.SIGKILL)
    assert eventually(lambda: running.ended == "SIGKILL")
    assert len(processes_of(token)) == 1
    assert not running.stop().killed
    assert processes_of(token) == []
    fault.report(
        name="the server's parent is killed, its worker lives",
        happened="the worker is stopped as well",
        lost="nothing",
        left="nothing",
        told=f"ended: {running.ended} in its record",
    )


def test_a_process_that_left_the_session_is_found_and_killed(
    token: str, start: Callable[..., process.Running], fault: Fault
) -> None:
    running = start("escapes")
    escaped = [pid for pid in processes_of(token) if os.getsid(pid) != running.pid]
    assert len(escaped) == 1
    stopped = running.stop(grace_s=0.2)
    assert stopped.killed
    assert has_ended(escaped[0])
    assert processes_of(token) == []
    fault.report(
        name="a grandchild leaves the session and ignores SIGTERM",
        happened="found by the run's token and killed",
        lost="nothing",
        left="nothing",
        told=f"killed: {stopped.killed} in its record",
    )


def test_stopping_one_server_does_not_stop_another_of_the_same_run(
    token: str, start: Callable[..., process.Running]
) -> None:
    with start("prompt") as first:
        start("escapes").stop(grace_s=0)
        assert processes_of(token) == [first.pid]


def test_a_port_for_a_server_is_outside_the_range_for_clients() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = {process.free_port(HOST) for _ in range(50)}
    assert not ports.intersection(range(first, last + 1))
    assert len(ports) > 40


def test_a_free_port_stays_free_while_other_threads_start_processes(start: Callable[..., process.Running]) -> None:
    def start_and_stop(_: int) -> None:
        start("prompt").stop(grace_s=0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start_and_stop, range(24)))


@pytest.mark.parametrize("reuse", [False, True])
def test_an_occupied_port_is_refused_even_if_it_could_be_shared(
    start: Callable[..., process.Running], token: str, fault: Fault, *, reuse: bool
) -> None:
    with socket.create_server((HOST, 0), reuse_port=reuse) as occupied:
        port = occupied.getsockname()[1]
        with pytest.raises(ServerError, match=f"{port} to be free, found process {os.getpid()};") as refusal:
            start("prompt", port=port)
    assert processes_of(token) == []
    fault.report(
        name="the port is taken" + (", and may be shared" if reuse else ""),
        happened="the server is not started",
        lost="its measurements",
        left="nothing",
        told=str(refusal.value).replace(str(port), "PORT").replace(str(os.getpid()), "ID"),
    )


def test_the_right_answer_of_another_process_is_refused(start: Callable[..., process.Running]) -> None:
    with contextlib.ExitStack() as others:

        def command(launch: Launch) -> list[str]:
            """Take the port after it was checked and before the server starts."""
            other = others.enter_context(ThreadingHTTPServer((HOST, launch.port), stub_server.Answer))
            threading.Thread(target=other.serve_forever, daemon=True).start()
            others.callback(other.shutdown)
            return stub("deaf").command(launch)

        with pytest.raises(ServerError, match=f"only itself to listen .* found process {os.getpid()};"):
            start(Server("robbed", (), frozenset({"h1"}), command))


def test_a_server_runs_on_its_cpus_and_the_harness_keeps_its_own(start: Callable[..., process.Running]) -> None:
    before = os.sched_getaffinity(0)
    one = frozenset({max(before)})
    with start("forks", cpus=one) as running:
        (worker,) = psutil.Process(running.pid).children()
        assert os.sched_getaffinity(running.pid) == os.sched_getaffinity(worker.pid) == one
    assert os.sched_getaffinity(0) == before


def test_environment_variables_do_not_change_the_options_of_a_server(
    start: Callable[..., process.Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"WEB_CONCURRENCY": "7", "GRANIAN_WORKERS": "7", "UVICORN_HTTP": "h11", "PYTHONASYNCIODEBUG": "1"}
    for name, value in {**options, "KEPT": "yes", "PYTHONPATH": "/before", "GUNICORN_CMD_ARGS": "-w 7"}.items():
        monkeypatch.setenv(name, value)
    given = {"OF_THE_APP": "1", "GUNICORN_CMD_ARGS": "-w 2"}
    app = App("stub", "stub:app", FOLDER, ready_body=b"hello", environment=given)
    with start("prompt", app=app) as running:
        environment = psutil.Process(running.pid).environ()
        assert psutil.Process(running.pid).cwd() == str(FOLDER)
    assert not options.keys() & environment.keys()
    assert environment["KEPT"] == "yes"
    assert given.items() <= environment.items()
    assert environment["PYTHONPATH"] == f"{FOLDER}{os.pathsep}/before"
    with start("prompt", app=replace(app, environment={"PYTHONPATH": "/own"})) as running:
        environment = psutil.Process(running.pid).environ()
    assert environment["PYTHONPATH"] == f"{FOLDER}{os.pathsep}/own"


DRIVER = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path
    from harness.host import process
    from harness.host.guard import guard
    from harness.model import Launch
    from tests.integration.test_process import APP, HOST, stub

    with guard() as token:
        launch = Launch(HOST, process.free_port(HOST), APP.target)
        cpus = frozenset(os.sched_getaffinity(0))
        process.start(stub(sys.argv[1]), APP, launch, cpus=cpus, log=Path(sys.argv[2]), token=token)
        print(token, flush=True)
        signal.pause()
""")


@pytest.mark.parametrize("behaviour", ["prompt", "stubborn", "forks", "escapes"])
def test_no_process_is_left_after_the_harness_was_killed(behaviour: str, token: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVER, behaviour, str(tmp_path / "log")]
    environment = {**os.environ, "HARNESS_TOKEN": token}
    with (
        subprocess.Popen(["sleep", "60"], env=environment) as bystander,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0) as driver,
    ):
        try:
            assert driver.stdout
            driver_token = driver.stdout.readline().strip()
            (watching,) = (pid for pid in psutil.pids() if is_guard(pid, driver_token))
            assert processes_of(driver_token)

            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()

            assert eventually(lambda: processes_of(driver_token) == [])
            assert eventually(lambda: has_ended(watching))
            assert bystander.poll() is None
        finally:
            driver.kill()
            bystander.kill()


def is_guard(pid: int, token: str) -> bool:
    try:
        return psutil.Process(pid).cmdline()[-1:] == [token]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def test_processes_that_are_left_at_the_end_of_a_run_are_killed() -> None:
    with guard() as token:
        left = subprocess.Popen(["sleep", "60"], env={**os.environ, "HARNESS_TOKEN": f"{token}/1"})
    assert left.wait() == -signal.SIGKILL
