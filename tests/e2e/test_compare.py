"""`harness compare` on real runs: what it prints, and its exit status."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from harness.model.records import SCHEMA, TRIAL_SCHEMA
from tests.command import ALONE, HARNESS, Command
from tests.fault_table import Fault

QUICK = (*ALONE, "--scenarios", "plaintext", "--protocols", "h1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in `before` and `after`, the second with a longer warm-up, one round and one server of two.

    They are made at the same time, which is no way to measure, but no test looks at their figures.
    """
    where = tmp_path_factory.mktemp("compare")
    runs = [
        subprocess.Popen([*HARNESS, "run", *QUICK, *options], cwd=where, stdout=subprocess.DEVNULL)
        for options in (
            ("--out", "before", "--servers", "uvicorn,granian", "--rounds", "2"),
            ("--out", "after", "--servers", "uvicorn", "--rounds", "1", "--warmup", "60ms"),
        )
    ]
    assert [run.wait(timeout=110) for run in runs] == [0, 0]
    add_copy(where / "before" / "latest")
    return where


def add_copy(run: Path) -> None:
    """Add all that the run has of uvicorn a second time, under the name `copy`."""
    for name in ("trials.jsonl", "starts.jsonl"):
        lines = (run / name).read_text().splitlines(keepends=True)
        copies = [line.replace('"server":"uvicorn"', '"server":"copy"') for line in lines if '"uvicorn"' in line]
        (run / name).write_text("".join([*lines, *copies]))


@pytest.fixture
def harness(folder: Path, harness_here: Command) -> Command:
    """The command where the runs are."""
    return partial(harness_here, cwd=folder)


# Start-up times are compared whatever the verdict on a slice of 200 ms on a busy machine, and a server and its copy do
# not differ: the results of these gates do not depend on the machine.
COPIES = ("before/latest:uvicorn", "before/latest:copy")


def test_a_server_compared_with_its_copy_shows_no_difference_and_meets_its_gates(harness: Command) -> None:
    done = harness("compare", *COPIES, "--fail-if", "ready>10%")
    assert done.returncode == 0, done.stderr
    assert "✓ ready>10%: met in 1" in done.stdout
    assert "no difference seen" in done.stdout


def test_a_comparison_that_nobody_reads_has_the_same_exit_status(folder: Path, fault: Fault) -> None:
    command = f"{' '.join(HARNESS)} compare {' '.join(COPIES)} --fail-if 'ready>-10%' | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=fault.environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    fault.report(
        name="output of harness compare closed at once",
        happened=f"exit status {done.returncode} of the gate that was missed, as without a pipe",
        lost="the printed text",
        left=fault.left(),
        told="by the exit status",
    )


def test_a_missed_gate_is_exit_status_1(harness: Command) -> None:
    done = harness("compare", *COPIES, "--fail-if", "ready>-10%")
    assert (done.returncode, done.stderr) == (1, "")
    assert "✗ ready>-10%: missed in 1" in done.stdout


def test_the_summary_is_added_to_a_file_and_junit_replaces_one(harness: Command, tmp_path: Path) -> None:
    summary, gates = tmp_path / "summary.md", tmp_path / "gates.xml"
    summary.write_text("before\n")
    options = ("--fail-if", "ready>10%", "--strict", "--summary", str(summary), "--junit", str(gates))
    assert [harness("compare", *COPIES, *options).returncode for _ in range(2)] == [0, 0]
    assert summary.read_text().startswith("before\n### ✓ 1 of 1 gate met\n")
    assert summary.read_text().count("### ") == 2
    assert gates.read_text().count('<testcase name="start"') == 1


