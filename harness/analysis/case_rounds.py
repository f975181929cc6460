"""What the rounds of a case say, before anything is estimated from them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.intervals import PER_MILLE, has_tail
from harness.analysis.verdict import GRAVITY
from harness.analysis.windows import cpu_between
from harness.model.loads import Rate
from harness.model.results import Errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.model.plan import Case
    from harness.model.results import LoadResult, Record, Sample, Verdict

LEFT_OUT_LIMIT = 0.20
"""Of the rounds: a case stays valid without one round in five."""


@dataclass(frozen=True)
class Round:
    """What one round that counts says of its case."""

    number: int
    result: LoadResult
    samples: tuple[Sample, ...]
    offered_rps: float = 0.0
    """Where a search came to, in its round."""

    @property
    def throughput_rps(self) -> float:
        return self.result.throughput_rps

    @property
    def cpu_us_per_request(self) -> float | None:
        cpu_s = cpu_between(self.samples, self.result.window_start_ns, self.result.window_end_ns)
        return None if cpu_s is None else cpu_s * 1e6 / self.result.answers

    @property
    def context_switches_per_request(self) -> float | None:
        """Of all the server's threads; None where the samples do not reach over the window."""
        counted = [(sample.at_ns, sample.switches) for sample in self.samples if sample.switches is not None]
        start_ns, end_ns = self.result.window_start_ns, self.result.window_end_ns
        if not counted or counted[0][0] > start_ns or counted[-1][0] < end_ns:
            return None
        at_ns = [at_ns - start_ns for at_ns, _ in counted]
        before, after = np.interp([0, end_ns - start_ns], at_ns, [switches for _, switches in counted])
        return float(after - before) / self.result.answers

    @property
    def frequency_mhz(self) -> float | None:
        """Mean of the server's CPUs over the trial; None where the kernel does not tell."""
        seen = [sample.frequency_mhz for sample in self.samples if sample.frequency_mhz is not None]
        return fmean(seen) if seen else None

    @property
    def p99_us(self) -> float | None:
        response = self.result.response
        return response.percentile(99) if has_tail(response.count, PER_MILLE["p99"]) else None


@dataclass(frozen=True)
class CaseRounds:
    """A case with its verdict and what its rounds say, by their numbers."""

    case: Case
    verdict: Verdict
    reasons: tuple[str, ...]
    errors: Errors
    rounds: tuple[Round, ...]
    throughput_rps: Mapping[int, float]
    cpu_us_per_request: Mapping[int, float]
    p99_us: Mapping[int, float]
    overloaded: bool
    """Was more offered than the server answers, in most of its rounds?"""

    @property
    def standing(self) -> Mapping[int, float]:
        """What servers are ranked by, more is better: their rate; at a given rate, how soon 99 % are answered."""
        if not isinstance(self.case.load, Rate):
            return self.throughput_rps
        return {number: 1 / p99_us for number, p99_us in self.p99_us.items() if p99_us > 0}


def collect(records: Sequence[Record]) -> list[CaseRounds]:
    """One for each case, in the order in which the cases first came; of a search for a capacity its ends count."""
    by_case: dict[Case, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.round, record.position)):
        if record.counts:
            by_case.setdefault(record.case, []).append(record)
    return [_collect_case(own) for own in by_case.values()]


def combine(records: Sequence[Record]) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict on a case from the records of its rounds (at least one), and the reasons.

    Valid when at least four rounds in five are: the others are left out, and a reason says so. Otherwise the commonest
    verdict among the bad rounds, of two equally common ones the graver. Reasons that differ in their figures alone are
    told once, with the figure of the first round.
    """
    records = sorted(records, key=lambda record: record.round)
    rounds = len(records)
    by_verdict: dict[Verdict, list[Record]] = {}
    for record in records:
        by_verdict.setdefault(record.verdict, []).append(record)
    valid = by_verdict.pop("valid", [])
    if valid and rounds - len(valid) <= LEFT_OUT_LIMIT * rounds:
        omissions = (
            f"{len(bad)} of {rounds} rounds left out as {verdict}: {', '.join(_told_once(bad, len(bad)))}"
            for verdict, bad in sorted(by_verdict.items())
        )
        return "valid", (*omissions, *_told_once(valid, len(valid)))
    commonest = max(by_verdict, key=lambda verdict: (len(by_verdict[verdict]), GRAVITY.index(verdict)))
    return commonest, _told_once(by_verdict[commonest], rounds)


def _collect_case(records: Sequence[Record]) -> CaseRounds:
    """One case from its records, in the order of the rounds."""
    verdict, reasons = combine(records)
    rounds = tuple(
        Round(record.round, record.result, record.samples, record.probe.rate_rps if record.probe else 0.0)
        for record in records
        if record.result is not None
        and record.result.requests > 0
        and (verdict != "valid" or record.verdict == "valid")
    )
    return CaseRounds(
        case=records[0].case,
        verdict=verdict,
        reasons=reasons,
        errors=_sum_errors([record.result.errors for record in records if record.result is not None]),
        rounds=rounds,
        throughput_rps=_by_round(rounds, lambda each: each.throughput_rps),
        cpu_us_per_request=_by_round(rounds, lambda each: each.cpu_us_per_request),
        p99_us=_by_round(rounds, lambda each: each.p99_us),
        overloaded=sum(record.overloaded for record in records) > len(records) / 2,
    )


def _by_round(rounds: Iterable[Round], figure: Callable[[Round], float | None]) -> dict[int, float]:
    return {each.number: value for each in rounds if (value := figure(each)) is not None}


def _sum_errors(several: Sequence[Errors]) -> Errors:
    by_kind: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for errors in several:
        by_kind.update(errors.by_kind)
        examples |= {kind: example for kind, example in errors.examples.items() if kind not in examples}
    return Errors(sum(errors.total for errors in several), dict(by_kind), examples)


def _told_once(records: Sequence[Record], rounds: int) -> tuple[str, ...]:
    """The reasons of these records, alike ones once; if not in all of the rounds, it is said in how many."""
    first: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for record in records:
        own = {_without_figures(reason): reason for reason in record.reasons}
        first = own | first
        seen.update(own.keys())
    return tuple(
        first[kind] if count == rounds else f"{first[kind]} ({count} of {rounds} rounds)"
        for kind, count in seen.items()
    )


def _without_figures(reason: str) -> str:
    return re.sub(r"\d[\d.,]*", "#", reason)
