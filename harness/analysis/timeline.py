"""What each case did in the course of a run, second by second. Pure."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from harness.analysis.case_rounds import find_p99_us
from harness.analysis.intervals import PER_MILLE, has_tail
from harness.model.summaries import Stretch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.model.plan import Case
    from harness.model.records import Record
    from harness.model.results import LoadResult, Slice

_SECOND_NS = 1_000_000_000


def trace(records: Iterable[Record]) -> dict[Case, tuple[Stretch, ...]]:
    """The stretches of each case, in order; of a search, only the final trials count."""
    measurements: dict[tuple[int, int, int], dict[Case, tuple[Record, LoadResult]]] = {}
    for record in records:
        if record.counts and record.result is not None and record.result.slices:
            # A measurement that was interrupted is made again as a whole: the last record of a case counts.
            own = measurements.setdefault((record.round, record.position, record.block), {})
            own[record.case] = record, record.result
    found: dict[Case, list[Stretch]] = {}
    for number, (_, own) in enumerate(sorted(measurements.items(), key=lambda each: each[0])):
        slices = [each for _, result in own.values() for each in result.slices]
        start_ns, end_ns = min(each.opened_ns for each in slices), max(each.drained_ns for each in slices)
        for case, (record, result) in own.items():
            stretch = Stretch(
                number,
                record.round,
                (end_ns - start_ns) / _SECOND_NS,
                _rates(result.slices, start_ns),
                _tails(result, start_ns, end_ns),
                record.disturbed,
            )
            found.setdefault(case, []).append(stretch)
    return {case: tuple(stretches) for case, stretches in found.items()}


def _rates(slices: Sequence[Slice], start_ns: int) -> tuple[tuple[float, float], ...]:
    """The rate of each second with a slice; a slice belongs to the second in which its middle lies."""
    seconds: dict[int, list[Slice]] = {}
    for each in slices:
        if each.counted_s > 0:
            seconds.setdefault(int(_middle_s(each, start_ns)), []).append(each)
    return tuple(
        (
            fmean(_middle_s(each, start_ns) for each in own),
            sum(each.answers for each in own) / sum(each.counted_s for each in own),
        )
        for _, own in sorted(seconds.items())
    )


def _middle_s(of: Slice, start_ns: int) -> float:
    return ((of.start_ns + of.end_ns) / 2 - start_ns) / _SECOND_NS


def _tails(result: LoadResult, start_ns: int, end_ns: int) -> tuple[tuple[float, float], ...]:
    """The p99 of each slice that has one; without any, that of the whole measurement, in its middle."""
    found = [
        (_middle_s(each, start_ns), float(each.p99_us))
        for each in result.slices
        if each.p99_us is not None and has_tail(each.requests, PER_MILLE["p99"])
    ]
    if not found and (p99_us := find_p99_us(result.response)) is not None:
        found = [((end_ns - start_ns) / 2 / _SECOND_NS, p99_us)]
    return tuple(found)
