"""The custom formats of github-action-benchmark (https://github.com/benchmark-action/github-action-benchmark).

A file of it has one direction: its tool `customSmallerIsBetter` reads the first format, `customBiggerIsBetter` the
second.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from harness.analysis.figures import list_rows, name_case
from harness.report.formats import Format
from harness.text.numbers import plural, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.figures import Better, Row
    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary

FIGURES = frozenset({"throughput", "p50", "p99", "cpu", "memory", "ready"})


def write(better: Better, _run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    """An entry for each figure of each valid case that is better this way. The control has none."""
    entries = [
        _entry(row)
        for row in list_rows(comparisons)
        if row.figure.name in FIGURES and row.figure.better == better and row.is_sound and not row.case.case.control
    ]
    return msgspec.json.format(msgspec.json.encode(entries), indent=2).decode() + "\n"


def _entry(row: Row) -> dict[str, str | float]:
    entry: dict[str, str | float] = {
        "name": f"{name_case(row.case.case)}: {row.figure.name}",
        "unit": row.figure.unit,
        "value": row.value,
    }
    extra = plural(row.case.rounds, "round") + (", disturbed" if row.is_disturbed else "")
    if row.low is None or row.high is None:
        return {**entry, "extra": extra}
    # Its charts want the range as a number after this sign.
    half = f"± {(row.high - row.low) / 2:.6f}"
    return {**entry, "range": half, "extra": f"95 %: {significant(row.low)} – {significant(row.high)}, {extra}"}


FORMATS = (
    Format("github-action-benchmark", "for its tool customSmallerIsBetter", partial(write, "lower")),
    Format("github-action-benchmark-bigger", "for its tool customBiggerIsBetter", partial(write, "higher")),
)
