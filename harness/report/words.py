"""What a report says in sentences: who is first, what more workers bring, what has no answer and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.intervals import paired_ratio, unpaired_ratio
from harness.model.loads import Capacity, Rate
from harness.report import sweep
from harness.report.cells import count, interval, join, percent, significant
from harness.report.columns import rank
from harness.report.rows import is_sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.results import Errors, RunInfo, Verdict
    from harness.model.summaries import CaseSummary, Ratio
    from harness.report.rows import Group

MEANING: Mapping[Verdict, str] = {
    "client-limited": "the load generator was the limit: the server may be faster than its number",
    "invalid": "a check failed: the number is shown, and stands for nothing",
    "unsupported": "it cannot be measured here, for the reason given",
    "failed": "the server or the load did not come through",
}


def headline(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    """The answer in short: how often each candidate is first, and what the reader must know before believing it."""
    lines = [] if is_sweep(run) else _tally(run, groups)
    if set(run.environment.server_cpus) & set(run.environment.load_cpus):
        lines.append("The load generator and the servers shared CPUs: each took time from the other.")
    return lines


def _tally(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    """How often each is first."""
    leaders = [_leaders(group) for group in groups]
    firsts = Counter(each.name for first in leaders for each in first)
    ranked = sum(bool(first) for first in leaders)
    if run.conditions.rounds == 1 and run.conditions.precision is None:
        return ["One round tells no servers apart, so nothing is ranked: measure with more rounds."]
    if not firsts:
        return ["Nothing could be ranked."]
    if ranked == 1 or len({each.name for group in groups for each in group.candidates}) == 1:
        return []
    (most, number), *others = firsts.most_common()
    tally = "".join(f", {name} in {times}" for name, times in others)
    return [f"{most} is first or shares first place in {number} of {ranked} comparisons{tally}."]


def _leaders(group: Group) -> list[CaseSummary]:
    """The best of the candidates; the baseline's second entry, which may have the rank before, is none."""
    ranked = [each for each in group.candidates if rank(each)]
    return [each for each in ranked if rank(each) == rank(ranked[0])]


def answer(group: Group) -> str:
    """Who is first on this question, in a sentence or two; in a sweep, how far each keeps its tail short."""
    if sweep.told_by_rate(group):
        return sweep.sentence(group)
    ranked = [each for each in group.candidates if rank(each)]
    limited = [each for each in group.candidates if each.verdict == "client-limited" and each.measured]
    once = [each for each in group.candidates if each.verdict == "valid" and each.rounds == 1]
    if not ranked and once:
        return f"Measured once on {group.title}: {join([_name_and_speed(each) for each in once])} {_unit(group)}."
    if not ranked:
        return f"No number on {group.title} can be ranked.{_aside(limited)}"
    leaders = _leaders(group)
    followers = [each for each in ranked if rank(each) == rank(ranked[len(leaders)])] if ranked != leaders else []
    names = join([each.name for each in leaders])
    speeds = f"{join([_speed(each) for each in leaders])} {_unit(group)}"
    if len(group.candidates) == 1:
        return f"{names} answers {speeds} on {group.title}."
    if len(ranked) == 1:
        return f"{names} alone has a number that holds on {group.title}: {speeds}.{_aside(limited)}"
    place = "share first place" if len(leaders) > 1 else "is first"
    before = f", before {join([_name_and_speed(each) for each in followers])}" if followers else ""
    among = "Of those with a rank, " if limited else ""
    return f"{among}{names} {place} on {group.title} with {speeds}{before}.{_aside(limited)}"


def _aside(limited: Sequence[CaseSummary]) -> str:
    """Who may be faster than a number says."""
    if not limited:
        return ""
    verb = "is" if len(limited) == 1 else "are"
    return f" {join([_name_and_speed(each) for each in limited])} {verb} not ranked: the load generator was the limit."


@dataclass(frozen=True)
class Unanswered:
    """A case without a number that holds, and why."""

    question: str
    name: str
    verdict: Verdict
    reasons: tuple[str, ...]
    errors: tuple[str, ...]


