"""What was measured of each case, round by round, before anything is estimated from it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from harness.analysis.intervals import PER_MILLE, as_turns, has_tail
from harness.analysis.verdict import GRAVITY
from harness.model.results import Errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.analysis.intervals import Key, Turns
    from harness.model.histogram import Histogram
    from harness.model.plan import Case, Preference
    from harness.model.records import Record, Sample, Verdict
    from harness.model.results import LoadResult

KeyOf = TypeVar("KeyOf")

LEFT_OUT_LIMIT = 0.20
"""Of the rounds: a case stays valid without one round in five."""


@dataclass(frozen=True)
class Round:
    """What was measured of a case in one block of a round; a case that every block holds has several in a round."""

    key: Key
    result: LoadResult
    samples: tuple[Sample, ...]
    slice_cpu_s: tuple[float | None, ...] = ()
    offered_rps: float = 0.0
    """The rate that a search found."""
    disturbed: bool = False
    """Did the host, other processes or a CPU quota take so much CPU time that its absolute numbers are too low?"""
    cpu_s_by_program: Mapping[str, float] = field(default_factory=dict)

    @property
    def throughput_rps(self) -> float:
        return self.result.throughput_rps

    @property
    def throughput_by_cycle_rps(self) -> Mapping[int, float]:
        return {each.cycle: each.answers / each.counted_s for each in self.result.slices if each.answers}

    @property
    def cpu_us_per_request(self) -> float | None:
        """CPU time of all slices ÷ requests that were answered in them, those of lead-ins and ends included."""
        known = [each for each in self.slice_cpu_s if each is not None]
        finished = sum(each.finished for each in self.result.slices)
        return sum(known) * 1e6 / finished if finished and known and len(known) == len(self.slice_cpu_s) else None

    @property
    def cpu_us_by_program(self) -> Mapping[str, float]:
        """The parts of `cpu_us_per_request`, where the server's processes run several programs."""
        finished = sum(each.finished for each in self.result.slices)
        return {program: cpu_s * 1e6 / finished for program, cpu_s in self.cpu_s_by_program.items() if finished}

    @property
    def cpu_by_cycle_us(self) -> Mapping[int, float]:
        """CPU time per request in µs."""
        pairs = zip(self.result.slices, self.slice_cpu_s, strict=False)
        return {each.cycle: cpu_s * 1e6 / each.finished for each, cpu_s in pairs if cpu_s and each.finished}

    @property
    def context_switches_per_request(self) -> float | None:
        """Of all the server's threads, from the first slice to the last; None where the samples do not reach so far."""
        counted = [(sample.at_ns, sample.switches) for sample in self.samples if sample.switches is not None]
        start_ns, end_ns = self.result.slices[0].opened_ns, self.result.slices[-1].drained_ns
        if not counted or counted[0][0] > start_ns or counted[-1][0] < end_ns:
            return None
        at_ns = [at_ns - start_ns for at_ns, _ in counted]
        before, after = np.interp([0, end_ns - start_ns], at_ns, [switches for _, switches in counted])
        return float(after - before) / sum(each.finished for each in self.result.slices)

    @property
    def frequency_mhz(self) -> float | None:
        """Mean frequency of the server's CPUs over the measurement; None if the kernel does not say."""
        seen = [sample.frequency_mhz for sample in self.samples if sample.frequency_mhz is not None]
        return fmean(seen) if seen else None

    @property
    def peak_bytes(self) -> int | None:
        """The largest memory of all samples; None where it is unknown."""
        return max((each.memory_bytes for each in self.samples if each.memory_bytes is not None), default=None)

    @property
    def p99_us(self) -> float | None:
        return find_p99_us(self.result.response)


