"""What a report says in sentences: who is first, what has no answer and why, how it was measured, and where."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model import PROTOCOL_NAMES, rate_of
from harness.report.rows import count, rank, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.findings import CaseSummary, Errors, RunInfo
    from harness.model import Verdict
    from harness.report.rows import Group

MEANING: Mapping[Verdict, str] = {
    "client-limited": "the load generator was the limit: the server may be faster than its number",
    "invalid": "a check failed: the number is shown, and stands for nothing",
    "unsupported": "it cannot be measured here, for the reason given",
    "failed": "the server or the load did not come through",
}


def headline(run: RunInfo, groups: Sequence[Group]) -> list[str]:
    """The answer in short: how often each server is first, and what the reader must know before believing it."""
    firsts = Counter(each.case.server for group in groups for each in group.summaries if rank(each) == 1)
    ranked = sum(any(rank(each) for each in group.summaries) for group in groups)
    servers = {each.case.server for group in groups for each in group.summaries}
    lines = []
    if run.rounds == 1:
        lines.append("One round tells no servers apart, so nothing is ranked: measure with more rounds.")
    elif not firsts:
        lines.append("Nothing could be ranked.")
    elif ranked > 1 and len(servers) > 1:
        (most, number), *others = firsts.most_common()
        tally = "".join(f", {server} in {times}" for server, times in others)
        lines.append(f"{most} is first or shares first place in {number} of {ranked} comparisons{tally}.")
    if set(run.environment.server_cpus) & set(run.environment.load_cpus):
        lines.append("The load generator and the servers shared CPUs: each took time from the other.")
    return lines


def answer(group: Group) -> str:
    """Who is first on this question, in a sentence or two."""
    ranked = [each for each in group.summaries if rank(each)]
    limited = [each for each in group.summaries if each.verdict == "client-limited" and each.measured]
    once = [each for each in group.summaries if each.verdict == "valid" and each.rounds == 1]
    if not ranked and once:
        return f"Measured once on {group.title}: {_and([_name_and_speed(each) for each in once])} {_unit(group)}."
    if not ranked:
        return f"No number on {group.title} can be ranked.{_aside(limited)}"
    leaders = [each for each in ranked if rank(each) == 1]
    followers = [each for each in ranked if rank(each) == rank(ranked[len(leaders)])] if ranked != leaders else []
    names = _and([each.case.server for each in leaders])
    speeds = f"{_and([_speed(each) for each in leaders])} {_unit(group)}"
    if len(group.summaries) == 1:
        return f"{names} answers {speeds} on {group.title}."
    if len(ranked) == 1:
        return f"{names} alone has a number that holds on {group.title}: {speeds}.{_aside(limited)}"
    place = "share first place" if len(leaders) > 1 else "is first"
    before = f", before {_and([_name_and_speed(each) for each in followers])}" if followers else ""
    among = "Of those with a rank, " if limited else ""
    return f"{among}{names} {place} on {group.title} with {speeds}{before}.{_aside(limited)}"


def _aside(limited: Sequence[CaseSummary]) -> str:
    """Who may be faster than a number says."""
    if not limited:
        return ""
    verb = "is" if len(limited) == 1 else "are"
    return f" {_and([_name_and_speed(each) for each in limited])} {verb} not ranked: the load generator was the limit."


@dataclass(frozen=True)
class Unanswered:
    """A case without a number that holds, and why."""

    question: str
    server: str
    verdict: Verdict
    reasons: tuple[str, ...]
    errors: tuple[str, ...]


def unanswered(groups: Sequence[Group]) -> list[Unanswered]:
    """Every case whose verdict is not `valid`, in the order of the tables."""
    return [
        Unanswered(group.title, each.case.server, each.verdict, each.reasons, _error_lines(each.errors))
        for group in groups
        for each in group.summaries
        if each.verdict != "valid"
    ]


def method(run: RunInfo) -> list[str]:
    """How it was measured, a sentence or two per line."""
    where = run.environment
    rounds = "1 round" if run.rounds == 1 else f"{run.rounds} rounds"
    lines = [
        f"{rounds}: each starts every server afresh, in an order shuffled with seed {run.seed}.",
        f"Each trial: one unmeasured pass, {run.warmup_s:g} s of warm-up, then a window of {run.duration_s:g} s.",
        "Every answer is checked. Only requests that begin and end inside the window count.",
        f"Load: {run.conditions}. A user is one request in flight, on every protocol alike.",
        "Response time runs from when a request was due to be sent to the last byte of its answer.",
        "Percentiles come from all rounds' histograms, merged. One that fewer than ten requests exceed is left out.",
        "Medians over rounds with 95 % intervals, ratios paired by round. Only valid numbers are ranked.",
        "Servers share a rank unless the interval of their ratio excludes 1.",
        "CPU is user and system time of all of a server's processes. Memory is their proportional set size.",
        f"Servers ran on {_cpus(where.server_cpus)}, the load generator on {_cpus(where.load_cpus)}.",
    ]
    if run.ceilings:
        ceilings = [f"{count(rate)} on {_protocol_name(protocol)}" for protocol, rate in run.ceilings.items()]
        lines.append(
            f"Requests/s that the load generator reaches against a server that does nothing: {_and(ceilings)}."
        )
    return lines


def environment(run: RunInfo) -> list[tuple[str, str]]:
    """Names and values of what the numbers depend on."""
    where = run.environment
    versions = where.server_versions.items()
    return [
        ("Command", shlex.join(run.argv)),
        ("Run", run.id),
        ("Started", run.started_at),
        ("Host", where.host),
        ("CPU", f"{where.cpu_model} × {where.cpu_count}"),
        ("Memory", f"{where.memory_bytes / 1e9:.1f} GB"),
        ("System", f"{where.system}, kernel {where.kernel}"),
        ("Python", where.python),
        ("Servers", ", ".join(f"{server} {version}" for server, version in versions) or "versions unknown"),
        ("Commit", where.git_commit or "none"),
    ]


def _error_lines(errors: Errors) -> tuple[str, ...]:
    return tuple(
        f"{kind} × {count(number)}" + (f", the first: {errors.examples[kind]}" if kind in errors.examples else "")
        for kind, number in errors.by_kind.items()
    )


def _protocol_name(protocol: str) -> str:
    return next((name for key, name in PROTOCOL_NAMES.items() if key == protocol), protocol)


def _cpus(numbers: Sequence[int]) -> str:
    return f"CPU{'s' if len(numbers) > 1 else ''} {_and([str(number) for number in numbers])}" if numbers else "any CPU"


def _unit(group: Group) -> str:
    """What servers are ranked by: at a given rate, all answer as many, and the later ones are behind."""
    return "requests/s" if rate_of(group.summaries[0].case.load) is None else "ms at p99"


def _speed(summary: CaseSummary) -> str:
    if rate_of(summary.case.load) is None:
        return count(summary.throughput_rps.median) if summary.throughput_rps else "no"
    p99 = summary.latency_us.p99
    return significant(p99.median / 1000) if p99 else "unknown"


def _name_and_speed(summary: CaseSummary) -> str:
    return f"{summary.case.server} ({_speed(summary)})"


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
