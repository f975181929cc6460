"""Two runs, or two candidates of runs, set against each other: B ÷ A, figure by figure, with 95 % intervals. Pure.

Within one run rounds are paired: in each, both sides met the same machine. Two runs have no rounds in common, and what
changed on the machine between them is part of every difference.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from harness.analysis.case_rounds import collect
from harness.analysis.comparison import (
    COMPARISON_SCHEMA,
    CasePair,
    Difference,
    Entry,
    Judgement,
    Origin,
    RunComparison,
    StartPair,
)
from harness.analysis.conditions import find_changes, find_mismatches, list_conditions
from harness.analysis.intervals import PER_MILLE, carries, estimate, paired_ratio, unpaired_ratio
from harness.model.loads import Rate, Sweep
from harness.model.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from harness.analysis.case_rounds import CaseRounds
    from harness.analysis.comparison import Finding, Side
    from harness.analysis.gates import Gate, Metric
    from harness.model.plan import Case, ServerConfig
    from harness.model.results import ServerStart
    from harness.model.summaries import Ratio

MORE_IS_BETTER: frozenset[Metric] = frozenset({"throughput"})

_LACKING: Mapping[Metric, str] = {
    "throughput": "no round has an answer",
    "p50": "too few requests to carry it",
    "p99": "too few requests to carry it",
    "cpu": "the server's CPU time was not sampled",
    "memory": "the server's memory was not sampled",
    "ready": "no start came to a right answer",
}
"""Why there may be no figure."""

ByRound = dict[int, float]


def compare(a: Side, b: Side, gates: Sequence[Gate] = ()) -> RunComparison:
    """Set B against A: cases that are equal, or with a candidate on each side equal in all but the server."""
    paired = a.info.id == b.info.id
    ours, theirs = _by_case(a), _by_case(b)
    own_rates = _own_rates(a, ours, theirs), _own_rates(b, theirs, ours)
    common = [question for question in ours if question in theirs]
    cases = tuple(_pair(ours[each], theirs[each], paired=paired) for each in common)
    starts = _starts(a, b, ours.values(), theirs.values(), paired=paired)
    only_a = tuple(_entry(ours[each]) for each in ours if each not in theirs and each not in own_rates[0])
    servers = {(pair.a.case.server, pair.b.case.server) for pair in cases}
    return RunComparison(
        schema=COMPARISON_SCHEMA,
        a=_origin(a),
        b=_origin(b),
        paired=paired,
        cases=cases,
        starts=starts,
        only_a=only_a,
        only_b=tuple(_entry(theirs[each]) for each in theirs if each not in ours and each not in own_rates[1]),
        gates=tuple(each for gate in gates for each in _judgements(gate, cases, starts, only_a)),
        changes=find_changes(a.info, b.info, servers, (a.starts, b.starts)),
        unlike=find_mismatches(a.info, b.info, (a.server, b.server)),
        conditions_a=list_conditions(a.info, a.server),
        conditions_b=list_conditions(b.info, b.server),
        own_rates=(len(own_rates[0]), len(own_rates[1])),
    )


def _origin(side: Side) -> Origin:
    info, environment = side.info, side.info.environment
    return Origin(
        side.label,
        info.id,
        info.started_at,
        side.server,
        environment.git_commit,
        shlex.join(info.argv),
        environment.host,
        environment.system,
        environment.app_commit,
    )


def _by_case(side: Side) -> dict[Case, CaseRounds]:
    """The outcomes of a side, each by its case, without the server where that is the candidate."""
    own = [record for record in side.records if side.server in {None, record.case.label}]
    ordered = sorted(collect(own), key=lambda each: (*_place(each.case), each.case.label))
    return {
        each.case if side.server is None else replace(each.case, server="", control=False): each for each in ordered
    }


def _place(case: Case) -> tuple[str, int, float, str, int, int, int, str]:
    place = PROTOCOLS.index(case.protocol)
    rps = case.load.rps if isinstance(case.load, Rate) else 0.0
    return case.scenario, place, rps, case.load.text, case.users, case.streams, case.workers, case.app


def _own_rates(side: Side, own: Iterable[Case], others: Collection[Case]) -> frozenset[Case]:
    """Cases of a sweep at rates that the other side does not have: shares of what a server reached itself."""
    if not isinstance(side.info.conditions.load, Sweep):
        return frozenset()
    return frozenset(case for case in own if case not in others and isinstance(case.load, Rate))


def _entry(outcome: CaseRounds) -> Entry:
    return Entry(outcome.case, outcome.verdict, outcome.reasons)


def _pair(a: CaseRounds, b: CaseRounds, *, paired: bool) -> CasePair:
    if (a.verdict, b.verdict) != ("valid", "valid"):
        return CasePair(_entry(a), _entry(b), ())
    ours, theirs = _figures(a), _figures(b)
    differences = (_difference(metric, ours[metric], theirs[metric], paired=paired) for metric in ours)
    return CasePair(_entry(a), _entry(b), tuple(differences))


def _figures(outcome: CaseRounds) -> dict[Metric, ByRound]:
    """What each round says, by its number."""
    peaks: ByRound = {}
    p50_us: ByRound = {}
    for each in outcome.rounds:
        if seen := [sample.pss_bytes for sample in each.samples if sample.pss_bytes is not None]:
            peaks[each.number] = max(seen)
        if carries(each.result.response.count, PER_MILLE["p50"]):
            p50_us[each.number] = each.result.response.percentile(50)
    return {
        "throughput": dict(outcome.throughput_rps),
        "p50": p50_us,
        "p99": dict(outcome.p99_us),
        "cpu": dict(outcome.cpu_us_per_request),
        "memory": peaks,
    }


def _starts(
    a: Side, b: Side, ours: Iterable[CaseRounds], theirs: Iterable[CaseRounds], *, paired: bool
) -> tuple[StartPair, ...]:
    """Each way of starting that A measured, and what B has of it; once, however many cases it served."""
    starts = dict.fromkeys(each.case.config for each in ours if each.verdict != "unsupported")
    found = []
    for life in starts:
        counterpart = life if b.server is None else replace(life, server=b.server)
        missing = "" if any(each.case.config == counterpart for each in theirs) else "B has no such start"
        times = _ready_s(a.starts, life), _ready_s(b.starts, counterpart)
        found.append(StartPair(life, counterpart, _difference("ready", *times, paired=paired, missing=missing)))
    return tuple(found)


def _ready_s(starts: Iterable[ServerStart], life: ServerConfig) -> ByRound:
    """Start-up time of each round; of a server that ended and was started again in its round, the median."""
    by_round: dict[int, list[float]] = {}
    for each in starts:
        if each.config == life and each.ready_s is not None:
            by_round.setdefault(each.round, []).append(each.ready_s)
    return {number: median(several) for number, several in by_round.items()}


def _difference(metric: Metric, a: ByRound, b: ByRound, *, paired: bool, missing: str = "") -> Difference:
    difference = Difference(
        metric, estimate(tuple(a.values())), estimate(tuple(b.values())), len(a), len(b), "not compared"
    )
    if not a or not b:
        sides = "neither side has it" if not a and not b else f"{'A' if not a else 'B'} does not have it"
        return replace(difference, reason=missing or f"{sides}: {_LACKING[metric]}")
    ratio = paired_ratio(b, a) if paired else unpaired_ratio(list(b.values()), list(a.values()))
    if ratio is None:
        return replace(difference, reason="no round has it on both sides" if paired else "its figures are 0")
    if not _repeated(a, b, paired=paired):
        return replace(difference, ratio=ratio, reason="a single round has no interval")
    return replace(
        difference, ratio=ratio, finding=_finding(metric, ratio), told_from=math.sqrt(ratio.high / ratio.low) - 1
    )


def _repeated(a: ByRound, b: ByRound, *, paired: bool) -> bool:
    """Are there rounds enough for an interval: two that both have, or two of each?"""
    ours, theirs = ({number for number, value in side.items() if value > 0} for side in (a, b))
    return len(ours & theirs) > 1 if paired else min(len(ours), len(theirs)) > 1


def _finding(metric: Metric, ratio: Ratio) -> Finding:
    if ratio.low <= 1 <= ratio.high:
        return "no difference seen"
    return "better" if (ratio.low > 1) == (metric in MORE_IS_BETTER) else "worse"


def _judgements(
    gate: Gate, cases: Sequence[CasePair], starts: Sequence[StartPair], only_a: Sequence[Entry]
) -> list[Judgement]:
    """What became of a gate wherever A has something to hold B to; at least one, for none may pass unchecked.

    A case that A does not support has no figure to fall behind, nor has one that only B has.
    """
    if gate.metric == "ready":
        found = [_judgement(gate, pair.a, pair.difference) for pair in starts]
    else:
        found = [
            _judgement(gate, pair.a.case, pair.difference(gate.metric), _doubt(pair))
            for pair in cases
            if pair.a.verdict != "unsupported"
        ]
        absent = (each.case for each in only_a if each.verdict != "unsupported")
        found += [_judgement(gate, case, None, "B has no such case") for case in absent]
    return found or [Judgement(gate.text, gate.metric, None, "not checked", reason="nothing that A measured")]


def _doubt(pair: CasePair) -> str:
    """Which sides are not valid."""
    doubts = [(name, entry.verdict) for name, entry in (("A", pair.a), ("B", pair.b)) if entry.verdict != "valid"]
    return " and ".join(f"{name} is {verdict}" for name, verdict in doubts)


def _judgement(gate: Gate, about: Case | ServerConfig, difference: Difference | None, reason: str = "") -> Judgement:
    if difference is None or difference.ratio is None or difference.finding == "not compared":
        reason = reason or (difference.reason if difference else "")
        ratio = difference.ratio if difference else None
        return Judgement(gate.text, gate.metric, about, "not checked", ratio, reason)
    return Judgement(gate.text, gate.metric, about, gate.judge(difference.ratio), difference.ratio)
