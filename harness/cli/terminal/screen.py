"""The terminal: single lines, the plan and the progress of a run, its ranking, and the catalogue."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from harness.analysis.naming import name_rtt
from harness.analysis.so_far import SoFar
from harness.catalog.listing import version_of
from harness.cli.terminal.grids import Column, Grid, Row, fit, order_of_leaving
from harness.cli.terminal.trials import (
    CaseNames,
    Faults,
    describe_aside,
    describe_exclusions,
    describe_extent,
    describe_resolution,
    describe_so_far,
    describe_trial,
    list_so_far,
    without_numbers,
    write_so_far,
)
from harness.model.protocols import PROTOCOLS
from harness.report import control, interruption, server_share, trust
from harness.report.columns import TEXT_COLUMNS
from harness.report.decisions import decide
from harness.report.page import list_remarks
from harness.report.sections import is_sweep, make_sections
from harness.report.sentences import answer, name_other_leaders
from harness.text.numbers import NOTHING, count, duration, join, plural
from harness.text.plain import neutralise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from rich.console import ConsoleOptions, RenderableType

    from harness.model.plan import Candidate, Plan, Selection
    from harness.model.results import Record, RunInfo
    from harness.model.server_share import ServerShare
    from harness.model.summaries import ComparisonSummary
    from harness.model.targets import App, Scenario, Server
    from harness.report.sections import Row as Line
    from harness.report.sections import Section
    from harness.report.sections import Table as Figures
    from harness.run.journal import Progress, Watcher

_COLOURS = {
    "valid": "green",
    "client-limited": "yellow",
    "network-limited": "yellow",
    "invalid": "red",
    "unsupported": "dim",
    "failed": "red",
}
_REPORT_ONLY = ("p99.9 ms", "Peak MB", "Errors", "Service p99 ms")
"""Columns that a terminal has no room for."""
_LEAVING = order_of_leaving(
    *("Service p99 ms", "Send lag p99 ms", "Requests", "First event p90 ms", "Gap p90 ms", "p90 ms", "p50 ms"),
    *("CPU µs/request", "First event p50 ms", "Gap p50 ms", "Answered", "Errors", "First event p99 ms", "±", "Rank"),
    *("p99 ÷", "p99 ms", "Gap p99 ms"),
)
"""Columns that a narrow terminal has no room for; the report has them."""
_FILE_WIDTH = 120
_FILE_TABLE_WIDTH = 1000
"""A table in a file may be this wide, so that no cell is cut off."""
_CLARITY_COLOURS = {"clear": "green", "tied": "cyan", "too noisy": "yellow", "open": "yellow"}
_MARK_WIDTH = 13
"""For a mark with its word, `~ too noisy`."""
_BAR_WIDTH = 20
_ROWS_OF_OTHERS = 6
"""Rows of the terminal that the estimates so far leave to the bar, their title and what was printed before."""


class Screen:
    """Standard output or standard error, as a terminal or a file."""

    def __init__(self, *, stderr: bool = False) -> None:
        console = _console(stderr=stderr)
        self.console = console if console.is_terminal else _console(_FILE_WIDTH, stderr=stderr)
        self._left_out: dict[str, None] = {}
        """Titles of columns that there was no room for."""

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    @property
    def _table_width(self) -> int:
        return self.console.width if self.is_terminal else _FILE_TABLE_WIDTH

    def say(self, text: str, style: str = "") -> None:
        """Print a line and never break it, so that paths and commands can be copied."""
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    def paragraph(self, text: str, style: str = "") -> None:
        """Print sentences, broken at the width of the terminal; a line elsewhere."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=not self.is_terminal)

    def hanging(self, lead: str | Text, text: str) -> None:
        """Print sentences after a lead, on a terminal with all further lines as far to the right as the first."""
        lead = Text(lead) if isinstance(lead, str) else lead
        if not self.is_terminal:
            self.console.print(lead + Text(text), soft_wrap=True)
            return
        table = Table.grid()
        table.add_column(width=lead.cell_len)
        table.add_column(overflow="fold")
        table.add_row(lead, Text(text))
        self.console.print(table)

    def write(self, text: str) -> None:
        """Print a document, such as JSON, without any change but to what a terminal would obey."""
        print(neutralise(text.removesuffix("\n")), file=self.console.file)

    def kept_out(self, names: Sequence[str], options: str = "") -> None:
        """Print which variables and files have no effect, and which options are there in their place."""
        if names:
            self.say(
                f"No effect on the catalogue's servers and load: {', '.join(names)}{options and f'; see {options}'}"
            )

    def fit(self, *alternatives: Sequence[Grid]) -> Sequence[Grid]:
        """Of several ways to show the same tables, the first that there is room for, columns left out if need be."""
        chosen = fit(self._table_width, *alternatives)
        kept = {column.title for grid in chosen for column in grid.columns}
        self._left_out |= {
            column.title: None for grid in alternatives[0] for column in grid.columns if column.title not in kept
        }
        return chosen

    def table(self, grid: Grid) -> None:
        """Print a table; in a file it is as wide as its cells."""
        console = self.console if self.is_terminal else _console(_FILE_TABLE_WIDTH, stderr=self.console.stderr)
        console.print(grid.draw(self._table_width))

    def matrix(self, grid: Grid) -> None:
        """Print a table with a column for each server; where there is no room for all, in parts below each other."""
        for part in grid.divide(self._table_width):
            self.table(part)

    def left_out(self, where: str) -> None:
        """Say which columns there was no room for, and where they are."""
        if self._left_out:
            self.paragraph(f"No room in {self.console.width} columns for {', '.join(self._left_out)}: {where}.")
            self._left_out.clear()

    def bar(self, *, transient: bool) -> Bar:
        """A progress bar, which only a terminal shows; `transient`: it goes away at its end."""
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        return Bar(*columns, console=self.console, transient=transient, disable=not self.is_terminal)

    def plan(self, plan: Plan, selection: Selection, *, every_start: bool = False) -> None:
        """Print what a run would do, with `every_start` in full."""
        names = CaseNames.of(plan)
        self.paragraph(
            f"{describe_extent(plan, selection)}, about {duration(plan.estimate_s)}; "
            f"seed {selection.conditions.seed}, baseline {names.naming.name(selection.baseline)}"
        )
        if aside := describe_aside(plan, selection):
            self.hanging("  ", aside)
        if resolution := describe_resolution(plan, selection):
            self.hanging("  ", resolution)
        if every_start:
            for number, blocks in enumerate(plan.rounds, 1):
                for block in blocks:
                    transport = "TLS" if block.configs[0].tls else "clear"
                    servers = ", ".join(names.candidate(config) for config in block.configs)
                    self.hanging(f"  round {number}  ", f"together ({transport}): {servers}")
                    for cases in block.measurements:
                        numbers = ", ".join(str(each) for each in sorted({case.users for case in cases}))
                        far = f", {name_rtt(cases[0].rtt_s)}" if names.levels.distances else ""
                        what = f"{cases[0].scenario} {cases[0].protocol}, {numbers} users{far}"
                        self.hanging("      ", f"{what}: {plural(len(cases), 'turn')}")
        for line in describe_exclusions(plan):
            self.say(f"  {line}")

    @contextmanager
    def progress(self, plan: Plan, baseline: Candidate | None = None) -> Iterator[Watcher]:
        """Show progress as a bar on a terminal, and as a line for each trial elsewhere, with the estimates so far."""
        names = CaseNames.of(plan)
        found = SoFar(baseline)
        if not self.is_terminal:
            yield lambda progress: self._line(progress, names, found)
            return
        with _RunBar(console=self.console, auto_refresh=False) as bar:
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
                    bar.below = self._draw_so_far(found, record, names)
                where = f"round {progress.round} · {duration(progress.left_s)} left"
                bar.update(task, completed=progress.done, total=progress.total, description=where, refresh=True)

            try:
                yield watch
            finally:
                bar.below = ""
                if repeated := faults.sum_up():
                    bar.print(repeated, markup=False)

    def _draw_so_far(self, found: SoFar, record: Record, names: CaseNames) -> RenderableType:
        """The estimates of the comparison that was measured last, as many as there is room for."""
        estimates = found.estimate_all(record.case.comparison)
        if not estimates:
            return ""
        most = max(1, self.console.height - _ROWS_OF_OTHERS)
        title, *columns = describe_so_far(record.case, names)
        rows = [Row.of(*list_so_far(each, names)) for each in estimates[:most]]
        grid = Grid(title, tuple(columns), tuple(rows))
        (fitting,) = fit(self.console.width, [grid])
        return fitting.draw(self.console.width)

    def _line(self, progress: Progress, names: CaseNames, found: SoFar) -> None:
        if progress.notice:
            self.say(f"! {progress.notice}")
        if record := progress.record:
            found.add(record)
            so_far = found.estimate(record.case)
            self.say(
                f"[{progress.done}/{progress.total}] round {progress.round} · "
                f"{duration(progress.left_s)} left · {describe_trial(record, names)}"
                f"{f'; {write_so_far(so_far)}' if so_far and so_far.rounds > 1 else ''}"
            )

    def ranking(
        self,
        run: RunInfo,
        comparisons: Sequence[ComparisonSummary],
        shares: Sequence[ServerShare] = (),
        *,
        requests: bool = False,
    ) -> None:
        """Print how far an interrupted run came, the control, a table for each comparison, and what limits them.

        With `requests`, a table of the requests of each comparison follows its own.

        What holds for several tables is printed once: a remark below the first of them, notes below the last.
        """
        summaries = [each for comparison in comparisons for each in comparison.summaries]
        for number, line in enumerate(interruption.lines(run, summaries)):
            self.hanging("  " if number else "", line)
        sections = make_sections(run, comparisons)
        for line in control.lines(sections):
            self.paragraph(line)
        remarks: set[str] = set()
        tables = self._fit_figures([(each.title, each.table) for each in sections], details={"÷"})
        by_request = [(f"{each.title}, by request", each.requests) for each in sections]
        streams = [(f"{each.title}, events of streams", each.streams) for each in sections]
        requests_tables = self._fit_figures(by_request) if requests else []
        streams_tables = self._fit_figures(streams) if requests else []
        for number, section in enumerate(sections):
            self.table(tables[number])
            if requests:
                self.table(requests_tables[number])
                if section.streams.rows:
                    self.table(streams_tables[number])
            if is_sweep(run):
                self.paragraph(answer(section))
            told = name_other_leaders(section) if run.prefer or len(sections) == 1 else ""
            lines = [*filter(None, [told]), *list_remarks(run, section, sections)]
            own = [line for line in lines if line not in remarks]
            for line in own:
                self.paragraph(line)
            remarks.update(own)
        self._notes(run, sections)
        for line in trust.lines(run, sections):
            self.paragraph(line)
        answers = server_share.list_answers(shares)
        for each in answers:
            where = f"On {each.title}: " if len(answers) > 1 else ""
            self.paragraph(f"{server_share.QUESTION} {where}{each.sentences}")
        self.left_out("the report has them")
        self._answers(run, sections)

    def _answers(self, run: RunInfo, sections: Sequence[Section]) -> None:
        """Print who is first in each comparison and how sure that is: last, where readers of a terminal look."""
        decided = [(section, decide(run, section)) for section in sections]
        # That of a sweep is told below its table.
        open_or_settled = [(section, each) for section, each in decided if each.clarity]
        if open_or_settled:
            self.say("\nAnswer", style="bold")
        for section, each in open_or_settled:
            lead = Text(f"{each.mark:{_MARK_WIDTH}}", _CLARITY_COLOURS[each.clarity])
            self.hanging(lead, f"{section.title}: {each.sentence}")
            if each.command:
                self.say(f"{'':{_MARK_WIDTH}}to settle it: {each.command}")

    def _fit_figures(self, tables: Sequence[tuple[str, Figures]], details: Collection[str] = ("",)) -> Sequence[Grid]:
        """Tables with their titles; where there is room, columns that begin with one of `details` have intervals."""
        with_intervals, without = (
            [_make_grid(title, table, shown) for title, table in tables] for shown in (tuple(details), ())
        )
        return self.fit(with_intervals, without)

    def _notes(self, run: RunInfo, sections: Sequence[Section]) -> None:
        """Print the reasons, each once with the rows that have it or one that differs from it in numbers only.

        A sweep has many: only those of rows that are not valid.
        """
        alike: dict[str, list[tuple[str, str, str]]] = {}
        """Reason, section and row, by the reason without its numbers."""
        for section in sections:
            for summary in section.summary.summaries:
                if is_sweep(run) and summary.verdict == "valid":
                    continue
                at = f" at {count(summary.offered_rps)}/s" if summary.own_share and summary.offered_rps else ""
                for reason in summary.reasons:
                    row = reason, section.title, f"{summary.name}{at}"
                    alike.setdefault(without_numbers(reason), []).append(row)
        for found in alike.values():
            reasons, titles, rows = (list(dict.fromkeys(column)) for column in zip(*found, strict=True))
            where = f" on {titles[0]}" if len(titles) == 1 else f" in {len(titles)} of {len(sections)} comparisons"
            more = f" (and {len(reasons) - 1} more with other numbers)" if len(reasons) > 1 else ""
            self.paragraph(f"{join(rows)}{where if len(sections) > 1 else ''}: {reasons[0]}{more}")

    def catalogue(
        self,
        servers: Sequence[Server],
        apps: Sequence[App],
        scenarios: Sequence[Scenario],
        not_installed: Mapping[str, str],
    ) -> None:
        """Print the servers, apps and scenarios to choose from."""
        rows = []
        for server in servers:
            marks = ["yes" if protocol in server.protocols else NOTHING for protocol in PROTOCOLS]
            version = None if server.name in not_installed else version_of(server)
            rows.append(Row.of(server.name, version or NOTHING, server.interface.upper(), *marks))
        spoken = (Column(protocol, justify="left") for protocol in PROTOCOLS)
        self._list("Servers", ("server", "version", "runs"), rows, *spoken)
        rows = []
        for app in apps:
            interfaces = "ASGI" if app.wsgi_target is None else "ASGI, WSGI"
            answers = "all" if app.scenarios is None else ", ".join(sorted(app.scenarios))
            version = None if app.name in not_installed else version_of(app)
            rows.append(Row.of(app.name, version or NOTHING, interfaces, answers))
        self._list("\nApps", ("app", "version", "runs", "answers"), rows)
        for name, text in not_installed.items():
            self.say(f"{name}: {text}")
        rows = [
            Row.of(each.name, ", ".join(one for one in PROTOCOLS if one in each.protocols), each.summary)
            for each in scenarios
        ]
        self._list("\nScenarios", ("scenario", "protocols", "what its users do"), rows)
        self.left_out("a wider terminal shows them")

    def _list(self, title: str, words: Sequence[str], rows: Sequence[Row], *more: Column) -> None:
        """Print a table of words; versions are left out first, and then what is run."""
        leaving = order_of_leaving("version", "runs")
        columns = (*(Column(each, words=True, leaves=leaving.get(each, 0)) for each in words), *more)
        (grid,) = self.fit([Grid(title, columns, tuple(rows))])
        self.table(grid)


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


class _Plain(Console):
    """A console on which only its own escape sequences have an effect, not those in the text that it shows."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(neutralise(segment.text), segment.style)


def _console(width: int | None = None, *, stderr: bool) -> Console:
    return _Plain(highlight=False, stderr=stderr, width=width)


def _make_grid(title: str, figures: Figures, with_detail: tuple[str, ...]) -> Grid:
    """A table of figures; columns that begin with one of `with_detail` have intervals too."""
    shown = [number for number, name in enumerate(figures.columns) if name not in _REPORT_ONLY]
    kinds = [f"{name.partition('÷')[0]}÷" if "÷" in name else name for name in figures.columns]
    columns = [
        Column(name, words=name in TEXT_COLUMNS, leaves=_LEAVING.get(kind, 0))
        for name, kind in zip(figures.columns, kinds, strict=True)
    ]

    def write(row: Line) -> Row:
        cells = [
            str(row.cells[number]) if figures.columns[number].startswith(with_detail) else row.cells[number].value
            for number in shown
        ]
        return Row.of(*cells, style=_COLOURS[row.verdict])

    return Grid(f"\n{title}", tuple(columns[number] for number in shown), tuple(map(write, figures.rows)))
