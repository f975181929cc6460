"""What becomes of a run's folder: a full or removed disk, a closed output, a second process, an edited app, secrets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import ALONE, HARNESS, ONE, harness, records_of, summary_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fault_table import Fault

RUN = (*HARNESS, "run", *ALONE, *ONE)


@contextmanager
def after_the_first_trial(fault: Fault, *options: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of many rounds that has just measured the first."""
    process = subprocess.Popen(
        [*RUN, *options],
        cwd=cwd,
        env=fault.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[1/"):
                break
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A disk with so much room."""
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if subprocess.run(options, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room in a folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    assert shutil.disk_usage(folder).free == 0
    return filler


@pytest.mark.long
def test_a_full_disk_ends_a_run_and_costs_nothing_that_was_measured(tmp_path: Path, fault: Fault) -> None:
    with small_disk(tmp_path / "disk", 4_000_000) as disk:
        with after_the_first_trial(fault, "--rounds", "50", "--out", str(disk), cwd=tmp_path) as process:
            filler = fill(disk)
            out, told = process.communicate(timeout=60)
        assert process.returncode == 3
        assert told.count("\n") == 1
        assert told.startswith("harness: expected to write ")
        assert told.endswith("found No space left on device; what was measured until then is kept\n")
        assert "plaintext over HTTP/1.1" in out
        filler.unlink()
        assert harness("report", str(disk / "latest"), cwd=tmp_path).returncode == 0
        (case,) = summary_of(disk / "latest")["cases"]
        assert case["rounds"] >= 1
    fault.report(
        name="disk full in mid-run",
        happened=f"exit status {process.returncode}, {case['rounds']} of 50 rounds measured",
        lost="nothing that was measured",
        left=fault.left(),
        told=told,
    )


@pytest.mark.long
def test_a_removed_folder_ends_a_run_and_is_written_again(tmp_path: Path, fault: Fault) -> None:
    with after_the_first_trial(fault, "--rounds", "50", cwd=tmp_path) as process:
        shutil.rmtree((tmp_path / "results" / "latest").resolve())
        out, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert told.count("\n") == 1
    assert told.endswith(", found its folder removed; what was measured until then is kept\n")
    folder = (tmp_path / "results" / "latest").resolve()
    assert f"Report: results/{folder.name}/report.html" in out
    rounds = len(records_of(folder))
    assert summary_of(folder)["cases"][0]["rounds"] == rounds >= 1
    fault.report(
        name="folder of the run removed in mid-run",
        happened=f"exit status {process.returncode}, {rounds} of 50 rounds written again, with their report",
        lost="nothing that was measured",
        left=fault.left(),
        told=told,
    )


@pytest.mark.long
def test_a_run_whose_output_is_closed_goes_on_to_its_report(tmp_path: Path, fault: Fault) -> None:
    with after_the_first_trial(fault, "--rounds", "2", cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read()
        process.wait()
    assert process.returncode == 0
    assert told.count("\n") == 1
    assert told.startswith("harness: nobody read the output to its end; the report is results/")
    assert summary_of(tmp_path / "results" / "latest")["cases"][0]["rounds"] == 2
    fault.report(
        name="output closed in mid-run (harness run | head -1)",
        happened=f"exit status {process.returncode}, all rounds measured and reported",
        lost="nothing",
        left=fault.left(),
        told=told,
    )


@pytest.mark.parametrize("arguments", ["list", "run --help", "plan"])
def test_a_command_whose_output_is_closed_ends_as_if_it_were_not(tmp_path: Path, arguments: str, fault: Fault) -> None:
    command = f"{' '.join(HARNESS)} {arguments} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=fault.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    fault.report(
        name=f"output of harness {arguments} closed at once",
        happened=f"exit status {done.returncode}",
        lost="the printed text",
        left=fault.left(),
        told="by the exit status",
    )


@pytest.mark.long
def test_an_output_on_a_full_disk_loses_its_text_alone(tmp_path: Path, fault: Fault) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            RUN, cwd=tmp_path, env=fault.environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert summary_of(tmp_path / "results" / "latest")["cases"][0]["rounds"] == 1
    fault.report(
        name="output into a full disk",
        happened=f"exit status {done.returncode}, all rounds measured and reported",
        lost="the printed text",
        left=fault.left(),
        told=done.stderr,
    )


@pytest.mark.long
def test_a_second_process_in_the_folder_is_refused(tmp_path: Path, fault: Fault) -> None:
    with after_the_first_trial(fault, "--rounds", "50", cwd=tmp_path) as process:
        second = harness(*RUN[3:], "--rounds", "50", "--resume", "results/latest", cwd=tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert second.returncode == 2
    assert second.stderr == (
        "harness: results/latest: expected a run that no process is measuring, "
        f"found that process {process.pid} is; wait until it has ended\n"
    )
    places = [(each["round"], each["position"]) for each in records_of(tmp_path / "results" / "latest")]
    assert len(set(places)) == len(places)
    fault.report(
        name="--resume of a run that still runs",
        happened=f"exit status {second.returncode}, the run goes on, no round is doubled",
        lost="nothing",
        left=fault.left(),
        told=second.stderr.replace(str(process.pid), "N"),
    )


APP = """import os, sys
SECRET = os.environ["SHOP_KEY"]
print("\\x1b[2J\\x1b]0;owned\\x07key", SECRET, flush=True)
sys.stdout.write("x" * 60_000_000)
sys.stdout.flush()

async def app(scope, receive, send):
    assert scope["type"] == "http"
    given = dict(scope["headers"]).get(b"authorization", b"none")
    body = b"\\x1b[31m" + given + SECRET.encode() + "\\u202egnp".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
"""
LOCUSTFILE = """from locust import task
from harness.load import HttpScenario, get

class Shop(HttpScenario):
    @task
    def ask(self):
        self.send(get("/?token=t0ken-in-path", expected_body=b"no"))
"""
KEY, BEARER = "s3cret-key", "b3arer-token"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "load.py").write_text(LOCUSTFILE)
    return tmp_path


@pytest.mark.long
def test_what_an_app_prints_and_answers_is_bounded_masked_and_neutralised(shop: Path, fault: Fault) -> None:
    given = ("--env", f"SHOP_KEY={KEY}", "--header", f"Authorization: Bearer {BEARER}")
    options = ("--app", "shop:app", "--servers", "uvicorn", "--locustfile", "load.py", "--protocols", "h1", *given)
    command = [*HARNESS, "run", *ALONE, *options]
    done = subprocess.run(command, cwd=shop, env=fault.environment, capture_output=True, text=True, check=False)
    folder = (shop / "results" / "latest").resolve()
    files = [path for path in folder.rglob("*") if path.is_file()]
    logs = [path for path in files if path.parent.name == "logs"]
    shown = {path.name: path.read_bytes() for path in files if path not in logs and path.suffix != ".png"}
    shown |= {"terminal": (done.stdout + done.stderr).encode()}
    for secret in (KEY, BEARER, "t0ken-in-path"):
        assert [name for name, text in shown.items() if secret.encode() in text] == []
    assert {name for name, text in shown.items() if b"\x1b" in text or "\u202e".encode() in text} == set()
    (record,) = records_of(folder)
    assert record["verdict"] == "invalid"
    assert "***" in record["result"]["errors"]["examples"]["length"]
    assert "Authorization: ***" in (argv := json.loads(shown["run.json"])["argv"])
    assert "SHOP_KEY=***" in argv
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    largest = max(path.stat().st_size for path in logs)
    assert len(shown["trials.jsonl"]) < 100_000
    assert largest < 8_200_000
    fault.report(
        name="app that prints its secrets, escape sequences and 60 MB without a newline",
        happened=f"masked as ***, written out as \\u001b; log of {largest / 1e6:.1f} MB, "
        f"record of {len(shown['trials.jsonl']) / 1e3:.0f} kB",
        lost="the middle of the log",
        left=fault.left(),
        told="; ".join(record["reasons"])[:120],
    )


@pytest.mark.long
def test_an_edited_app_and_other_values_are_refused_by_name(tmp_path: Path, fault: Fault) -> None:
    app = tmp_path / "shop.py"
    app.write_text(
        """async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Hello, World!"})
"""
    )
    of_shop = ("--app", "shop:app", "--rounds", "50", "--env")
    with after_the_first_trial(fault, *of_shop, "KEY=one", cwd=tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    resume = ("run", *ALONE, *ONE, "--resume", "results/latest", *of_shop)
    name = (tmp_path / "results" / "latest").resolve().name
    other = harness(*resume, "KEY=two", cwd=tmp_path)
    assert other.stderr == f"harness: --resume: expected --env KEY as it was, as in {name}, found another value\n"
    app.write_text(app.read_text() + "\n# edited\n")
    edited = harness(*resume, "KEY=one", cwd=tmp_path)
    assert (
        edited.stderr
        == f"harness: --resume: expected the source of app shop as it was, as in {name}, found it edited\n"
    )
    assert (other.returncode, edited.returncode) == (2, 2)
    fault.report(
        name="--resume with an edited app",
        happened=f"exit status {edited.returncode}, nothing measured",
        lost="nothing",
        left=fault.left(),
        told=edited.stderr.replace(name, "RUN"),
    )
