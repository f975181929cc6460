"""What a survey found, as JSON for programs, Markdown and one HTML page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from harness.check.model import bounded
from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.check.model import Check, Entry, Force, Outcome

CHECK_SCHEMA = 2
"""Version of `check.json`; goes up on an incompatible change."""
MARKS: Mapping[Outcome, str] = {"pass": "✓", "n/a": "–", "no-start": "?", "error": "!"}
FAILED: Mapping[Force, str] = {"must": "✗", "should": "△", "expected": "○"}
"""The mark of a failure, by what stands behind the expectation."""
FORCES: Mapping[Force, str] = {"must": "required", "should": "recommended", "expected": "expected"}
"""In words: by the source · by the source · by this project."""
MEANING = (
    "✓ passed · ✗ not what the source requires · △ not what it recommends · ○ not what this project expects, though no "
    "source asks for it · – not tried · ? the server did not start · ! a fault of the check itself"
)
_LINE_CHARACTERS = 90
_PAGE_CHARACTERS = 500
"""Of the evidence of a failure on the page; `check.json` has it all."""

_TEMPLATES = Templates(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Question:
    """A check as it is told of: all but how it is done."""

    name: str
    title: str
    protocols: frozenset[Protocol]
    expectation: str
    source: str
    force: Force = "must"

    @classmethod
    def of(cls, check: Check) -> Question:
        return cls(check.name, check.title, check.protocols, check.expectation, check.source, check.force)


@dataclass(frozen=True)
class Setting:
    """What ran where: behaviour follows from versions, not from the machine's speed."""

    python: str
    system: str
    servers: Mapping[str, str]
    """Names of those that are installed, and their versions."""
    commands: Mapping[str, Sequence[str]]
    """What each of them was started with: in clear, and over TLS."""
    packages: Mapping[str, str]
    """All that is installed beside them: a server's parser is often a package of its own."""


@dataclass(frozen=True)
class Findings:
    """`check.json`."""

    schema: int
    id: str
    started_at: str
    argv: tuple[str, ...]
    setting: Setting
    checks: tuple[Question, ...]
    results: tuple[Entry, ...]
    whole: bool = True
    """False for a survey that was interrupted: what is missing has not been tried."""


@dataclass(frozen=True)
class Row:
    """A check and what came of it on each server, in the order of the table's."""

    check: Question
    entries: tuple[Entry | None, ...]

    @property
    def marks(self) -> list[str]:
        """What stands in the cells."""
        return [mark(self.check, entry) for entry in self.entries]

    @property
    def failures(self) -> list[Entry]:
        return [entry for entry in self.entries if entry and _is_bad(entry)]

    @property
    def others(self) -> list[tuple[str, list[Entry]]]:
        """What passed: a line of evidence, and the entries that have it."""
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
    def failures(self) -> list[tuple[Question, Entry]]:
        """What did not pass, by server."""
        found = [(row.check, entry) for row in self.rows for entry in row.entries if entry and _is_bad(entry)]
        return sorted(found, key=lambda each: self.servers.index(each[1].server))

    @property
    def not_tried(self) -> list[tuple[str, str, int]]:
        """Server, reason, and how many checks it holds for."""
        reasons = [
            (entry.server, entry.summary)
            for row in self.rows
            for entry in row.entries
            if entry and entry.outcome in ("n/a", "no-start")
        ]
        return [(*each, reasons.count(each)) for each in dict.fromkeys(reasons)]

    @property
    def narrowed(self) -> Table:
        """The same without the servers that nothing could be tried on."""
        tried = [
            number
            for number in range(len(self.servers))
            if any((entry := row.entries[number]) and entry.outcome != "n/a" for row in self.rows)
        ]
        rows = tuple(Row(row.check, tuple(row.entries[number] for number in tried)) for row in self.rows)
        return Table(self.protocol, tuple(self.servers[number] for number in tried), rows)

    def passed(self, server: str, force: Force) -> str:
        """How many of those of this force that were tried, `65 of 70`."""
        column = self.servers.index(server)
        return _share(entry for row in self.rows if row.check.force == force and (entry := row.entries[column]))


def mark(check: Question, entry: Entry | None) -> str:
    """An outcome as a sign, or what was found where the check asks for that."""
    if entry is None:
        return ""
    return FAILED[check.force] if entry.outcome == "fail" else entry.value or MARKS[entry.outcome]


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
    passed: Mapping[Force, str]
    """As `Table.passed`."""
    not_started: str
    """Why it could not be tried, where it did not start; empty otherwise."""


