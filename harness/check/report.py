"""The results of all checks as JSON, and as tables, in which a fault counts once for each kind of protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - `check.json` is read by these types
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from harness.check.model import BroughtDown, Danger, Entry, Level, Outcome
from harness.check.suites.model import SuiteRun  # noqa: TC001 - `check.json` is read by this type
from harness.model.protocols import PROTOCOL_NAMES, Protocol

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
_WORST: tuple[Outcome, ...] = ("fail", "error", "no-start", "pass", "n/a")
"""What a check counts as if it ended differently over several protocols."""
_LINE_CHARACTERS = 90


class CheckInfo(msgspec.Struct, frozen=True):
    """What `check.json` says of a check: all but the function that runs it."""

    name: str
    title: str
    protocols: frozenset[Protocol]
    expectation: str
    source: str
    level: Level = msgspec.field(default="must", name="force")
    quote: str = ""
    """As in `Check`, and so are the next two."""
    consequence: str = ""
    danger: Danger | None = None

    @classmethod
    def of(cls, check: Check) -> CheckInfo:
        where = (check.name, check.title, check.protocols, check.expectation, check.source)
        return cls(*where, check.level, check.quote, check.consequence, check.danger)


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


KINDS: Mapping[Protocol, Protocol] = {"h1-tls": "h1", "h2c": "h2", "ws-tls": "ws"}
"""Protocols that differ from another one by TLS alone: what a server does wrong over both is one fault."""
KIND_NAMES: Mapping[Protocol, str] = {"h1": "HTTP/1.1", "h2": "HTTP/2", "ws": "WebSocket", "h3": "HTTP/3"}


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
    def is_uniform(self) -> bool:
        """Is there nothing to see: did all servers pass that it was tried on, and none has a value of its own?"""
        tried = [entry for entry in self.entries if entry and entry.outcome != "n/a"]
        return all(entry.outcome == "pass" for entry in tried) and len({entry.value for entry in tried}) <= 1

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
    """The protocols of one kind, with and without TLS: servers across, checks down."""

    kind: Protocol
    servers: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return KIND_NAMES[self.kind]

    def anchor(self, entry: Entry) -> str:
        """The id of an entry's evidence on a page."""
        return f"{self.kind}-{entry.server}-{entry.check}"

    @property
    def failures(self) -> list[tuple[CheckInfo, Entry]]:
        """The checks that did not pass, by server."""
        found = [(row.check, entry) for row in self.rows for entry in row.entries if entry and _is_bad(entry)]
        return sorted(found, key=lambda each: self.servers.index(each[1].server))

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
        return Table(self.kind, tuple(self.servers[number] for number in tried), rows)

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
    """One table for each kind of protocol that has entries."""
    by_cell: dict[tuple[str, Protocol, str], list[Entry]] = {}
    for entry in run.results:
        kind = KINDS.get(entry.protocol, entry.protocol)
        by_cell.setdefault((entry.server, kind, entry.check), []).append(entry)
    made = []
    for kind in KIND_NAMES:
        servers = tuple(dict.fromkeys(server for server, own, _ in by_cell if own == kind))
        spoken = {kind, *(protocol for protocol, own in KINDS.items() if own == kind)}
        rows = tuple(
            Row(check, tuple(_fold(by_cell.get((server, kind, check.name), [])) for server in servers))
            for check in run.checks
            if check.protocols & spoken
        )
        if servers and rows:
            made.append(Table(kind, servers, rows))
    return made


def _fold(entries: Sequence[Entry]) -> Entry | None:
    """The gravest of a check's results over the protocols of a kind; if others differ, its summary says where it is."""
    tried = [entry for entry in entries if entry.outcome != "n/a"] or list(entries)
    if not tried:
        return None
    gravest = min(tried, key=lambda entry: _WORST.index(entry.outcome))
    alike = [entry for entry in tried if (entry.outcome, entry.value) == (gravest.outcome, gravest.value)]
    if len(alike) == len(tried):
        return gravest
    where = " and ".join(PROTOCOL_NAMES[entry.protocol] for entry in alike)
    summary, *rest = gravest.evidence.split("\n")
    return replace(gravest, evidence="\n".join([f"{summary} (over {where} only)", *rest]))


def encode(run: CheckRun) -> bytes:
    """The contents of `check.json`."""
    return msgspec.json.format(msgspec.json.encode(run, order="deterministic"), indent=2)
