"""The table of faults: a row for each fault that a test injects, with what the test has seen.

A test that injects a fault takes the fixture `fault` and reports a row after its asserts; it is marked `fault` by that.
`make faults` runs these tests and prints the table: a row is good if its test has passed. A failed test, and one that
is marked and reports no row, is a bad row.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from shutil import get_terminal_size
from tempfile import gettempdir
from typing import TYPE_CHECKING

import psutil
import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.text import markdown

if TYPE_CHECKING:
    from collections.abc import Iterable

PROPERTY = "fault"
MARKER = "HARNESS_FAULT"
"""An environment variable of every process that a test's command starts, and of theirs."""
NARROWEST = 80
HEADINGS = ("fault", "what happened", "lost", "left behind", "told how", "")
RATIOS = (6, 6, 5, 4, 10, None)
"""How much of the width each column gets; the last has its own."""
INTRODUCTION = """# Faults

What happens when something fails: each row is a fault that a test injects for real, with the values that the test has
seen. `make faults` injects them all again and prints this table.

"""


@dataclass(frozen=True)
class Row:
    """One fault, in words."""

    name: str
    happened: str
    lost: str
    left: str
    told: str
    verdict: str = "good"


class Fault:
    """What a test reports of the fault that it has injected, and how it finds what was left behind."""

    def __init__(self, properties: list[tuple[str, object]], folder: Path, base: Path) -> None:
        self._properties = properties
        self._folder = folder
        self._base = base
        self._mark = os.urandom(8).hex()
        self.environment = {**os.environ, MARKER: self._mark, "TMPDIR": str(folder)}
        """For a command that meets the fault: what it leaves is found by `left`."""

    def left(self, within_s: float = 5) -> str:
        """The processes and temporary files of the command that are left after at most so long: `nothing` is good."""
        deadline_s = time.monotonic() + within_s
        while (found := self._find()) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return ", ".join(found) or "nothing"

    def report(self, *, name: str, happened: str, lost: str, left: str, told: str) -> None:
        """Add a row of values that the test has seen."""
        row = Row(*(self._flatten(cell) for cell in (name, happened, lost, left, told)))
        assert all(astuple(row)), f"expected a value in every cell, found {row}"
        self._properties.append((PROPERTY, asdict(row)))

    def _find(self) -> list[str]:
        processes = [each.name() for each in psutil.process_iter() if self._is_marked(each)]
        return processes + sorted(path.name for path in self._folder.iterdir())

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARKER) == self._mark
        except psutil.Error:
            return False

    def _flatten(self, cell: str) -> str:
        """One line, without the paths of the folder that this test has for itself, and of one that the harness made."""
        folders = rf"{re.escape(str(self._base))}/[^/\s]+|{re.escape(gettempdir())}/harness-[^/\s]+"
        return re.sub(folders, "…", " ".join(cell.split()))


@pytest.fixture
def fault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fault:
    return Fault(request.node.user_properties, tmp_path_factory.mktemp("left"), tmp_path_factory.getbasetemp())


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--fault-table", action="store_true", help="print a row for each injected fault at the end")
    group.addoption("--fault-page", type=Path, metavar="FILE", help="write the table of faults as Markdown")


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")
    if (config.getoption("fault_table") or config.getoption("fault_page")) and not is_worker:
        config.pluginmanager.register(FaultTable(config.getoption("fault_page")))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # A parameter of that name is no fault of this table: checks have faulty servers.
        parameters = getattr(item, "callspec", None)
        if "fault" in getattr(item, "fixturenames", ()) and "fault" not in getattr(parameters, "params", ()):
            item.add_marker("fault")


class FaultTable:
    """Gathers the rows from the reports of tests, in this process or in those of xdist."""

    def __init__(self, page: Path | None) -> None:
        self._page = page
        self._rows: dict[tuple[str, int, str], list[Row]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "fault" in report.keywords and (report.when == "call" or not report.passed):
            file, line, _ = report.location
            self._rows[file, line or 0, report.nodeid] = rows_of(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and any(row.verdict != "good" for row in self.rows):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        width = max(NARROWEST, get_terminal_size().columns)
        terminalreporter.section("faults")
        terminalreporter.write(draw(self.rows, width))
        terminalreporter.write_line(count(self.rows))
        if self._page:
            self._page.write_text(write_page(self.rows))

    @property
    def rows(self) -> list[Row]:
        """In the order of the tests in their files."""
        return [row for _, rows in sorted(self._rows.items()) for row in rows]


def rows_of(report: pytest.TestReport) -> list[Row]:
    """The rows that a test has reported; one that says why if there is none, or if the test has not passed."""
    rows = [Row(**value) for name, value in report.user_properties if name == PROPERTY]  # type: ignore[arg-type]
    name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
    if report.passed:
        return rows or [Row(name, "the test has passed without a row", "?", "?", "?", "BAD")]
    return [
        replace(row, happened=f"{report.outcome}: {reason_of(report)}", verdict="BAD")
        for row in rows or [Row(name, "", "?", "?", "?")]
    ]


def reason_of(report: pytest.TestReport) -> str:
    """The first line of what pytest says of a test that has not passed."""
    if isinstance(report.longrepr, tuple):  # where, line and reason of a skipped test
        return report.longrepr[2]
    crash = getattr(report.longrepr, "reprcrash", None)
    said = crash.message if crash else str(report.longrepr)
    return next(iter(said.splitlines()), "")


def draw(rows: Iterable[Row], width: int) -> str:
    """The table as text that is no wider than this many columns."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_lines=True, expand=True)
    for heading, ratio in zip(HEADINGS, RATIOS, strict=True):
        table.add_column(heading, ratio=ratio, overflow="fold", no_wrap=ratio is None)
    for row in rows:
        table.add_row(*(Text(cell) for cell in astuple(row)))
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().strip("\n ").splitlines()) + "\n"


def write_page(rows: Iterable[Row]) -> str:
    """The table as a page of Markdown."""
    rows = list(rows)
    cells = [[markdown.escape(cell) for cell in astuple(row)] for row in rows]
    return f"{INTRODUCTION}{markdown.table(HEADINGS, cells)}\n\n{count(rows)}\n"


def count(rows: Iterable[Row]) -> str:
    """How many there are, and how many of them are bad."""
    verdicts = [row.verdict for row in rows]
    return f"{len(verdicts)} faults, {len(verdicts) - verdicts.count('good')} bad"
