"""From starting a server to its first right answer, and the time that this answer took: medians, 95 % intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from matplotlib import rc_context

from harness.charts._bars import ROW_IN, Bar, describe_bars, fill
from harness.charts._looks import look
from harness.charts._style import STYLE, first_line, grid, settle
from harness.text.numbers import join, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from harness.model.plan import ServerConfig
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate

TITLE = "Start-up and first answer"
ORDER = 7


@rc_context(STYLE)
def draw(comparisons: Sequence[ComparisonSummary], run: RunInfo) -> Figure | None:
    """Two panels for servers without TLS and two for those with it, for each number of workers."""
    groups = _group([each for comparison in comparisons for each in comparison.summaries])
    rows = {
        f"{title}{where}": (_bars(group, figure), unit)
        for where, group in groups.items()
        for title, unit, figure in (("Start-up", "s", _ready_s), ("First answer", "ms", _first_answer_ms))
    }
    if not any(bars for bars, _ in rows.values()):
        return None
    most = max(len(bars) for bars, _ in rows.values())
    figure, cells = grid(TITLE, first_line(__doc__), run, (len(rows), 2), 0.8 + ROW_IN * most)
    for axes, (title, (bars, unit)) in zip(cells, rows.items(), strict=True):
        if bars:
            fill(axes, title, bars, unit, most)
        else:
            axes.remove()
    return settle(figure, (describe_bars(title, bars, unit) for title, (bars, unit) in rows.items() if bars))


def _group(summaries: Sequence[CaseSummary]) -> dict[str, list[CaseSummary]]:
    """One case of each way to start a server, by what these ways differ in."""
    found: dict[ServerConfig, CaseSummary] = {}
    for each in summaries:
        if each.ready_s is not None:
            found.setdefault(each.case.config, each)
    by_tls, by_workers = (len({getattr(each, name) for each in found}) > 1 for name in ("tls", "workers"))
    groups: dict[str, list[CaseSummary]] = {}
    for config in sorted(found, key=lambda each: (each.workers, each.tls)):
        tls = ["TLS" if config.tls else "no TLS"] if by_tls else []
        words = [*tls, *([plural(config.workers, "worker")] if by_workers else [])]
        groups.setdefault(f" · {join(words)}" if words else "", []).append(found[config])
    return groups


def _bars(group: Sequence[CaseSummary], figure: Callable[[CaseSummary], Estimate | None]) -> list[Bar]:
    """A bar for each candidate that has the figure, the shortest first."""
    bars = [Bar(each.name, look(each.name).colour, "valid", figure(each), ()) for each in group if figure(each)]
    return sorted(bars, key=lambda bar: (bar.measured, bar.name))


def _ready_s(summary: CaseSummary) -> Estimate | None:
    return summary.ready_s


def _first_answer_ms(summary: CaseSummary) -> Estimate | None:
    seconds = summary.first_request_s
    if seconds is None:
        return None
    return replace(seconds, median=1000 * seconds.median, low=1000 * seconds.low, high=1000 * seconds.high)
