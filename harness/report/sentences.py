"""What a report says in sentences: who is first, which cases have no valid number and why. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.summarise import RANKED_FROM_ROUNDS
from harness.model.loads import Capacity, Rate
from harness.model.plan import PREFERENCES
from harness.report import sweep
from harness.report.columns import baseline_name, substitute, valid_rank
from harness.report.sections import is_sweep
from harness.text.numbers import DISTURBED, count, join, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.plan import Preference
    from harness.model.records import Verdict
    from harness.model.results import Errors
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary
    from harness.report.sections import Section

MEANING: Mapping[Verdict, str] = {
    "client-limited": "the load generator was the limit: the server may be faster than its number",
    "network-limited": "the link was the limit: the server may be faster than its number",
    "invalid": "a sanity check failed; ignore this number",
    "unsupported": "it cannot be measured here, for the reason given",
    "failed": "the server or the load generator failed, so there is no number",
}
"""What each verdict other than `valid` means."""
LIMITS: Mapping[Verdict, str] = {"client-limited": "the load generator", "network-limited": "the link"}
"""What limits a number that the server may exceed, by its verdict."""
FIGURES: Mapping[Preference, str] = {"throughput": "throughput", "p99": "p99", "cpu": "CPU", "memory": "memory"}
"""What candidates can be ranked by, in sentences."""


def headline(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """The result in short."""
    return [] if is_sweep(run) else _tally(run, sections)


def list_warnings(run: RunInfo) -> list[str]:
    """What a reader must know before believing the result."""
    if run.shares_cpus:
        return ["The load generator and the servers shared CPUs: each took time from the other."]
    return []


def _tally(run: RunInfo, sections: Sequence[Section]) -> list[str]:
    """How often each candidate is first, and how often it shares first place, which is no win."""
    if run.conditions.rounds < RANKED_FROM_ROUNDS and run.conditions.precision is None:
        few = {1: "One round", 2: "Two rounds"}[run.conditions.rounds]
        return [f"{few} cannot tell servers apart, so nothing is ranked; measure at least {RANKED_FROM_ROUNDS} rounds."]
    if not any(list_ranked(section) for section in sections):
        return ["Nothing could be ranked."]
    leaders = [list_first(section) for section in sections if len(list_ranked(section)) > 1 or list_ahead(section)]
    if len(leaders) <= 1:
        return []
    alone = Counter(first[0].name for first in leaders if len(first) == 1)
    shared = Counter(each.name for first in leaders if len(first) > 1 for each in first)
    names = sorted({*alone, *shared}, key=lambda name: (-alone[name], -shared[name], name))
    places = [f"{name} {_count_places(alone[name], shared[name], len(leaders))}" for name in names]
    return [f"{'; '.join(places)}."]


def _count_places(alone: int, shared: int, of: int) -> str:
    """`is first in 3 of 8 comparisons and shares first place in 2`."""
    if not alone:
        return f"shares first place in {shared} of {of} comparisons"
    return f"is first in {alone} of {of} comparisons" + (f" and shares first place in {shared}" if shared else "")


def list_ranked(section: Section) -> list[CaseSummary]:
    """The candidates that have a rank. The control is no candidate, even if it is faster."""
    return [each for each in section.summary.candidates if valid_rank(each)]


def list_leaders(section: Section) -> list[CaseSummary]:
    """The candidates that share the best rank."""
    ranked = list_ranked(section)
    return [each for each in ranked if valid_rank(each) == valid_rank(ranked[0])]


def list_limited(section: Section) -> list[CaseSummary]:
    """The candidates that may be faster than their numbers."""
    return [each for each in section.summary.candidates if each.verdict in LIMITS and each.measured]


def list_ahead(section: Section) -> list[CaseSummary]:
    """Those of them whose numbers are above all with a rank: they are faster, and nobody knows by how much."""
    if section.summary.ranked_by != "throughput" or not list_ranked(section):
        return []
    fastest_rps = max(each.throughput_rps.high for each in list_ranked(section) if each.throughput_rps)
    return [
        each
        for each in list_limited(section)
        if each.rounds >= RANKED_FROM_ROUNDS and each.throughput_rps and each.throughput_rps.low > fastest_rps
    ]


def list_first(section: Section) -> list[CaseSummary]:
    """The candidates that are first, or of which one is: without a rank where their numbers are above all others."""
    return list_limited(section) if list_ahead(section) else list_leaders(section)


def name_limits(limited: Sequence[CaseSummary]) -> str:
    """`the load generator was the limit`."""
    return f"{' or '.join(dict.fromkeys(LIMITS[each.verdict] for each in limited))} was the limit"


def answer(section: Section) -> str:
    """Who is first in this comparison; in a sweep, up to which rate each candidate keeps its p99 short."""
    if sweep.has_rates(section):
        return sweep.sentence(section)
    candidates, title, by = section.summary.candidates, section.title, section.summary.ranked_by
    ranked = list_ranked(section)
    limited = list_limited(section)
    few = [each for each in candidates if each.verdict == "valid" and 0 < each.rounds < RANKED_FROM_ROUNDS]
    if not ranked and few:
        often = "once" if all(each.rounds == 1 for each in few) else "twice"
        speeds = f"{join([_name_and_speed(each, by) for each in few])} {_unit(section)}"
        return f"Measured {often} on {title}: {speeds}; too few rounds to rank.{_aside(limited, by)}"
    if not ranked:
        return f"No number on {title} can be ranked{_explain_unranked(section)}.{_aside(limited, by)}"
    leaders = list_leaders(section)
    followers = (
        [each for each in ranked if valid_rank(each) == valid_rank(ranked[len(leaders)])] if ranked != leaders else []
    )
    names = join([each.name for each in leaders])
    speeds = f"{join([_speed(each, by) for each in leaders])} {_unit(section)}"
    if len(candidates) == 1:
        return f"{names} answers {speeds} on {title}."
    if len(ranked) == 1:
        return f"Only {names} could be ranked on {title}: {speeds}.{_aside(limited, by)}"
    leads = "share first place" if len(leaders) > 1 else "is first"
    before = f", before {join([_name_and_speed(each, by) for each in followers])}" if followers else ""
    among = "Of those with a rank, " if limited else ""
    return f"{among}{names} {leads} on {title} with {speeds}{before}.{_aside(limited, by)}"


def _explain_unranked(section: Section) -> str:
    """What a figure needs that some valid cases do not have."""
    if not any(each.verdict == "valid" for each in section.summary.candidates):
        return ""
    needs = {"p99": " by p99, which needs 1,000 requests in each of three rounds (--duration)"}
    return needs.get(section.summary.ranked_by, f" by {FIGURES[section.summary.ranked_by]}, which is not known")


def name_other_leaders(section: Section) -> str:
    """Who is first by the figures that the ranking is not made of; empty where nobody can be told first."""
    if sweep.has_rates(section):
        return ""
    usual = section.summary.ranked_by
    same_rate = isinstance(section.summary.comparison.load, Rate)
    places = []
    for by in PREFERENCES:
        ranked = [each for each in section.summary.candidates if each.verdict == "valid" and by in each.ranks]
        if by == usual or len(ranked) < 2 or (by == "throughput" and same_rate):  # noqa: PLR2004 - nobody is first alone
            continue
        leaders = [each.name for each in ranked if each.ranks[by] == 1]
        places.append(f"{FIGURES[by]} {join(leaders)} {'share first place' if len(leaders) > 1 else 'is first'}")
    return f"By {'; by '.join(places)}." if places else ""


def explain_reference(run: RunInfo, section: Section) -> str:
    """What takes the place of the baseline where it cannot be measured; empty where it can."""
    instead = substitute(run, section.summary)
    if instead is None:
        return ""
    baseline = baseline_name(run, section.summary.summaries)
    others = "the fastest candidate that can be measured here"
    return f"{baseline} is unsupported here, so ratios are ratios to {instead.name}, {others}."


def _aside(limited: Sequence[CaseSummary], by: Preference) -> str:
    """Which candidates may be faster than their numbers."""
    if not limited:
        return ""
    verb = "is" if len(limited) == 1 else "are"
    return f" {join([_name_and_speed(each, by) for each in limited])} {verb} not ranked: {name_limits(limited)}."


@dataclass(frozen=True)
class Unanswered:
    """A case without a valid number, and why."""

    comparison: str
    name: str
    verdict: Verdict
    reasons: tuple[str, ...]
    errors: tuple[str, ...]


def list_unanswered(sections: Sequence[Section]) -> list[Unanswered]:
    """Every case whose verdict is not `valid`, in the order of the tables."""
    return [
        Unanswered(place(section, each), each.name, each.verdict, each.reasons, _error_lines(each.errors))
        for section in sections
        for each in section.summary.summaries
        if each.verdict != "valid"
    ]


@dataclass(frozen=True)
class Reason:
    """Why cases have no valid number, and which."""

    verdict: Verdict
    lines: tuple[str, ...]
    cases: tuple[str, ...]
    """`uvicorn and daphne on echo over HTTP/2 with TLS`, a line for each comparison."""


def group_unanswered(cases: Sequence[Unanswered]) -> list[Reason]:
    """The cases without a valid number by what went wrong, in the order of the tables."""
    found: dict[tuple[Verdict, tuple[str, ...]], dict[str, list[str]]] = {}
    for each in cases:
        found.setdefault((each.verdict, (*each.reasons, *each.errors)), {}).setdefault(each.comparison, []).append(
            each.name
        )
    return [
        Reason(verdict, lines, tuple(f"{join(names)} on {where}" for where, names in own.items()))
        for (verdict, lines), own in found.items()
    ]


def place(section: Section, summary: CaseSummary) -> str:
    """`plaintext over HTTP/1.1`; in a sweep `plaintext over HTTP/1.1 at 500 requests/s`."""
    at = f" at {count(summary.offered_rps)} requests/s" if summary.own_share and summary.offered_rps else ""
    return section.title + at


def _error_lines(errors: Errors) -> tuple[str, ...]:
    return tuple(
        f"{kind} × {count(number)}" + (f", the first: {errors.examples[kind]}" if kind in errors.examples else "")
        for kind, number in errors.by_kind.items()
    )


def _unit(section: Section) -> str:
    """The unit of what candidates are ranked by."""
    load = section.summary.comparison.load
    match section.summary.ranked_by:
        case "p99":
            return "ms at p99"
        case "cpu":
            return "µs CPU a request"
        case "memory":
            return "MB of memory at the peak"
    return f"requests/s, the most that meets {load.level}" if isinstance(load, Capacity) else "requests/s"


def _speed(summary: CaseSummary, by: Preference) -> str:
    """What a candidate is ranked by; memory is not blurred by what others do."""
    figure = summary.find_figure(by)
    unit = {"throughput": 1, "p99": 1_000, "cpu": 1, "memory": 1_000_000}[by]
    if figure is None:
        return "no" if by == "throughput" else "unknown"
    blurred = summary.disturbed and by != "memory"
    return (DISTURBED if blurred else "") + significant(figure.median / unit)


def _name_and_speed(summary: CaseSummary, by: Preference) -> str:
    return f"{summary.name} ({_speed(summary, by)})"
