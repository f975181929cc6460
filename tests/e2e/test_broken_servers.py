"""Servers that give wrong answers, do not start or end under load: what a run says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import ALONE, ONE, SOUND, TWO, harness, records_of, summary_of
from tests.fault_table import Fault


def test_a_wrong_answer_is_reported_and_makes_the_case_invalid(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "wrong.py").write_text(
        """async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Hello, Wurld!"})
"""
    )
    options = ("--app", "wrong:app", "--app-dir", str(tmp_path))
    harness("run", *ALONE, *ONE, *options, cwd=tmp_path, environment=fault.environment)
    (case,) = summary_of(tmp_path / "results" / "latest")["cases"]
    assert case["verdict"] == "invalid"
    assert "Hello, Wurld!" in case["reasons"][0]
    assert "rank" not in case or case["rank"] is None
    left = fault.left()
    assert left == "nothing"
    fault.report(name="wrong body", happened=case["verdict"], lost="nothing", left=left, told=case["reasons"][0])


def test_after_a_server_that_does_not_start_the_run_goes_on_with_the_next(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no database')\n")
    options = ("--app", "broken:app", "--app-dir", str(tmp_path))
    done = harness("run", *ALONE, *TWO, *options, cwd=tmp_path, environment=fault.environment)
    assert done.returncode == 3
    records = records_of(tmp_path / "results" / "latest")
    assert {(record["case"]["server"], record["verdict"]) for record in records} == {
        ("uvicorn", "failed"),
        ("granian", "failed"),
    }
    assert all("no database" in record["log_tail"] for record in records)
    left = fault.left()
    assert left == "nothing"
    happened = f"{len(records)} servers failed, exit status {done.returncode}"
    told = records[0]["reasons"][0]
    fault.report(name="the app cannot be imported", happened=happened, lost="nothing", left=left, told=told)


def test_a_server_that_answers_once_and_ends_is_given_up(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "brief.py").write_text(
        """import asyncio, os

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
    asyncio.get_running_loop().call_later(0.03, os._exit, 7)
"""
    )
    options = ("--servers", "uvicorn", "--scenarios", "plaintext,json", "--protocols", "h1")
    where = ("--app", "brief:app", "--app-dir", str(tmp_path))
    done = harness("run", *ALONE, *options, *where, cwd=tmp_path, environment=fault.environment)
    assert done.returncode == 3, done.stdout
    records = records_of(tmp_path / "results" / "latest")
    assert len(records) == 2
    assert {record["verdict"] for record in records} <= {"failed", "invalid"}
    left = fault.left()
    assert left == "nothing"
    happened = f"{' and '.join(record['verdict'] for record in records)}, exit status {done.returncode}"
    told = records[-1]["reasons"][0]
    fault.report(name="the server ends after each answer", happened=happened, lost="nothing", left=left, told=told)


@pytest.mark.long
def test_a_server_that_is_killed_under_load_is_reported_as_ended(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "doomed.py").write_text(
        """import os

answers = 0

async def app(scope, receive, send):
    global answers
    answers += 1
    if answers == 60:
        os.kill(os.getpid(), 9)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Hello, World!"})
"""
    )
    options = ("--app", "doomed:app", "--app-dir", str(tmp_path))
    done = harness("run", *ALONE, *ONE, *options, cwd=tmp_path, environment=fault.environment)
    assert done.returncode in {0, 3}, done.stderr
    folder = tmp_path / "results" / "latest"
    (record,) = records_of(folder)
    assert (record["verdict"], record["reasons"][0]) == ("failed", "the server ended with SIGKILL")
    (start,) = [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]
    assert start["ended"] == "SIGKILL"
    left = fault.left()
    assert left == "nothing"
    told = record["reasons"][0]
    fault.report(name="server killed under load", happened="failed", lost="its measurement", left=left, told=told)


@pytest.mark.long
def test_a_server_that_ended_is_started_again_for_the_next_measurement(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "lucky.py").write_text(
        """import os
from pathlib import Path

answers = 0
ended = Path("ended")
bodies = {
    "/plaintext": (b"text/plain", b"Hello, World!"),
    "/json": (b"application/json", b'{"message":"Hello, World!"}'),
}

async def app(scope, receive, send):
    global answers
    answers += 1
    if answers == 60 and not ended.exists():
        ended.touch()
        os.kill(os.getpid(), 9)
    kind, body = bodies.get(scope["path"], bodies["/plaintext"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})
"""
    )
    options = ("--servers", "uvicorn", "--scenarios", "plaintext,json", "--protocols", "h1")
    where = ("--app", "lucky:app", "--app-dir", str(tmp_path))
    done = harness("run", *ALONE, *options, *where, cwd=tmp_path, environment=fault.environment)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "latest"
    failed, measured = records_of(folder)
    assert (failed["verdict"], failed["reasons"][0]) == ("failed", "the server ended with SIGKILL")
    assert measured["verdict"] in SOUND
    starts = [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]
    assert [start["ended"] for start in starts] == ["SIGKILL", None]
    left = fault.left()
    assert left == "nothing"
    happened = f"started again for the next measurement: {measured['verdict']}"
    told = failed["reasons"][0]
    fault.report(name="server killed once", happened=happened, lost="one measurement", left=left, told=told)
