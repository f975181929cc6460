"""What one protocol does beside another at the same distance. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.intervals import as_turns, paired_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.model.protocols import Protocol
    from harness.model.summaries import CaseSummary, Ratio

BESIDE: Mapping[Protocol, Protocol] = {"h2": "h1-tls", "h2c": "h1", "h3": "h1-tls"}
"""The protocol that another one is compared with: HTTP/1.1, with TLS where the other has it."""


def list_distances(summaries: Iterable[CaseSummary]) -> list[float]:
    """The round-trip times that were measured, in seconds."""
    return sorted({each.case.rtt_s for each in summaries})


def compare_rates(summary: CaseSummary, beside: CaseSummary) -> Ratio | None:
    """The rate of a case ÷ that of another protocol in the same rounds; None without two rounds in common.

    The two did not take turns, so the machine may have changed between them: intervals are wide.
    """
    one, other = summary.throughput_by_round_rps, beside.throughput_by_round_rps
    if (summary.verdict, beside.verdict) != ("valid", "valid") or len(one) != len(other) or len(one) == 1:
        return None
    return paired_ratio(*(as_turns({(number, 0): rps for number, rps in enumerate(each)}) for each in (one, other)))
