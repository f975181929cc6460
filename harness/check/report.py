"""The results of all checks as JSON for programs, as Markdown, and as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - `check.json` is read by these types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.check.model import BroughtDown, Entry, Level, Outcome, bounded
from harness.check.suites.model import SuiteRun  # noqa: TC001 - `check.json` is read by this type
from harness.check.suites.report import describe_suites
from harness.host.files import replace_file
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS, Protocol
from harness.text import markdown
from harness.text.templates import read_template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.check.model import Check

CHECK_SCHEMA = 2
"""The version of `check.json`; incompatible changes increase it."""
MARKS: Mapping[Outcome, str] = {"pass": "✓", "n/a": "–", "no-start": "?", "error": "!"}
FAILED: Mapping[Level, str] = {"must": "✗", "should": "△", "expected": "○"}
"""The mark of a failure, by requirement level."""
LEVELS: Mapping[Level, str] = {"must": "required", "should": "recommended", "expected": "expected"}
"""The requirement levels in words: the source requires or recommends it, or this project expects it."""
MEANING = (
    "✓ passed · ✗ failed what the source requires · △ failed what the source recommends · ○ failed what only this "
    "project expects · – not tried · ? the server did not start · ! the check itself has a bug"
)
_WORST: tuple[Outcome, ...] = ("fail", "error", "pass", "no-start", "n/a")
"""What a check counts as if it ended differently over several protocols."""
_LINE_CHARACTERS = 90
_PAGE_CHARACTERS = 500
"""The evidence of a failure is cut to this length on the page; `check.json` has all of it."""


class CheckInfo(msgspec.Struct, frozen=True):
    """What `check.json` says of a check: all but the function that runs it."""

    name: str
    title: str
    protocols: frozenset[Protocol]
    expectation: str
    source: str
    level: Level = msgspec.field(default="must", name="force")
    quote: str = ""
    """As in `Check`, and so is `consequence`."""
    consequence: str = ""

    @classmethod
    def of(cls, check: Check) -> CheckInfo:
        where = (check.name, check.title, check.protocols, check.expectation, check.source)
        return cls(*where, check.level, check.quote, check.consequence)


@dataclass(frozen=True)
class Fault:
    """A check that a server failed, over as many protocols as it may be: one fault, and counted once."""

    server: str
    check: str
    level: Level
    protocols: tuple[Protocol, ...]
    brought_down: BroughtDown
    """As in `Entry`, over any of these protocols."""
    summary: str
    """The first line of the evidence over the first of these protocols."""


@dataclass(frozen=True)
class Setting:
    """What ran where: the results depend on versions, and not on the speed of the machine."""

    python: str
    system: str
    servers: Mapping[str, str]
    """The names of the installed servers, and their versions."""
    commands: Mapping[str, Sequence[str]]
    """The commands that each server was started with, without and with TLS."""
    packages: Mapping[str, str]
    """All installed packages and their versions, because a server's parser is often a separate package."""
    kept_out: tuple[str, ...] = ()
    """Names of variables and files that would have configured servers, and had no effect."""


@dataclass(frozen=True)
class CheckRun:
    """`check.json`."""

    schema: int
    id: str
    started_at: str
    argv: tuple[str, ...]
    setting: Setting
    checks: tuple[CheckInfo, ...]
    results: tuple[Entry, ...]
    faults: tuple[Fault, ...] = ()
    """As `find_faults` finds them in these results; former files have none."""
    whole: bool = True
    """False if the run was interrupted, and checks are missing."""
    suites: tuple[SuiteRun, ...] = ()
    """What independent suites found on the same servers."""


