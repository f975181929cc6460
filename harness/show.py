"""What the terminal shows: the plan, how far a run is, the ranking. Colours and bars only where there is a terminal."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from harness.catalog import version_of
from harness.model import PROTOCOLS, App, Plan, Scenario, Selection, Server
from harness.report.rows import Cell, groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.findings import CaseSummary, Record, RunInfo
    from harness.peers import Outcome
    from harness.run import Progress, Watcher

_COLOURS = {"valid": "green", "client-limited": "yellow", "invalid": "red", "unsupported": "dim", "failed": "red"}
_WORDS = ("Server", "Verdict")
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
        rounds = len(plan.rounds)
        self.say(
            f"{plan.trial_count} trials in {rounds} round{'s' if rounds > 1 else ''}, "
            f"about {duration(plan.estimate_s)}; seed {selection.seed}, baseline {selection.baseline}"
        )
        if every_stint:
            for number, stints in enumerate(plan.rounds, 1):
                for stint in stints:
                    transport = "TLS" if stint.life.tls else "clear"
                    trials = ", ".join(f"{case.scenario} {case.protocol}" for case in stint.cases)
                    self.say(f"  round {number}  {stint.life.server} ({transport}): {trials}")
        alike = Counter((each.case.server, each.case.protocol, each.reason) for each in plan.exclusions)
        for (name, protocol, reason), count in alike.items():
            self.say(f"  unsupported: {name} over {protocol} ({count} case{'s' if count > 1 else ''}): {reason}")

    @contextmanager
    def progress(self, plan: Plan) -> Iterator[Watcher]:
        """A bar on a terminal, a line for each trial elsewhere."""
        if not self._console.is_terminal:
            yield self._line
            return
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        with Bar(*columns, console=self._console) as bar:
            task = bar.add_task("", total=plan.trial_count)

            def watch(progress: Progress) -> None:
                if progress.record is not None and progress.record.verdict != "valid":
                    bar.print(_sentence(progress.record), markup=False)
                where = f"round {progress.round}/{progress.rounds} · {duration(progress.left_s)} left"
                last = f" · {_sentence(progress.record)}" if progress.record is not None else ""
                bar.update(task, completed=progress.done, description=where + last[:100])

            yield watch

    def _line(self, progress: Progress) -> None:
        if progress.record is not None:
            self.say(
                f"[{progress.done}/{progress.total}] round {progress.round}/{progress.rounds} · "
                f"{duration(progress.left_s)} left · {_sentence(progress.record)}"
            )

    def ranking(self, run: RunInfo, summaries: Sequence[CaseSummary]) -> None:
        """A table for each scenario and protocol, best first."""
        for group in groups(run, summaries):
            shown = [number for number, name in enumerate(group.columns) if name not in _ON_PAPER_ONLY]
            table = Table(title=f"\n{group.title}", title_justify="left", box=None, pad_edge=False)
            for number in shown:
                name = group.columns[number]
                table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
            for row in group.rows:
                cells = [self._cell(group.columns[number], row.cells[number]) for number in shown]
                table.add_row(*cells, style=_COLOURS[row.verdict])
            self._console.print(table)
            for row, summary in zip(group.rows, group.summaries, strict=True):
                for reason in summary.reasons:
                    self.say(f"{row.server}: {reason}")

    def comparisons(self, outcomes: Iterable[Outcome], pairs: int) -> None:
        """Our generator beside others, a line as each is known."""
        self.say(f"\nOurs ÷ others, medians of {pairs} pairs in turn (smallest – largest ratio), and what is wanted:")
        for outcome in outcomes:
            ratios = f"{outcome.ratio:5.2f} ({min(outcome.ratios):.2f} – {max(outcome.ratios):.2f})"
            wanted = (
                f"≥ {outcome.comparison.floor:g} {'met' if outcome.ratio >= outcome.comparison.floor else 'MISSED'}"
            )
            rates = f"{median(outcome.ours_rps):9,.0f} ÷ {median(outcome.other_rps):9,.0f}"
            self.say(f"  {outcome.target:11}  {outcome.comparison.title:45} {rates}  {ratios}  {wanted}")

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
        table = Table("server", "version", *PROTOCOLS, title="Servers", title_justify="left", box=None, pad_edge=False)
        for server in servers:
            marks = ["yes" if protocol in server.protocols else "–" for protocol in PROTOCOLS]
            table.add_row(server.name, version_of(server) or "not installed", *marks)
        self._console.print(table)
        for text in not_installed.values():
            self.say(text)
        table = Table("app", "callable", title="\nApps", title_justify="left", box=None, pad_edge=False)
        for app in apps:
            table.add_row(app.name, app.target)
        self._console.print(table)
        table = Table(
            "scenario",
            "protocols",
            "what its users do",
            title="\nScenarios",
            title_justify="left",
            box=None,
            pad_edge=False,
        )
        for scenario in scenarios:
            spoken = ",".join(protocol for protocol in PROTOCOLS if protocol in scenario.protocols)
            table.add_row(scenario.name, spoken, scenario.summary)
        self._console.print(table)


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _sentence(record: Record) -> str:
    if record.result is None or record.verdict != "valid":
        return f"{record.case}: {record.verdict}: {'; '.join(record.reasons)}"
    p99_ms = record.result.response.percentile(99) / 1000
    return f"{record.case}: {record.result.throughput_rps:,.0f} requests/s, p99 {p99_ms:.2f} ms"
