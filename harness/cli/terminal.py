"""What the terminal shows: the plan, how far a run is, the ranking. Colours and bars only where there is a terminal."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from harness.catalog.listing import version_of
from harness.model.loads import SWEEP_OWN_SHARES, Capacity, Rate, Sweep
from harness.model.protocols import PROTOCOLS
from harness.report import interruption, trust
from harness.report.columns import CONTESTANTS
from harness.report.rows import groups, is_sweep
from harness.report.words import answer, scaling

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.model.plan import Case, Plan, Selection, ServerConfig
    from harness.model.results import Record, RunInfo
    from harness.model.summaries import ComparisonSummary
    from harness.model.targets import App, Scenario, Server
    from harness.report.cells import Cell
    from harness.report.rows import Group
    from harness.run.calibration.others import RateRatio
    from harness.run.journal import Progress, Watcher

_COLOURS = {"valid": "green", "client-limited": "yellow", "invalid": "red", "unsupported": "dim", "failed": "red"}
_WORDS = CONTESTANTS | {"Verdict"}
_ON_PAPER_ONLY = ("p99.9 ms", "Peak MB", "Errors", "Service p99 ms")
"""Columns that a terminal has no room for."""
_FILE_WIDTH = 120
_INTERVAL_WIDTH = 100
"""From here on there is room for the interval of the ratio."""


class Screen:
    """The terminal."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        self._console = console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)

    def say(self, text: str) -> None:
        """A line as it is, never broken: paths and commands are there to be copied."""
        self._console.print(text, markup=False, soft_wrap=True)

    def plan(self, plan: Plan, selection: Selection, *, every_stint: bool = False) -> None:
        """What will be done."""
        self.say(
            f"{_extent(plan, selection)}, about {duration(plan.estimate_s)}; "
            f"seed {selection.conditions.seed}, baseline {selection.baseline}"
        )
        if every_stint:
            several = Several.of(plan)
            for number, starts in enumerate(plan.rounds, 1):
                for start in starts:
                    transport = "TLS" if start.config.tls else "clear"
                    trials = ", ".join(f"{case.scenario} {case.protocol}" for case in start.cases)
                    self.say(f"  round {number}  {several.name(start.config)} ({transport}): {trials}")
        alike = Counter((each.case.server, each.case.protocol, each.reason) for each in plan.exclusions)
        for (name, protocol, reason), count in alike.items():
            self.say(f"  unsupported: {name} over {protocol} ({count} case{'s' if count > 1 else ''}): {reason}")

    @contextmanager
    def progress(self, plan: Plan) -> Iterator[Watcher]:
        """A bar on a terminal, a line for each trial elsewhere."""
        several = Several.of(plan)
        if not self._console.is_terminal:
            yield lambda progress: self._line(progress, several)
            return
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        with Bar(*columns, console=self._console) as bar:
            task = bar.add_task("", total=plan.trial_count)

            def watch(progress: Progress) -> None:
                if progress.record is not None and progress.record.verdict != "valid":
                    bar.print(sentence(progress.record, several), markup=False)
                where = f"round {progress.round} · {duration(progress.left_s)} left"
                last = f" · {sentence(progress.record, several)}" if progress.record is not None else ""
                bar.update(task, completed=progress.done, total=progress.total, description=where + last[:100])

            yield watch

    def _line(self, progress: Progress, several: Several) -> None:
        if progress.record is not None:
            self.say(
                f"[{progress.done}/{progress.total}] round {progress.round} · "
                f"{duration(progress.left_s)} left · {sentence(progress.record, several)}"
            )

    def ranking(self, run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> None:
        """How far an interrupted run came, a table for each question, best first, and how far these may be believed."""
        for number, line in enumerate(interruption.lines(run, [each for one in comparisons for each in one.summaries])):
            self.say(f"  {line}" if number else line)
        questions = groups(run, comparisons)
        for group in questions:
            columns = group.table.columns
            shown = [number for number, name in enumerate(columns) if name not in _ON_PAPER_ONLY]
            table = Table(title=f"\n{group.title}", title_justify="left", box=None, pad_edge=False)
            for number in shown:
                name = columns[number]
                table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
            for row in group.table.rows:
                cells = [self._cell(columns[number], row.cells[number]) for number in shown]
                table.add_row(*cells, style=_COLOURS[row.verdict])
            self._console.print(table)
            self._notes(run, group)
            if grown := scaling(run, group, questions):
                self.say(grown)
        for line in trust.lines(run, questions):
            self.say(line)

    def _notes(self, run: RunInfo, group: Group) -> None:
        """What is to be said of single rows; of a sweep's many, those that do not hold, and then their sum."""
        for summary in group.summaries:
            if is_sweep(run) and summary.verdict == "valid":
                continue
            at = f" at {summary.offered_rps:,.0f}/s" if summary.own_share and summary.offered_rps else ""
            for reason in summary.reasons:
                self.say(f"{summary.name}{at}: {reason}")
        if is_sweep(run):
            self.say(answer(group))

    def comparisons(self, ratios: Iterable[RateRatio], pairs: int) -> None:
        """Our generator beside others, a line as each is known."""
        self.say(f"\nOurs ÷ others, medians of {pairs} pairs in turn (smallest – largest ratio), and what is wanted:")
        for each in ratios:
            ratio = f"{each.ratio:5.2f} ({min(each.ratios):.2f} – {max(each.ratios):.2f})"
            floor = f"≥ {each.comparison.floor:g} {'met' if each.ratio >= each.comparison.floor else 'MISSED'}"
            rates = f"{median(each.ours_rps):9,.0f} ÷ {median(each.other_rps):9,.0f}"
            self.say(f"  {each.target:11}  {each.comparison.title:45} {rates}  {ratio}  {floor}")

    def _cell(self, column: str, cell: Cell) -> Text:
        with_interval = column.startswith("÷") and self._console.width >= _INTERVAL_WIDTH
        return Text(str(cell) if with_interval else cell.value)

    def catalogue(
        self,
        servers: Sequence[Server],
        apps: Sequence[App],
        scenarios: Sequence[Scenario],
        not_installed: Mapping[str, str],
    ) -> None:
        """What there is to choose from."""
        table = _plain_table("Servers", "server", "version", "runs", *PROTOCOLS)
        for server in servers:
            marks = ["yes" if protocol in server.protocols else "–" for protocol in PROTOCOLS]
            version = "–" if server.name in not_installed else version_of(server) or "–"
            table.add_row(server.name, version, server.interface.upper(), *marks)
        self._console.print(table)
        table = _plain_table("\nApps", "app", "version", "runs", "answers")
        for app in apps:
            interfaces = "ASGI" if app.wsgi_target is None else "ASGI, WSGI"
            answers = "all" if app.scenarios is None else ", ".join(sorted(app.scenarios))
            version = "–" if app.name in not_installed else version_of(app) or "–"
            table.add_row(app.name, version, interfaces, answers)
        self._console.print(table)
        for name, text in not_installed.items():
            self.say(f"{name}: {text}")
        table = _plain_table("\nScenarios", "scenario", "protocols", "what its users do")
        for scenario in scenarios:
            spoken = ",".join(protocol for protocol in PROTOCOLS if protocol in scenario.protocols)
            table.add_row(scenario.name, spoken, scenario.summary)
        self._console.print(table)


def _plain_table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _extent(plan: Plan, selection: Selection) -> str:
    """How many trials in how many rounds, as far as it is known before."""
    kind = "searches of several trials each" if isinstance(selection.conditions.load, Capacity) else "trials"
    known = f"{plan.trial_count} {kind} in {_rounds(len(plan.rounds))}"
    if isinstance(selection.conditions.load, Sweep):
        shares = f"each at {len(SWEEP_OWN_SHARES)} shares of what it reached, and at the rates that all share"
        return f"{known} in a closed loop, then {_rounds(selection.conditions.rounds)}, {shares}"
    if plan.further and selection.conditions.precision is not None:
        known += (
            f", up to {len(plan.rounds) + len(plan.further)} rounds until ±{100 * selection.conditions.precision:g} %"
        )
    return known


def _rounds(count: int) -> str:
    return f"{count} round{'s' if count > 1 else ''}"


@dataclass(frozen=True)
class Several:
    """What a plan has several of, and a line about one of them has to name."""

    servers: bool
    apps: bool
    workers: bool

    @classmethod
    def of(cls, plan: Plan) -> Several:
        """Looked up in the first round, which has them all."""
        starts = [start.config for starts in plan.rounds[:1] for start in starts]
        return cls(
            len({life.server for life in starts}) > 1,
            len({life.app for life in starts}) > 1,
            len({life.workers for life in starts}) > 1,
        )

    def name(self, life: ServerConfig | Case) -> str:
        """`uvicorn`, `starlette on uvicorn, 2 workers`."""
        name = f"{life.app} on {life.server}" if self.apps and self.servers else life.app if self.apps else life.server
        return f"{name}, {life.workers} worker{'s' if life.workers > 1 else ''}" if self.workers else name

    def case(self, case: Case) -> str:
        """`plaintext · h1 · uvicorn`, with the rate where it was given."""
        at = f" at {case.load.rps:,.0f}/s" if isinstance(case.load, Rate) else ""
        return f"{case.scenario} · {case.protocol} · {self.name(case)}{at}"


def sentence(record: Record, several: Several) -> str:
    """What a trial came to."""
    case = several.case(record.case)
    if record.result is None or record.verdict != "valid":
        return f"{case}: {record.verdict}: {'; '.join(record.reasons)}"
    p99_ms = record.result.response.percentile(99) / 1000
    if record.probe is None:
        return f"{case}: {record.result.throughput_rps:,.0f} requests/s, p99 {p99_ms:.2f} ms"
    tried = f"{case}: {record.probe.rate_rps:,.0f} requests/s"
    if not record.probe.met:
        return f"{tried} missed: {record.probe.shortfall}"
    return f"{tried} confirmed, p99 {p99_ms:.2f} ms" if record.probe.final else f"{tried} met"