@dataclass(frozen=True)
class Row:
    """A check and its entry for each server, in the order of the table's servers."""

    check: CheckInfo
    entries: tuple[Entry | None, ...]

    @property
    def marks(self) -> list[str]:
        """The text of each cell."""
        return [mark(self.check, entry) for entry in self.entries]

    @property
    def failures(self) -> list[Entry]:
        return [entry for entry in self.entries if entry and _is_bad(entry)]

    @property
    def others(self) -> list[tuple[str, list[Entry]]]:
        """The entries that passed, grouped by the first line of their evidence."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry and entry.outcome == "pass":
                found.setdefault(f"{MARKS[entry.outcome]} {entry.summary[:_LINE_CHARACTERS]}", []).append(entry)
        return list(found.items())


@dataclass(frozen=True)
class Table:
    """One protocol: servers across, checks down."""

    protocol: Protocol
    servers: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return PROTOCOL_NAMES[self.protocol]

    @property
    def not_tried(self) -> list[tuple[str, str, int]]:
        """Server, reason, and the number of checks that were not tried for this reason."""
        reasons = [
            (entry.server, entry.summary)
            for row in self.rows
            for entry in row.entries
            if entry and entry.outcome in ("n/a", "no-start")
        ]
        return [(*each, reasons.count(each)) for each in dict.fromkeys(reasons)]

    @property
    def narrowed(self) -> Table:
        """The table without the servers on which nothing could be tried."""
        tried = [
            number
            for number in range(len(self.servers))
            if any((entry := row.entries[number]) and entry.outcome != "n/a" for row in self.rows)
        ]
        rows = tuple(Row(row.check, tuple(row.entries[number] for number in tried)) for row in self.rows)
        return Table(self.protocol, tuple(self.servers[number] for number in tried), rows)

    def passed(self, server: str, level: Level) -> str:
        """How many checks of this level passed, of those that were tried: `65 of 70`."""
        column = self.servers.index(server)
        return _share(entry for row in self.rows if row.check.level == level and (entry := row.entries[column]))


def mark(check: CheckInfo, entry: Entry | None) -> str:
    """The text of a cell: the value that was found, or a mark for the outcome."""
    if entry is None:
        return ""
    return FAILED[check.level] if entry.outcome == "fail" else entry.value or MARKS[entry.outcome]


def _is_bad(entry: Entry) -> bool:
    return entry.outcome in ("fail", "error")


def _share(entries: Iterable[Entry]) -> str:
    tried = [entry.outcome for entry in entries if entry.outcome in ("pass", "fail", "error")]
    return f"{tried.count('pass')} of {len(tried)}" if tried else "–"


@dataclass(frozen=True)
class Score:
    """One server over all protocols."""

    server: str
    version: str
    passed: Mapping[Level, str]
    """As `Table.passed`; a check has passed if it has over all protocols."""
    not_started: str
    """Why the server did not start; empty if it did."""


def find_faults(checks: Iterable[CheckInfo], results: Iterable[Entry]) -> tuple[Fault, ...]:
    """One fault for each server and check that failed: those that brought the server down first, as the results are."""
    level = {check.name: check.level for check in checks}
    failed: dict[tuple[str, str], list[Entry]] = {}
    for entry in results:
        if entry.outcome == "fail":
            failed.setdefault((entry.server, entry.check), []).append(entry)
    found = [
        Fault(
            server,
            check,
            level[check],
            tuple(entry.protocol for entry in entries),
            next((entry.brought_down for entry in entries if entry.brought_down), ""),
            entries[0].summary,
        )
        for (server, check), entries in failed.items()
    ]
    return tuple(sorted(found, key=lambda fault: not fault.brought_down))


def scores(run: CheckRun) -> list[Score]:
    """One score for each server that has entries."""
    level = {check.name: check.level for check in run.checks}
    made = []
    for server in dict.fromkeys(entry.server for entry in run.results):
        own = [entry for entry in run.results if entry.server == server]
        worst = {
            entry.check: entry for entry in sorted(own, key=lambda entry: _WORST.index(entry.outcome), reverse=True)
        }
        passed = {each: _share(entry for name, entry in worst.items() if level[name] == each) for each in LEVELS}
        reason = next((entry.summary for entry in own if entry.outcome == "no-start"), "")
        made.append(Score(server, run.setting.servers.get(server, ""), passed, reason))
    return made


def tables(run: CheckRun) -> list[Table]:
    """One table for each protocol that has entries."""
    by_cell = {(entry.server, entry.protocol, entry.check): entry for entry in run.results}
    made = []
    for protocol in PROTOCOLS:
        servers = tuple(dict.fromkeys(entry.server for entry in run.results if entry.protocol == protocol))
        rows = tuple(
            Row(check, tuple(by_cell.get((server, protocol, check.name)) for server in servers))
            for check in run.checks
            if protocol in check.protocols
        )
        if servers and rows:
            made.append(Table(protocol, servers, rows))
    return made


def encode(run: CheckRun) -> bytes:
    """The contents of `check.json`."""
    return msgspec.json.format(msgspec.json.encode(run, order="deterministic"), indent=2)


def write(run: CheckRun, directory: Path) -> Path:
    """Write `check.json`, `check.md` and `check.html` into a folder; returns the path of the page."""
    directory.mkdir(parents=True, exist_ok=True)
    made = tables(run)
    replace_file(directory / "check.json", encode(run))
    replace_file(directory / "check.md", _render_markdown(run, made).encode())
    page = directory / "check.html"
    replace_file(page, _render_html(run, made).encode())
    return page


def _render_markdown(run: CheckRun, made: Iterable[Table]) -> str:
    """The contents of `check.md`."""
    escape, code = markdown.escape, markdown.code
    faults = find_faults(run.checks, run.results)
    of_servers = [
        [
            f"{score.server} (did not start)" if score.not_started else score.server,
            score.version,
            *score.passed.values(),
        ]
        for score in scores(run)
    ]
    blocks = [
        "# What servers do",
        escape(f"{run.started_at[:10]} · {run.setting.python}"),
        MEANING,
        "" if run.whole else "**Interrupted: missing checks were not tried.**",
        markdown.table(["Server", "Version", *LEVELS.values()], [list(map(escape, row)) for row in of_servers]),
        *(block for table in made for block in _section(table)),
        "## Failures" if faults else "",
        markdown.bullets(
            f"{FAILED[fault.level]} **{fault.server}** `{fault.check}` ({', '.join(fault.protocols)}): "
            f"{markdown.code(fault.summary)}"
            for fault in faults
        ),
        markdown.bullets(
            f"! **{entry.server}** `{entry.check}` ({entry.protocol}): the check itself has a bug"
            for entry in run.results
            if entry.outcome == "error"
        ),
        *describe_suites(run.suites),
        "## Checks",
        markdown.bullets(
            f"`{check.name}` ({LEVELS[check.level]}; {escape(check.source)}): {escape(check.expectation)} "
            f"“{escape(check.quote)}” If it fails: {escape(check.consequence)}"
            for check in run.checks
        ),
        "## Commands",
        markdown.bullets(
            f"**{server}**: {code(command)}"
            for server, commands in run.setting.commands.items()
            for command in commands
        ),
        f"No effect: {escape(', '.join(run.setting.kept_out))}" if run.setting.kept_out else "",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _section(table: Table) -> list[str]:
    """The table of one protocol in Markdown, with what was not tried."""
    escape = markdown.escape
    rows = [[f"{escape(row.check.title)} (`{row.check.name}`)", *map(escape, row.marks)] for row in table.rows]
    rows += [
        [f"passed, {word}", *(table.passed(server, level) for server in table.servers)]
        for level, word in LEVELS.items()
    ]
    return [
        f"## {table.title}",
        markdown.table(["", *table.servers], rows, "l" + "c" * len(table.servers)),
        markdown.bullets(
            f"not tried, {server} ({count}): {markdown.code(reason)}" for server, reason, count in table.not_tried
        ),
    ]


def _render_html(run: CheckRun, made: Sequence[Table]) -> str:
    """The contents of `check.html`, a page that has no script and loads nothing."""
    return read_template(Path(__file__).parent / "template.html.j2").render(
        run=run,
        tables=made,
        scores=scores(run),
        levels=LEVELS,
        mark=mark,
        meaning=MEANING,
        shortened=lambda evidence: bounded(evidence, _PAGE_CHARACTERS),
    )
