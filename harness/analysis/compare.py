"""Compares two runs, or two candidates: B ÷ A, figure by figure, with 95 % intervals. Pure.

Within one run, rounds are paired: in each round, both sides met the same state of the machine. Two runs have no rounds
in common, so a change of the machine between them is part of every difference.
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
from harness.analysis.intervals import PER_MILLE, estimate, has_tail, paired_ratio, unpaired_ratio
from harness.model.loads import Rate, Sweep

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
    "p50": "too few requests for it",
    "p99": "too few requests for it",
    "cpu": "the server's CPU time was not sampled",
    "memory": "the server's memory was not sampled",
    "ready": "no server start gave a right answer",
}
"""The reason that is given if a side does not have a figure."""

ByRound = dict[int, float]


def compare(a: Side, b: Side, gates: Sequence[Gate] = ()) -> RunComparison:
    """Compare B with A: equal cases, or if each side is one server, cases that are equal in all but the server."""
    paired = a.info.id == b.info.id
    ours, theirs = _collect_by_case(a), _collect_by_case(b)
    own_rates = _find_own_rates(a, ours, theirs), _find_own_rates(b, theirs, ours)
    common = [case for case in ours if case in theirs]
    cases = tuple(_compare_case(ours[each], theirs[each], paired=paired) for each in common)
    starts = _compare_starts(a, b, ours.values(), theirs.values(), paired=paired)
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
        gates=tuple(each for gate in gates for each in _check_gate(gate, cases, starts, only_a)),
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


def _collect_by_case(side: Side) -> dict[Case, CaseRounds]:
    """The rounds of each case of a side; if the side is one server, its name is left out of the cases."""
    own = [record for record in side.records if side.server in {None, record.case.label}]
    ordered = sorted(collect(own), key=lambda each: (*each.case.comparison.place, each.case.app, each.case.label))
    return {
        each.case if side.server is None else replace(each.case, server="", control=False): each for each in ordered
    }


def _find_own_rates(side: Side, own: Iterable[Case], others: Collection[Case]) -> frozenset[Case]:
    """Cases of a sweep at rates that the other side does not have: shares of the server's own closed-loop rate."""
    if not isinstance(side.info.conditions.load, Sweep):
        return frozenset()
    return frozenset(case for case in own if case not in others and isinstance(case.load, Rate))


def _entry(rounds: CaseRounds) -> Entry:
    return Entry(rounds.case, rounds.verdict, rounds.reasons)


def _compare_case(a: CaseRounds, b: CaseRounds, *, paired: bool) -> CasePair:
    if (a.verdict, b.verdict) != ("valid", "valid"):
        return CasePair(_entry(a), _entry(b), ())
    ours, theirs = _list_figures(a), _list_figures(b)
    differences = (_compare_figure(metric, ours[metric], theirs[metric], paired=paired) for metric in ours)
    return CasePair(_entry(a), _entry(b), tuple(differences))


def _list_figures(rounds: CaseRounds) -> dict[Metric, ByRound]:
    """Each figure by the number of its round."""
    peaks: ByRound = {}
    p50_us: ByRound = {}
    for each in rounds.rounds:
        if seen := [sample.pss_bytes for sample in each.samples if sample.pss_bytes is not None]:
            peaks[each.number] = max(seen)
        if has_tail(each.result.response.count, PER_MILLE["p50"]):
            p50_us[each.number] = each.result.response.percentile(50)
    return {
        "throughput": dict(rounds.throughput_rps),
        "p50": p50_us,
        "p99": dict(rounds.p99_us),
        "cpu": dict(rounds.cpu_us_per_request),
        "memory": peaks,
    }


def _compare_starts(
    a: Side, b: Side, ours: Iterable[CaseRounds], theirs: Iterable[CaseRounds], *, paired: bool
) -> tuple[StartPair, ...]:
    """Compare the start-up time of each server configuration of A, once for all cases that it served."""
    configs = dict.fromkeys(each.case.config for each in ours if each.verdict != "unsupported")
    found = []
    for config in configs:
        counterpart = config if b.server is None else replace(config, server=b.server)
        missing = "" if any(each.case.config == counterpart for each in theirs) else "B has no such start"
        times = _list_ready_s(a.starts, config), _list_ready_s(b.starts, counterpart)
        found.append(StartPair(config, counterpart, _compare_figure("ready", *times, paired=paired, missing=missing)))
    return tuple(found)


