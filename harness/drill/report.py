"""The results of all drills as JSON for programs, as tables, and as Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.drill.model import ENDS, Drill, Entry, Figure, Grade, Outcome, Unit, coverage
from harness.drill.words import FORMS, seconds
from harness.host import files
from harness.text import markdown
from harness.text.numbers import NOTHING, join, percent, plural
from harness.text.templates import embed_svg, read_template

if TYPE_CHECKING:
    from harness.model.summaries import Estimate

DRILL_SCHEMA = 1
"""The version of `drill.json`; incompatible changes increase it."""
GRADES: Mapping[Grade, str] = {"good": "✓", "fair": "△", "bad": "✗"}
OUTCOMES: Mapping[Outcome, str] = {"seen": "", "n/a": "–", "no-start": "?", "error": "!"}
MEANING = (
    "✓ no danger · △ no danger, but read on · ✗ endangers a deployment: read on · – not possible · ? the server did "
    "not start · ! the drill could not be carried out"
)

TITLE = "Deployment drills"
CAPTION = (
    "Medians of the repetitions; a line reaches from the least to the greatest. A panel has the figures in which "
    "servers differ, or how many requests were lost or refused in one repetition. Shorter is better, but for what is "
    "answered in an overload."
)
_KINDS = {"✓": "good", "△": "fair", "✗": "bad"}
"""The class of a cell in HTML, by its sign."""


@dataclass(frozen=True)
class DrillInfo:
    """What `drill.json` says of a drill: all but the functions."""

    name: str
    title: str
    procedure: str
    figures: tuple[Figure, ...]

    @classmethod
    def of(cls, drill: Drill) -> DrillInfo:
        return cls(drill.name, drill.title, drill.procedure, drill.figures)


@dataclass(frozen=True)
class Setting:
    """What ran where, and under which load."""

    python: str
    system: str
    cpu_model: str
    app: str
    """`module:callable`."""
    path: str
    """Of the requests."""
    slow_path: str | None
    rate_rps: float
    workers: int
    repeats: int
    servers: Mapping[str, str]
    """The names of the installed servers, and their versions."""
    packages: Mapping[str, str]
    kept_out: tuple[str, ...] = ()
    """Names of variables and files that would have configured servers, and had no effect."""


@dataclass(frozen=True)
class DrillRun:
    """`drill.json`."""

    schema: int
    id: str
    started_at: str
    argv: tuple[str, ...]
    setting: Setting
    drills: tuple[DrillInfo, ...]
    results: tuple[Entry, ...]
    whole: bool = True
    """False if the run was interrupted, and repetitions are missing."""

    @property
    def servers(self) -> list[str]:
        """In the order in which they were named."""
        return list(dict.fromkeys(entry.server for entry in self.results))

    def entry(self, drill: str, server: str) -> Entry | None:
        return next((each for each in self.results if (each.drill, each.server) == (drill, server)), None)


def mark(entry: Entry | None) -> str:
    """The sign of an entry."""
    if entry is None:
        return ""
    return GRADES[entry.words.grade] if entry.words else OUTCOMES[entry.outcome]


def cell(entry: Entry | None) -> str:
    """The text of an entry in the overview: its sign and what was seen, or why nothing was."""
    if entry is None:
        return ""
    if entry.words:
        return f"{mark(entry)} {entry.words.cell}"
    said = {"n/a": entry.reason, "no-start": "did not start", "error": "not carried out", "seen": ""}
    return f"{mark(entry)} {said[entry.outcome]}".strip()


@dataclass(frozen=True)
class Table:
    """Servers across; the first cell of each row is its title."""

    title: str
    servers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def overview(run: DrillRun) -> Table:
    """One row for each drill."""
    rows = tuple((info.title, *(cell(run.entry(info.name, server)) for server in run.servers)) for info in run.drills)
    return Table("Deployment drills", tuple(run.servers), rows)


def details(run: DrillRun, info: DrillInfo) -> Table:
    """One row for each figure of a drill and each end of its requests, of one repetition, with intervals."""
    entries = [run.entry(info.name, server) for server in run.servers]
    rows = [
        (figure.title, *(_form(each.seen.number(figure.name) if each else None, figure.unit) for each in entries))
        for figure in info.figures
    ]
    names = dict.fromkeys(name for each in entries if each for name in each.seen.names)
    for name in names:
        for end in ENDS:
            cells = [_form(each.seen.count(name, end) if each else None, "") for each in entries]
            rows.append((f"{name}: {end}", *cells))
    facts = ["; ".join(_with_times(each)) if each else "" for each in entries]
    if any(facts):
        rows.append(("also seen", *(fact or NOTHING for fact in facts)))
    return Table(info.title, tuple(run.servers), tuple(rows))


def _with_times(entry: Entry) -> list[str]:
    """Each fact, and how many repetitions saw it where not all did."""
    repetitions = len(entry.observations)
    return [
        fact if times == repetitions else f"{fact} ({times} of {repetitions})"
        for fact, times in entry.seen.facts.items()
    ]


def _form(found: Estimate | None, unit: Unit) -> str:
    if found is None:
        return NOTHING
    form = FORMS[unit]
    middle = form(found.median)
    return middle if found.low == found.high else f"{middle} ({form(found.low)} – {form(found.high)})"


def sentences(run: DrillRun) -> list[tuple[str, str, str]]:
    """For each entry that is not good, dangers first: its sign and place, what it means, which option changes it."""
    titles = {info.name: info.title for info in run.drills}
    return [
        (f"{mark(each)} {each.server} · {titles[each.drill]}", each.words.meaning, each.words.option)
        for grade in ("bad", "fair")
        for each in run.results
        if each.words and each.words.grade == grade
    ]


LATE_MS = 100.0
"""A client that sends a request later than this has waited for a processor."""


def explain_lag(run: DrillRun) -> str:
    """Where the client itself was late, what to think of the numbers; else empty."""
    late = {
        f"{entry.drill} of {entry.server}": seconds(most / 1000)
        for entry in run.results
        if (most := max((each.lag_ms for each in entry.observations), default=0.0)) > LATE_MS
    }
    if not late:
        return ""
    where = join([f"{by} in {place}" for place, by in late.items()])
    return f"The client itself was late, up to {where}: it was busy or the machine was, and times there are too long."


def explain_intervals(run: DrillRun) -> str:
    """What the numbers in parentheses are."""
    repeats = run.setting.repeats
    if repeats == 1:
        return "One repetition: there are no intervals."
    return (
        f"Numbers are medians of {plural(repeats, 'repetition')}, with the least and the greatest, which hold the true "
        f"median with a probability of {percent(coverage(repeats))} (of 94 % with 5 repetitions)."
    )


def lead(run: DrillRun) -> str:
    """What was done, in a line."""
    setting = run.setting
    slow = f" and {setting.slow_path}" if setting.slow_path else ""
    return (
        f"{run.started_at[:10]} · {setting.cpu_model} · {setting.python} · {setting.app}: GET {setting.path}{slow} · "
        f"{setting.rate_rps:g} requests/s · {plural(setting.workers, 'worker')}"
    )


def encode(run: DrillRun) -> bytes:
    """The contents of `drill.json`."""
    return msgspec.json.format(msgspec.json.encode(run), indent=2)


def save(run: DrillRun, directory: Path) -> None:
    """Write `drill.json` alone, which is kept whatever ends the command."""
    files.replace_file(directory / "drill.json", encode(run))


def write(run: DrillRun, directory: Path) -> Path:
    """Write `drill.json`, `drill.md`, `drill.html` and the chart into a folder; return the path of the HTML page.

    The folder is made again if it has been removed.
    """
    from harness.drill import chart  # noqa: PLC0415 - it takes 0.4 s to import matplotlib, which no other command needs

    directory.mkdir(parents=True, exist_ok=True)
    charts = chart.encode(run)
    contents = {
        "drill.json": encode(run),
        **charts,
        "drill.md": _render_markdown(run, next(iter(charts), "")).encode(),
        "drill.html": _render_html(run, charts.get("drill.svg", b"").decode()).encode(),
    }
    for name, content in contents.items():
        files.replace_file(directory / name, content)
    return directory / "drill.html"


def _render_html(run: DrillRun, svg: str) -> str:
    """The contents of `drill.html`, a page that has no script and loads nothing."""
    return read_template(Path(__file__).parent / "template.html.j2").render(
        run=run,
        title=TITLE,
        lead=lead(run),
        overview=overview(run),
        meaning=MEANING,
        sentences=sentences(run),
        chart=embed_svg(svg, "drill", f"{TITLE}. {CAPTION}") if svg else "",
        notes=" ".join([explain_intervals(run), explain_lag(run)]).strip(),
        details=[(info, details(run, info), reasons(run, info)) for info in run.drills],
        commands=[(each.server, each.drill, shlex.join(each.argv)) for each in run.results if each.argv],
        kinds=_KINDS,
    )


def reasons(run: DrillRun, info: DrillInfo) -> list[tuple[str, str]]:
    """For each server that a drill was not carried out on, why, in a line."""
    return [
        (f"{mark(each)} {each.server}", each.reason.partition("\n")[0])
        for each in run.results
        if each.drill == info.name and each.reason
    ]


def _render_markdown(run: DrillRun, chart: str) -> str:
    """The contents of `drill.md`; `chart` is the name of its file, if there is one."""
    charted = [f"![{markdown.escape(f'{TITLE}. {CAPTION}')}]({chart})"] if chart else []
    escape, code = markdown.escape, markdown.code
    blocks = [
        "# Deployment drills",
        escape(lead(run)),
        "" if run.whole else "**Interrupted: missing repetitions were not tried.**",
        _markdown_table(overview(run)),
        MEANING,
        "## What endangers a deployment",
        markdown.bullets(
            f"**{escape(place)}**: {escape(meaning)}{f' What changes it: {escape(option)}.' if option else ''}"
            for place, meaning, option in sentences(run)
        ),
        "## Numbers",
        *charted,
        explain_intervals(run),
        explain_lag(run),
    ]
    for info in run.drills:
        blocks += [f"### {info.title}", escape(info.procedure), _markdown_table(details(run, info))]
        blocks.append(
            markdown.bullets(f"**{escape(place)}**: {escape(reason)}" for place, reason in reasons(run, info))
        )
    blocks += [
        "## Commands",
        markdown.bullets(
            f"**{each.server}**, {each.drill}: {code(shlex.join(each.argv))}" for each in run.results if each.argv
        ),
        f"No effect: {escape(', '.join(run.setting.kept_out))}" if run.setting.kept_out else "",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _markdown_table(table: Table) -> str:
    rows = [list(map(markdown.escape, row)) for row in table.rows]
    return markdown.table(["", *map(markdown.escape, table.servers)], rows)
