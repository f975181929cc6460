"""Whether values that were read from a file can be what a run has written: JSON of the right types may still lie.

What passes can be summarised, drawn and exported: no number overflows, no percentile is outside its histogram.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING

from harness.model.hdr_histogram import LONGEST_US
from harness.model.histogram import Histogram, bucket
from harness.model.loads import Rate
from harness.model.plan import Conditions
from harness.model.records import Record
from harness.model.results import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LARGEST = 10**18
"""No count, size or time of a run is larger; in ns it is 31 years."""
SMALLEST = 1e-15
"""No number of a run is nearer to 0, unless it is 0."""
LARGEST_COUNT = 10**12
"""No case has more requests."""
LONGEST_NAME = 200
_MOST_BUCKET = bucket(LONGEST_US - 1)

_ANY_SIGN = frozenset({"slice_cpu_s", "cpu_s_by_program", "idle_cpu_ratio", "steal_ratio", "other_cpu_ratio"})
"""Differences of readings, which may be a little less than 0."""
_LEAST: Mapping[str, float] = {
    "position": -1,
    **dict.fromkeys(("users", "streams", "workers", "rounds", "max_rounds", "load_processes", "together"), 1),
    **dict.fromkeys(("rps", "precision", "duration_s", "slice_s", "request_timeout_s"), 1e-9),
}
"""The least value of a field, if it is not 0."""
_MOST: Mapping[str, float] = {
    **dict.fromkeys(("users", "streams", "workers", "rounds", "max_rounds", "round", "block", "cycle"), 10**7),
    **dict.fromkeys(("rps", "ceilings", "duration_s", "slice_s", "warmup_s", "request_timeout_s", "precision"), 10**9),
}
_OF_SLICE = {"users": "users of a slice"}
"""Fields of a slice that may be 0: all users may have ended before."""
_NAMES = frozenset({"server", "app", "scenario"})
"""Fields that name something, in tables and in charts."""


def find_fault(value: object, name: str = "") -> str | None:
    """What is wrong with a value or with anything in it: expected and found; None if nothing is."""
    return next(_list_faults(value, name), None)


def _list_faults(value: object, name: str) -> Iterator[str]:
    match value:
        case Histogram():
            yield from _check_histogram(value, name)
        case dict() | tuple() | list():
            for each in value.values() if isinstance(value, dict) else value:
                yield from _list_faults(each, name)
        case _ if is_dataclass(value) and not isinstance(value, type):
            for field in _names_of(type(value)):
                called = _OF_SLICE.get(field, field) if isinstance(value, Slice) else field
                yield from _list_faults(getattr(value, field), called)
            yield from _check_together(value)
        case _:
            yield from _check_leaf(value, name)


def _check_leaf(value: object, name: str) -> Iterator[str]:
    match value:
        case bool():
            return
        case int() | float():
            yield from _check_number(value, name)
        case str() if name in _NAMES and not (0 < len(value) <= LONGEST_NAME and value.isprintable()):
            yield f"expected a printable name of {name}, found {value[:LONGEST_NAME]!a}"
        case Rate():
            yield from _check_number(value.rps, "rps")


def _check_number(value: float, name: str) -> Iterator[str]:
    least, most = -LARGEST if name in _ANY_SIGN else _LEAST.get(name, 0), _MOST.get(name, LARGEST)
    if not math.isfinite(value) or not least <= value <= most or 0 < abs(value) < SMALLEST:
        yield f"expected {name} from {least:g} to {most:g}, found {value:.6g}"


def _check_histogram(value: Histogram, name: str) -> Iterator[str]:
    counts = value.counts
    yield from _check_number(value.sum_us, f"sum_us of {name}")
    for bad in (number for number in counts if not 0 <= number <= _MOST_BUCKET):
        yield f"expected buckets of {name} from 0 to {_MOST_BUCKET}, found {bad}"
    for bad in (number for number in counts.values() if not 0 < number <= LARGEST_COUNT):
        yield f"expected counts of {name} from 1 to {LARGEST_COUNT}, found {bad}"
    top = bucket(max(value.max_us, 0))
    if value.max_us < 0 or top != max(counts, default=0):
        yield f"expected max_us of {name} in its highest bucket, found {value.max_us}"


def _check_together(value: object) -> Iterator[str]:
    """What must hold between the fields of a value."""
    match value:
        case Slice():
            if not value.opened_ns <= value.start_ns <= value.end_ns <= value.drained_ns:
                yield "expected a slice that opens, starts, ends and drains in this order, found another"
        case Record(result=result) if result is not None:
            if len(value.slice_cpu_s) not in {0, len(result.slices)}:
                yield f"expected CPU seconds of {len(result.slices)} slices, found {len(value.slice_cpu_s)}"
            for each in result.by_request:
                if len(each.answers) != len(result.slices):
                    yield f"expected answers of {len(result.slices)} slices, found {len(each.answers)}"
        case Conditions():
            if not value.users or not value.workers or not value.rtt_s:
                yield "expected a number of users, of workers and a round-trip time, found none"


@cache
def _names_of(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
