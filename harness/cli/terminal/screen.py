"""The terminal: single lines, the plan and the progress of a run, its ranking, and the catalogue."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from harness.analysis.naming import BY_SERVER, TITLES
from harness.catalog.listing import version_of
from harness.cli.terminal.trials import (
    CaseNames,
    describe_aside,
    describe_extent,
    describe_resolution,
    describe_trial,
)
from harness.model.protocols import PROTOCOLS
from harness.report import control, interruption, server_share, trust
from harness.report.columns import TEXT_COLUMNS
from harness.report.page import list_remarks
from harness.report.sections import is_sweep, make_sections
from harness.report.sentences import answer, name_other_leaders
from harness.text.numbers import NOTHING, count, duration, join, plural
from harness.text.plain import neutralise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import ConsoleOptions, RenderableType

    from harness.model.plan import Plan, Selection
    from harness.model.results import RunInfo
    from harness.model.server_share import ServerShare
    from harness.model.summaries import ComparisonSummary
    from harness.model.targets import App, Scenario, Server
    from harness.report.cells import Cell
    from harness.report.sections import Section
    from harness.report.sections import Table as Figures
    from harness.run.journal import Progress, Watcher

_COLOURS = {"valid": "green", "client-limited": "yellow", "invalid": "red", "unsupported": "dim", "failed": "red"}
_REPORT_ONLY = ("p99.9 ms", "Peak MB", "Errors", "Service p99 ms")
"""Columns that a terminal has no room for."""
_WRAPPED = {*TITLES, "CPU µs/request"}
"""Columns that give way on a narrow terminal."""
_FILE_WIDTH = 120
_FILE_TABLE_WIDTH = 1000
"""A table in a file may be this wide, so that no cell is cut off."""
_INTERVAL_WIDTH = 100
"""From this width on there is room for the interval of the ratio, and for two spaces between columns."""
_LAST_TRIAL_LENGTH = 100
"""Characters that the progress bar has for the last trial."""


class Screen:
    """Standard output or standard error, as a terminal or a file."""

    def __init__(self, *, stderr: bool = False) -> None:
        console = _console(stderr=stderr)
        self.console = console if console.is_terminal else _console(_FILE_WIDTH, stderr=stderr)

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    @property
    def _is_wide(self) -> bool:
        return self.console.width >= _INTERVAL_WIDTH

    def say(self, text: str, style: str = "") -> None:
        """Print a line and never break it, so that paths and commands can be copied."""
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    def paragraph(self, text: str) -> None:
        """Print sentences, broken at the width of the terminal; a line elsewhere."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=not self.is_terminal)

    def write(self, text: str) -> None:
        """Print a document, such as JSON, without any change but to what a terminal would obey."""
        print(neutralise(text.removesuffix("\n")), file=self.console.file)

    def kept_out(self, names: Sequence[str], options: str = "") -> None:
        """Print which variables and files have no effect, and which options are there in their place."""
        if names:
            self.say(
                f"No effect on the catalogue's servers and load: {', '.join(names)}{options and f'; see {options}'}"
            )

    def table(self, table: Table) -> None:
        """Print a table; in a file it is as wide as its cells."""
        console = self.console if self.is_terminal else _console(_FILE_TABLE_WIDTH, stderr=self.console.stderr)
        console.print(table)

    def bar(self, *, transient: bool) -> Bar:
        """A progress bar, which only a terminal shows; `transient`: it goes away at its end."""
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        return Bar(*columns, console=self.console, transient=transient, disable=not self.is_terminal)

    def plan(self, plan: Plan, selection: Selection, *, every_start: bool = False) -> None:
        """Print what a run would do, with `every_start` in full."""
        names = CaseNames.of(plan)
        self.say(
            f"{describe_extent(plan, selection)}, about {duration(plan.estimate_s)}; "
            f"seed {selection.conditions.seed}, baseline {names.naming.name(selection.baseline)}"
        )
        if aside := describe_aside(plan, selection):
            self.say(f"  {aside}")
        if resolution := describe_resolution(plan, selection):
            self.say(f"  {resolution}")
        if every_start:
            for number, blocks in enumerate(plan.rounds, 1):
                for block in blocks:
                    transport = "TLS" if block.configs[0].tls else "clear"
                    servers = ", ".join(names.candidate(config) for config in block.configs)
                    self.say(f"  round {number}  together ({transport}): {servers}")
                    for cases in block.measurements:
                        numbers = ", ".join(str(each) for each in sorted({case.users for case in cases}))
                        turns = plural(len(cases), "turn")
                        self.say(f"      {cases[0].scenario} {cases[0].protocol}, {numbers} users: {turns}")
        alike = Counter(
            (BY_SERVER.name(each.case.candidate), each.case.protocol, each.reason) for each in plan.exclusions
        )
        for (name, protocol, reason), number in alike.items():
            self.say(f"  unsupported: {name} over {protocol} ({plural(number, 'case')}): {reason}")

    @contextmanager
    def progress(self, plan: Plan) -> Iterator[Watcher]:
        """Show progress as a bar on a terminal, and as a line for each trial elsewhere."""
        names = CaseNames.of(plan)
        if not self.is_terminal:
            yield lambda progress: self._line(progress, names)
            return
        with self.bar(transient=False) as bar:
            task = bar.add_task("", total=plan.case_count)

            def watch(progress: Progress) -> None:
                if progress.notice:
                    bar.print(f"! {progress.notice}", markup=False)
                    return
                last = describe_trial(progress.record, names) if progress.record is not None else ""
                if progress.record is not None and progress.record.verdict != "valid":
                    bar.print(last, markup=False)
                where = f"round {progress.round} · {duration(progress.left_s)} left"
                text = f"{where} · {last}"[: len(where) + _LAST_TRIAL_LENGTH] if last else where
                bar.update(task, completed=progress.done, total=progress.total, description=text)

            yield watch

    def _line(self, progress: Progress, names: CaseNames) -> None:
        if progress.notice:
            self.say(f"! {progress.notice}")
        if progress.record is not None:
            self.say(
                f"[{progress.done}/{progress.total}] round {progress.round} · "
                f"{duration(progress.left_s)} left · {describe_trial(progress.record, names)}"
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
            self.say(f"  {line}" if number else line)
        sections = make_sections(run, comparisons)
        for line in control.lines(sections):
            self.say(line)
        remarks: set[str] = set()
        for section in sections:
            self._ranking_table(section)
            if requests:
                self._requests_table(f"{section.title}, by request", section.requests)
                if section.streams.rows:
                    self._requests_table(f"{section.title}, events of streams", section.streams)
            if is_sweep(run):
                self.say(answer(section))
            told = name_other_leaders(section) if run.prefer or len(sections) == 1 else ""
            lines = [*filter(None, [told]), *list_remarks(run, section, sections)]
            own = [line for line in lines if line not in remarks]
            for line in own:
                self.say(line)
            remarks.update(own)
        self._notes(run, sections)
        for line in trust.lines(run, sections):
            self.say(line)
        answers = server_share.list_answers(shares)
        for each in answers:
            where = f"On {each.title}: " if len(answers) > 1 else ""
            self.paragraph(f"{server_share.QUESTION} {where}{each.sentences}")

    def _ranking_table(self, section: Section) -> None:
        """Print a table; on a narrow terminal, names and the title of CPU time take two lines."""
        columns = section.table.columns
        shown = [number for number, name in enumerate(columns) if name not in _REPORT_ONLY]
        table = _plain_table(f"\n{section.title}")
        table.collapse_padding = not self._is_wide
        for number in shown:
            name = columns[number]
            table.add_column(name, justify="left" if name in TEXT_COLUMNS else "right", no_wrap=name not in _WRAPPED)
        for row in section.table.rows:
            cells = [self._cell(columns[number], row.cells[number]) for number in shown]
            table.add_row(*cells, style=_COLOURS[row.verdict])
        self.table(table)

    def _requests_table(self, title: str, requests: Figures) -> None:
        """Print the figures by request, with intervals where there is room."""
        table = _plain_table(f"\n{title}")
        for name in requests.columns:
            table.add_column(name, justify="left" if name in TEXT_COLUMNS else "right")
        for row in requests.rows:
            cells = [Text(str(cell) if self._is_wide else cell.value) for cell in row.cells]
            table.add_row(*cells, style=_COLOURS[row.verdict])
        self.table(table)

    def _cell(self, column: str, cell: Cell) -> Text:
        with_interval = column.startswith("÷") and self._is_wide
        return Text(str(cell) if with_interval else cell.value)

    def _notes(self, run: RunInfo, sections: Sequence[Section]) -> None:
        """Print the reasons, each once with the rows that have it; a sweep has many: only those that are not valid."""
        places: dict[str, dict[str, list[str]]] = {}
        for section in sections:
            for summary in section.summary.summaries:
                if is_sweep(run) and summary.verdict == "valid":
                    continue
                at = f" at {count(summary.offered_rps)}/s" if summary.own_share and summary.offered_rps else ""
                for reason in summary.reasons:
                    places.setdefault(reason, {}).setdefault(section.title, []).append(f"{summary.name}{at}")
        for reason, own in places.items():
            names = join(list(dict.fromkeys(name for several in own.values() for name in several)))
            where = f"on {next(iter(own))}" if len(own) == 1 else f"in {len(own)} of {len(sections)} comparisons"
            self.say(f"{names} {where}: {reason}" if len(sections) > 1 else f"{names}: {reason}")

    def catalogue(
        self,
        servers: Sequence[Server],
        apps: Sequence[App],
        scenarios: Sequence[Scenario],
        not_installed: Mapping[str, str],
    ) -> None:
        """Print the servers, apps and scenarios to choose from."""
        table = _plain_table("Servers", "server", "version", "runs", *PROTOCOLS)
        for server in servers:
            marks = ["yes" if protocol in server.protocols else NOTHING for protocol in PROTOCOLS]
            version = None if server.name in not_installed else version_of(server)
            table.add_row(server.name, version or NOTHING, server.interface.upper(), *marks)
        self.table(table)
        table = _plain_table("\nApps", "app", "version", "runs", "answers")
        for app in apps:
            interfaces = "ASGI" if app.wsgi_target is None else "ASGI, WSGI"
            answers = "all" if app.scenarios is None else ", ".join(sorted(app.scenarios))
            version = None if app.name in not_installed else version_of(app)
            table.add_row(app.name, version or NOTHING, interfaces, answers)
        self.table(table)
        for name, text in not_installed.items():
            self.say(f"{name}: {text}")
        table = _plain_table("\nScenarios", "scenario", "protocols", "what its users do")
        for scenario in scenarios:
            spoken = ",".join(protocol for protocol in PROTOCOLS if protocol in scenario.protocols)
            table.add_row(scenario.name, spoken, scenario.summary)
        self.table(table)


class _Plain(Console):
    """A console on which only its own escape sequences have an effect, not those in the text that it shows."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(neutralise(segment.text), segment.style)


def _console(width: int | None = None, *, stderr: bool) -> Console:
    return _Plain(highlight=False, stderr=stderr, width=width)


def _plain_table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
