"""`summary.json`: what other programs read. A key of it changes its meaning only with a new `SCHEMA`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from harness.model.histogram import Histogram
from harness.model.results import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary


def to_contract(run: RunInfo, summaries: Sequence[CaseSummary]) -> dict[str, Any]:
    """The run and its cases as plain values; histograms stay in `trials.jsonl`."""
    run_fields = msgspec.to_builtins(run)
    del run_fields["schema"]
    return {"schema": SCHEMA, "run": run_fields, "cases": [_case(summary) for summary in summaries]}


def _case(summary: CaseSummary) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(replace(summary, response=Histogram()))
    del fields["response"]
    return fields


def encode(run: RunInfo, summaries: Sequence[CaseSummary]) -> bytes:
    """The contract as indented JSON, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(to_contract(run, summaries)), indent=2) + b"\n"