@pytest.mark.parametrize("side", ["before/latest", "before/latest:uvicorn"])
def test_a_run_compared_with_itself_is_refused_because_it_would_meet_every_gate(harness: Command, side: str) -> None:
    done = harness("compare", side, side, "--fail-if", "ready>10%")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == f"harness: A and B: expected two runs or two servers, found {side} and {side} to be the same\n"
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", '{"id": ', f"run.json: expected a run of schema {SCHEMA}, found that "),
        ("run.json", '{"schema": 99}', f"run.json: expected schema {SCHEMA} of this version, found 99"),
        (
            "trials.jsonl",
            "{}\n",
            f"trials.jsonl, line 1: expected a record of schema {TRIAL_SCHEMA}, found that schema 1 needs 'case'",
        ),
        (
            "trials.jsonl",
            f'{{"schema": {TRIAL_SCHEMA}}}\n',
            f"trials.jsonl, line 1: expected a record of schema {TRIAL_SCHEMA}, found that ",
        ),
        ("starts.jsonl", "nonsense\n", f"starts.jsonl, line 1: expected a record of schema {SCHEMA}, found that "),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_is_no_missed_gate(
    harness: Command, folder: Path, tmp_path: Path, name: str, text: str, message: str
) -> None:
    shutil.copytree(folder / "before" / "latest", tmp_path / "run")
    (tmp_path / "run" / name).write_text(text)
    done = harness("compare", str(tmp_path / "run"), "after/latest")
    assert done.returncode == 2
    assert done.stderr.startswith(f"harness: {tmp_path}/run/{message}")
    assert len(done.stderr.splitlines()) == 1


def test_an_internal_error_does_not_exit_as_a_missed_gate(harness: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.compare.parse_gates", None)
    done = harness("compare", *COPIES)
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("harness: internal error")


def test_runs_made_under_different_conditions_are_refused_with_both_values(harness: Command) -> None:
    done = harness("compare", "before/latest", "after/latest")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "harness: expected runs made under the same conditions, found A → B: warm-up in s 0.05 → 0.06; "
        "--anyway compares them too\n"
    )


def test_a_gate_that_could_not_be_checked_is_exit_status_3_with_the_reason(harness: Command) -> None:
    options = ("--anyway", "--fail-if", "ready>100000%", "--format", "json")
    done = harness("compare", "before/latest", "after/latest", *options)
    assert done.returncode == 3
    shown = json.loads(done.stdout)
    assert {gate["about"]["server"]: (gate["outcome"], gate["reason"]) for gate in shown["gates"]} == {
        "granian": ("not checked", "B has no such start"),
        "copy": ("not checked", "B has no such start"),
        "uvicorn": ("not checked", "a single round has no interval"),
    }
    assert {entry["case"]["server"] for entry in shown["only_a"]} == {"granian", "copy"}
    assert (shown["paired"], shown["unlike"][0]["name"]) == (False, "warm-up in s")


def test_two_servers_of_one_run_are_paired_and_the_comment_has_a_table(harness: Command) -> None:
    done = harness("compare", "before/latest:uvicorn", "before/latest:granian", "--format", "markdown")
    assert done.returncode == 0, done.stderr
    assert "| start | start-up s | " in done.stdout
    assert "so they are paired, cycle by cycle" in done.stdout
    assert "server: uvicorn " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("before/latest", "nowhere"), "expected a run's folder, found no run.json in nowhere"),
        (("before/latest/run.json", "after/latest"), "expected a run's folder, found no run.json in before/latest/run"),
        (("x" * 999, "after/latest"), "x"),
        (("before/latest:cherokee", "before/latest:granian"), "A: expected any of copy, granian, uvicorn, asgi af"),
        (("before/latest:granian", "before/latest"), "A and B: expected servers, apps or nothing after both colons"),
        (("before/latest:asgi", "before/latest:uvicorn"), "A and B: expected servers, apps or nothing after both col"),
        (("before/latest",), "A and B: expected two runs or servers, or --base, found before/latest"),
        ((), "A and B: expected two runs or servers, or --base, found nothing"),
        (("before/latest", "after/latest", "--strict"), "--strict: expected --fail-if with it, found none"),
        (("before/latest", "after/latest", "--users", "8"), "--users: expected --base with it, found none"),
        (("before/latest", "after/latest", "--head", "main"), "--head: expected --base with it, found none"),
        ((*COPIES, "--summary", "no/such.md"), "--summary: expected a file in a folder that exists, found no/such.md"),
        (("before/latest", "--base", "main"), "--base: expected neither A nor B with it, found before/latest"),
        (("--base", "main"), "--base: expected --app with it, found none"),
        (("--base", "main", "--app", "shop:app"), "--base: expected git rev-parse to work in "),
        (("before/latest", "after/latest", "--format", "xml"), "--format: expected text, markdown or json, found xml"),
        (("before/latest", "after/latest", "--fail-if", "speed<-5%"), "--fail-if: expected METRIC<-5%"),
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(harness: Command, arguments: tuple[str, ...], message: str) -> None:
    done = harness("compare", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"harness: {message}")
    assert len(done.stderr.splitlines()) == 1
