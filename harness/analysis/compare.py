"""Compares two runs, or two candidates: B ÷ A, figure by figure, with 95 % intervals. Pure.

Within one run, both sides are paired: cycle by cycle where they took turns, else round by round, so that both met the
same state of the machine. Two runs have no rounds in common, so a change of the machine between them is part of every
difference.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from harness.analysis.case_rounds import collect
from harness.analysis.comparison import (
    COMPARISON_SCHEMA,
    CasePair,
    Difference,
    Entry,
    Origin,
    RunComparison,
    StartPair,
)
from harness.analysis.conditions import find_changes, find_mismatches, list_conditions
from harness.analysis.gates import ON_DEMAND
from harness.analysis.intervals import (
    Key,
    Turns,
    as_turns,
    estimate,
    has_tail,
    pair_turns,
    paired_ratio,
    unpaired_ratio,
)
from harness.analysis.judgements import check_gate
from harness.analysis.workloads import explain_requests
from harness.model.loads import Rate, Sweep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from harness.analysis.case_rounds import CaseRounds
    from harness.analysis.comparison import Finding, Side
    from harness.analysis.gates import Gate, Metric
    from harness.model.plan import Case, ServerConfig
    from harness.model.records import ServerStart
    from harness.model.summaries import Ratio

MORE_IS_BETTER: frozenset[Metric] = frozenset({"throughput"})
_PERCENTILES: Mapping[Metric, int] = {"p50": 500, "p90": 900, "p95": 950, "p99": 990}
"""Per mille of the requests that are faster."""

_LACKING: Mapping[Metric, str] = {
    "throughput": "no round has an answer",
    **dict.fromkeys(_PERCENTILES, "too few requests for it"),
    "cpu": "the server's CPU time was not sampled",
    "memory": "the server's memory was not sampled",
    "ready": "no server start gave a right answer",
}
"""The reason that is given if a side does not have a figure."""

ByRound = dict[Key, float]
Entered = TypeVar("Entered", "Case", "ServerConfig")


@dataclass(frozen=True)
class _Figure:
    """A figure of one side."""

    by_round: ByRound
    turns: Turns
    """By cycle, as far as it is known so."""

    @classmethod
    def of(cls, by_round: ByRound) -> _Figure:
        """A figure that is known for whole rounds only."""
        return cls(by_round, as_turns(by_round))

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(self.by_round.values())


def compare(a: Side, b: Side, gates: Sequence[Gate] = ()) -> RunComparison:
    """Compare B with A: equal cases, or if each side is one server or app, cases that are equal in all but that."""
    paired = a.info.id == b.info.id
    metrics = frozenset(gate.metric for gate in gates)
    ours, theirs = _collect_by_case(a), _collect_by_case(b)
    own_rates = _find_own_rates(a, ours, theirs), _find_own_rates(b, theirs, ours)
    common = [case for case in ours if case in theirs]
    workloads = [(a.info.workloads.get(each.scenario), b.info.workloads.get(each.scenario)) for each in common]
    cases = tuple(
        _compare_case(
            ours[each],
            theirs[each],
            explain_requests(ours[each].requests, theirs[each].requests, own),
            metrics,
            paired=paired,
        )
        for each, own in zip(common, workloads, strict=True)
    )
    controls = (
        _compare_controls(a, (ours[each] for each in common if not theirs[each].case.control), metrics)
        if paired
        else ()
    )
    starts = _compare_starts(a, b, ours.values(), theirs.values(), paired=paired)
    only_a = tuple(_entry(ours[each]) for each in ours if each not in theirs and each not in own_rates[0])
    servers = {(pair.a.case.server, pair.b.case.server) for pair in cases}
    apps = {(pair.a.case.app, pair.b.case.app) for pair in cases}
    return RunComparison(
        schema=COMPARISON_SCHEMA,
        a=_origin(a),
        b=_origin(b),
        paired=paired,
        cases=cases,
        starts=starts,
        only_a=only_a,
        only_b=tuple(_entry(theirs[each]) for each in theirs if each not in ours and each not in own_rates[1]),
        gates=tuple(each for gate in gates for each in check_gate(gate, cases, starts, only_a, controls)),
        changes=find_changes(a.info, b.info, servers, (a.starts, b.starts), apps),
        unlike=find_mismatches(a.info, b.info, (a.server, b.server)),
        conditions_a=list_conditions(a.info, a.server),
        conditions_b=list_conditions(b.info, b.server),
        controls=controls,
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
        environment.app_versions.get(side.app, environment.app_commit) if side.app else environment.app_commit,
        side.app,
    )


def _collect_by_case(side: Side) -> dict[Case, CaseRounds]:
    """The rounds of each case of a side; if the side is one server or app, its name is left out of the cases."""
    own = [record for record in side.records if _is_of(side, record.case)]
    ordered = sorted(collect(own), key=lambda each: (*each.case.comparison.place, each.case.app, each.case.label))
    return {_without_candidate(each.case, side): each for each in ordered}


def _is_of(side: Side, case: Case) -> bool:
    if side.app is not None:
        return case.app == side.app and not case.control
    return side.server in {None, case.label}


def _without_candidate(case: Entered, side: Side) -> Entered:
    """A case or configuration without what tells the two sides apart: the server or the app of each."""
    if side.server is not None:
        return replace(case, server="", control=False)
    return case if side.app is None else replace(case, app="")


def _compare_controls(a: Side, ours: Iterable[CaseRounds], metrics: Collection[Metric]) -> tuple[CasePair, ...]:
    """What A measured twice in this run differs by."""
    rounds = {each.case: each for each in collect(a.records)}
    twice = ((own, rounds.get(replace(own.case, control=True))) for own in ours if not own.case.control)
    return tuple(_compare_case(own, control, "", metrics, paired=True) for own, control in twice if control)


def _find_own_rates(side: Side, own: Iterable[Case], others: Collection[Case]) -> frozenset[Case]:
    """Cases of a sweep at rates that the other side does not have: shares of the server's own closed-loop rate."""
    if not isinstance(side.info.conditions.load, Sweep):
        return frozenset()
    return frozenset(case for case in own if case not in others and isinstance(case.load, Rate))


