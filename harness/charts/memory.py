"""Memory of a server and all its processes, shared pages divided (PSS): idle before the load, and the most under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from matplotlib import rc_context

from harness.charts._style import INK, STYLE, colours, columns_for, compact, first_line, grid, pale, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.findings import CaseSummary, RunInfo

TITLE = "Memory"
ORDER = 4
ROW_IN = 0.5


@rc_context(STYLE)
def draw(summaries: Sequence[CaseSummary], run: RunInfo) -> Figure | None:
    """A panel for each app, two bars for each server: the most that any of its cases saw."""
    used = [each for each in summaries if each.verdict in {"valid", "client-limited"} and each.memory_pss_bytes.peak]
    if not used:
        return None
    colour = colours(each.case.server for each in summaries)
    apps = {each.case.app: [other for other in used if other.case.app == each.case.app] for each in used}
    rows = max(len({each.case.server for each in group}) for group in apps.values())
    figure, cells = grid(
        TITLE, first_line(__doc__), run, (len(apps), columns_for(len(apps), colour)), 0.8 + ROW_IN * rows
    )
    for axes, (app, group) in zip(cells, apps.items(), strict=True):
        _fill(axes, app if len(apps) > 1 else "", group, colour)
    return settle(figure)


def _fill(axes: Axes, title: str, group: Sequence[CaseSummary], colour: dict[str, str]) -> None:
    idle, peak = _most(group, "idle"), _most(group, "peak")
    servers = sorted(peak, key=lambda server: peak[server])
    for row, server in enumerate(servers):
        for name, used, shift, shade in (
            ("idle", idle, -0.2, pale(colour[server])),
            ("peak", peak, 0.2, colour[server]),
        ):
            if server not in used:
                continue
            axes.barh(row + shift, used[server], height=0.36, color=shade)
            label = f"{compact(used[server])} MB {name}"
            axes.annotate(
                label,
                (used[server], row + shift),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=INK,
            )
    axes.set_xlim(0, max(peak.values()) * 1.2)
    axes.set_ylim(len(servers) - 0.4, -0.6)
    axes.set_yticks(range(len(servers)), servers)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel("MB, proportional set size")
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold")


def _most(group: Sequence[CaseSummary], moment: Literal["idle", "peak"]) -> dict[str, float]:
    """The most MB that each server took at that moment, over its cases."""
    most: dict[str, float] = {}
    for each in group:
        used = getattr(each.memory_pss_bytes, moment)
        if used is not None:
            most[each.case.server] = max(most.get(each.case.server, 0.0), used / 1e6)
    return most
