"""A server as it is deployed: a command of one's own with its files, measured, checked and drilled beside others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.host import process
from tests.command import QUICK, SOUND, harness, names_of, records_of, summary_of

APP = """
import os


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": os.environ.get("SHOP", "none").encode()})
"""
CONF = """
from pathlib import Path

Path("was-read").touch()
worker_class = "uvicorn_worker.UvicornWorker"
"""
COMMAND = "ours=gunicorn -c gunicorn.conf.py -b {address} -w {workers} {target}"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "gunicorn.conf.py").write_text(CONF)
    return tmp_path


@pytest.mark.long
def test_a_command_of_ones_own_is_measured_beside_the_catalogue(shop: Path) -> None:
    (shop / "harness.toml").write_text(
        '[servers.other]\ncommand = "uvicorn --port {port} {target}"\nenv = {SHOP="abcd"}\n'
    )
    options = (
        "--app",
        "shop:app",
        "--servers",
        "uvicorn,other",
        "--protocols",
        "h1",
        "--no-control",
        "--ready-path",
        "/",
    )
    done = harness("run", *options, "--server", COMMAND, *QUICK, cwd=shop)
    assert done.returncode == 0, done.stderr
    folder = shop / "results" / "latest"
    assert_measured(records_of(folder))
    assert names_of(records_of(folder)) == [("other", False), ("ours", False), ("uvicorn", False)]
    info = json.loads((folder / "run.json").read_text())
    assert info["environment"]["server_args"]["ours"] == COMMAND.partition("=")[2]
    assert info["environment"]["server_versions"].keys() == {"uvicorn", "ours", "other"}
    assert "files of ours" in info["sources"]
    assert "abcd" not in (folder / "run.json").read_text()
    assert (shop / "was-read").exists()
    starts = [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]
    (argv,) = [each["argv"] for each in starts if each["config"]["server"] == "ours"]
    assert argv[:3] == ["gunicorn", "-c", "gunicorn.conf.py"]
    assert argv[-1] == "shop:app"
    assert all(value > 0 for each in records_of(folder) for value in each["slice_cpu_s"])


@pytest.mark.long
def test_a_command_of_ones_own_is_checked_and_drilled(shop: Path) -> None:
    own = ("--server", COMMAND, "--servers", "ours", "--format", "json")
    checked = harness("check", *own, "--checks", "keep-alive", "--protocols", "h1", cwd=shop)
    assert checked.returncode == 0, checked.stderr
    assert [each["outcome"] for each in json.loads(checked.stdout)["results"]] == ["pass"]
    drilled = harness("drill", *own, "--app", "shop:app", "--drills", "rolling-reload", "--repeats", "1", cwd=shop)
    assert drilled.returncode == 0, drilled.stderr
    (entry,) = json.loads(drilled.stdout)["results"]
    assert (entry["server"], entry["outcome"]) == ("ours", "seen")


def test_a_command_that_cannot_be_started_is_named(shop: Path) -> None:
    done = harness("serve", "ours", "--server", "ours=no-such-program {port}", "--app", "shop:app", cwd=shop)
    assert done.returncode == 3
    assert "expected no-such-program to start in" in done.stderr


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("serve {port} {cert} {key}", (), "--tls: expected it to be given, because ours serves over TLS only"),
        ("serve {port}", ("--tls",), "--tls: expected it not to be given, because ours serves in clear text only"),
        ("serve {port}", ("--workers", "2"), "--workers: expected at most 1 for ours, found 2"),
    ],
)
def test_what_a_command_cannot_do_is_named(shop: Path, command: str, options: tuple[str, ...], message: str) -> None:
    done = harness("serve", "ours", "--server", f"ours={command}", "--app", "shop:app", *options, cwd=shop)
    assert (done.returncode, done.stderr) == (2, f"harness: {message}\n")


def test_the_command_of_a_server_is_printed(shop: Path) -> None:
    done = harness("serve", "uvicorn", "--print", "--workers", "2", cwd=shop)
    assert done.stdout.startswith("{python} -m uvicorn --host {host} --port {port} --workers {workers} ")


def assert_measured(records: list[Any]) -> None:
    """Each has right answers only."""
    for each in records:
        assert each["verdict"] in SOUND, each["reasons"]
        assert sum(one["requests"] for one in each["result"]["slices"]) > 0


@contextmanager
def running(shop: Path, *ports: int, options: Sequence[str] = ()) -> Iterator[list[int]]:
    """Servers that were started by somebody else; their process ids."""
    with ExitStack() as stack:
        started = []
        for port in ports:
            argv = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port), "--log-level", "warning"]
            started.append(stack.enter_context(subprocess.Popen([*argv, "--no-access-log", *options], cwd=shop)))
            stack.callback(started[-1].terminate)
        yield [each.pid for each in started]
        assert [each.poll() for each in started] == [None] * len(ports)


@pytest.mark.long
def test_what_runs_already_is_measured_and_goes_on(shop: Path) -> None:
    ports = [process.free_port("127.0.0.1"), process.free_port("127.0.0.1")]
    urls = [f"--url={name}=http://127.0.0.1:{port}" for name, port in zip(("new", "old"), ports, strict=True)]
    with running(shop, *ports) as pids:
        done = harness("run", *urls, f"--pid=new={pids[0]}", "--protocols", "h1", *QUICK, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "new: up to 4 requests at a time are sent to http://127.0.0.1:" in done.stdout
    assert "old: up to 4 requests at a time are sent to" in done.stdout
    assert done.stdout.count("CPU and memory are unknown without --pid or --cgroup") == 1
    records = records_of(shop / "results" / "latest")
    assert names_of(records) == [("new", False), ("new", True), ("old", False)]
    assert_measured(records)
    for each in records:
        known = (each["case"]["server"], each["case"]["control"]) == ("new", False)
        assert [value is not None for value in each["slice_cpu_s"]] == [known] * len(each["result"]["slices"])
    info = json.loads((shop / "results" / "latest" / "run.json").read_text())
    assert info["environment"]["server_args"]["old"] == f"http://127.0.0.1:{ports[1]}"


UNDER_A_PATH = """
async def app(scope, receive, send):
    status = 200 if scope["path"].startswith(("/shop/items", "/v2/items")) else 404
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"][-6:].encode()})
"""


@pytest.mark.long
def test_what_runs_already_over_tls_and_under_a_path_is_measured(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(UNDER_A_PATH)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    port = process.free_port("127.0.0.1")
    url = f"https://localhost:{port}/shop"
    options = ("run", f"--url=bare={url}", "--protocols", "h1-tls", "--ready-path", "/items", *QUICK)
    with running(tmp_path, port, options=("--ssl-certfile", "own.pem", "--ssl-keyfile", "own.pem")) as (pid,):
        refused = harness(*options, "--ready-within", "1", cwd=tmp_path)
        (tmp_path / "harness.toml").write_text(
            f'[servers.one]\nurl = "{url}"\nca = "ca.pem"\n'
            f'[servers.other]\nurl = "https://localhost:{port}/v2/"\nca = "ca.pem"\n'
        )
        watched = (f"--pid=one={pid}", f"--pid=other={pid}", "--servers", "one,other", "--no-control")
        done = harness("run", *watched, *options[2:], cwd=tmp_path)
    assert refused.returncode == 2
    assert "a certificate that is not trusted (unable to get local issuer certificate)" in refused.stderr
    assert done.returncode == 0, done.stderr
    records = records_of(tmp_path / "results" / "latest")
    assert names_of(records) == [("one", False), ("other", False)]
    assert_measured(records)
    for each in records:
        assert each["result"]["connections"]["negotiated"].startswith("TLSv1")
        assert all(value > 0 for value in each["slice_cpu_s"])


def test_load_for_another_machine_is_refused_without_a_word_of_consent(shop: Path) -> None:
    done = harness("plan", "--url", "ours=http://192.0.2.1:80", "--protocols", "h1", cwd=shop)
    assert done.returncode == 2
    assert "--allow-remote" in done.stderr


DJANGO = """
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="x", DEBUG=False)
django.setup()
urlpatterns = [path("items/", lambda request: JsonResponse([1, 2, 3], safe=False))]
application = get_asgi_application()
wsgi = get_wsgi_application()
"""


@pytest.mark.long
def test_an_app_is_measured_as_wsgi_beside_asgi(tmp_path: Path) -> None:
    (tmp_path / "pages.py").write_text(DJANGO)
    options = ("--app", "pages:application", "--wsgi", "pages:wsgi", "--ready-path", "/items/", "--protocols", "h1")
    done = harness("run", *options, "--servers", "uvicorn,gunicorn-gthread", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "answered right each time, under uvicorn and gunicorn-gthread" in done.stdout
    records = records_of(tmp_path / "results" / "latest")
    assert_measured(records)
    assert names_of(records) == [("gunicorn-gthread", False), ("uvicorn", False), ("uvicorn", True)]


FACTORY = """
def make():
    def site(environ, start):
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    return site
"""


@pytest.mark.long
def test_an_app_without_an_asgi_callable_is_named_by_both_options(tmp_path: Path) -> None:
    (tmp_path / "pages.py").write_text(FACTORY)
    options = ("--app", "pages:make", "--wsgi", "pages:make", "--factory", "--openapi", "none", "--protocols", "h1")
    done = harness("run", *options, "--servers", "gunicorn-gthread,granian-wsgi", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert_measured(records_of(tmp_path / "results" / "latest"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--wsgi", "pages:wsgi"),
            "--wsgi: expected --app with it, found none; an app that has no ASGI callable is named by both",
        ),
        (("--app", "shop:app", "--wsgi", "nowhere:app"), "--wsgi: expected nowhere in --app-dir ."),
        (("--app", "shop:app", "--wsgi", "shop"), "--wsgi: expected module:attribute such as"),
        (("--app", "shop:app", "--wsgi", "shop:app", "--servers", "uvicorn"), "with --wsgi, found uvicorn"),
    ],
)
def test_a_wsgi_callable_that_cannot_be_used_is_named(shop: Path, options: tuple[str, ...], message: str) -> None:
    done = harness("plan", *options, cwd=shop)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.long
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("socket", ["", " socket"])
def test_nginx_and_the_server_behind_it_are_one_candidate(shop: Path, socket: str) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "deployed" / "behind_nginx.sh"
    proxied = f"proxied=bash {script} {{host}} {{port}} {{target}}{socket}"
    options = ("--app", "shop:app", "--servers", "proxied", "--server", proxied, "--protocols", "h1", "--no-control")
    # Three programs on a busy machine may give no answer within the 200 ms of QUICK.
    done = harness("run", *options, *QUICK, "--duration", "1s", cwd=shop)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (record,) = records_of(shop / "results" / "latest")
    assert_measured([record])
    assert {each["processes"] for each in record["samples"]} == {4}  # the shell, uvicorn, nginx and its worker
    by_program = record["cpu_s_by_program"]
    assert {"nginx", "uvicorn"} <= by_program.keys() <= {"nginx", "uvicorn", "bash"}
    assert sum(by_program.values()) == pytest.approx(sum(record["slice_cpu_s"]))
    (case,) = summary_of(shop / "results" / "latest")["cases"]
    assert case["cpu_us_by_program"]["nginx"]["median"] > 0
    assert "uvicorn" in (shop / "results" / "latest" / "report.md").read_text().partition("by program")[2]