def unanswered(groups: Sequence[Group]) -> list[Unanswered]:
    """Every case whose verdict is not `valid`, in the order of the tables."""
    return [
        Unanswered(_question(group, each), each.name, each.verdict, each.reasons, _error_lines(each.errors))
        for group in groups
        for each in group.summaries
        if each.verdict != "valid"
    ]


def scaling(run: RunInfo, group: Group, groups: Sequence[Group]) -> str:
    """What the most workers bring over the fewest on this question; nothing for any other number of workers."""
    alike = [each for each in groups if (each.scenario, each.protocol) == (group.scenario, group.protocol)]
    fewest = min(alike, key=lambda each: each.workers)
    if group.workers == fewest.workers or group.workers < max(each.workers for each in alike):
        return ""
    ideal = group.workers / fewest.workers
    many, few = _repeated(group), _repeated(fewest)
    growth = {name: ratio for name in many if name in few and (ratio := _growth(run, many[name], few[name]))}
    if not growth:
        return ""
    told = [
        f"{name} answers {more.value:.2f}× as many ({_between(more)}{percent(more.value / ideal)} of ideal)"
        for name, more in growth.items()
    ]
    unpaired = [name for name in growth if not _same_rounds(run, many[name], few[name])]
    pairs = f" The rounds of {join(unpaired)} could not be paired." if unpaired else ""
    cpus = len(run.environment.server_cpus)
    limit = f" The servers had {cpus} CPU{'s' if cpus > 1 else ''}: beyond that nothing can scale." if cpus else ""
    return f"With {group.workers} workers instead of {fewest.workers}, {join(told)}.{pairs}{limit}"


def _repeated(group: Group) -> dict[str, CaseSummary]:
    """The valid rates that were not given, of two rounds or more: one leaves no interval."""
    return {
        each.name: each
        for each in group.candidates
        if each.verdict == "valid" and not isinstance(each.case.load, Rate) and len(each.throughput_by_round_rps) > 1
    }


def _growth(run: RunInfo, many: CaseSummary, few: CaseSummary) -> Ratio | None:
    """The rate of many workers ÷ that of few, paired by round where it is known which round is which."""
    above, below = many.throughput_by_round_rps, few.throughput_by_round_rps
    if _same_rounds(run, many, few):
        return paired_ratio(dict(enumerate(above)), dict(enumerate(below)))
    return unpaired_ratio(above, below)


def _same_rounds(run: RunInfo, *summaries: CaseSummary) -> bool:
    """Does each have all rounds? With a precision to reach, further rounds may stand in for lost ones."""
    return run.conditions.precision is None and all(
        len(each.throughput_by_round_rps) == run.conditions.rounds for each in summaries
    )


def _between(ratio: Ratio) -> str:
    bounds = interval(ratio, lambda value: f"{value:.2f}")
    return f"{bounds}; " if bounds else ""


def _question(group: Group, summary: CaseSummary) -> str:
    at = f" at {count(summary.offered_rps)} requests/s" if summary.own_share and summary.offered_rps else ""
    return group.title + at


def _error_lines(errors: Errors) -> tuple[str, ...]:
    return tuple(
        f"{kind} × {count(number)}" + (f", the first: {errors.examples[kind]}" if kind in errors.examples else "")
        for kind, number in errors.by_kind.items()
    )


def _unit(group: Group) -> str:
    """What they are ranked by: at a given rate, all answer as many, and the later ones are behind."""
    load = group.summaries[0].case.load
    if isinstance(load, Capacity):
        return f"requests/s, the most that meets {load.level}"
    return "requests/s" if not isinstance(load, Rate) else "ms at p99"


def _speed(summary: CaseSummary) -> str:
    if not isinstance(summary.case.load, Rate):
        return count(summary.throughput_rps.median) if summary.throughput_rps else "no"
    p99 = summary.latency_us.p99
    return significant(p99.median / 1000) if p99 else "unknown"


def _name_and_speed(summary: CaseSummary) -> str:
    return f"{summary.name} ({_speed(summary)})"
