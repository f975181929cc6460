from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.model.histogram import Histogram
from harness.model.records import Record, Sample
from harness.model.results import RequestResult, StreamResult
from harness.run.directory import RunDirectory
from tests.unit.run.test_directory import RECORD, RESULT

RESPONSE, OTHER = RESULT.response, Histogram.of([2, 30_000])
SLICES = RESULT.slices * 2
OF_STREAM = replace(RESULT.by_request[0], stream=StreamResult(3, OTHER, RESPONSE))
NAMED_SO = RequestResult("response", "response", (1.0,), 1, OTHER)


def write(record: Record, folder: Path) -> bytes:
    directory = RunDirectory.create(folder, "one")
    directory.append(record)
    assert directory.read_trials() == [record]
    return (directory.path / "trials.jsonl").read_bytes()


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, result=None, samples=()),
        replace(RECORD, result=replace(RESULT, slices=(), by_request=())),
        replace(RECORD, result=replace(RESULT, service=OTHER, first_byte=OTHER)),
        replace(RECORD, result=replace(RESULT, response=Histogram(), service=Histogram(), first_byte=RESPONSE)),
        replace(RECORD, result=replace(RESULT, by_request=(NAMED_SO, OF_STREAM))),
        replace(RECORD, samples=(Sample(1, 0.5, 2), Sample(2, 0.75, 3, 1_000, 7))),
    ],
)
def test_a_record_comes_back_from_its_line(record: Record, tmp_path: Path) -> None:
    write(record, tmp_path)


def test_what_equals_the_response_times_is_not_written_again(tmp_path: Path) -> None:
    line = write(replace(RECORD, result=replace(RESULT, first_byte=OTHER)), tmp_path)
    result: dict[str, Any] = msgspec.json.decode(line)["result"]
    assert result["service"] == result["by_request"][0]["response"] == "response"
    assert result["response"]["max_us"] == RESPONSE.max_us
    assert result["first_byte"]["max_us"] == OTHER.max_us


def test_a_line_has_each_name_of_a_slice_and_of_a_sample_once(tmp_path: Path) -> None:
    by_request = (replace(RESULT.by_request[0], answers=(3.5, 3.5)),)
    result = replace(RESULT, slices=SLICES, by_request=by_request)
    line = write(replace(RECORD, samples=RECORD.samples * 20, result=result), tmp_path)
    assert line.count(b'"drained_ns"') == line.count(b'"at_ns"') == 1
