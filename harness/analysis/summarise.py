"""From records to the answer: a summary of each case, ranks in each comparison, ratios to the baseline. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import blake2b
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.budget import combine_variances, estimate_variances
from harness.analysis.case_rounds import LEFT_OUT_LIMIT, collect, count_rounds
from harness.analysis.intervals import estimate, estimate_latency, half_width, paired_ratio, warming_ratio
from harness.analysis.naming import Naming
from harness.model.histogram import Histogram
from harness.model.loads import Rate, Saturate, Sweep
from harness.model.summaries import CaseSummary, ComparisonSummary, Memory, Ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.analysis.budget import Variances
    from harness.analysis.case_rounds import CaseRounds, Round
    from harness.model.plan import Candidate, Case, Comparison
    from harness.model.results import LoadResult, Record, RunInfo, ServerStart
    from harness.model.summaries import Estimate, Ratio


RANKED_FROM_ROUNDS = 3
"""Nobody is ranked with fewer rounds: with two, Student's factor is 12.7."""
PRECISE_FROM_ROUNDS = 8
"""Before, no interval is taken for precise: to stop as soon as one is narrow picks those that are so by chance.

Begun after five rounds, with log-normal noise of 10 %, they held the truth in 92 % of simulated runs; after eight, in
93.5 % or more. `benchmarks/interval_coverage.py` does it with rounds that were measured.
"""


def summarise(records: Sequence[Record], starts: Sequence[ServerStart], run: RunInfo) -> list[ComparisonSummary]:
    """Every comparison of a run, in the order of scenario and protocol; the same for the same records and seed.

    A valid case counts its valid rounds. Any other counts every round that had an answer: its numbers are shown with
    their verdict, and never ranked. `errors` are those of all rounds, counted or not.

    `ratio_to_baseline` is None where the baseline was measured in the same comparison and has no valid number. Where it
    does not speak the protocol, the fastest candidate that does takes its place. Ranks do not need it. The control gets
    no rank and takes none from others.
    """
    comparisons = _by_comparison(records)
    naming = Naming.of(row.case.candidate for rows in comparisons.values() for row in rows)
    reached: dict[Comparison, dict[Candidate, float]] = {}
    for case, rps in reached_rps(records).items():
        reached.setdefault(case.comparison.sweep, {})[case.candidate] = rps
    summaries: dict[Comparison, list[CaseSummary]] = {}
    references: dict[Comparison, Candidate] = {}
    for comparison, rows in comparisons.items():
        whole = comparison.sweep if isinstance(run.conditions.load, Sweep) else comparison
        reference = _reference(rows, run.baseline)
        if reference is not None:
            references.setdefault(whole, reference.case.candidate)
        own_rps = reached.get(comparison.sweep, {})
        summaries.setdefault(whole, []).extend(_summarise_comparison(rows, reference, starts, run, naming, own_rps))
    return [ComparisonSummary(each, _order(own), references.get(each)) for each, own in summaries.items()]


def _summarise_comparison(
    rows: Sequence[CaseRounds],
    reference: CaseRounds | None,
    starts: Sequence[ServerStart],
    run: RunInfo,
    naming: Naming,
    own_rps: Mapping[Candidate, float],
) -> list[CaseSummary]:
    """The cases of one comparison, ÷ `reference`; `own_rps` is what each candidate reached in a closed loop."""
    ranks = _ranks([row for row in rows if not row.case.control])
    precisions = _precisions(rows, reference)
    spreads = _start_spreads(rows, reference)
    found = []
    for row in rows:
        candidate, load, closed_rps = row.case.candidate, row.case.load, own_rps.get(row.case.candidate)
        found.append(
            replace(
                _summary(row, starts, _divisor(row, rows, reference), run.conditions.seed),
                rank=ranks.get(candidate),
                name=naming.name(candidate),
                precision=precisions.get(row.case),
                start_spread=spreads.get(row.case),
                own_share=load.rps / closed_rps if isinstance(load, Rate) and closed_rps else None,
            )
        )
    return found


def _start_spreads(rows: Sequence[CaseRounds], reference: CaseRounds | None) -> dict[Case, float]:
    """How much each server's rate varies from one start to the next: the standard deviation, 0.03 for 3 %.

    The ratios of a server to the baseline vary by the starts of both and by what is left of the noise of the cycles.
    The control is a second start of the baseline in the same round: half of its variance is the baseline's own.
    """
    control = next((row for row in rows if row.case.control), None)
    twice = None if control is None else _controlled(control, rows)
    if reference is None or control is None or twice is None:
        return {}
    of_control = estimate_variances(control.throughput_turns, twice.throughput_turns)
    if of_control is None:
        return {}
    found = {control.case: of_control.of_starts / 2, twice.case: of_control.of_starts / 2}
    pairs = {
        row.case: each.of_starts
        for row in rows
        if row not in (reference, control)
        and (each := estimate_variances(row.throughput_turns, reference.throughput_turns)) is not None
    }
    if reference is not twice:
        if twice.case not in pairs:
            return {}
        found[reference.case] = max(0.0, pairs[twice.case] - found[twice.case])
    for case, variance in pairs.items():
        found.setdefault(case, max(0.0, variance - found[reference.case]))
    return {case: math.sqrt(variance) for case, variance in found.items()}