@dataclass(frozen=True)
class CaseRounds:
    """A case with its verdict and its figures by round."""

    case: Case
    verdict: Verdict
    reasons: tuple[str, ...]
    errors: Errors
    """Those of all rounds, whether they count or not, as are the numbers down to `pushes`."""
    errors_by_request: Mapping[tuple[str, str], int]
    """By method and name."""
    unanswered: int
    reopened: int
    resent: int
    pushes: int
    rounds: tuple[Round, ...]
    throughput_rps: Mapping[Key, float]
    cpu_us_per_request: Mapping[Key, float]
    p99_us: Mapping[Key, float]
    overloaded: bool
    """Was more offered than the server answers, in most of its rounds?"""
    idle_cpu_ratio: float | None
    """The most that its processes used while it was not its turn, in cores."""

    @property
    def requests(self) -> list[str]:
        """The names of the requests that had right answers."""
        return list(
            dict.fromkeys(part.label for each in self.rounds for part in each.result.by_request if part.requests)
        )

    @property
    def round_count(self) -> int:
        return count_rounds(each.key for each in self.rounds)

    @property
    def disturbed_round_count(self) -> int:
        return count_rounds(each.key for each in self.rounds if each.disturbed)

    @property
    def disturbed(self) -> bool:
        """Were so many rounds disturbed that the median itself may be? It is not while fewer than half were."""
        disturbed = self.disturbed_round_count
        return disturbed > 0 and 2 * disturbed >= self.round_count

    @property
    def throughput_turns(self) -> Turns:
        return {each.key: each.throughput_by_cycle_rps for each in self.rounds}

    @property
    def cpu_turns(self) -> Turns:
        return {each.key: each.cpu_by_cycle_us for each in self.rounds}

    @property
    def p99_turns(self) -> Turns:
        return as_turns(self.p99_us)

    def standing(self, by: Preference) -> Mapping[Key, float]:
        """What servers are ranked by, more is better: their rate, or one ÷ a figure of which less is better."""
        match by:
            case "throughput":
                return self.throughput_rps
            case "p99":
                return _invert(self.p99_us)
            case "cpu":
                return _invert(self.cpu_us_per_request)
            case "memory":
                return _invert(_by_round(self.rounds, lambda each: each.peak_bytes))

    def median_standing(self, by: Preference) -> float:
        """The standing over all rounds; 0 without one."""
        standing = self.standing(by)
        return median(standing.values()) if standing else 0.0

    def standing_turns(self, by: Preference) -> Turns:
        """The same by cycle, where it is known for each."""
        match by:
            case "throughput":
                return self.throughput_turns
            case "cpu":
                return {key: _invert(cycles) for key, cycles in self.cpu_turns.items()}
        return as_turns(self.standing(by))


def collect(records: Sequence[Record]) -> list[CaseRounds]:
    """One for each case, in the order in which they were first measured; of a search, only its final trial counts.

    A measurement that was interrupted is made again as a whole: of two records of a case in one block the last counts.
    """
    by_case: dict[Case, dict[Key, Record]] = {}
    for record in sorted(records, key=lambda record: (record.round, record.position)):
        if record.counts:
            by_case.setdefault(record.case, {})[record.round, record.block] = record
    return [_collect_case(tuple(own.values())) for own in by_case.values()]


def count_rounds(keys: Iterable[Key]) -> int:
    """How many rounds there are in these; of one round, a case may have been measured in several blocks."""
    return len({number for number, _ in keys})


def find_p99_us(response: Histogram) -> float | None:
    """The p99 of response times; None with too few of them."""
    return response.percentile(99) if has_tail(response.count, PER_MILLE["p99"]) else None


