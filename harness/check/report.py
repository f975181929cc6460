"""What a survey found, as JSON for programs, Markdown and one HTML page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from harness.model import PROTOCOL_NAMES, PROTOCOLS, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.check.model import Check, Entry, Outcome

CHECK_SCHEMA = 1
"""Version of `check.json`; goes up on an incompatible change."""
MARKS: Mapping[Outcome, str] = {"pass": "✓", "fail": "✗", "n/a": "–", "error": "!"}
MEANING = "✓ as the source asks · ✗ not so · – not tried · ! a fault of the check itself"

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

    @classmethod
    def of(cls, check: Check) -> Question:
        return cls(check.name, check.title, check.protocols, check.expectation, check.source)


@dataclass(frozen=True)
class Setting:
    """What ran where: behaviour follows from versions, not from the machine's speed."""

    python: str
    system: str
    servers: Mapping[str, str]
    """Names of those that are installed, and their versions."""
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


@dataclass(frozen=True)
class Row:
    """A check and what came of it on each server, in the order of the table's."""

    check: Question
    entries: tuple[Entry | None, ...]

    @property
    def marks(self) -> list[str]:
        return [MARKS[entry.outcome] if entry else "" for entry in self.entries]


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
            if entry and entry.outcome == "n/a"
        ]
        return [(*each, reasons.count(each)) for each in dict.fromkeys(reasons)]

    def passed(self, server: str) -> str:
        """How many of those that were tried, `65 of 70`."""
        column = self.servers.index(server)
        outcomes = [entry.outcome for row in self.rows if (entry := row.entries[column])]
        tried = [outcome for outcome in outcomes if outcome != "n/a"]
        return f"{tried.count('pass')} of {len(tried)}" if tried else "–"


def _is_bad(entry: Entry) -> bool:
    return entry.outcome in ("fail", "error")


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


def versions(findings: Findings) -> str:
    """Servers and their versions, `uvicorn 0.54.0, …`."""
    return ", ".join(f"{name} {version}" for name, version in findings.setting.servers.items())


def markdown(findings: Findings, made: Sequence[Table]) -> str:
    """`check.md`."""
    lines = ["# What servers do", "", f"{findings.started_at[:10]} · {findings.setting.python}", "", MEANING, ""]
    lines += [f"Servers: {versions(findings)}", ""]
    for table in made:
        lines += [
            f"## {table.title}",
            "",
            _cells(["", *table.servers]),
            _cells(["---", *[":---:"] * len(table.servers)]),
        ]
        lines += [_cells([f"{row.check.title} (`{row.check.name}`)", *row.marks]) for row in table.rows]
        lines += [_cells(["passed", *map(table.passed, table.servers)]), ""]
        lines += [f"- **{entry.server}** `{check.name}`: {_prose(entry.summary)}" for check, entry in table.failures]
        lines += [""] * bool(table.failures)
        lines += [f"- not tried, {server} ({count}): {_prose(reason)}" for server, reason, count in table.not_tried]
        lines += [""] * bool(table.not_tried)
    lines += ["## What was asked", ""]
    lines += [f"- `{check.name}` ({check.source}): {check.expectation}" for check in findings.checks]
    return "\n".join(lines) + "\n"


def _cells(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _prose(text: str) -> str:
    """Text that came from outside, as code: Markdown in it stays what it is."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}"


def html(findings: Findings, made: Sequence[Table]) -> str:
    """`check.html`: needs nothing else, no script, no request to anywhere."""
    template = _TEMPLATES.get_template("template.html.j2")
    return template.render(findings=findings, tables=made, marks=MARKS, meaning=MEANING, versions=versions(findings))