def _controlled(control: CaseRounds, rows: Iterable[CaseRounds]) -> CaseRounds | None:
    """The case that a control is measured against: its own candidate's."""
    own = replace(control.case, control=False)
    return next((row for row in rows if row.case == own and row.verdict == "valid"), None)


def _divisor(row: CaseRounds, rows: Iterable[CaseRounds], reference: CaseRounds | None) -> CaseRounds | None:
    """What a case is divided by: the reference, and a control by the case that it is measured against."""
    return _controlled(row, rows) if row.case.control else reference


def _order(summaries: Iterable[CaseSummary]) -> tuple[CaseSummary, ...]:
    """Candidate by candidate in the order of their places, each in its closed loop and then by rate."""
    own = list(summaries)
    places = {
        each.case.candidate: _place(each)
        for each in sorted(own, key=lambda each: not isinstance(each.case.load, Saturate), reverse=True)
    }
    return tuple(sorted(own, key=lambda each: (places[each.case.candidate], each.offered_rps or 0.0)))


def _place(summary: CaseSummary) -> tuple[float, float, str]:
    """The ranked by rank, then the measured by speed, then the others by name."""
    speed = summary.throughput_rps.median if summary.throughput_rps else -1.0
    rank = summary.rank if summary.verdict == "valid" else None
    return rank or float("inf"), -speed, summary.name


def reached_rps(records: Sequence[Record]) -> dict[Case, float]:
    """The rate of each case in a closed loop, in requests/s: what the rates of a sweep are shares of.

    A rate that is not ranked, because the machine was busy or the generator at its limit, is good enough for that.
    """
    return {row.case: _standing(row) for row in collect(records) if isinstance(row.case.load, Saturate) and row.rounds}


def imprecise(records: Sequence[Record], baseline: Candidate, precision: float) -> set[Case]:
    """The cases not yet known to ±`precision`, with the baselines that more rounds of them need.

    They are those whose intervals are wider, or have too few rounds to be trusted with when to stop. A case that is
    not valid, but was in some rounds, is among them: with more of them, a bad one counts for less.
    """
    sometimes_valid = {record.case for record in records if record.verdict == "valid"}
    wanted: set[Case] = set()
    for rows in _by_comparison(records).values():
        undecided = {row.case for row in rows if row.verdict != "valid"} & sometimes_valid
        reference = _reference(rows, baseline)
        widths = _precisions(rows, reference)
        rounds = {row.case: row.round_count for row in rows}
        own = {
            case
            for case, width in widths.items()
            if width is None or width > precision or rounds[case] < PRECISE_FROM_ROUNDS or case in undecided
        }
        if own and reference is not None:
            own.add(reference.case)
        wanted |= own
    return wanted


def _by_comparison(records: Sequence[Record]) -> dict[Comparison, list[CaseRounds]]:
    """The cases of each comparison, comparisons in their order."""
    found: dict[Comparison, list[CaseRounds]] = {}
    for row in collect(records):
        found.setdefault(row.case.comparison, []).append(row)
    return dict(sorted(found.items(), key=lambda item: item[0].place))


def _reference(rows: Sequence[CaseRounds], baseline: Candidate) -> CaseRounds | None:
    """The case that the others are divided by: the baseline's, or where it is not supported the fastest that is.

    Of several blocks, only what all of them hold can be compared with everybody; few rounds may be left out. A baseline
    that was measured and is not valid leaves the comparison without ratios.
    """
    own = next((row for row in rows if row.case.candidate == baseline), None)
    if own is not None and own.verdict != "unsupported":
        return own if own.verdict == "valid" else None
    valid = [row for row in rows if row.verdict == "valid" and not row.case.control]
    every = {each.key for row in valid for each in row.rounds}
    common = [row for row in valid if len(row.rounds) >= (1 - LEFT_OUT_LIMIT) * len(every)]
    return max(common or valid, key=_standing, default=None)


def _precisions(rows: Iterable[CaseRounds], reference: CaseRounds | None) -> dict[Case, float | None]:
    """Of each case that was measured; one that has no other to be compared with must be precise by itself."""
    measured = [row for row in rows if row.rounds]
    if len(measured) == 1:
        reference = None
    return {row.case: _precision(row, _divisor(row, measured, reference)) for row in measured}


def _precision(row: CaseRounds, reference: CaseRounds | None) -> float | None:
    """Half the width of the widest interval of throughput and CPU: of the ratios, or without a baseline its own.

    None where a single round leaves no interval.
    """
    if row.round_count < 2:  # noqa: PLR2004 - one round has no interval
        return None
    if row is reference:
        return 0.0
    bounds: list[Ratio | Estimate | None]
    if reference is None:
        bounds = [estimate(tuple(own.values())) for own in (row.throughput_rps, row.cpu_us_per_request)]
    else:
        bounds = [
            paired_ratio(row.throughput_turns, reference.throughput_turns),
            paired_ratio(row.cpu_turns, reference.cpu_turns),
        ]
    widths = [half_width(each) for each in bounds if each is not None and each.low > 0]
    return max(widths, default=None)


