"""Records survive the way to the disk and back, and what is on the disk survives a crash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog.sources import commit
from harness.host.facts import read_machine
from harness.model.errors import StorageError, UsageError
from harness.model.histogram import Histogram
from harness.model.loads import Rate
from harness.model.plan import Case, ServerConfig
from harness.model.records import Record, Sample, ServerStart
from harness.model.results import Connections, Errors, LoadResult, RequestResult, Slice
from harness.model.run_info import Environment, RunInfo
from harness.run.directory import RunDirectory
from harness.run.info import environment
from tests.builders import run_info
from tests.fault_table import Fault

CASE = Case("uvicorn", "asgi", "plaintext", "h1")
RESULT = LoadResult(
    slices=(Slice(0, 5, 10, 2_000_000_010, 2_000_000_020, 3.5, 3, 4),),
    started=5,
    finished=4,
    abandoned=1,
    errors=Errors(1, {"status": 1}, {"status": "GET /: expected 200, found 500"}),
    response=Histogram.of([1, 20, 300_000]),
    service=Histogram.of([1, 20, 300_000]),
    send_lag=Histogram.of([0, 0, 0]),
    connections=Connections(2, 1, 0, "http/1.1"),
    cpu_ratio=0.5,
    by_request=(RequestResult("GET", "GET /", (3.5,), 3, Histogram.of([1, 20, 300_000]), 1),),
)
RECORD = Record(
    CASE, 1, 7, "invalid", ("1 request …",), "2026-01-01T00:00:00+00:00", RESULT, (Sample(1, 0.5, 2),), 0.01
)


def info(directory: Path) -> RunInfo:
    where: Environment = environment(read_machine(look_s=0.01), [0], [1], {"uvicorn": "1"}, directory)
    load = Rate(500, "poisson")
    return run_info(environment=where, baseline=CASE.candidate, planned=(replace(CASE, load=load),), load=load)


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    start = ServerStart(ServerConfig("uvicorn", "asgi", 1, tls=False), 0, ("uvicorn",), 0.1, stop_s=0.2, log="0.log")
    directory.append(RECORD)
    directory.append(start)
    written = info(tmp_path)
    directory.write_info(written)
    assert directory.read_trials() == [RECORD]
    assert directory.read_starts() == [start]
    assert directory.read_info() == written


@pytest.mark.fault
def test_a_trial_that_is_there_twice_is_refused(tmp_path: Path, fault: Fault) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    for record in (RECORD, replace(RECORD, round=2), RECORD):
        directory.append(record)
    with pytest.raises(UsageError) as refused:
        directory.read_trials()
    assert "expected each trial once, found one of" in str(refused.value)
    assert "in round 1 twice" in str(refused.value)
    fault.report(
        name="lines of trials.jsonl repeated",
        happened="refused",
        lost="nothing",
        left="nothing",
        told=str(refused.value).removeprefix(f"{tmp_path}/"),
    )


def test_a_last_line_that_was_cut_off_costs_itself_alone(tmp_path: Path, fault: Fault) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    again = replace(RECORD, round=2)
    directory.append(RECORD)
    directory.append(again)
    path = directory.path / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    assert directory.read_trials() == [RECORD]
    directory.repair()
    directory.append(again)
    assert directory.read_trials() == [RECORD, again]
    fault.report(
        name="the last line of a results file is cut off",
        happened="the lines before it are read, and --resume goes on after them",
        lost="the measurement of that line, which --resume makes again",
        left="nothing",
        told="not at all",
    )


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, "one")
    RunDirectory.create(tmp_path, "two")
    assert (tmp_path / "latest").resolve() == (tmp_path / "two").resolve()


def test_a_folder_without_a_run_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a run's folder, found no run\.json in "):
        RunDirectory(tmp_path).read_info()


def test_a_run_of_another_schema_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(UsageError, match=r"run\.json: expected schema 2 of this version, found 99\Z"):
        RunDirectory(tmp_path).read_info()


def test_another_schema_is_refused_even_where_its_form_is_that_of_this_one(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    directory.write_info(replace(info(tmp_path), schema=99))
    directory.append(replace(RECORD, schema=98))
    with pytest.raises(UsageError, match=r"run\.json: expected schema 2 of this version, found 99\Z"):
        directory.read_info()
    with pytest.raises(UsageError, match=r"trials\.jsonl, line 1: expected schema 3 of this version, found 98\Z"):
        directory.read_trials()


def test_a_line_of_the_former_schema_that_lacks_something_is_named(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    directory.write_info(info(tmp_path))
    (directory.path / "trials.jsonl").write_text("{}\n")
    with pytest.raises(
        UsageError, match=r"trials\.jsonl, line 1: expected a record of schema 3, found that schema 1 needs 'case'\Z"
    ):
        directory.read_trials()


@pytest.mark.parametrize("text", ['{"id": ', '{"schema": 2}', "[]", ""])
def test_a_run_that_cannot_be_read_is_a_usage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"\A[^\n]*run\.json: expected a run of schema 2, found that [^\n]*\Z"):
        RunDirectory(tmp_path).read_info()


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "report.md").touch()
    with pytest.raises(
        UsageError, match=r"expected a run's folder, found report\.md|found no run\.json in .*report\.md"
    ):
        RunDirectory(tmp_path / "report.md").read_info()


@pytest.mark.parametrize("line", [b"{", b'{"schema": 2}', b"nonsense"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: bytes) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    directory.append(RECORD)
    for name in ("trials.jsonl", "starts.jsonl"):
        with (directory.path / name).open("ab") as file:
            file.write(line + b"\n")
    with pytest.raises(UsageError, match=r"\A[^\n]*trials\.jsonl, line 2: expected a record of schema 3, found that "):
        directory.read_trials()
    with pytest.raises(UsageError, match=r"\A[^\n]*starts\.jsonl, line 1: expected a record of schema 2, found that "):
        directory.read_starts()


@pytest.mark.parametrize("out", ["/dev/null", "/proc/results"])
def test_results_go_into_a_folder_that_can_be_written(out: str, fault: Fault) -> None:
    expected = rf"\A--out: expected a folder that can be written to, found {out} \("
    with pytest.raises(UsageError, match=expected) as refusal:
        RunDirectory.create(Path(out), "one")
    fault.report(
        name=f"results into {out}",
        happened="the run does not start",
        lost="nothing",
        left="nothing",
        told=str(refusal.value),
    )


def test_nothing_but_a_link_is_replaced_by_the_link_to_the_newest_run(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(UsageError, match=r"\A--out: expected latest in .* to be a link to a run, found something else"):
        RunDirectory.create(tmp_path, "one")
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_commit_is_that_of_the_files_and_not_of_a_repository_around_them(tmp_path: Path) -> None:
    app, venv = tmp_path / "shop", tmp_path / ".venv"
    for folder in (app, venv):
        folder.mkdir()
        (folder / "module.py").touch()
    git(tmp_path, "init")
    git(tmp_path, "add", "shop")
    git(tmp_path, "commit", "-m", "A shop")
    found = commit(app)
    assert found is not None
    assert len(found) == 12
    assert commit(venv) is None
    (app / "module.py").write_text("app = None\n")
    assert commit(app) == f"{found}-dirty"
    assert commit(tmp_path / "nowhere") is None


def test_the_environment_is_this_machine(tmp_path: Path) -> None:
    found = info(tmp_path).environment
    assert found.cpu_model
    assert found.packages["pytest"] == pytest.__version__
    assert found.git_commit is None


HOLD = """
import sys, time
from pathlib import Path
from harness.run.directory import RunDirectory
with RunDirectory(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_who_measures_into_the_folder_until_that_one_has_ended(
    tmp_path: Path, fault: Fault
) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(directory.path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        expected = rf"found that process {holder.pid} is; wait until"
        with pytest.raises(UsageError, match=expected) as refusal, directory.lock():
            pass
        holder.kill()
        holder.wait()
        with directory.lock():
            left = sorted(path.name for path in directory.path.iterdir())
    assert left == ["logs"]
    fault.report(
        name="two processes into one run, of which the first is killed (SIGKILL)",
        happened="the second is refused while the first lives, and let in when it has ended",
        lost="nothing",
        left="nothing",
        told=str(refusal.value).replace(str(holder.pid), "N"),
    )


def test_two_runs_of_one_name_get_a_folder_each(tmp_path: Path, fault: Fault) -> None:
    first, second = RunDirectory.create(tmp_path, "one"), RunDirectory.create(tmp_path, "one")
    assert (first.path.name, second.path.name) == ("one", "one-2")
    assert (tmp_path / "latest").resolve() == second.path.resolve()
    fault.report(
        name="two runs started in the same second with the same seed",
        happened=f"folders {first.path.name} and {second.path.name}",
        lost="nothing",
        left="nothing",
        told="nothing to tell",
    )


def test_a_private_run_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one", private=True)
    directory.write_info(info(tmp_path))
    directory.append(RECORD)
    assert {oct(path.stat().st_mode & 0o777) for path in (directory.path, directory.logs)} == {"0o700"}
    files = [path for path in directory.path.iterdir() if path.is_file()]
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


def test_a_folder_that_was_removed_is_written_again_from_memory(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    shutil.rmtree(directory.path)
    with pytest.raises(StorageError, match=r"/trials\.jsonl, found its folder removed\Z"):
        directory.append(RECORD)
    written = info(tmp_path)
    both = [RECORD, replace(RECORD, round=2)]
    directory.write_again(written, both)
    assert directory.read_info() == written
    assert directory.read_trials() == both


def test_secrets_on_the_command_line_of_an_earlier_version_are_masked(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    directory.write_info(replace(info(tmp_path), argv=("harness", "run", "--env", "KEY=s3cret")))
    assert directory.read_info().argv == ("harness", "run", "--env", "KEY=***")


@pytest.mark.parametrize("name", ["run.json", "trials.jsonl", "starts.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "binary"])
def test_what_is_no_file_of_a_run_is_refused_at_once(tmp_path: Path, name: str, kind: str, fault: Fault) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    directory.write_info(info(tmp_path))
    path = directory.path / name
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(name)
        case "binary":
            path.write_bytes(b"\xff\xfe\x00" * 100 + b"\n")
    with pytest.raises(UsageError, match=rf"\A[^\n]*{name}[^\n]*: expected [^\n]*, found [^\n]*\Z") as refusal:
        directory.read_info() if name == "run.json" else (directory.read_trials(), directory.read_starts())
    fault.report(
        name=f"{kind} in place of {name}",
        happened="refused at once",
        lost="nothing",
        left="nothing",
        told=str(refusal.value),
    )
