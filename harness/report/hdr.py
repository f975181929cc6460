"""Response times for other tools: an HdrHistogram log, one tagged line per case (http://hdrhistogram.org)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.model.hdr_histogram import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary


def write_log(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    """The log: values in µs, tags like `granian:plaintext:h2`, all rounds merged, each as if it were one interval."""
    lines = [
        "#[asgi-harness: response times in microseconds]",
        "#[Histogram log format version 1.3]",
        f"#[StartTime: 0 (seconds since epoch), {run.started_at}]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for summary in (each for comparison in comparisons for each in comparison.summaries):
        if summary.response.counts:
            length_s = run.conditions.duration_s * summary.rounds
            counts = encode(summary.response.counts)
            lines.append(f"Tag={tag(run, summary)},0.000,{length_s:.3f},{summary.response.max_us},{counts}")
    return "\n".join([*lines, ""])


def tag(run: RunInfo, summary: CaseSummary) -> str:
    """A name that no other case of the run has, without commas and spaces, which a tag must not have."""
    case = summary.case
    parts = [summary.name, case.scenario, case.protocol]
    if len(run.conditions.users) > 1:
        parts.append(f"{case.users}-users")
    if len(run.conditions.workers) > 1:
        parts.append(f"{case.workers}-workers")
    if len(run.conditions.rtt_s) > 1:
        parts.append(f"{1000 * case.rtt_s:g}-ms-rtt")
    if case.load != run.conditions.load:  # in a sweep
        parts.append(str(case.load))
    return ":".join(re.sub(r"[,\s()]+", ".", part).strip(".") for part in parts)
