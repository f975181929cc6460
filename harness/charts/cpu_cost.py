"""Server CPU per request, user and system, all its processes: lower is cheaper. Medians, 95 % intervals, rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._bars import Measure, bar_chart
from harness.charts._style import STYLE, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary

TITLE = "CPU cost"
ORDER = 5


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """A panel for each comparison, the cheapest first."""
    measure = Measure(
        TITLE,
        first_line(__doc__),
        "CPU µs per request",
        estimate=lambda summary: summary.cpu_us_per_request,
        rounds=lambda summary: summary.cpu_us_per_request_by_round,
        lower_is_better=True,
    )
    return bar_chart(measure, comparisons, run)
