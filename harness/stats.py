"""From records to the answer: one summary per case, ranks within each question, ratios to the baseline. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from harness.findings import CaseSummary, Errors, Memory, Ratios
from harness.histogram import Histogram
from harness.intervals import PER_MILLE, carries, estimate, latency, paired_ratio
from harness.model import PROTOCOLS, rate_of
from harness.verdict import combine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.findings import LifeRecord, LoadResult, Record, Sample
    from harness.model import Case, Verdict

EDGE_NS = 200_000_000
"""How much of either end of a window may lie outside the samples."""

Question = tuple[str, int, str, str, int, int, int]
"""What servers are compared on: scenario, place of the protocol, app, load, users, streams, workers."""


@dataclass(frozen=True)
class _Round:
    """What one round that counts says of its case."""

    number: int
    result: LoadResult
    samples: tuple[Sample, ...]

    @property
    def throughput_rps(self) -> float:
        return self.result.throughput_rps

    @property
    def cpu_us_per_request(self) -> float | None:
        cpu_s = cpu_between(self.samples, self.result.window_start_ns, self.result.window_end_ns)
        return None if cpu_s is None else cpu_s * 1e6 / self.result.answers

    @property
    def p99_us(self) -> float | None:
        response = self.result.response
        return response.percentile(99) if carries(response.count, PER_MILLE["p99"]) else None


@dataclass(frozen=True)
class _Row:
    """A case with its verdict and what its rounds say, by their numbers."""

    case: Case
    verdict: Verdict
    reasons: tuple[str, ...]
    errors: Errors
    rounds: tuple[_Round, ...]
    throughput_rps: Mapping[int, float]
    cpu_us_per_request: Mapping[int, float]
    p99_us: Mapping[int, float]

    @property
    def standing(self) -> Mapping[int, float]:
        """What servers are ranked by, more is better: their rate; at a given rate, how soon 99 % are answered."""
        if rate_of(self.case.load) is None:
            return self.throughput_rps
        return {number: 1 / p99_us for number, p99_us in self.p99_us.items() if p99_us > 0}

    @property
    def question(self) -> Question:
        case = self.case
        place = PROTOCOLS.index(case.protocol)
        return case.scenario, place, case.app, case.load, case.users, case.streams, case.workers


def summarise(records: Sequence[Record], lives: Sequence[LifeRecord], *, baseline: str, seed: int) -> list[CaseSummary]:
    """One summary per case, in the order of scenario, protocol and rank; the same for the same records and seed.

    A valid case counts its valid rounds. Any other counts every round that had an answer: its numbers are shown as what
    they are, and never ranked. `errors` are those of all rounds, counted or not.

    `ratio_to_baseline` is None where the server named `baseline` has no valid number for the same question, because it
    does not speak the protocol or because its number is the generator's; nothing takes its place. Ranks do without.
    """
    by_case: dict[Case, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.round, record.position)):
        by_case.setdefault(record.case, []).append(record)
    by_question: dict[Question, list[_Row]] = {}
    for own in by_case.values():
        row = _row(own)
        by_question.setdefault(row.question, []).append(row)
    summaries = []
    for _, rows in sorted(by_question.items()):
        places = _ranks(rows)
        reference = next((row for row in rows if row.case.server == baseline and row.verdict == "valid"), None)
        rows.sort(key=lambda row: (places.get(row.case.server, len(rows) + 1), -_standing(row), row.case.server))
        summaries += [_summary(row, lives, reference, places.get(row.case.server), seed) for row in rows]
    return summaries


def cpu_between(samples: Iterable[Sample], start_ns: int, end_ns: int) -> float | None:
    """CPU seconds of a process tree from `start_ns` to `end_ns`, linear between its samples.

    None where the samples miss more than `EDGE_NS` at either end, or all of the window. A shorter end that they miss
    counts at the mean rate of the rest: counting nothing there would flatter the server.
    """
    line = sorted(samples, key=lambda sample: sample.at_ns)
    if not line:
        return None
    first_ns, last_ns = max(start_ns, line[0].at_ns), min(end_ns, line[-1].at_ns)
    if first_ns - start_ns > EDGE_NS or end_ns - last_ns > EDGE_NS or last_ns <= first_ns:
        return None
    at_ns = [sample.at_ns - start_ns for sample in line]
    cpu_s = [sample.cpu_s for sample in line]
    before_s, after_s = np.interp([first_ns - start_ns, last_ns - start_ns], at_ns, cpu_s)
    return float(after_s - before_s) * (end_ns - start_ns) / (last_ns - first_ns)


def _row(records: Sequence[Record]) -> _Row:
    """The row of one case from its records, in the order of the rounds."""
    verdict, reasons = combine(records)
    rounds = tuple(
        _Round(record.round, record.result, record.samples)
        for record in records
        if record.result is not None
        and record.result.requests > 0
        and (verdict != "valid" or record.verdict == "valid")
    )
    return _Row(
        case=records[0].case,
        verdict=verdict,
        reasons=reasons,
        errors=_sum_errors([record.result.errors for record in records if record.result is not None]),
        rounds=rounds,
        throughput_rps=_by_round(rounds, lambda each: each.throughput_rps),
        cpu_us_per_request=_by_round(rounds, lambda each: each.cpu_us_per_request),
        p99_us=_by_round(rounds, lambda each: each.p99_us),
    )


def _by_round(rounds: Iterable[_Round], figure: Callable[[_Round], float | None]) -> dict[int, float]:
    return {each.number: value for each in rounds if (value := figure(each)) is not None}


def _sum_errors(several: Sequence[Errors]) -> Errors:
    by_kind: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for errors in several:
        by_kind.update(errors.by_kind)
        examples |= {kind: example for kind, example in errors.examples.items() if kind not in examples}
    return Errors(sum(errors.total for errors in several), dict(by_kind), examples)


def _standing(row: _Row) -> float:
    return median(row.standing.values()) if row.standing else 0.0


def _ranks(rows: Sequence[_Row]) -> dict[str, int]:
    """Rank of each server with a valid number, 1 for the best; those that do not separate share one (1, 1, 3).

    From the best median down, a server shares the rank of the last leader unless the interval of its standing's ratio
    to that leader, paired by round, lies below 1; then it leads on. A single round separates nothing, so what was
    measured once has no rank. Each interval is one comparison at 95 %, not corrected for many.
    """
    repeated = [row for row in rows if row.verdict == "valid" and len(row.standing) > 1]
    valid = sorted(repeated, key=lambda row: (-_standing(row), row.case.server))
    ranks: dict[str, int] = {}
    leader = None
    for place, row in enumerate(valid, start=1):
        if leader is None or _slower(row, leader):
            leader, rank = row, place
        ranks[row.case.server] = rank
    return ranks


def _slower(row: _Row, leader: _Row) -> bool:
    ratio = paired_ratio(row.standing, leader.standing)
    return ratio is not None and ratio.high < 1 and len(row.standing.keys() & leader.standing.keys()) > 1


def _summary(
    row: _Row, lives: Sequence[LifeRecord], reference: _Row | None, rank: int | None, seed: int
) -> CaseSummary:
    own_lives = [life for life in lives if life.life == row.case.life]
    results = [each.result for each in row.rounds]
    chance = _chance(seed, row.case)
    rate = rate_of(row.case.load)
    offered_rps = rate.rps if rate else None
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
        memory_pss_bytes=_memory(row, own_lives),
        ready_s=estimate([life.ready_s for life in own_lives if life.ready_s is not None]),
        stop_s=estimate([life.stop_s for life in own_lives if life.stop_s is not None]),
        connections=sum(result.connections.opened for result in results),
        offered_rps=offered_rps,
        achieved_ratio=median(row.throughput_rps.values()) / offered_rps
        if offered_rps and row.throughput_rps
        else None,
        rank=rank,
        ratio_to_baseline=None if reference is None else _ratios(row, reference),
    )


def _memory(row: _Row, lives: Iterable[LifeRecord]) -> Memory:
    """Median of the idle sizes, and the largest size seen in a round that counts."""
    idle = [life.idle_pss_bytes for life in lives if life.idle_pss_bytes is not None]
    seen = [sample.pss_bytes for each in row.rounds for sample in each.samples if sample.pss_bytes is not None]
    return Memory(idle=round(median(idle)) if idle else None, peak=max(seen, default=None))


def _ratios(row: _Row, reference: _Row) -> Ratios | None:
    throughput = paired_ratio(row.throughput_rps, reference.throughput_rps)
    if throughput is None:
        return None
    cpu = paired_ratio(row.cpu_us_per_request, reference.cpu_us_per_request)
    return Ratios(throughput, cpu, paired_ratio(row.p99_us, reference.p99_us))


def _chance(seed: int, case: Case) -> np.random.Generator:
    """Numbers of this case's own, so that other cases in the run do not change them."""
    digest = blake2b(f"{seed} {case!r}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))
