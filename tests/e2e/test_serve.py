"""`harness serve`: one server on one app, or the reason why not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from harness.host import process
from tests.command import HARNESS, Command, harness

SHOP = """
import os

GREETING = os.environ["GREETING"].encode()


async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] != "/ready":
        raise RuntimeError("asked for something else")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": GREETING})
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def test_a_user_app_is_served_as_in_a_run(shop: Path) -> None:
    port = process.free_port("127.0.0.1")
    options = ("--app", "shop:app", "--port", str(port), "--env", "GREETING=moin,B=2", "--ready-path", "/ready")
    with subprocess.Popen(
        [*HARNESS, "serve", "uvicorn", *options, "--python", sys.executable],
        cwd=shop,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as serving:
        assert serving.stdout is not None
        try:
            assert serving.stdout.readline().startswith(f"uvicorn answers on http://127.0.0.1:{port} after ")
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/ready")
            assert connection.getresponse().read() == b"moin"
            connection.close()
        finally:
            serving.send_signal(signal.SIGINT)


def test_secrets_are_masked_and_what_is_kept_out_is_named(shop: Path) -> None:
    (shop / "shop.py").write_text("import os, sys\n\nsys.exit(os.environ['KEY'])\n")
    environment = {**os.environ, "UVICORN_ROOT_PATH": "/secret"}
    done = harness("serve", "uvicorn", "--app", "shop:app", "--env", "KEY=s3cret", cwd=shop, environment=environment)
    assert done.stdout.startswith(
        "No effect on the catalogue's servers and load: UVICORN_ROOT_PATH; see --server-args and --env\n"
    )
    assert done.stderr.endswith("found that it ended with exit status 1; it said: ***\n")
    assert "s3cret" not in done.stdout


def test_a_server_that_does_not_start_is_reported_with_the_end_of_its_log_and_without_files_that_are_gone(
    shop: Path,
) -> None:
    done = harness("serve", "uvicorn", "--app", "shop:app", "--port", str(process.free_port("127.0.0.1")), cwd=shop)
    assert done.returncode == 3
    assert 'GREETING = os.environ["GREETING"]' in done.stdout
    assert done.stderr == (
        "harness: uvicorn: expected the right answer to GET /, "
        "found that it ended with exit status 1; it said: KeyError: 'GREETING'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("uvicorn", "--app", "nope"), "--app: expected any of asgi, "),
        (
            ("uvicorn", "--ready-within", "soon"),
            "--ready-within: expected a time such as 2s or 500ms",
        ),
        (("uvicorn", "--python", "nowhere"), "--python: expected an interpreter such as "),
        (("daphne", "--workers", "2"), "--workers: expected at most 1 for daphne, found 2"),
        (("gunicorn-sync", "--app", "shop:app"), "--app: expected an app with a WSGI callable, because "),
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(
    shop: Path, arguments: tuple[str, ...], message: str, harness_here: Command
) -> None:
    done = harness_here("serve", *arguments, cwd=shop)
    assert done.returncode == 2
    assert done.stderr.startswith(f"harness: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_packages_that_the_interpreter_lacks_are_named(shop: Path) -> None:
    bare = shop / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = harness("serve", "uvicorn", "--app", "shop:app", "--python", str(bare / "bin" / "python"), cwd=shop)
    assert done.returncode == 2
    assert done.stderr.startswith(f"harness: uvicorn: not installed beside {bare}/bin/python: uvicorn, ")
