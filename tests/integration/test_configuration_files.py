"""Configuration files and variables beside a run change neither servers nor the load, unless options ask for them."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.catalog import listing, own_servers
from harness.host import certificates, guard, inherited, process
from harness.host.cpus import available, place
from harness.model.blocks import BlockOrder, Turn
from harness.model.targets import HOST, App, Launch, Server
from harness.run import trial
from harness.run.calibration import ceiling, others
from harness.run.load_process import ForkServer
from tests.fault_table import Fault

APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope.get("root_path", "").encode() or b"plain"})


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"plain"]
"""
GUNICORN_CONF = """
import os
from pathlib import Path

Path("was-read").write_text(os.environ.get("SHOP", ""))
"""
LOCUSTFILE = """
from pathlib import Path

from locust import FastHttpUser, task


class Reader(FastHttpUser):
    assert Path("data.csv").is_file()  # relative to the working directory, as with plain Locust

    @task
    def read(self):
        self.client.get("/plaintext")
"""
LOCUST_CONF = """
version = true
processes = 2
run-time = 1s
tags = none
host = http://127.0.0.1:1
junk [
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an app and what configures servers and Locust."""
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "gunicorn.conf.py").write_text(GUNICORN_CONF)
    (tmp_path / "locust.conf").write_text(LOCUST_CONF)
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nprocesses = 3\nreset-stats = true\n")
    (tmp_path / "data.csv").touch()
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "UVICORN_ROOT_PATH": "/of-uvicorn",
        "GUNICORN_CMD_ARGS": "--workers 3 --root-path /of-gunicorn",
        "GRANIAN_URL_PATH_PREFIX": "/of-granian",
        "UWSGI_PROCESSES": "3",
        "H2CORN_ROOT_PATH": "/of-h2corn",
        "PALFREY_ROOT_PATH": "/of-palfrey",
        "WEB_CONCURRENCY": "3",
        "LOCUST_PROCESSES": "2",
        "LOCUST_TAGS": "none",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def count_processes(entry: Server, project: Path, body: bytes = b"plain", **environment: str) -> int:
    """Start a server on the project's app, where only this answer is right, and count its processes."""
    app = App("shop", "shop:app", project, ready_body=body, wsgi_target="shop:wsgi", environment=environment)
    launch = Launch(HOST, process.free_port(HOST), entry.target(app) or "", python=sys.executable)
    log = project / "server.log"
    with (
        guard.guard() as token,
        process.start(entry, app, launch, cpus=available(), log=log, token=token) as running,
    ):
        return 1 + len(psutil.Process(running.pid).children(recursive=True))


@pytest.mark.parametrize(
    "name", ["uvicorn", "hypercorn", "daphne", "granian", "gunicorn", "uwsgi-socket", "h2corn", "palfrey"]
)
def test_servers_are_started_without_what_lies_around(
    name: str, project: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    (entry,) = listing.choose("servers", listing.servers(), [name])
    found = count_processes(entry, project)
    for each in inherited.list_kept_out(os.environ, []):
        monkeypatch.delenv(each, raising=False)
    (project / "gunicorn.conf.py").rename("elsewhere.py")
    assert not Path("was-read").exists()
    assert count_processes(entry, project) == found
    fault.report(
        name=f"configuration files and variables beside {name}",
        happened=f"started as without them, {found} process{'es' if found > 1 else ''}",
        lost="nothing",
        left="nothing",
        told="run.json and report name what was kept out",
    )


def test_a_file_that_the_options_name_is_read(project: Path) -> None:
    (entry,) = listing.choose("servers", listing.servers(), ["gunicorn"])
    count_processes(entry.with_arguments(["--config", "gunicorn.conf.py"]), project)
    assert (project / "was-read").exists()


@pytest.mark.parametrize("options", ["", "-c gunicorn.conf.py"])
def test_a_command_of_ones_own_reads_its_files_and_no_variables(options: str, project: Path) -> None:
    line = f"gunicorn {options} -k sync --env MARK=1 -b {{address}} shop:wsgi"
    (entry,) = own_servers.list_servers([own_servers.parse_command(f"ours={line}")], [])[-1:]
    assert count_processes(replace(entry, environment={"SHOP": "ours"}), project) == 2
    assert (project / "was-read").read_text() == "ours"


def test_variables_that_the_options_give_are_used(project: Path) -> None:
    (entry,) = listing.choose("servers", listing.servers(), ["uvicorn"])
    count_processes(entry, project, b"/given", UVICORN_ROOT_PATH="/given")


def test_the_load_is_what_the_options_say(project: Path, fault: Fault) -> None:
    (project / "reader.py").write_text(LOCUSTFILE)
    with guard.guard() as token, certificates.issue() as tls, ForkServer(token) as fork_server:
        generator = ceiling.Generator(sys.executable, place(available()), tls, token, fork_server)
        with others.start_null_server(generator) as null:
            block = BlockOrder((null.url("h1"),), (Turn(0, users=4),), 0.05, 1.2, None, request_timeout_s=10.0, seed=0)
            path, log = project / "reader.py", project / "load.log"
            order = trial.Order(block, path, "h1", 1, None, available(), log, 1, fork_server)
            (result,) = trial.run(order)
    assert result.counted_s >= 1.2
    assert result.errors.total == 0
    assert result.requests > 0
    assert log.read_text() == ""
    fault.report(
        name="locust.conf, [tool.locust] and LOCUST_* that change processes, run time, tags and host",
        happened=f"load of {result.counted_s:.1f} s on the host of the options, no error",
        lost="nothing",
        left="nothing",
        told="run.json and report name what was kept out",
    )
