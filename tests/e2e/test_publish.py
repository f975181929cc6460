"""`harness publish` and `export` as people and scripts call them, on a run that was measured before."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import HARNESS, Command, harness, summary_of
from tests.fault_table import Fault

RECORDED = Path(__file__).parents[1] / "data" / "run-of-schema-1"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, whose command line names a folder of its machine."""
    folder = tmp_path / "results" / "one"
    shutil.copytree(RECORDED, folder)
    info = json.loads((folder / "run.json").read_text())
    info["argv"] += ["--app-dir", str(tmp_path / "secret-shop" / "src")]
    (folder / "run.json").write_text(json.dumps(info))
    return folder


def test_a_run_is_published_and_exported(run: Path, tmp_path: Path, harness_here: Command) -> None:
    done = harness_here("publish", str(run), "--to", "docs/bench", "--name", "2026-11", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "docs" / "bench" / "2026-11"
    said = done.stdout.splitlines()
    assert [line.split(":")[0].strip() for line in said[1:]] == [
        *(f"docs/bench/2026-11/{name}" for name in ("report.md", "report.html", "snippet.md")),
        "docs/bench/README.md",
    ]
    assert max(map(len, said)) <= 80
    host = json.loads((run / "run.json").read_text())["environment"]["host"]
    assert summary_of(folder)["run"]["environment"]["host"] == ""
    for path in folder.rglob("*"):
        if path.is_file():
            assert "secret-shop" not in path.read_text(), path
            assert str(tmp_path) not in path.read_text(), path
    assert f"| **Host** | {host} |" not in (folder / "report.md").read_text()
    exported = harness_here("export", str(run), "--format", "csv", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout == (folder / "results.csv").read_text()
    assert {row["server"] for row in csv.DictReader(exported.stdout.splitlines())} >= {"uvicorn", "granian"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("export", "results/one", "--format", "junt"), "did you mean junit?"),
        (("export", "results/none", "--format", "csv"), "expected a run's folder, found no run.json in results/none"),
        (("publish", "results/none", "--to", "docs"), "expected a run's folder, found no run.json in results/none"),
        (("publish", "results/one", "--to", "docs", "--name", "../x"), "--name: expected letters"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    run: Path, tmp_path: Path, arguments: tuple[str, ...], told: str, harness_here: Command
) -> None:
    assert run.exists()
    done = harness_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "docs").exists()


def test_a_run_without_numbers_is_not_published_and_its_export_says_so(
    run: Path, tmp_path: Path, harness_here: Command
) -> None:
    (run / "trials.jsonl").write_text("")
    done = harness_here("publish", str(run), "--to", "docs", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "docs").exists()) == (2, False)
    assert "expected a run with numbers, found none in results/one/trials.jsonl" in done.stderr.replace(
        str(tmp_path) + "/", ""
    )
    assert harness_here("export", str(run), "--format", "csv", cwd=tmp_path).returncode == 3


@pytest.mark.long
def test_a_full_disk_leaves_what_was_published_before(run: Path, tmp_path: Path, fault: Fault) -> None:
    arguments = ("publish", str(run), "--to", "docs")
    assert harness(*arguments, cwd=tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "docs").rglob("*") if path.is_file()}
    # Charts are larger than the report's Markdown, so the limit is met when some files have been written.
    limited = ["prlimit", "--fsize=20000", *HARNESS, *arguments]
    environment = {**fault.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        limited, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in (tmp_path / "docs").rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["2026-11-25", "README.md"]
    fault.report(
        name="disk full while a run is published",
        happened=f"exit status {done.returncode}, the run published before is as it was",
        lost="nothing",
        left=fault.left(),
        told=done.stderr,
    )
