"""How far a run is, and what it has found so far, on the terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from harness.analysis.so_far import SoFar
from harness.cli.terminal.grids import Grid, Row, fit
from harness.cli.terminal.trials import (
    CaseNames,
    Faults,
    describe_so_far,
    describe_trial,
    list_so_far,
    write_so_far,
)
from harness.text.numbers import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from harness.cli.terminal.screen import Screen
    from harness.model.plan import Candidate, Plan
    from harness.model.records import Record
    from harness.run.journal import Progress, Watcher

_BAR_WIDTH = 20
_ROWS_OF_OTHERS = 6
"""Rows of the terminal that the estimates so far leave to the bar, their title and what was printed before."""


@contextmanager
def show_run_progress(screen: Screen, plan: Plan, baseline: Candidate | None = None) -> Iterator[Watcher]:
    """Show progress as a bar on a terminal, and as a line for each trial elsewhere, with the estimates so far."""
    names = CaseNames.of(plan)
    found = SoFar(baseline)
    if not screen.is_terminal:
        yield lambda progress: _show_line(screen, progress, names, found)
        return
    with _RunBar(console=screen.console, auto_refresh=False) as bar:
        task = bar.add_task("", total=plan.case_count)
        faults = Faults(names)

        def watch(progress: Progress) -> None:
            if progress.notice:
                bar.print(f"! {progress.notice}", markup=False)
                return
            if record := progress.record:
                found.add(record)
                if fault := faults.tell(record):
                    bar.print(fault, markup=False)
                bar.below = _draw_so_far(screen, found, record, names)
            where = f"round {progress.round} · {duration(progress.left_s)} left"
            bar.update(task, completed=progress.done, total=progress.total, description=where, refresh=True)

        try:
            yield watch
        finally:
            bar.below = ""
            if repeated := faults.sum_up():
                bar.print(repeated, markup=False)


def _draw_so_far(screen: Screen, found: SoFar, record: Record, names: CaseNames) -> RenderableType:
    """The estimates of the comparison that was measured last, as many as there is room for."""
    estimates = found.estimate_all(record.case.comparison)
    if not estimates:
        return ""
    most = max(1, screen.console.height - _ROWS_OF_OTHERS)
    title, *columns = describe_so_far(record.case, names)
    rows = [Row.of(*list_so_far(each, names)) for each in estimates[:most]]
    grid = Grid(title, tuple(columns), tuple(rows))
    (fitting,) = fit(screen.console.width, [grid])
    return fitting.draw(screen.console.width)


def _show_line(screen: Screen, progress: Progress, names: CaseNames, found: SoFar) -> None:
    if progress.notice:
        screen.say(f"! {progress.notice}")
    if record := progress.record:
        found.add(record)
        so_far = found.estimate(record.case)
        screen.say(
            f"[{progress.done}/{progress.total}] round {progress.round} · "
            f"{duration(progress.left_s)} left · {describe_trial(record, names)}"
            f"{f'; {write_so_far(so_far)}' if so_far and so_far.rounds > 1 else ''}"
        )


class _RunBar(Bar):
    """A bar with a table below it. It is drawn when something has been measured, and takes no CPU time between."""

    below: RenderableType = ""

    def __init__(self, **options: Any) -> None:
        columns = (BarColumn(_BAR_WIDTH), MofNCompleteColumn(), TextColumn("{task.description}"))
        super().__init__(*columns, **options)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.below:
            yield self.below
