"""Records survive the way to the disk and back, and what is on the disk survives a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.findings import Connections, Environment, Errors, LifeRecord, LoadResult, Record, RunInfo, Sample
from harness.histogram import Histogram
from harness.model import Case, Life, UsageError
from harness.record import RunDirectory, environment
from harness.survey import survey

CASE = Case("uvicorn", "asgi", "plaintext", "h1")
RESULT = LoadResult(
    window_start_ns=10,
    window_end_ns=2_000_000_010,
    answers=4,
    requests=3,
    started=5,
    finished=4,
    abandoned=1,
    errors=Errors(1, {"status": 1}, {"status": "GET /: expected 200, found 500"}),
    response=Histogram.of([1, 20, 300_000]),
    service=Histogram.of([1, 20, 300_000]),
    send_lag=Histogram.of([0, 0, 0]),
    by_name={"GET /": Histogram.of([1, 20, 300_000])},
    connections=Connections(2, 1, 0, "http/1.1"),
    cpu_ratio=0.5,
)
RECORD = Record(
    CASE, 1, 7, "invalid", ("1 request …",), "2026-01-01T00:00:00+00:00", RESULT, (Sample(1, 0.5, 2),), 0.01
)


def info(directory: Path) -> RunInfo:
    where: Environment = environment(survey(look_s=0.01), [0], [1], {"uvicorn": "1"}, directory)
    return RunInfo(
        "id", "2026-01-01T00:00:00+00:00", 3, ("harness",), where, "uvicorn", 2, 0.5, 2.0, "saturate", 32, 1, (1,)
    )


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    life = LifeRecord(Life("uvicorn", "asgi", 1, tls=False), 0, ("uvicorn",), 0.1, stop_s=0.2, log="0.log")
    directory.append(RECORD)
    directory.append(life)
    written = info(tmp_path)
    directory.write_info(written)
    assert directory.trials() == [RECORD]
    assert directory.lives() == [life]
    assert directory.read_info() == written


def test_a_last_line_that_was_cut_off_costs_itself_alone(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "one")
    directory.append(RECORD)
    directory.append(RECORD)
    path = directory.path / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    assert directory.trials() == [RECORD]


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, "one")
    RunDirectory.create(tmp_path, "two")
    assert (tmp_path / "latest").resolve() == (tmp_path / "two").resolve()


def test_a_folder_without_a_run_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a run's folder, found no run\.json in "):
        RunDirectory(tmp_path).read_info()


def test_a_run_of_another_schema_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(UsageError, match=r"run\.json: expected schema 1 of this version, found that"):
        RunDirectory(tmp_path).read_info()


def test_the_environment_is_this_machine(tmp_path: Path) -> None:
    found = info(tmp_path).environment
    assert found.cpu_model
    assert found.packages["pytest"] == pytest.__version__
    assert found.git_commit is None
