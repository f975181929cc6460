"""Apps that fail at the start or under load: the run says so in one line, and nothing of them is left."""

from __future__ import annotations

import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command import ALONE, HARNESS, ONE, harness, records_of, summary_of
from tests.fault_table import Fault

pytestmark = pytest.mark.long

ANSWER = """
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Hello, World!"})
"""


@dataclass(frozen=True)
class Measured:
    """What one server has come to."""

    status: int
    record: dict[str, Any]
    case: dict[str, Any]

    @property
    def happened(self) -> str:
        return f"{self.record['verdict']}, exit status {self.status}"

    @property
    def told(self) -> str:
        return str(self.record["reasons"][0])


def measure(source: str, tmp_path: Path, fault: Fault, *options: str) -> Measured:
    """Run an app of this source under uvicorn."""
    (tmp_path / "faulty.py").write_text(source)
    app = ("--app", "faulty:app", "--app-dir", str(tmp_path))
    done = harness("run", *ALONE, *ONE, *app, *options, cwd=tmp_path, environment=fault.environment)
    assert "Traceback" not in done.stderr
    folder = tmp_path / "results" / "latest"
    (record,), (case,) = records_of(folder), summary_of(folder)["cases"]
    return Measured(done.returncode, record, case)


@pytest.mark.parametrize(
    ("name", "source", "verdict", "told"),
    [
        ("the app is not callable", "app = 42\n", "invalid", "expected 200, found 500"),
        (
            "the app's start-up fails",
            """async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no such database"})
""",
            "failed",
            "found that it ended with exit status 3; it said: no such database",
        ),
        (
            "the app starts too slowly",
            "import signal\n\nsignal.pause()\n",
            "failed",
            "within 0.5 s (--ready-within), found that nothing listens yet",
        ),
    ],
)
def test_an_app_that_does_not_start_has_no_number(
    name: str, source: str, verdict: str, told: str, tmp_path: Path, fault: Fault
) -> None:
    found = measure(source, tmp_path, fault, "--ready-within", "500ms" if "slow" in name else "10s")
    assert (found.status, found.record["verdict"]) == (3, verdict)
    assert told in found.told
    left = fault.left()
    assert left == "nothing"
    fault.report(name=name, happened=found.happened, lost="nothing", left=left, told=found.told)


def test_an_app_that_starts_slowly_within_its_limit_is_measured(tmp_path: Path, fault: Fault) -> None:
    source = f"import time\n\ntime.sleep(1)\n\nasync def app(scope, receive, send):{ANSWER}"
    found = measure(source, tmp_path, fault, "--ready-within", "20s")
    assert (found.status, found.record["result"]["errors"]["total"]) == (0, 0)
    ready_s = found.case["ready_s"]["median"]
    assert ready_s > 1
    left = fault.left()
    assert left == "nothing"
    fault.report(
        name="the app starts slowly",
        happened=found.happened,
        lost="nothing",
        left=left,
        told=f"ready after {ready_s:.1f} s" if ready_s > 1 else "",
    )


def test_one_answer_of_status_500_in_ten_makes_the_case_invalid(tmp_path: Path, fault: Fault) -> None:
    source = f"""answers = 0

async def app(scope, receive, send):
    global answers
    answers += 1{ANSWER.replace("200", "500 if answers % 10 == 0 else 200")}"""
    found = measure(source, tmp_path, fault)
    assert found.record["verdict"] == "invalid"
    assert set(found.case["errors"]["by_kind"]) == {"status"}
    assert found.case["errors"]["total"] > found.case["requests"] / 20
    assert "found 500" in found.told
    left = fault.left()
    assert left == "nothing"
    fault.report(name="1 answer in 10 is a 500", happened=found.happened, lost="nothing", left=left, told=found.told)


def test_memory_that_an_app_never_frees_is_seen_as_its_peak(tmp_path: Path, fault: Fault) -> None:
    source = f"kept = []\n\nasync def app(scope, receive, send):\n    kept.append(bytearray(50_000)){ANSWER}"
    found = measure(source, tmp_path, fault)
    memory = found.case["memory_pss_bytes"]
    kept_bytes = 50_000 * found.case["requests"]
    assert memory["peak"] - memory["idle"] > kept_bytes / 2
    left = fault.left()
    assert left == "nothing"
    fault.report(
        name="the app leaks 50 kB with each request",
        happened=found.happened,
        lost="nothing",
        left=left,
        told=f"memory: idle {memory['idle'] / 1e6:.0f} MB, peak {memory['peak'] / 1e6:.0f} MB",
    )


def test_users_without_a_descriptor_are_errors_that_say_so(tmp_path: Path, fault: Fault) -> None:
    def limit_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    done = subprocess.run(
        [*HARNESS, "run", *ALONE, *ONE, "--users", "100"],
        cwd=tmp_path,
        env=fault.environment,
        preexec_fn=limit_descriptors,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 3, done.stderr
    (record,) = records_of(tmp_path / "results" / "latest")
    assert record["verdict"] == "invalid"
    assert "Too many open files" in record["reasons"][0]
    (told,) = (line for line in done.stdout.splitlines() if "open files" in line and line.startswith("! "))
    assert told == "! expected 164 open files for each process, found 40 (ulimit -Hn): connections will fail"
    left = fault.left()
    assert left == "nothing"
    happened = f"{record['verdict']}, exit status {done.returncode}"
    fault.report(name="100 users and 40 descriptors", happened=happened, lost="nothing", left=left, told=told)
