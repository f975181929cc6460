"""A run whose terminal is closed ends as on Ctrl-C, and one that is killed leaves nothing behind."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from harness.host import process
from tests.command import ALONE, HARNESS, ONE, records_of, summary_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fault_table import Fault

RUN = (*HARNESS, "run", *ALONE, *ONE, "--rounds", "50")


def await_trial(run: subprocess.Popen[bytes], folder: Path) -> None:
    deadline_s = time.monotonic() + 60
    while not list(folder.glob("results/latest/trials.jsonl")):
        assert run.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.long
def test_a_run_ends_with_its_terminal_and_what_was_measured_is_kept(tmp_path: Path, fault: Fault) -> None:
    terminal, end = pty.openpty()
    command = ["setsid", "--ctty", "--wait", *RUN]
    with subprocess.Popen(command, cwd=tmp_path, stdin=end, stdout=end, stderr=end, env=fault.environment) as run:
        os.close(end)
        await_trial(run, tmp_path)
        os.close(terminal)
        status = run.wait(timeout=60)
    assert status == 130
    folder = tmp_path / "results" / "latest"
    summary = summary_of(folder)
    assert summary["run"]["complete"] is False
    assert summary["cases"][0]["requests"] > 0
    report = (folder / "report.md").read_text()
    assert "interrupted" in report.lower()
    left = fault.left()
    assert left == "nothing"
    fault.report(
        name="terminal closed in mid-run (SIGHUP)",
        happened=f"exit {status}, {len(records_of(folder))} trials kept",
        lost="nothing",
        left=left,
        told="report says that the run was interrupted",
    )


@pytest.mark.long
def test_a_run_that_is_killed_leaves_nothing(tmp_path: Path, fault: Fault) -> None:
    with subprocess.Popen(RUN, cwd=tmp_path, stdout=subprocess.DEVNULL, env=fault.environment) as run:
        await_trial(run, tmp_path)
        assert fault.left(within_s=0) != "nothing"
        run.kill()
        run.wait()
    left = fault.left()
    assert left == "nothing"
    records = records_of(tmp_path / "results" / "latest")
    assert records
    fault.report(
        name="harness killed in mid-run (SIGKILL)",
        happened=f"{len(records)} trials kept, to be continued by --resume",
        lost="nothing but the trial that was under way",
        left=left,
        told="the shell says Killed",
    )


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_other_commands_end_on_a_signal_too(number: signal.Signals, tmp_path: Path, fault: Fault) -> None:
    port = str(process.free_port("127.0.0.1"))
    command = [*HARNESS, "serve", "uvicorn", "--tls", "--port", port]
    environment = {**fault.environment, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith("uvicorn answers on https://")
        serving.send_signal(number)
        status = serving.wait(timeout=30)
    assert status == 0
    left = fault.left()
    assert left == "nothing"
    name = f"{number.name} for `harness serve`"
    fault.report(name=name, happened="the server was stopped", lost="nothing", left=left, told=f"exit {status}")


PRINT_HANDLER = (
    "import signal, harness.__main__ as m; m.app = lambda **_: print(signal.getsignal(signal.SIGHUP)); m.main()"
)


@pytest.mark.parametrize(("prefix", "ignored"), [(["nohup"], True), ([], False)])
def test_a_hang_up_that_is_ignored_stays_ignored(prefix: list[str], ignored: bool, tmp_path: Path) -> None:
    command = [*prefix, sys.executable, "-c", PRINT_HANDLER]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ("_hang_up" not in done.stdout) is ignored
