"""Servers, the control and numbers of users take turns within one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import (
    ALONE,
    ONE,
    QUICK,
    SLICES,
    SOUND,
    THREE,
    TWO,
    assert_taking_turns,
    harness,
    names_of,
    records_of,
    slices_of,
    summary_of,
)


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two rounds of two servers and the control, three cycles each."""
    folder = tmp_path_factory.mktemp("turns")
    done = harness("run", *QUICK, *TWO, *SLICES, "--rounds", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "results" / "latest"


def test_servers_and_control_take_turns_in_one_block(turns: Path) -> None:
    records = records_of(turns)
    assert {(record["round"], record["block"]) for record in records} == {(0, 0), (1, 0)}
    for number in (0, 1):
        own = [record for record in records if record["round"] == number]
        assert names_of(own) == THREE
        assert_taking_turns(own)
        assert len(slices_of(own)) == 3 * 3


def test_every_server_of_a_block_is_started_once_in_each_round(turns: Path) -> None:
    starts = [json.loads(line) for line in (turns / "starts.jsonl").read_text().splitlines()]
    found = sorted((each["round"], each["config"]["server"], each["config"]["control"]) for each in starts)
    assert found == [(number, *each) for number in (0, 1) for each in THREE]
    assert all(each["ended"] is None and each["idle_memory_bytes"] > 0 for each in starts)


def test_the_summary_has_the_ratio_of_the_control_to_the_baseline(turns: Path) -> None:
    summary = summary_of(turns)
    (control,) = summary["controls"]
    compared = {"scenario": "plaintext", "protocol": "h1", "load": "saturate", "users": 4, "workers": 1}
    assert {name: control[name] for name in compared} == compared
    for metric in ("throughput", "cpu"):
        assert control[metric]["low"] < control[metric]["value"] < control[metric]["high"]
    (case,) = [each for each in summary["cases"] if each["case"]["control"]]
    assert case["case"]["server"] == "uvicorn-control"
    assert case["ratio_to_baseline"] == {name: control[name] for name in case["ratio_to_baseline"]}
    assert {each["slice_s"] for each in summary["cases"]} == {0.1}


def test_together_1_measures_the_same_cases_one_at_a_time(tmp_path: Path) -> None:
    done = harness("run", *QUICK, *TWO, *SLICES, "--together", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = records_of(tmp_path / "results" / "latest")
    assert names_of(records) == THREE
    assert [record["block"] for record in records] == [0, 1, 2]
    assert all(record["idle_cpu_ratio"] is None for record in records)
    for record in records:
        assert_taking_turns([record])
    order = [found["position"] for found, _ in slices_of(records)]
    assert order == sorted(order)


def test_numbers_of_users_take_turns_in_one_measurement(tmp_path: Path) -> None:
    done = harness("run", *ALONE, *ONE, *SLICES, "--users", "4,8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "latest"
    records = records_of(folder)
    assert [record["case"]["users"] for record in records] == [4, 8]
    assert_taking_turns(records)
    assert len(list((folder / "logs").glob("*-load.log"))) == 1
    # More requests in flight than users would be invalid.
    assert {record["verdict"] for record in records} <= SOUND
    assert json.loads((folder / "run.json").read_text())["conditions"]["users"] == [4, 8]
    summary = summary_of(folder)
    assert (summary["run"]["users"], summary["run"]["user_levels"]) == (8, [4, 8])
    assert sorted(case["case"]["users"] for case in summary["cases"]) == [4, 8]