def combine(records: Sequence[Record]) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict on a case from the records of its rounds (at least one), and the reasons.

    Valid when at least four rounds in five are: the others are left out, and a reason says so. A round in which the
    server failed requests is never left out, since it failed them however seldom it does so. Otherwise the commonest
    verdict among the bad rounds, of two equally common ones the graver. Reasons that differ in their figures alone are
    reported once, with the figure of the first round.
    """
    records = sorted(records, key=lambda record: record.round)
    by_verdict: dict[Verdict, list[Record]] = {}
    for record in records:
        by_verdict.setdefault(record.verdict, []).append(record)
    valid = by_verdict.pop("valid", [])
    bad = [record for several in by_verdict.values() for record in several]
    if valid and len(bad) <= LEFT_OUT_LIMIT * len(records) and not any(map(_failed_requests, bad)):
        omissions = (
            f"{len(own)} of {_count(records)} left out as {verdict}: {', '.join(_list_reasons(own, own))}"
            for verdict, own in sorted(by_verdict.items())
        )
        return "valid", (*omissions, *_list_reasons(valid, valid))
    commonest = max(by_verdict, key=lambda verdict: (len(by_verdict[verdict]), GRAVITY.index(verdict)))
    return commonest, _list_reasons(by_verdict[commonest], records)


def _count(records: Sequence[Record]) -> str:
    """`7 rounds`, or of a case that every block holds `14 trials`."""
    return f"{len(records)} {'rounds' if len({each.round for each in records}) == len(records) else 'trials'}"


def _failed_requests(record: Record) -> bool:
    """Were there requests without a right answer? A search for a capacity causes them on purpose."""
    return record.result is not None and record.result.errors.total > 0 and record.probe is None


def _collect_case(records: Sequence[Record]) -> CaseRounds:
    """One case from its records, in the order of the rounds."""
    verdict, reasons = combine(records)
    results = [record.result for record in records if record.result is not None]
    rounds = tuple(
        Round(
            (record.round, record.block),
            record.result,
            record.samples,
            record.slice_cpu_s,
            record.probe.rate_rps if record.probe else 0.0,
            record.disturbed,
            record.cpu_s_by_program,
        )
        for record in records
        if record.result is not None
        and record.result.requests > 0
        and (verdict != "valid" or record.verdict == "valid")
    )
    return CaseRounds(
        case=records[0].case,
        verdict=verdict,
        reasons=reasons,
        errors=_sum_errors([result.errors for result in results]),
        errors_by_request=_sum_errors_by_request(results),
        unanswered=sum(result.unanswered for result in results),
        reopened=sum(result.connections.reopened for result in results),
        resent=sum(result.connections.resent for result in results),
        pushes=sum(result.pushes for result in results),
        rounds=rounds,
        throughput_rps=_by_round(rounds, lambda each: each.throughput_rps),
        cpu_us_per_request=_by_round(rounds, lambda each: each.cpu_us_per_request),
        p99_us=_by_round(rounds, lambda each: each.p99_us),
        overloaded=sum(record.overloaded for record in records) > len(records) / 2,
        idle_cpu_ratio=max((each.idle_cpu_ratio for each in records if each.idle_cpu_ratio is not None), default=None),
    )


def _invert(figures: Mapping[KeyOf, float]) -> dict[KeyOf, float]:
    return {key: 1 / value for key, value in figures.items() if value > 0}


def _by_round(rounds: Iterable[Round], figure: Callable[[Round], float | None]) -> dict[Key, float]:
    return {each.key: value for each in rounds if (value := figure(each)) is not None}


def _sum_errors(several: Sequence[Errors]) -> Errors:
    by_kind: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for errors in several:
        by_kind.update(errors.by_kind)
        examples |= {kind: example for kind, example in errors.examples.items() if kind not in examples}
    return Errors(sum(errors.total for errors in several), dict(by_kind), examples)


def _sum_errors_by_request(results: Iterable[LoadResult]) -> dict[tuple[str, str], int]:
    total: Counter[tuple[str, str]] = Counter()
    for result in results:
        total.update({(each.method, each.name): each.errors for each in result.by_request if each.errors})
    return dict(total)


def _list_reasons(records: Sequence[Record], every: Sequence[Record]) -> tuple[str, ...]:
    """The reasons of these records, each once; if it is not that of every record, it says of how many."""
    first: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for record in records:
        own = {_without_figures(reason): reason for reason in record.reasons}
        first = own | first
        seen.update(own.keys())
    return tuple(
        first[kind] if count == len(every) else f"{first[kind]} ({count} of {_count(every)})"
        for kind, count in seen.items()
    )


def _without_figures(reason: str) -> str:
    return re.sub(r"\d[\d.,]*", "#", reason)