def _entry(rounds: CaseRounds) -> Entry:
    requests = sum(each.result.requests for each in rounds.rounds)
    return Entry(rounds.case, rounds.verdict, rounds.reasons, requests, rounds.errors.total)


def _compare_case(a: CaseRounds, b: CaseRounds, unlike: str, asked: Collection[Metric], *, paired: bool) -> CasePair:
    """The figures of a case on both sides; none is judged where the requests are not the same (`unlike` says how)."""
    if (a.verdict, b.verdict) != ("valid", "valid"):
        return CasePair(_entry(a), _entry(b), (), unlike)
    ours, theirs = _list_figures(a), _list_figures(b)
    metrics = [metric for metric in ours if metric in asked or metric not in ON_DEMAND]
    differences = [_compare_figure(metric, ours[metric], theirs[metric], paired=paired) for metric in metrics]
    if unlike:
        differences = [
            replace(each, finding="not compared", ratio=None, told_from=None, reason=unlike) for each in differences
        ]
    return CasePair(_entry(a), _entry(b), tuple(differences), unlike)


def _list_figures(rounds: CaseRounds) -> dict[Metric, _Figure]:
    responses = {each.key: each.result.response for each in rounds.rounds}
    percentiles = {
        metric: _Figure.of(
            {
                key: response.percentile(per_mille / 10)
                for key, response in responses.items()
                if has_tail(response.count, per_mille)
            }
        )
        for metric, per_mille in _PERCENTILES.items()
    }
    return {
        "throughput": _Figure(dict(rounds.throughput_rps), rounds.throughput_turns),
        **percentiles,
        "cpu": _Figure(dict(rounds.cpu_us_per_request), rounds.cpu_turns),
        "memory": _Figure.of({each.key: each.peak_bytes for each in rounds.rounds if each.peak_bytes is not None}),
    }


def _compare_starts(
    a: Side, b: Side, ours: Iterable[CaseRounds], theirs: Iterable[CaseRounds], *, paired: bool
) -> tuple[StartPair, ...]:
    """Compare the start-up time of each server configuration of A, once for all cases that it served."""
    configs = dict.fromkeys(each.case.config for each in ours if each.verdict != "unsupported")
    counterparts = {_without_candidate(each.case.config, b): each.case.config for each in theirs}
    found = []
    for config in configs:
        counterpart = counterparts.get(_without_candidate(config, b))
        missing = "" if counterpart else "B has no such start"
        counterpart = counterpart or replace(config, server=b.server or config.server, app=b.app or config.app)
        times = _list_ready_s(a.starts, config), _list_ready_s(b.starts, counterpart)
        found.append(StartPair(config, counterpart, _compare_figure("ready", *times, paired=paired, missing=missing)))
    return tuple(found)


def _list_ready_s(starts: Iterable[ServerStart], config: ServerConfig) -> _Figure:
    """Start-up time by round; the median if a server ended and was started again in its round."""
    by_round: dict[int, list[float]] = {}
    for each in starts:
        if each.config == config and each.ready_s is not None:
            by_round.setdefault(each.round, []).append(each.ready_s)
    return _Figure.of({(number, 0): median(several) for number, several in by_round.items()})


def _compare_figure(metric: Metric, a: _Figure, b: _Figure, *, paired: bool, missing: str = "") -> Difference:
    difference = Difference(
        metric, estimate(a.values), estimate(b.values), len(a.values), len(b.values), "not compared"
    )
    if not a.values or not b.values:
        sides = (
            "neither side has it" if not a.values and not b.values else f"{'B' if a.values else 'A'} does not have it"
        )
        return replace(difference, reason=missing or f"{sides}: {_LACKING[metric]}")
    ratio = paired_ratio(b.turns, a.turns) if paired else unpaired_ratio(b.values, a.values)
    if ratio is None:
        return replace(difference, reason="no round has it on both sides" if paired else "its figures are 0")
    if not _has_interval(a, b, paired=paired):
        return replace(difference, ratio=ratio, reason="a single round has no interval")
    return replace(difference, ratio=ratio, finding=_judge_ratio(metric, ratio), told_from=ratio.half_width)


def _has_interval(a: _Figure, b: _Figure, *, paired: bool) -> bool:
    """Are there enough rounds for an interval: two in common if paired, else two on each side?"""
    if paired:
        return len(pair_turns(b.turns, a.turns)) > 1
    return min(sum(value > 0 for value in side.values) for side in (a, b)) > 1


def _judge_ratio(metric: Metric, ratio: Ratio) -> Finding:
    if ratio.low <= 1 <= ratio.high:
        return "no difference seen"
    return "better" if (ratio.low > 1) == (metric in MORE_IS_BETTER) else "worse"