def _list_ready_s(starts: Iterable[ServerStart], config: ServerConfig) -> ByRound:
    """Start-up time by round; the median if a server ended and was started again in its round."""
    by_round: dict[int, list[float]] = {}
    for each in starts:
        if each.config == config and each.ready_s is not None:
            by_round.setdefault(each.round, []).append(each.ready_s)
    return {number: median(several) for number, several in by_round.items()}


def _compare_figure(metric: Metric, a: ByRound, b: ByRound, *, paired: bool, missing: str = "") -> Difference:
    difference = Difference(
        metric, estimate(tuple(a.values())), estimate(tuple(b.values())), len(a), len(b), "not compared"
    )
    if not a or not b:
        sides = "neither side has it" if not a and not b else f"{'A' if not a else 'B'} does not have it"
        return replace(difference, reason=missing or f"{sides}: {_LACKING[metric]}")
    ratio = paired_ratio(b, a) if paired else unpaired_ratio(list(b.values()), list(a.values()))
    if ratio is None:
        return replace(difference, reason="no round has it on both sides" if paired else "its figures are 0")
    if not _has_interval(a, b, paired=paired):
        return replace(difference, ratio=ratio, reason="a single round has no interval")
    return replace(
        difference, ratio=ratio, finding=_judge_ratio(metric, ratio), told_from=math.sqrt(ratio.high / ratio.low) - 1
    )


def _has_interval(a: ByRound, b: ByRound, *, paired: bool) -> bool:
    """Are there enough rounds for an interval: two in common if paired, else two on each side?"""
    ours, theirs = ({number for number, value in side.items() if value > 0} for side in (a, b))
    return len(ours & theirs) > 1 if paired else min(len(ours), len(theirs)) > 1


def _judge_ratio(metric: Metric, ratio: Ratio) -> Finding:
    if ratio.low <= 1 <= ratio.high:
        return "no difference seen"
    return "better" if (ratio.low > 1) == (metric in MORE_IS_BETTER) else "worse"


def _check_gate(
    gate: Gate, cases: Sequence[CasePair], starts: Sequence[StartPair], only_a: Sequence[Entry]
) -> list[Judgement]:
    """Check a gate on every case, or every server configuration, of A.

    There is always a judgement, so that no gate passes unchecked. Cases that are unsupported in A or that only B has
    cannot be worse than in A and are left out.
    """
    if gate.metric == "ready":
        found = [_judge(gate, pair.a, pair.difference) for pair in starts]
    else:
        found = [
            _judge(gate, pair.a.case, pair.difference(gate.metric), _explain_invalid(pair))
            for pair in cases
            if pair.a.verdict != "unsupported"
        ]
        absent = (each.case for each in only_a if each.verdict != "unsupported")
        found += [_judge(gate, case, None, "B has no such case") for case in absent]
    return found or [Judgement(gate.text, gate.metric, None, "not checked", reason="A measured nothing")]


def _explain_invalid(pair: CasePair) -> str:
    """Say which sides are not valid; empty if both are."""
    doubts = [(name, entry.verdict) for name, entry in (("A", pair.a), ("B", pair.b)) if entry.verdict != "valid"]
    return " and ".join(f"{name} is {verdict}" for name, verdict in doubts)


def _judge(gate: Gate, about: Case | ServerConfig, difference: Difference | None, reason: str = "") -> Judgement:
    if difference is None or difference.ratio is None or difference.finding == "not compared":
        reason = reason or (difference.reason if difference else "")
        ratio = difference.ratio if difference else None
        return Judgement(gate.text, gate.metric, about, "not checked", ratio, reason)
    return Judgement(gate.text, gate.metric, about, gate.judge(difference.ratio), difference.ratio)
