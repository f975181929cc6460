"""From records to the answer: one summary per case, ranks within each question, ratios to the baseline. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import blake2b
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.case_rounds import outcomes
from harness.analysis.intervals import estimate, latency, paired_ratio
from harness.model.histogram import Histogram
from harness.model.loads import rate_of
from harness.model.summaries import CaseSummary, Memory, Ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.analysis.case_rounds import Contestant, Outcome, Question, Round
    from harness.model.plan import Case
    from harness.model.results import LifeRecord, Record
    from harness.model.summaries import Estimate, Ratio


PRECISE_FROM_ROUNDS = 8
"""Before, no interval is taken for precise: to stop as soon as one is narrow picks those that are so by chance.

Begun after five rounds, with log-normal noise of 10 %, they held the truth in 92 % of simulated runs; after eight, in
93.5 % or more. `benchmarks/interval_coverage.py` does it with rounds that were measured.
"""


def summarise(
    records: Sequence[Record], lives: Sequence[LifeRecord], *, baseline: Contestant, seed: int, twin: str | None = None
) -> list[CaseSummary]:
    """One summary per case, in the order of scenario, protocol and rank; the same for the same records and seed.

    A valid case counts its valid rounds. Any other counts every round that had an answer: its numbers are shown as what
    they are, and never ranked. `errors` are those of all rounds, counted or not.

    `ratio_to_baseline` is None where the `baseline` has no valid number for the same question, because it does not
    speak the protocol or because its number is the generator's; nothing takes its place. Ranks do without. `twin` is
    the name of a baseline that was entered again; it takes no rank from others.
    """
    answers = _answers(records)
    names = _names([row.contestant for rows in answers for row in rows])
    reached = {replace(case, load=""): rps for case, rps in reached_rps(records).items()}
    summaries = []
    for rows in answers:
        places = _ranks([row for row in rows if row.case.server != twin])
        reference = _reference(rows, baseline)
        precisions = _precisions(rows, reference)
        rows.sort(key=lambda row: (places.get(row.contestant, len(rows) + 1), -_standing(row), row.contestant))
        for row in rows:
            rate, own_rps = rate_of(row.case.load), reached.get(replace(row.case, load=""))
            summary = _summary(row, lives, reference, seed)
            summaries.append(
                replace(
                    summary,
                    rank=places.get(row.contestant),
                    name=names[row.contestant],
                    precision=precisions.get(row.case),
                    own_share=rate.rps / own_rps if rate and own_rps else None,
                )
            )
    return summaries


def reached_rps(records: Sequence[Record]) -> dict[Case, float]:
    """The rate of each case in a closed loop: what the rates of a sweep are shares of.

    A rate that is not to be ranked, as the machine was busy or the generator at its limit, is good enough for that.
    """
    return {row.case: _standing(row) for row in outcomes(records) if row.case.load == "saturate" and row.rounds}


def imprecise(records: Sequence[Record], baseline: Contestant, precision: float) -> set[Case]:
    """The cases not yet known to ±`precision`, with the baselines that more rounds of them need.

    They are those whose intervals are wider, or have too few rounds to be trusted with when to stop. A case that is
    not valid, but was in some rounds, is among them: with more of them, a bad one counts for less.
    """
    sometimes_valid = {record.case for record in records if record.verdict == "valid"}
    wanted: set[Case] = set()
    for rows in _answers(records):
        undecided = {row.case for row in rows if row.verdict != "valid"} & sometimes_valid
        reference = _reference(rows, baseline)
        widths = _precisions(rows, reference)
        rounds = {row.case: len(row.rounds) for row in rows}
        own = {
            case
            for case, width in widths.items()
            if width is None or width > precision or rounds[case] < PRECISE_FROM_ROUNDS or case in undecided
        }
        if own and reference is not None:
            own.add(reference.case)
        wanted |= own
    return wanted


def _answers(records: Sequence[Record]) -> list[list[Outcome]]:
    """The outcomes of each question."""
    by_question: dict[Question, list[Outcome]] = {}
    for outcome in outcomes(records):
        by_question.setdefault(outcome.question, []).append(outcome)
    return [rows for _, rows in sorted(by_question.items())]


def _reference(rows: Iterable[Outcome], baseline: Contestant) -> Outcome | None:
    return next((row for row in rows if row.contestant == baseline and row.verdict == "valid"), None)


def _precisions(rows: Iterable[Outcome], reference: Outcome | None) -> dict[Case, float | None]:
    """Of each case that was measured; one that has no other to be compared with must be precise by itself."""
    measured = [row for row in rows if row.rounds]
    rival = reference if len(measured) > 1 else None
    return {row.case: _precision(row, rival) for row in measured}


def _precision(row: Outcome, reference: Outcome | None) -> float | None:
    """Half the width of the widest interval of throughput and CPU: of the ratios, or without a baseline its own.

    None where a single round leaves no interval.
    """
    if len(row.rounds) < 2:  # noqa: PLR2004 - one round has no interval
        return None
    if row is reference:
        return 0.0
    bounds: list[Ratio | Estimate | None] = [
        estimate(tuple(own.values())) if reference is None else paired_ratio(own, theirs)
        for own, theirs in (
            (row.throughput_rps, reference.throughput_rps if reference else {}),
            (row.cpu_us_per_request, reference.cpu_us_per_request if reference else {}),
        )
    ]
    widths = [math.sqrt(each.high / each.low) - 1 for each in bounds if each is not None and each.low > 0]
    return max(widths, default=None)


def _names(contestants: Iterable[Contestant]) -> dict[Contestant, str]:
    """What they are called: by their server, by their app, or by both, whichever there are several of."""
    every = set(contestants)
    servers, apps = {server for server, _ in every}, {app for _, app in every}
    if len(apps) == 1:
        return {(server, app): server for server, app in every}
    return {(server, app): app if len(servers) == 1 else f"{app} on {server}" for server, app in every}


def _standing(row: Outcome) -> float:
    return median(row.standing.values()) if row.standing else 0.0


def _ranks(rows: Sequence[Outcome]) -> dict[Contestant, int]:
    """Rank of each contestant with a valid number, 1 for the best; those that do not separate share one (1, 1, 3).

    From the best median down, one shares the rank of the last leader unless the interval of its standing's ratio
    to that leader, paired by round, lies below 1; then it leads on. A single round separates nothing, so what was
    measured once has no rank. Each interval is one comparison at 95 %, not corrected for many.
    """
    repeated = [row for row in rows if row.verdict == "valid" and len(row.standing) > 1]
    valid = sorted(repeated, key=lambda row: (-_standing(row), row.contestant))
    ranks: dict[Contestant, int] = {}
    leader = None
    for place, row in enumerate(valid, start=1):
        if leader is None or _slower(row, leader):
            leader, rank = row, place
        ranks[row.contestant] = rank
    return ranks


def _slower(row: Outcome, leader: Outcome) -> bool:
    ratio = paired_ratio(row.standing, leader.standing)
    return ratio is not None and ratio.high < 1 and len(row.standing.keys() & leader.standing.keys()) > 1


def _summary(row: Outcome, lives: Sequence[LifeRecord], reference: Outcome | None, seed: int) -> CaseSummary:
    own_lives = [life for life in lives if life.life == row.case.life]
    results = [each.result for each in row.rounds]
    chance = _chance(seed, row.case)
    offered_rps = _offered_rps(row)
    return CaseSummary(
        case=row.case,
        verdict=row.verdict,
        reasons=row.reasons,
        rounds=len(row.rounds),
        requests=sum(result.requests for result in results),
        errors=row.errors,
        throughput_rps=estimate(tuple(row.throughput_rps.values())),
        throughput_by_round_rps=tuple(row.throughput_rps.values()),
        latency_us=latency([result.response for result in results], chance),
        service_us=latency([result.service for result in results], chance),
        send_lag_us=latency([result.send_lag for result in results], chance),
        response=Histogram.merge(result.response for result in results),
        cpu_us_per_request=estimate(tuple(row.cpu_us_per_request.values())),
        cpu_us_per_request_by_round=tuple(row.cpu_us_per_request.values()),
        context_switches_per_request=_figure(row, lambda each: each.context_switches_per_request),
        frequency_mhz=_figure(row, lambda each: each.frequency_mhz),
        memory_pss_bytes=_memory(row, own_lives),
        ready_s=estimate([life.ready_s for life in own_lives if life.ready_s is not None]),
        first_request_s=estimate([life.first_request_s for life in own_lives if life.first_request_s is not None]),
        stop_s=estimate([life.stop_s for life in own_lives if life.stop_s is not None]),
        connections=sum(result.connections.opened for result in results),
        offered_rps=offered_rps,
        achieved_ratio=median(row.throughput_rps.values()) / offered_rps
        if offered_rps and row.throughput_rps
        else None,
        overloaded=row.overloaded,
        ratio_to_baseline=None if reference is None else _ratios(row, reference),
    )


def _figure(row: Outcome, figure: Callable[[Round], float | None]) -> Estimate | None:
    return estimate([value for each in row.rounds if (value := figure(each)) is not None])


def _offered_rps(row: Outcome) -> float | None:
    """The rate that was asked for, or that a search came to; None in a closed loop."""
    rate = rate_of(row.case.load)
    if rate is not None:
        return rate.rps
    return median(each.offered_rps for each in row.rounds) if any(each.offered_rps for each in row.rounds) else None


def _memory(row: Outcome, lives: Iterable[LifeRecord]) -> Memory:
    """Median of the idle sizes, and the largest size seen in a round that counts."""
    idle = [life.idle_pss_bytes for life in lives if life.idle_pss_bytes is not None]
    seen = [sample.pss_bytes for each in row.rounds for sample in each.samples if sample.pss_bytes is not None]
    return Memory(idle=round(median(idle)) if idle else None, peak=max(seen, default=None))


def _ratios(row: Outcome, reference: Outcome) -> Ratios | None:
    throughput = paired_ratio(row.throughput_rps, reference.throughput_rps)
    if throughput is None:
        return None
    cpu = paired_ratio(row.cpu_us_per_request, reference.cpu_us_per_request)
    return Ratios(throughput, cpu, paired_ratio(row.p99_us, reference.p99_us))


def _chance(seed: int, case: Case) -> np.random.Generator:
    """Numbers of this case's own, so that other cases in the run do not change them."""
    digest = blake2b(f"{seed} {case!r}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))
