"""Bencher Metric Format, for `bencher run --adapter json` (https://bencher.dev/docs/reference/bencher-metric-format)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.analysis.figures import list_rows, name_case
from harness.report.formats import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary

MEASURES: dict[str, str] = {
    "throughput": "throughput",
    "p50": "p50-us",
    "p90": "p90-us",
    "p99": "p99-us",
    "cpu": "cpu-us-per-request",
    "memory": "memory-bytes",
    "ready": "ready-s",
}
"""The measure of each figure; its unit is in its name, but that of Bencher's own `throughput` is operations/s."""


def write(_run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    """A benchmark for each valid case, with the measures that it has. The control is no benchmark."""
    benchmarks: dict[str, dict[str, dict[str, float]]] = {}
    for row in list_rows(comparisons):
        if row.figure.name not in MEASURES or not row.is_sound or row.case.case.control:
            continue
        interval = {} if row.low is None or row.high is None else {"lower_value": row.low, "upper_value": row.high}
        measures = benchmarks.setdefault(name_case(row.case.case), {})
        measures[MEASURES[row.figure.name]] = {"value": row.value, **interval}
    return msgspec.json.format(msgspec.json.encode(benchmarks), indent=2).decode() + "\n"


FORMATS = (Format("bencher", "Bencher Metric Format", write),)
