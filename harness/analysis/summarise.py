"""From records to the answer: a summary of each case, ranks in each comparison, ratios to the baseline. Pure."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from harness.analysis.by_request import summarise_requests
from harness.analysis.case_rounds import collect, count_rounds
from harness.analysis.intervals import (
    LEAST_ROUNDS,
    estimate,
    estimate_latency,
    make_chance,
    pair_turns,
    paired_ratio,
    ratio_of_logs,
    warming_ratio,
)
from harness.analysis.naming import Naming
from harness.analysis.precision import estimate_precisions, estimate_start_spreads
from harness.analysis.references import find_divisor, find_reference, group_by_comparison
from harness.analysis.timeline import trace
from harness.model.histogram import Histogram
from harness.model.loads import Rate, Saturate, Sweep
from harness.model.plan import PREFERENCES, usual_preference
from harness.model.summaries import CaseSummary, ComparisonSummary, Memory, Ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.random import Generator

    from harness.analysis.case_rounds import CaseRounds, Round
    from harness.model.plan import Candidate, Case, Comparison, Preference
    from harness.model.records import Record, ServerStart
    from harness.model.results import LoadResult
    from harness.model.run_info import RunInfo
    from harness.model.summaries import Estimate, Latency


RANKED_FROM_ROUNDS = LEAST_ROUNDS
"""Nobody is ranked with fewer rounds."""


def summarise(records: Sequence[Record], starts: Sequence[ServerStart], run: RunInfo) -> list[ComparisonSummary]:
    """Every comparison of a run, in the order of scenario and protocol; the same for the same records and seed.

    A valid case counts its valid rounds. Any other counts every round that had an answer: its numbers are shown with
    their verdict, and never ranked. `errors` are those of all rounds, counted or not.

    `ratio_to_baseline` is None where the baseline was measured in the same comparison and has no valid number. Where it
    does not speak the protocol, the fastest candidate that does takes its place. Ranks do not need it. The control gets
    no rank and takes none from others. What was measured only to tell how much the server matters is in none of them
    (`server_share.py`).
    """
    records = [record for record in records if not record.case.aside]
    comparisons = group_by_comparison(records)
    naming = Naming.of(row.case.candidate for rows in comparisons.values() for row in rows)
    timelines = trace(records)
    reached: dict[Comparison, dict[Candidate, float]] = {}
    for case, rps in reached_rps(records).items():
        reached.setdefault(case.comparison.sweep, {})[case.candidate] = rps
    summaries: dict[Comparison, list[CaseSummary]] = {}
    references: dict[Comparison, Candidate] = {}
    for comparison, rows in comparisons.items():
        whole = comparison.sweep if isinstance(run.conditions.load, Sweep) else comparison
        reference = find_reference(rows, run.baseline)
        if reference is not None:
            references.setdefault(whole, reference.case.candidate)
        own_rps = reached.get(comparison.sweep, {})
        ranked_by = run.prefer or usual_preference(comparison.load)
        summaries.setdefault(whole, []).extend(
            _summarise_comparison(rows, reference, starts, run, naming, own_rps, ranked_by)
        )
    for each, own in summaries.items():
        summaries[each] = [replace(one, timeline=timelines.get(one.case, ())) for one in own]
    return [ComparisonSummary(each, _order(own), references.get(each), run.prefer) for each, own in summaries.items()]


def _summarise_comparison(
    rows: Sequence[CaseRounds],
    reference: CaseRounds | None,
    starts: Sequence[ServerStart],
    run: RunInfo,
    naming: Naming,
    own_rps: Mapping[Candidate, float],
    ranked_by: Preference,
) -> list[CaseSummary]:
    """The cases of one comparison, ÷ `reference`; `own_rps` is what each candidate reached in a closed loop."""
    candidates = [row for row in rows if not row.case.control]
    ranks = {by: _ranks(candidates, by, reference) for by in PREFERENCES}
    precisions = estimate_precisions(rows, reference)
    spreads = estimate_start_spreads(rows, reference)
    found = []
    for row in rows:
        candidate, load, closed_rps = row.case.candidate, row.case.load, own_rps.get(row.case.candidate)
        found.append(
            replace(
                _summary(row, starts, find_divisor(row, rows, reference), run.conditions.seed),
                rank=ranks[ranked_by].get(candidate),
                ranks={by: own[candidate] for by, own in ranks.items() if candidate in own},
                name=naming.name(candidate),
                precision=precisions.get(row.case),
                start_spread=spreads.get(row.case),
                own_share=load.rps / closed_rps if isinstance(load, Rate) and closed_rps else None,
            )
        )
    return found


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
    return {
        row.case: row.median_standing("throughput")
        for row in collect(records)
        if isinstance(row.case.load, Saturate) and row.rounds
    }


def _ranks(rows: Sequence[CaseRounds], by: Preference, reference: CaseRounds | None) -> dict[Candidate, int]:
    """Rank of each candidate with a valid number, 1 for the best; those that do not separate share one (1, 1, 3).

    From the best standing beside `reference` down, one shares the rank of the last leader unless the interval of its
    standing's ratio to that leader lies below 1; then it is the next leader. Two rounds have intervals too wide to say
    anything: a case with fewer than three has no rank, and two cases with fewer in common share one. Each interval is
    one comparison at 95 %, not corrected for many.
    """
    repeated = [row for row in rows if row.verdict == "valid" and count_rounds(row.standing(by)) >= RANKED_FROM_ROUNDS]
    valid = sorted(repeated, key=lambda row: (-_standing_beside(row, reference, by), row.case.candidate))
    ranks: dict[Candidate, int] = {}
    leader = None
    for place, row in enumerate(valid, start=1):
        if leader is None or _is_behind(row, leader, by, reference):
            leader, rank = row, place
        ranks[row.case.candidate] = rank
    return ranks


def _standing_beside(row: CaseRounds, reference: CaseRounds | None, by: Preference) -> float:
    """The standing that a case would have in the blocks of `reference`: its own may have met a slower machine."""
    ratio = None if reference is None else paired_ratio(row.standing_turns(by), reference.standing_turns(by))
    return (
        row.median_standing(by) if ratio is None or reference is None else ratio.value * reference.median_standing(by)
    )


def _is_behind(row: CaseRounds, leader: CaseRounds, by: Preference, reference: CaseRounds | None) -> bool:
    """Two that rarely were in one block are compared through `reference`, which is in all of them."""
    common = None if reference is None else reference.standing_turns(by)
    logs = pair_turns(row.standing_turns(by), leader.standing_turns(by), common)
    ratio = ratio_of_logs(list(logs.values()))
    return ratio is not None and count_rounds(logs) >= RANKED_FROM_ROUNDS and ratio.high < 1


def _summary(row: CaseRounds, starts: Sequence[ServerStart], reference: CaseRounds | None, seed: int) -> CaseSummary:
    own_lives = [life for life in starts if life.config == row.case.config]
    results = [each.result for each in row.rounds]
    chance = make_chance(seed, row.case)
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
        throughput_rounds=tuple(number + 1 for number, _ in row.throughput_rps),
        latency_us=estimate_latency([result.response for result in results], chance),
        service_us=estimate_latency([result.service for result in results], chance),
        first_byte_us=_first_byte(results, chance),
        send_lag_us=estimate_latency([result.send_lag for result in results], chance),
        response=Histogram.merge(result.response for result in results),
        cpu_us_per_request=estimate(tuple(row.cpu_us_per_request.values())),
        cpu_us_per_request_by_round=tuple(row.cpu_us_per_request.values()),
        cpu_rounds=tuple(number + 1 for number, _ in row.cpu_us_per_request),
        cpu_us_by_program=_cpu_by_program(row),
        context_switches_per_request=_figure(row, lambda each: each.context_switches_per_request),
        frequency_mhz=_figure(row, lambda each: each.frequency_mhz),
        memory_pss_bytes=_memory(row, own_lives),
        ready_s=estimate([life.ready_s for life in own_lives if life.ready_s is not None]),
        first_request_s=estimate([life.first_request_s for life in own_lives if life.first_request_s is not None]),
        stop_s=estimate([life.stop_s for life in own_lives if life.stop_s is not None]),
        connections=sum(result.connections.opened for result in results),
        resumed=sum(result.connections.resumed for result in results),
        idle_connections=min(
            (each for result in results if (each := result.connections.idle) is not None), default=None
        ),
        offered_rps=offered_rps,
        achieved_ratio=median(row.throughput_rps.values()) / offered_rps
        if offered_rps and row.throughput_rps
        else None,
        overloaded=row.overloaded,
        disturbed=row.disturbed,
        disturbed_rounds=row.disturbed_round_count,
        unanswered=row.unanswered,
        reopened=row.reopened,
        resent=row.resent,
        pushes=row.pushes,
        warming=warming_ratio(row.throughput_turns),
        idle_cpu_ratio=row.idle_cpu_ratio,
        slice_s=_median_slice_s(results),
        users_ready_s=estimate([result.users_ready_s for result in results if result.users_ready_s]),
        by_name=summarise_requests(row, reference, chance),
        ratio_to_baseline=None if reference is None else _ratios(row, reference),
    )


def _first_byte(results: Iterable[LoadResult], chance: Generator) -> Latency | None:
    """None unless it is known of every round."""
    histograms = [each.first_byte for each in results]
    known = [each for each in histograms if each is not None]
    return estimate_latency(known, chance) if known and len(known) == len(histograms) else None


def _median_slice_s(results: Iterable[LoadResult]) -> float | None:
    """The usual counted time of a slice."""
    lengths = [each.counted_s for result in results for each in result.slices]
    return median(lengths) if lengths else None


def _figure(row: CaseRounds, figure: Callable[[Round], float | None]) -> Estimate | None:
    return estimate([value for each in row.rounds if (value := figure(each)) is not None])


def _cpu_by_program(row: CaseRounds) -> dict[str, Estimate]:
    """For each program that used CPU time in any round in which several did; in the others of these it used none."""
    known = [each.cpu_us_by_program for each in row.rounds if each.cpu_us_by_program]
    programs = sorted({program for each in known for program in each})
    found = {program: estimate([each.get(program, 0.0) for each in known]) for program in programs}
    return {program: each for program, each in found.items() if each is not None}


def _offered_rps(row: CaseRounds) -> float | None:
    """The rate that was asked for, or that a search came to; None in a closed loop."""
    if isinstance(row.case.load, Rate):
        return row.case.load.rps
    return median(each.offered_rps for each in row.rounds) if any(each.offered_rps for each in row.rounds) else None


def _memory(row: CaseRounds, starts: Iterable[ServerStart]) -> Memory:
    """Median of the idle sizes, and the largest sizes seen in rounds that count."""
    idle = [life.idle_memory_bytes for life in starts if life.idle_memory_bytes is not None]
    seen = [each.peak_bytes for each in row.rounds if each.peak_bytes is not None]
    return Memory(round(median(idle)) if idle else None, max(seen, default=None), estimate(seen))


def _ratios(row: CaseRounds, reference: CaseRounds) -> Ratios | None:
    throughput = paired_ratio(row.throughput_turns, reference.throughput_turns)
    if throughput is None:
        return None
    cpu = paired_ratio(row.cpu_turns, reference.cpu_turns)
    return Ratios(throughput, cpu, paired_ratio(row.p99_turns, reference.p99_turns))
