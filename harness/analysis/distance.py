"""What one protocol does beside another at the same distance. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.across import divide_rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.model.protocols import Protocol
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, Ratio

BESIDE: Mapping[Protocol, Protocol] = {"h2": "h1-tls", "h2c": "h1", "h3": "h1-tls"}
"""The protocol that another one is compared with: HTTP/1.1, with TLS where the other has it."""


def list_distances(summaries: Iterable[CaseSummary]) -> list[float]:
    """The round-trip times that were measured, in seconds."""
    return sorted({each.case.rtt_s for each in summaries})


def compare_rates(run: RunInfo, summary: CaseSummary, beside: CaseSummary) -> Ratio | None:
    """The rate of a case ÷ that of another protocol; None unless both are valid and have two rounds or more.

    The two did not take turns, so the machine may have changed between them: intervals are wide.
    """
    both = summary, beside
    if any(each.verdict != "valid" or len(each.throughput_by_round_rps) < 2 for each in both):  # noqa: PLR2004
        return None
    return divide_rates(run, *both)