def _standing(row: CaseRounds) -> float:
    return median(row.standing.values()) if row.standing else 0.0


def _ranks(rows: Sequence[CaseRounds]) -> dict[Candidate, int]:
    """Rank of each candidate with a valid number, 1 for the best; those that do not separate share one (1, 1, 3).

    From the best median down, one shares the rank of the last leader unless the interval of its standing's ratio to
    that leader lies below 1; then it is the next leader. Two rounds have intervals too wide to say anything, so a case
    with fewer than three has no rank. Each interval is one comparison at 95 %, not corrected for many.
    """
    repeated = [row for row in rows if row.verdict == "valid" and count_rounds(row.standing) >= RANKED_FROM_ROUNDS]
    valid = sorted(repeated, key=lambda row: (-_standing(row), row.case.candidate))
    ranks: dict[Candidate, int] = {}
    leader = None
    for place, row in enumerate(valid, start=1):
        if leader is None or _slower(row, leader):
            leader, rank = row, place
        ranks[row.case.candidate] = rank
    return ranks


def _slower(row: CaseRounds, leader: CaseRounds) -> bool:
    ratio = paired_ratio(row.standing_turns, leader.standing_turns)
    return ratio is not None and ratio.high < 1


def _summary(row: CaseRounds, starts: Sequence[ServerStart], reference: CaseRounds | None, seed: int) -> CaseSummary:
    own_lives = [life for life in starts if life.config == row.case.config]
    results = [each.result for each in row.rounds]
    chance = _chance(seed, row.case)
    offered_rps = _offered_rps(row)
    return CaseSummary(
        case=row.case,
        verdict=row.verdict,
        reasons=row.reasons,
        rounds=row.round_count,
        requests=sum(result.requests for result in results),
        errors=row.errors,
        throughput_rps=estimate(tuple(row.throughput_rps.values())),
        throughput_by_round_rps=tuple(row.throughput_rps.values()),
        latency_us=estimate_latency([result.response for result in results], chance),
        service_us=estimate_latency([result.service for result in results], chance),
        send_lag_us=estimate_latency([result.send_lag for result in results], chance),
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
        disturbed=row.disturbed,
        unanswered=sum(result.unanswered for result in results),
        reopened=sum(result.connections.reopened for result in results),
        resent=sum(result.connections.resent for result in results),
        warming=warming_ratio(row.throughput_turns),
        idle_cpu_ratio=row.idle_cpu_ratio,
        slice_s=_median_slice_s(results),
        ratio_to_baseline=None if reference is None else _ratios(row, reference),
    )


def _median_slice_s(results: Iterable[LoadResult]) -> float | None:
    """The usual counted time of a slice."""
    lengths = [each.counted_s for result in results for each in result.slices]
    return median(lengths) if lengths else None


def _figure(row: CaseRounds, figure: Callable[[Round], float | None]) -> Estimate | None:
    return estimate([value for each in row.rounds if (value := figure(each)) is not None])


def _offered_rps(row: CaseRounds) -> float | None:
    """The rate that was asked for, or that a search came to; None in a closed loop."""
    if isinstance(row.case.load, Rate):
        return row.case.load.rps
    return median(each.offered_rps for each in row.rounds) if any(each.offered_rps for each in row.rounds) else None


def _memory(row: CaseRounds, starts: Iterable[ServerStart]) -> Memory:
    """Median of the idle sizes, and the largest size seen in a round that counts."""
    idle = [life.idle_memory_bytes for life in starts if life.idle_memory_bytes is not None]
    seen = [sample.memory_bytes for each in row.rounds for sample in each.samples if sample.memory_bytes is not None]
    return Memory(idle=round(median(idle)) if idle else None, peak=max(seen, default=None))


def _ratios(row: CaseRounds, reference: CaseRounds) -> Ratios | None:
    throughput = paired_ratio(row.throughput_turns, reference.throughput_turns)
    if throughput is None:
        return None
    cpu = paired_ratio(row.cpu_turns, reference.cpu_turns)
    return Ratios(throughput, cpu, paired_ratio(row.p99_turns, reference.p99_turns))


def _chance(seed: int, case: Case) -> np.random.Generator:
    """Numbers of this case's own, so that other cases in the run do not change them."""
    digest = blake2b(f"{seed} {case!r}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))


def usual_variances(records: Sequence[Record], baseline: Candidate) -> Variances | None:
    """How much the ratios of throughput to the baseline vary by cycles and by starts; None until that is known."""
    found = []
    for rows in _by_comparison(records).values():
        reference = _reference(rows, baseline)
        if reference is not None:
            theirs = reference.throughput_turns
            found += [estimate_variances(row.throughput_turns, theirs) for row in rows if row is not reference]
    return combine_variances(each for each in found if each is not None)
