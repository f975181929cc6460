"""What a reader must know before believing a number or a difference. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.report.control import ONE_BY_ONE, compared_ratios, size_range
from harness.report.sections import is_sweep
from harness.report.sentences import place
from harness.text import numbers
from harness.text.numbers import DISTURBED, count, is_telling, join, percent, plural, span, tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary
    from harness.report.sections import Section

NOTED_FROM = 0.001
"""From this share of the requests on, unanswered, reopened and resent ones and pushes are reported."""
_PUSHES = "Messages that the server sent unasked"
WARMING_NOTED_FROM = 1.03
"""From this ratio on, later cycles ÷ the first one, servers that were still warming up are reported."""
IDLE_NOTED_FROM = 0.01
"""From this share of a core on, CPU time that a server used while it was not its turn is reported."""


def lines(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """A sentence for each kind of doubt that applies."""
    return [
        *_resolution(sections),
        *_precision(run, sections),
        *_disturbed(sections),
        *_idle(sections),
        *_warming(run, sections),
        *_connections(run, sections),
        *_resumed(sections),
        *_held(sections),
    ]


def count_left_out(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """The rounds of measured cases that do not count, as their sanity checks failed; with a precision nobody knows."""
    if run.conditions.precision is not None or run.complete is False or is_sweep(run):
        return []
    every = [(section, each) for section in sections for each in section.summary.summaries if each.measured]
    lost = {f"{each.name} on {section.title}": run.conditions.rounds - each.rounds for section, each in every}
    ordered = sorted(((name, number) for name, number in lost.items() if number > 0), key=lambda item: -item[1])
    total = f"{count(run.conditions.rounds * len(every))} rounds of {plural(len(every), 'case')}"
    if not ordered:
        return [f"Rounds left out: none of {total}."] if every else []
    names = "; ".join(f"{name} ({number})" for name, number in ordered[:ONE_BY_ONE])
    more = f"; and {len(ordered) - ONE_BY_ONE} more" if len(ordered) > ONE_BY_ONE else ""
    return [f"Rounds left out, as their sanity checks failed: {sum(lost.values())} of {total}: {names}{more}."]


def _resolution(sections: Sequence[Section]) -> list[str]:
    """The smallest differences from the baseline that this run could have shown, over all candidates."""
    sizes: dict[str, list[float]] = {}
    for section in sections:
        for each in section.summary.candidates:
            if each.case.candidate != section.summary.reference:
                for name, ratio in compared_ratios(each).items():
                    if ratio.low < ratio.high and is_telling(ratio.low, ratio.high):
                        sizes.setdefault(name, []).append(ratio.half_width)
    if not sizes:
        return []
    shown = join([f"{size_range(own)} in {name}" for name, own in sizes.items()])
    return [f"Smallest difference from the baseline that this run could have shown: {shown}."]


def _disturbed(sections: Sequence[Section]) -> list[str]:
    """What the sign of disturbed numbers means."""
    every = [each for section in sections for each in section.summary.summaries if each.measured]
    disturbed = sum(each.disturbed for each in every)
    if not disturbed:
        return []
    fewer = sum(each.disturbed_rounds > 0 and not each.disturbed for each in every)
    marked = f"{DISTURBED} marks numbers of {disturbed} of {plural(len(every), 'case')}"
    cause = "in half of their rounds or more, the host or other processes took CPU time"
    more = f"; {fewer} more had fewer such rounds" if fewer else ""
    hold = "Ratios hold as far as intervals and control say, since candidates that take turns lose alike."
    return [f"{marked}: {cause}{more}. {hold}"]


def _idle(sections: Sequence[Section]) -> list[str]:
    """Servers that were busy while it was not their turn, each with the most that it used."""
    most: dict[str, float] = {}
    for section in sections:
        for each in section.summary.summaries:
            most[each.name] = max(most.get(each.name, 0.0), each.idle_cpu_ratio or 0.0)
    return [
        f"{name} used {percent(share)} of a core while it was not its turn."
        for name, share in most.items()
        if share >= IDLE_NOTED_FROM
    ]


def _warming(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """Servers that were still warming up in their first cycle, each with the most that they gained."""
    most: dict[str, float] = {}
    for section in sections:
        for each in section.summary.summaries:
            if each.warming is not None and each.warming.low > 1 and each.warming.value >= WARMING_NOTED_FROM:
                most[each.name] = max(most.get(each.name, 1.0), each.warming.value)
    if not most:
        return []
    names = "; ".join(f"{name} (up to {percent(ratio - 1)})" for name, ratio in most.items())
    warmup = f"the warm-up of {run.conditions.warmup_s:g} s was short (--warmup)"
    return [f"Later cycles answered more than the first after a start: {names}; {warmup}."]


def _connections(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """Cases in which one request in a thousand or more was not answered in time, reconnected, sent again or met a push.

    Unanswered requests are told by number: those of the warm-up count as well, so the reasons have another share. So
    are pushes, since they belong to no request.
    """
    unanswered = f"Requests without an answer within {run.conditions.request_timeout_s:g} s"
    kinds: dict[str, Callable[[CaseSummary], int]] = {
        unanswered: lambda each: each.unanswered,
        "Connections that were opened again, per request": lambda each: each.reopened,
        "Requests that were sent again on a new connection": lambda each: each.resent,
        _PUSHES: lambda each: each.pushes,
    }
    found = []
    for kind, number in kinds.items():
        divides, form = (False, "{:,.0f}".format) if kind in {unanswered, _PUSHES} else (True, percent)
        values = {
            f"{each.name} on {place(section, each)}": number(each)
            / (max(each.requests, number(each)) if divides else 1)
            for section in sections
            for each in section.summary.summaries
            if number(each) >= max(1, NOTED_FROM * each.requests)
        }
        if values:
            ordered = sorted(values.items(), key=lambda item: -item[1])
            names = "; ".join(f"{name} ({form(value)})" for name, value in ordered[:ONE_BY_ONE])
            more = f"; and {len(ordered) - ONE_BY_ONE} more" if len(ordered) > ONE_BY_ONE else ""
            found.append(f"{kind}: {names}{more}.")
    return found


def _resumed(sections: Sequence[Section]) -> list[str]:
    """Where TLS sessions were resumed: by which share of the connections of each candidate."""
    found = []
    for section in sections:
        every = [each for each in section.summary.summaries if each.connections]
        if any(each.resumed for each in every):
            shares = join([f"{each.name} {percent(each.resumed / each.connections)}" for each in every])
            found.append(f"Share of connections that resumed a TLS session, {section.title}: {shares}.")
    return found


def _held(sections: Sequence[Section]) -> list[str]:
    """How many idle connections each candidate kept open to the end of its last slice."""
    found = []
    for section in sections:
        every = section.summary.summaries
        kept = [f"{each.name} {count(each.idle_connections)}" for each in every if each.idle_connections is not None]
        if kept:
            found.append(f"Idle connections that were open to the end, {section.title}: {join(kept)}.")
    return found


def _precision(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """Which cases reached the precision that was asked for, after how many rounds, and which did not.

    It is a precision of ratios, so it applies to valid cases with a valid baseline.
    """
    wanted = run.conditions.precision
    if wanted is None:
        return []
    # The baseline's ratio to itself is exact.
    cases = [
        (section, each)
        for section in sections
        for each in section.summary.summaries
        if each.measured and each.precision != 0
    ]
    valid = [(section, each) for section, each in cases if each.verdict == "valid"]
    others = [(section, each) for section, each in cases if each.verdict != "valid"]
    alone = [(section, each) for section, each in valid if each.ratio_to_baseline is None]
    paired = [(section, each) for section, each in valid if each.ratio_to_baseline is not None]
    reached = [each for _, each in paired if _within(each, wanted)]
    missed = [(section, each) for section, each in paired if not _within(each, wanted)]
    goal, total = tolerance(wanted), len(cases)
    lines = []
    if reached:
        rounds = span([each.rounds for each in reached])
        lines.append(f"{goal} was reached by {len(reached)} of {total} cases, after {rounds} rounds that count.")
    if missed:
        lines.append(
            f"{goal} was not reached by {_widest(missed, total)}; the limit is {run.conditions.max_rounds} rounds."
        )
    if alone:
        lines.append(
            f"Without a valid baseline there is no ratio to measure to {goal}, only an interval of the case's own: "
            f"{_widest(alone, total)}."
        )
    if others:
        names = "; ".join(f"{each.name} on {section.title} ({each.verdict})" for section, each in others[:ONE_BY_ONE])
        more = " and others" if len(others) > ONE_BY_ONE else ""
        lines.append(
            f"{goal} does not apply to {len(others)} of {total} cases, which have no valid number: {names}{more}."
        )
    return lines


def _widest(cases: Sequence[tuple[Section, CaseSummary]], of: int) -> str:
    """The cases by name, the widest interval first; of many their number and the widest three."""
    ordered = sorted(cases, key=lambda item: -(item[1].precision or math.inf))
    names = "; ".join(f"{each.name} on {section.title} ({_reached(each)})" for section, each in ordered[:ONE_BY_ONE])
    return names if len(ordered) <= ONE_BY_ONE else f"{len(ordered)} of {of} cases, the widest {names}"


def _within(summary: CaseSummary, precision: float) -> bool:
    return summary.precision is not None and summary.precision <= precision


def _reached(summary: CaseSummary) -> str:
    if summary.precision is None:
        return "too few rounds to say"
    return f"{numbers.half_width(summary.precision)} after {plural(summary.rounds, 'round')}"
