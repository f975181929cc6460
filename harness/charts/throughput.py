"""Requests per second: bars are medians, lines their 95 % intervals, dots the rounds. Each panel has its own scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._bars import Measure, bar_chart
from harness.charts._style import STYLE, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from harness.findings import CaseSummary, RunInfo

TITLE = "Throughput"
ORDER = 1


@rc_context(STYLE)
def draw(summaries: Sequence[CaseSummary], run: RunInfo) -> Figure | None:
    """A panel for each scenario and protocol, the fastest server first."""
    measure = Measure(
        TITLE,
        first_line(__doc__),
        "requests/s",
        estimate=lambda summary: summary.throughput_rps,
        rounds=lambda summary: summary.throughput_by_round_rps,
        ceilings=run.ceilings,
    )
    return bar_chart(measure, summaries, run)