def scores(findings: Findings) -> list[Score]:
    """One for each server of which anything was asked."""
    force = {check.name: check.force for check in findings.checks}
    made = []
    for server in dict.fromkeys(entry.server for entry in findings.results):
        own = [entry for entry in findings.results if entry.server == server]
        passed = {each: _share(entry for entry in own if force[entry.check] == each) for each in FORCES}
        why = next((entry.summary for entry in own if entry.outcome == "no-start"), "")
        made.append(Score(server, findings.setting.servers.get(server, ""), passed, why))
    return made


def tables(findings: Findings) -> list[Table]:
    """One for each protocol on which anything was asked."""
    by_cell = {(entry.server, entry.protocol, entry.check): entry for entry in findings.results}
    made = []
    for protocol in PROTOCOLS:
        servers = tuple(dict.fromkeys(entry.server for entry in findings.results if entry.protocol == protocol))
        rows = tuple(
            Row(check, tuple(by_cell.get((server, protocol, check.name)) for server in servers))
            for check in findings.checks
            if protocol in check.protocols
        )
        if servers and rows:
            made.append(Table(protocol, servers, rows))
    return made


def encode(findings: Findings) -> bytes:
    """`check.json`."""
    return msgspec.json.format(msgspec.json.encode(findings, order="deterministic"), indent=2)


def write(findings: Findings, directory: Path) -> Path:
    """Write `check.json`, `check.md` and `check.html` into a folder; the path of the page."""
    directory.mkdir(parents=True, exist_ok=True)
    made = tables(findings)
    (directory / "check.json").write_bytes(encode(findings))
    (directory / "check.md").write_text(markdown(findings, made), encoding="utf-8")
    page = directory / "check.html"
    page.write_text(html(findings, made), encoding="utf-8")
    return page


def markdown(findings: Findings, made: Sequence[Table]) -> str:
    """`check.md`."""
    lines = ["# What servers do", "", f"{findings.started_at[:10]} · {findings.setting.python}", "", MEANING, ""]
    lines += ["**Interrupted: what is missing has not been tried.**", ""] * (not findings.whole)
    lines += [_cells(["Server", "Version", *FORCES.values()]), _cells(["---"] * (2 + len(FORCES)))]
    for score in scores(findings):
        name = f"{score.server} (did not start)" if score.not_started else score.server
        lines.append(_cells([name, score.version, *score.passed.values()]))
    lines.append("")
    for table in made:
        lines += _section(table)
    lines += ["## What was asked", ""]
    lines += [
        f"- `{check.name}` ({FORCES[check.force]}; {check.source}): {check.expectation}" for check in findings.checks
    ]
    lines += ["", "## What was started", ""]
    for server, commands in findings.setting.commands.items():
        lines += [f"- **{server}**: {_prose(command)}" for command in commands]
    return "\n".join(lines) + "\n"


def _section(table: Table) -> list[str]:
    """One protocol in Markdown."""
    lines = [f"## {table.title}", "", _cells(["", *table.servers])]
    lines.append(_cells(["---", *[":---:"] * len(table.servers)]))
    lines += [_cells([f"{row.check.title} (`{row.check.name}`)", *row.marks]) for row in table.rows]
    for force, word in FORCES.items():
        lines.append(_cells([f"passed of what is {word}", *(table.passed(server, force) for server in table.servers)]))
    lines.append("")
    for check, entry in table.failures:
        lines.append(f"- {mark(check, entry)} **{entry.server}** `{check.name}`: {_prose(entry.summary)}")
    lines += [""] * bool(table.failures)
    lines += [f"- not tried, {server} ({count}): {_prose(reason)}" for server, reason, count in table.not_tried]
    return lines + [""] * bool(table.not_tried)


def _cells(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _prose(text: str) -> str:
    """Text that came from outside, as code: Markdown in it stays what it is."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}"


def html(findings: Findings, made: Sequence[Table]) -> str:
    """`check.html`: needs nothing else, no script, no request to anywhere."""
    template = _TEMPLATES.get_template("template.html.j2")
    return template.render(
        findings=findings,
        tables=made,
        scores=scores(findings),
        forces=FORCES,
        mark=mark,
        meaning=MEANING,
        shortened=lambda evidence: bounded(evidence, _PAGE_CHARACTERS),
    )
