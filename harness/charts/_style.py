"""What all charts share: their style, the frame with title and footer, and panels side by side."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

from harness.analysis.naming import Levels
from harness.charts._colours import FAINT, GRID, INK, QUIET
from harness.model.loads import Saturate, Sweep
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS
from harness.text.numbers import DISTURBED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from harness.model.plan import Comparison
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary

WIDTH_IN = 9.4
"""About 900 pixels, the width of a README."""
THOUSAND = 1000
LONG_NAME, VERY_LONG_NAME = 14, 32
"""Names with more characters need wider panels, or a whole row."""
FEW = 3
"""Up to this many unsupported candidates are named in a panel; more are counted."""
DISTURBED_CAPTION = f"{DISTURBED}:\u00a0disturbed by other processes or the host."

STYLE: Any = {  # Any, because matplotlib's releases disagree on the type of its keys
    "svg.fonttype": "none",  # text stays text: sharp, searchable, small
    "svg.hashsalt": "harness",  # the same figure gives the same bytes
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Geneva", "Arial", "sans-serif"],
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.facecolor": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": QUIET,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8.5,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 1.0,
}


class Picture(Figure):
    """A figure that is saved in the charts' style; the same figure gives the same bytes."""

    words: tuple[str, ...] = ()
    """What it shows, in a sentence for each panel."""

    def savefig(self, fname: Any, **options: Any) -> None:
        with mpl.rc_context(STYLE):
            super().savefig(fname, **options)


def first_line(docstring: str | None) -> str:
    """A chart's caption: the first line of its module's docstring."""
    return (docstring or "").partition("\n")[0]


def _tick(value: float, _position: object = None) -> str:
    """A number on an axis, in as few digits as it needs: 2M · 10k · 2.5k · 400 · 0.5."""
    whole = float(f"{value:g}")  # a logarithmic scale has its ticks a little beside 1,000
    for unit, sign in ((THOUSAND**3, "G"), (THOUSAND**2, "M"), (THOUSAND, "k")):
        if whole >= unit:
            return f"{whole / unit:g}{sign}"
    return f"{whole:g}"


TICKS = FuncFormatter(_tick)


def compared(comparison: ComparisonSummary) -> list[CaseSummary]:
    """One case for each candidate and for the control; in a sweep, those in a closed loop."""
    swept = isinstance(comparison.comparison.load, Sweep)
    return [each for each in comparison.summaries if not swept or isinstance(each.case.load, Saturate)]


def panels(comparisons: Sequence[ComparisonSummary]) -> dict[str, ComparisonSummary]:
    """The comparisons, each under its title, protocol by protocol."""
    levels = Levels.of(each.comparison for each in comparisons)
    return {panel_title(each.comparison, levels): each for each in by_protocol(comparisons)}


def by_protocol(comparisons: Sequence[ComparisonSummary]) -> list[ComparisonSummary]:
    return sorted(comparisons, key=lambda each: PROTOCOLS.index(each.comparison.protocol))


def panel_title(comparison: Comparison, levels: Levels) -> str:
    """`plaintext · HTTP/1.1`, `plaintext · HTTP/1.1 · 8 users · 2 workers`."""
    return " · ".join([comparison.scenario, PROTOCOL_NAMES[comparison.protocol], *levels.names(comparison)])


def columns_for(count: int, candidates: Iterable[str]) -> int:
    """How many panels are side by side: at most three, and fewer where long names need the room."""
    longest = max(map(len, candidates))
    if longest > LONG_NAME:
        return min(count, 2 if longest <= VERY_LONG_NAME else 1)
    return {1: 1, 2: 2, 4: 2}.get(count, 3)


def grid(
    title: str, caption: str, run: RunInfo, shape: tuple[int, int], panel_height_in: float
) -> tuple[Picture, list[Axes]]:
    """A figure with its title, its footer, and panels of one height between them; `shape` is (panels, columns)."""
    count, columns = shape
    return frame(title, caption, footer(run), shape, [panel_height_in] * -(-count // columns))


def frame(
    title: str, caption: str, foot: Sequence[str], shape: tuple[int, int], heights_in: Sequence[float]
) -> tuple[Picture, list[Axes]]:
    """A figure with its title, the lines of its footer, and rows of panels of these heights between them."""
    count, columns = shape
    head = _wrap(caption, 120)
    top_in, bottom_in = 0.42 + 0.17 * len(head), 0.2 + 0.145 * len(foot)
    height_in = top_in + sum(heights_in) + bottom_in
    rect = (0.006, bottom_in / height_in, 0.988, 1 - (top_in + bottom_in) / height_in)
    layout = ConstrainedLayoutEngine(rect=rect, hspace=0.06, wspace=0.03)
    figure = Picture(figsize=(WIDTH_IN, height_in), layout=layout, facecolor="none")
    figure.text(0.012, 1 - 0.12 / height_in, title, size=13, weight="bold", va="top")
    figure.text(0.012, 1 - 0.37 / height_in, "\n".join(head), size=8.5, color=QUIET, va="top")
    figure.text(0.012, 0.08 / height_in, "\n".join(foot), size=7, color=QUIET, va="bottom", linespacing=1.35)
    cells = figure.subplots(len(heights_in), columns, squeeze=False, height_ratios=heights_in).ravel().tolist()
    for unused in cells[count:]:
        unused.remove()
    return figure, cells[:count]


def settle(figure: Picture, words: Iterable[str]) -> Picture:
    """Say in words what it shows, and fix the layout of the panels.

    The layout's solver may differ in the last bit from run to run; rounded, the same chart gives the same bytes.
    """
    figure.words = tuple(words)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = (round(each, 4) for each in axes.get_position().bounds)
        axes.set_position((x, y, width, height))
    return figure


def footer(run: RunInfo) -> list[str]:
    """Where the numbers come from: machine, versions, load, day, and whether the run was interrupted."""
    where = run.environment
    known = [*where.server_versions.items(), *where.app_versions.items()]
    versions = ", ".join(f"{name}\u00a0{version}" for name, version in known)
    python = f"Python {where.python}" if where.python[:1].isdigit() else where.python
    machine = [f"{where.cpu_model} × {where.cpu_count}", f"kernel {where.kernel}", python]
    lines = [" · ".join([*machine, versions]) if versions else " · ".join(machine)]
    interrupted = " · interrupted" if run.complete is False else ""
    lines.append(f"{run.conditions} · {run.started_at[:10]}{interrupted}")
    return wrap_footer(lines)


def wrap_footer(lines: Iterable[str]) -> list[str]:
    """The lines of a footer, broken at the width of a chart."""
    return [part for line in lines for part in _wrap(line, 150)]


def title_panel(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold")


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=True) or [""]
