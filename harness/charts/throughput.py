"""Requests per second: bars are medians, lines 95 % intervals (arrow: longer), dots rounds, each panel to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._bars import Measure, bar_chart
from harness.charts._style import STYLE, first_line
from harness.model.loads import Capacity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary

TITLE = "Throughput"
ORDER = 2


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """A panel for each comparison, the fastest first; of a search for a capacity, the rate it found."""
    level = run.conditions.load.level if isinstance(run.conditions.load, Capacity) else None
    measure = Measure(
        TITLE if level is None else f"Capacity: the highest rate that meets {level}",
        first_line(__doc__),
        "requests/s",
        estimate=lambda summary: summary.throughput_rps,
        rounds=lambda summary: summary.throughput_by_round_rps,
        ceilings=run.ceilings,
    )
    return bar_chart(measure, comparisons, run)
