from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from harness.model.run_info import RunInfo
from harness.model.summaries import ComparisonSummary
from harness.report import hdr
from tests import synthetic
from tests.reported import COMPARISONS, RUN, SWEEP
from tests.synthetic import flat, under

if TYPE_CHECKING:
    from pathlib import Path


def test_the_log_has_a_tagged_line_for_each_case_with_answers(tmp_path: Path) -> None:
    path = tmp_path / "latency.hlog"
    path.write_text(hdr.write_log(RUN, COMPARISONS))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 2**36, 3))
    answered = [summary for summary in flat(COMPARISONS) if summary.response.counts]
    read = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        read.append((histogram.get_tag(), histogram.get_total_count()))
    assert read == [
        (f"{each.case.server}:{each.case.scenario}:{each.case.protocol}", each.response.count) for each in answered
    ]


@pytest.mark.parametrize(
    ("run", "comparisons"),
    [
        (SWEEP, synthetic.sweep()),
        (under(RUN, workers=(1, 2)), synthetic.with_workers((1, 2), 1.0, ("uvicorn", "a, b"))),
        (RUN, synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))),
    ],
)
def test_every_line_of_the_log_has_a_tag_of_its_own(
    run: RunInfo, comparisons: list[ComparisonSummary], tmp_path: Path
) -> None:
    path = tmp_path / "latency.hlog"
    path.write_text(hdr.write_log(run, comparisons))
    reader = HistogramLogReader(str(path), HdrHistogram(1, 2**36, 3))
    tags = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        tags.append(histogram.get_tag())
    assert len(set(tags)) == len(tags) == len(flat(comparisons))
    assert not any(re.search(r"[\s,]", tag) for tag in tags)
