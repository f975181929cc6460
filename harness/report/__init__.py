"""From summaries to what people and programs read: `report.md`, `report.html`, `summary.json`, `charts/`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.report import hdr, html, markdown, summary
from harness.report.page import Chart, make_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import ModuleType

    from harness.model.results import Record, RunInfo, ServerStart
    from harness.model.summaries import ComparisonSummary

__all__ = ["Chart", "draw", "write"]

PNG_DPI = 150


def draw(modules: Iterable[ModuleType], run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> list[Chart]:
    """Let the chart modules draw these comparisons; those with nothing to draw are left out.

    Charts are sorted by their module's `ORDER`; modules without one come last. A chart's files are named after its
    module, and its caption is the first line of the module's docstring.
    """
    charts = []
    for module in sorted(modules, key=lambda module: getattr(module, "ORDER", math.inf)):
        figure = module.draw(comparisons, run)
        if figure is not None:
            caption = (module.__doc__ or "").partition("\n")[0]
            charts.append(Chart(module.__name__.rpartition(".")[2], module.TITLE, caption, figure))
    return charts


def write(
    directory: Path,
    run: RunInfo,
    comparisons: Sequence[ComparisonSummary],
    charts: Sequence[Chart],
    starts: Sequence[ServerStart] = (),
    trials: Sequence[Record] = (),
) -> Path:
    """Write the report into `directory`, replacing an earlier one, and return the path of its HTML page.

    The comparisons were made from `starts` and `trials`. Without these, the report leaves out what only they tell.
    """
    folder = directory / "charts"
    folder.mkdir(parents=True, exist_ok=True)
    svgs = {chart.name: folder / f"{chart.name}.svg" for chart in charts}
    for chart in charts:
        chart.figure.savefig(svgs[chart.name], metadata={"Date": None})
        chart.figure.savefig(folder / f"{chart.name}.png", dpi=PNG_DPI)
    page = make_page(run, comparisons, charts, starts, trials)
    (directory / "summary.json").write_bytes(summary.encode(run, comparisons))
    (directory / "latency.hlog").write_text(hdr.write_log(run, comparisons), encoding="utf-8")
    (directory / "report.md").write_text(markdown.render(page), encoding="utf-8")
    path = directory / "report.html"
    path.write_text(html.render(page, {name: svg.read_text(encoding="utf-8") for name, svg in svgs.items()}), "utf-8")
    return path
