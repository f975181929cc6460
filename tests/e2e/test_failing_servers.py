"""Servers that lose requests while they run: whatever they do with a request, it is in the figures of the run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.command import ONE, SOUND, harness, records_of, summary_of
from tests.fault_table import Fault

pytestmark = pytest.mark.long

LOAD = ("--rounds", "1", "--warmup", "100ms", "--duration", "600ms", "--slice", "200ms", "--users", "8", "--no-control")

APP = """import asyncio, itertools, os, signal, time

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
numbers, began = itertools.count(1), {}


async def app(scope, receive, send, status=200, headers=HEADERS, body=b"Hello, World!"):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    number = next(numbers)
    if number > 40:
        {code}
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


class Failing(NamedTuple):
    """What an app does with a request after the first 40, and what a run then says."""

    name: str
    code: str
    verdict: str
    kinds: set[str] | None
    """Of its errors; None where chance decides whether there are any."""
    told: str
    server: str = "uvicorn"
    workers: int = 1
    options: tuple[str, ...] = ()


FAILING = [
    Failing(
        "one request in 100 is never answered",
        "if number % 100 == 0: await asyncio.sleep(3600)",
        "invalid",
        {"unanswered"},
        "unanswered (GET /plaintext: no complete answer within 1 s",
    ),
    Failing(
        "one request in 100 is never answered, at a fixed rate",
        "if number % 100 == 0: await asyncio.sleep(3600)",
        "invalid",
        {"unanswered"},
        "unanswered (GET /plaintext: no complete answer within 1 s",
        options=("--load", "rate=500"),
    ),
    Failing(
        "server stopped (SIGSTOP) in a window",
        "if time.monotonic() > began.setdefault(0, time.monotonic()) + 0.35: os.kill(os.getpid(), signal.SIGSTOP)",
        "invalid",
        {"unanswered"},
        "unanswered (GET /plaintext: no complete answer within 1 s",
    ),
    Failing(
        "answers broken off",
        "if number % 100 == 0: headers = [*HEADERS[:1], (b'content-length', b'14')]",
        "invalid",
        {"reset"},
        "reset (GET /plaintext: closed by the server before the answer was complete)",
    ),
    Failing(
        "workers killed under load",
        "if number % 200 == 0: os.kill(os.getpid(), signal.SIGKILL)",
        "invalid",
        {"reset"},
        "worker process",
        "gunicorn",
        2,
        ("--duration", "1200ms"),
    ),
    Failing(
        "workers recycled under load (--max-requests)",
        "pass",
        "invalid",
        None,
        "Connections that were opened again",
        "gunicorn",
        2,
        ("--server-args", "gunicorn=--max-requests 150", "--duration", "1200ms"),
    ),
    Failing(
        "Connection: close on one answer in 50",
        "if number % 50 == 0: headers = [*HEADERS, (b'connection', b'close')]",
        "valid",
        set(),
        "Connections that were opened again",
    ),
]


def run(*options: str, folder: Path, fault: Fault) -> tuple[Any, str, str]:
    """The only case of a run, what the terminal said, and what was left behind."""
    done = harness("run", *LOAD, "--request-timeout", "1s", *options, cwd=folder, environment=fault.environment)
    assert done.returncode in {0, 3}, done.stderr
    results = folder / "results" / "latest"
    (case,) = summary_of(results)["cases"]
    for page in ("report.md", "report.html"):
        assert "opened again" in (results / page).read_text() or not case["reopened"] > case["requests"] / 1000
    left = fault.left()
    assert left == "nothing"
    return case, " ".join(done.stdout.split()), left


@pytest.mark.parametrize("failing", FAILING, ids=[each.name for each in FAILING])
def test_a_server_that_fails_requests_is_told(failing: Failing, tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "failing.py").write_text(APP.replace("{code}", failing.code))
    options = ("--servers", failing.server, "--workers", str(failing.workers), *ONE[2:], *failing.options)
    case, said, left = run(*options, "--app", "failing:app", "--app-dir", str(tmp_path), folder=tmp_path, fault=fault)
    if failing.kinds is not None:
        assert case["verdict"] in ({failing.verdict} if failing.kinds else SOUND)
        assert failing.kinds <= set(case["errors"]["by_kind"]) if failing.kinds else case["errors"]["total"] == 0
    assert case["unanswered"] == case["errors"]["by_kind"].get("unanswered", 0)
    told = next(each for each in [*case["reasons"], *re.split(r"\. | (?=Connections )", said)] if failing.told in each)
    for record in records_of(tmp_path / "results" / "latest"):
        result = record["result"]
        assert result["started"] == result["finished"]
    counts = {"right": case["requests"], **case["errors"]["by_kind"], "reopened": case["reopened"]}
    happened = f"{case['verdict']}: {', '.join(f'{number:,} {what}' for what, number in counts.items())}"
    fault.report(name=failing.name, happened=happened, lost="nothing", left=left, told=told)


def test_a_locust_file_whose_tasks_raise_is_told(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "file.py").write_text(
        """from locust import FastHttpUser, task


class Reader(FastHttpUser):
    @task
    def read(self):
        response = self.client.get("/plaintext")
        assert response.text == "something else", response.text
"""
    )
    options = ("--locustfile", "file.py", "--servers", "uvicorn", "--protocols", "h1")
    case, _, left = run(*options, folder=tmp_path, fault=fault)
    assert (case["verdict"], set(case["errors"]["by_kind"])) == ("invalid", {"exception"})
    told = next(each for each in case["reasons"] if "Reader: AssertionError: Hello, World!" in each)
    errors = case["errors"]["by_kind"]["exception"]
    happened = f"{case['verdict']}, {case['requests']} requests, {errors} exceptions"
    fault.report(name="a Locust file's tasks raise", happened=happened, lost="nothing", left=left, told=told)
