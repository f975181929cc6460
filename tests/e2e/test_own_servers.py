"""A server as it is deployed: a command of one's own with its files, measured, checked and drilled beside others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import QUICK, harness, records_of

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
    assert {each["case"]["server"]: each["verdict"] for each in records_of(folder)} == dict.fromkeys(
        ("uvicorn", "ours", "other"), "valid"
    )
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


def test_the_command_of_a_server_is_printed(shop: Path) -> None:
    done = harness("serve", "uvicorn", "--print", "--workers", "2", cwd=shop)
    assert done.stdout.startswith("{python} -m uvicorn --host {host} --port {port} --workers {workers} ")
