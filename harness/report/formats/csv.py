"""CSV (RFC 4180, with line feeds): one figure a row, with its unit, interval, rounds and verdict."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

from harness.analysis.figures import Row, list_rows
from harness.report.formats import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary

COLUMNS: dict[str, Callable[[Row], object]] = {
    "scenario": lambda row: row.case.case.scenario,
    "protocol": lambda row: row.case.case.protocol,
    "load": lambda row: row.case.case.load.text,
    "users": lambda row: row.case.case.users,
    "streams": lambda row: row.case.case.streams,
    "workers": lambda row: row.case.case.workers,
    "rtt_s": lambda row: row.case.case.rtt_s or "",
    "loss": lambda row: row.case.case.loss or "",
    "server": lambda row: row.case.case.label,
    "app": lambda row: row.case.case.app,
    "request": lambda row: row.request.label if row.request else "",
    "figure": lambda row: row.figure.name,
    "unit": lambda row: row.figure.unit,
    "value": lambda row: row.value,
    "low": lambda row: row.low,
    "high": lambda row: row.high,
    "rounds": lambda row: row.case.rounds,
    "verdict": lambda row: row.case.verdict,
    "note": lambda row: " ".join(["disturbed"] * row.is_disturbed + ["at-least"] * row.is_at_least),
}
"""The columns between those of the run, which are `run` and `started_at`."""


def write(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    """All figures of all cases and of their requests, whatever their verdict; a missing value is empty."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["run", "started_at", *COLUMNS])
    for row in list_rows(comparisons, requests=True):
        table.writerow([run.id, run.started_at, *(read(row) for read in COLUMNS.values())])
    return text.getvalue()


FORMATS = (Format("csv", "one figure a row", write),)
