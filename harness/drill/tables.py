"""The results of all drills as tables and sentences, the same in the terminal and on pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.drill.model import ENDS, Entry, Grade, Outcome, Unit, coverage
from harness.drill.words import FORMS, seconds
from harness.text.numbers import NOTHING, join, percent, plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.drill.results import DrillInfo, DrillRun
    from harness.model.summaries import Estimate

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


def reasons(run: DrillRun, info: DrillInfo) -> list[tuple[str, str]]:
    """For each server that a drill was not carried out on, why, in a line."""
    return [
        (f"{mark(each)} {each.server}", each.reason.partition("\n")[0])
        for each in run.results
        if each.drill == info.name and each.reason
    ]


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
