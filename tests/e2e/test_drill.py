"""`harness drill`: a server is stopped or loses a worker under load, and every request is accounted for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.command import HARNESS, Command, harness
from tests.fault_table import Fault

SHOP = """
import os

ORDERS = os.open(os.environ["ORDERS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


async def app(scope, receive, send):
    assert scope["type"] == "http"
    os.write(ORDERS, b".")
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"no such order"})
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def options(shop: Path) -> list[str]:
    return ["--app", "shop:app", "--env", f"ORDERS={shop / 'orders'}"]


def results_of(folder: Path) -> dict[str, Any]:
    [path] = folder.glob("results/*-drill/drill.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def running_in(folder: Path) -> list[str]:
    """The commands of processes whose working directory this is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.long
def test_a_killed_worker_is_replaced_and_what_the_app_answered_is_accounted_for(shop: Path) -> None:
    which = ("--servers", "uvicorn,daphne", "--drills", "worker-killed", "--repeats", "1")
    done = harness("drill", *which, *options(shop), cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "– no worker processes" in done.stdout
    run = results_of(shop)
    by_server = {each["server"]: each for each in run["results"]}
    assert by_server["daphne"]["outcome"] == "n/a"
    [seen] = by_server["uvicorn"]["observations"]
    assert seen["numbers"]["again_s"] > 0
    after = next(each for each in seen["tallies"] if each["name"].startswith("due"))
    assert after["right"] > 0
    assert (after["unanswered"], after["error"], after["refused"]) == (0, 0, 0)
    assert after["right"] <= (shop / "orders").stat().st_size
    assert run["whole"]
    assert 1 <= run["setting"]["rate_rps"] <= 200
    [folder] = shop.glob("results/*-drill")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert str(shop / "orders") not in (folder / "drill.json").read_text()
    assert running_in(shop) == []


def after_the_first_repetition(shop: Path, fault: Fault) -> subprocess.Popen[str]:
    """A drill of 50 repetitions in the second of them."""
    which = ("--servers", "daphne", "--drills", "graceful-stop", "--repeats", "50", "--rate", "50")
    process = subprocess.Popen(
        [*HARNESS, "drill", *which, *options(shop)],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**fault.environment, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("[2/50]"):
            break
    return process


def report_kept(shop: Path, fault: Fault, name: str, happened: str, lost: str, told: str) -> None:
    """The fault has cost neither what was seen before it, nor left anything behind."""
    run = results_of(shop)
    assert not run["whole"]
    kept = len(run["results"][0]["observations"])
    assert kept >= 1
    left = fault.left()
    assert left == "nothing"
    fault.report(name=name, happened=f"{kept} of 50 repetitions {happened}", lost=lost, left=left, told=told)


@pytest.mark.long
def test_a_drill_that_is_killed_has_written_what_was_seen(shop: Path, fault: Fault) -> None:
    process = after_the_first_repetition(shop, fault)
    process.kill()
    process.communicate()
    name = "harness drill killed (SIGKILL)"
    report_kept(shop, fault, name, "kept", lost="the repetition under way", told="the shell says Killed")


@pytest.mark.long
def test_a_drill_whose_folder_is_removed_ends_and_writes_it_again(shop: Path, fault: Fault) -> None:
    process = after_the_first_repetition(shop, fault)
    [folder] = shop.glob("results/*-drill")
    shutil.rmtree(folder)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert told.count("\n") == 1
    assert told.endswith(", found its folder removed; what was seen until then is kept\n")
    name, happened = "folder of a drill removed while it runs", f"written again, exit status {process.returncode}"
    report_kept(shop, fault, name, happened, lost="nothing", told=told)


def test_an_interrupted_drill_keeps_what_was_seen_and_leaves_nothing_running(shop: Path, fault: Fault) -> None:
    process = after_the_first_repetition(shop, fault)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    [told] = [line for line in rest.splitlines() if line.startswith("Interrupted")]
    name, happened = "Ctrl-C in a drill", f"kept, exit status {process.returncode}"
    report_kept(shop, fault, name, happened, lost="the repetition under way", told=told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--drills", "stop"), "--drills: expected any of graceful-stop, "),
        (("--app", "shop:app", "--app-dir", "nowhere"), "--app-dir: expected a folder"),
        (("--path", "orders"), "--path: expected a path that begins with /, found orders"),
        (("--busy-path", "orders"), "--busy-path: expected a path that begins with /, found orders"),
        (("--servers", ""), "--servers: expected one name or more, found nothing"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path, harness_here: Command
) -> None:
    done = harness_here("drill", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
