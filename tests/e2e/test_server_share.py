"""Whether the server matters for an app, told from the reference app and from half of the slowest server's rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import QUICK, harness, records_of, summary_of

pytestmark = pytest.mark.long
APPS = """
import time


async def trivial(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def busy(scope, receive, send):
    end_s = time.thread_time() + 0.01
    while time.thread_time() < end_s:
        pass
    await trivial(scope, receive, send)
"""
OPTIONS = ("--servers", "uvicorn,granian", "--protocols", "h1", "--openapi", "none", "--no-control", "--prefer", "cpu")
ONCE = (*QUICK, "--with-reference", "on")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPS)
    return tmp_path


def shares(folder: Path) -> dict[str, float]:
    """The server's share of the CPU time of the only comparison, by server."""
    (found,) = summary_of(folder)["server_share"]
    return {each["server"]: each["share"]["value"] for each in found["servers"]}


def measured(records: list[Any]) -> list[tuple[int, str, str, str]]:
    return sorted(
        (each["round"], each["case"]["server"], each["case"]["app"], each["case"]["load"]) for each in records
    )


def test_of_an_app_that_computes_ten_milliseconds_the_server_is_little_also_after_an_interruption(shop: Path) -> None:
    options = ("run", "--app", "shop:busy", *OPTIONS, *ONCE)
    done = harness(*options, cwd=shop)
    assert done.returncode in {0, 3}, done.stderr  # whether somebody is first may be unknown
    folder = shop / "results" / "latest"
    assert "Does the server matter for this app? Of " in done.stdout
    assert all(share < 0.25 for share in shares(folder).values())
    (found,) = summary_of(folder)["server_share"]
    assert all(each["cpu_us_per_request"]["median"] > 9_000 for each in found["servers"])
    assert {case["case"]["app"] for case in summary_of(folder)["cases"]} == {"shop"}
    assert "Does the server matter for this app?" in (folder / "report.md").read_text()

    records = records_of(folder)
    half = [each for each in records if each["case"]["load"].startswith("rate=")]
    assert sorted((each["round"], each["case"]["server"]) for each in half) == [(1, "granian"), (1, "uvicorn")]
    (rate,) = {float(each["case"]["load"].removeprefix("rate=")) for each in half}
    slowest = min(case["throughput_rps"]["median"] for case in summary_of(folder)["cases"])
    assert rate == pytest.approx(slowest / 2, rel=0.01)

    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**info, "complete": False}))
    lines = (folder / "trials.jsonl").read_text().splitlines(keepends=True)
    (folder / "trials.jsonl").write_text("".join(lines[:-2]))
    again = harness(*options, "--resume", "results/latest", cwd=shop)
    assert again.returncode in {0, 3}, again.stderr
    assert records_of(folder)[:-2] == records[:-2]
    assert measured(records_of(folder)) == measured(records)


def test_of_an_app_that_does_nothing_the_server_is_nearly_all(shop: Path) -> None:
    done = harness("run", "--app", "shop:trivial", *OPTIONS, *ONCE, cwd=shop)
    assert done.returncode in {0, 3}, done.stderr
    assert all(share > 0.4 for share in shares(shop / "results" / "latest").values())
