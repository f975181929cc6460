"""Locust files and what is said of their requests, through the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import ALONE, harness, summary_of

APP = """
import asyncio
import json

ROUTES = {"/ping": 0.0, "/chat": 0.1, "/login": 0.3}
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/ping": {"get": {"responses": {}}}}}


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await asyncio.sleep(ROUTES.get(scope["path"], 0.0))
    body = json.dumps(DOCUMENT).encode() if scope["path"] == "/openapi.json" else b'"ok"'
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
"""
MIXED = """
from locust import FastHttpUser, task


class Member(FastHttpUser):
    def on_start(self):
        self.client.get("/login")

    @task
    def ping(self):
        self.client.get("/ping")

    @task
    def chat(self):
        self.client.get("/chat")
"""
SHAPE = """
from locust import LoadTestShape


class Ramp(LoadTestShape):
    def tick(self):
        return 1, 1
"""
MINE = ("--app", "app:app", "--ready-path", "/ping", "--servers", "uvicorn", "--protocols", "h1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "mixed.py").write_text(MIXED)
    return tmp_path


@pytest.mark.long
def test_each_request_has_figures_of_its_own_everywhere_and_a_login_has_none(folder: Path) -> None:
    done = harness("run", *ALONE, *MINE, "--duration", "3s", "--locustfile", "mixed.py", "--by-request", cwd=folder)
    assert done.returncode == 0, done.stderr
    latest = folder / "results" / "latest"
    (case,) = summary_of(latest)["cases"]
    requests = {each["name"]: each for each in case["by_name"]}
    assert set(requests) == {"/ping", "/chat"}
    ping_us, chat_us = (requests[name]["latency_us"]["p50"]["median"] for name in ("/ping", "/chat"))
    assert ping_us < 100_000 <= chat_us
    assert sum(each["requests"] for each in requests.values()) == case["requests"]
    assert sum(each["errors"] for each in requests.values()) == case["errors"]["total"] == 0
    assert case["users_ready_s"]["median"] > 0.3
    assert case["workload"]
    for text in (done.stdout, (latest / "report.md").read_text(), (latest / "report.html").read_text()):
        assert "GET /ping" in text
        assert "GET /chat" in text
        assert "/login" not in text
    again = harness("report", "results/latest", "--by-request", cwd=folder)
    assert "GET /chat" in again.stdout
    assert "GET /chat" not in harness("report", "results/latest", cwd=folder).stdout


@pytest.mark.long
def test_no_gate_is_decided_on_runs_whose_requests_differ(folder: Path) -> None:
    for out in ("before", "after"):
        done = harness("run", *ALONE, *MINE, "--out", out, cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / "app.py").write_text(APP.replace('"/ping": {"get"', '"/chat": {"get": {}}, "/ping": {"get"'))
    compared = harness("compare", "before/latest", "after/latest", "--fail-if", "throughput<-5%", cwd=folder)
    assert compared.returncode == 3
    assert "not checked: the requests differ: GET /chat is new" in compared.stdout


@pytest.mark.parametrize(
    ("options", "addition", "problem"),
    [
        (
            (),
            SHAPE,
            "--locustfile mixed.py: expected the load to be set by --users and --load, found the LoadTestShape Ramp",
        ),
        (("--env", "LOCUST_RUN_TIME=1s"), "", "--env: expected --duration instead of LOCUST_RUN_TIME"),
        (("--tags", "none"), "", "tags of --tags and --exclude-tags, found Member"),
    ],
)
def test_what_contradicts_the_options_is_refused_in_one_line_before_anything_starts(
    folder: Path, options: tuple[str, ...], addition: str, problem: str
) -> None:
    (folder / "mixed.py").write_text(MIXED + addition)
    done = harness("run", *ALONE, *MINE, "--locustfile", "mixed.py", *options, cwd=folder)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert problem in done.stderr
    assert not (folder / "results").exists()
