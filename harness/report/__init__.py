"""From summaries to what people and programs read: `report.md`, `report.html`, `summary.json`, `charts/`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.charts import _files as files
from harness.host.files import make_folder, replace_file
from harness.report import hdr, html, markdown, summary
from harness.report.behaviour import read_behaviour
from harness.report.page import Chart, make_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import ModuleType

    from harness.analysis.results import Results
    from harness.model.run_info import RunInfo
    from harness.model.server_share import ServerShare
    from harness.model.summaries import ComparisonSummary
    from harness.report.page import Page

__all__ = ["Chart", "draw", "render", "write"]


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
            words = getattr(figure, "words", ())
            charts.append(Chart(module.__name__.rpartition(".")[2], module.TITLE, caption, figure, words))
    return charts


def write(directory: Path, results: Results, charts: Sequence[Chart]) -> Path:
    """Write the report into `directory`, replacing an earlier one, and return the path of its HTML page.

    Raises `StorageError` for a file that cannot be written; the most important come first.
    """
    run, comparisons, shares = results.run, results.comparisons, results.shares
    behaviour = read_behaviour(directory, run.environment.server_versions)
    page = make_page(run, comparisons, charts, results.starts, results.trials, shares, behaviour=behaviour)
    contents = render(run, comparisons, charts, page, shares)
    make_folder(directory / "charts")
    for name, content in contents.items():
        replace_file(directory / name, content)
    return directory / "report.html"


def render(
    run: RunInfo,
    comparisons: Sequence[ComparisonSummary],
    charts: Sequence[Chart],
    page: Page,
    shares: Sequence[ServerShare] = (),
    *,
    png: bool = True,
) -> dict[str, bytes]:
    """The files of a report, by their paths."""
    drawn = {chart.name: files.encode(chart.figure, chart.name, chart.title, chart.words, png=png) for chart in charts}
    svgs = {name: own[f"{name}.svg"].decode() for name, own in drawn.items()}
    return {
        "summary.json": summary.encode(run, comparisons, shares),
        "latency.hlog": hdr.write_log(run, comparisons).encode(),
        "report.md": markdown.render(page).encode(),
        "report.html": html.render(page, svgs).encode(),
        **{f"charts/{file}": content for own in drawn.values() for file, content in own.items()},
    }
