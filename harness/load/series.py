"""Times of requests, recorded cheaply and added to histograms many at a time.

The hot path only appends three integers for each answer; from time to time numpy counts them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.model.histogram import SUB_BUCKET_BITS, Histogram, bucket

_LONGEST_US = 2**36 - 1
"""Durations above this value, 19 hours, count as this value."""
_BUCKETS = bucket(_LONGEST_US) + 1

Counts = npt.NDArray[np.int64]


def buckets(values_us: Counts) -> Counts:
    """`harness.model.histogram.bucket` for each value."""
    bit_length = np.frexp(values_us.astype(np.float64))[1].astype(np.int64)
    shift = np.maximum(0, bit_length - SUB_BUCKET_BITS)
    found: Counts = shift * (1 << (SUB_BUCKET_BITS - 1)) + (values_us >> shift)
    return found


class Tally:
    """A mutable histogram."""

    def __init__(self) -> None:
        self._counts: Counts = np.zeros(_BUCKETS, np.int64)
        self._sum_us = 0
        self._max_us = 0

    def add(self, values_ns: Counts) -> None:
        """Add durations in nanoseconds."""
        if values_ns.size:
            values_us = np.clip(values_ns // 1000, 0, _LONGEST_US)
            self._counts += np.bincount(buckets(values_us), minlength=_BUCKETS)
            self._sum_us += int(values_us.sum())
            self._max_us = max(self._max_us, int(values_us.max()))

    def histogram(self) -> Histogram:
        """The durations added so far, as the immutable data type."""
        indices = np.flatnonzero(self._counts)
        counts = dict(zip(indices.tolist(), self._counts[indices].tolist(), strict=True))
        return Histogram(counts, self._sum_us, self._max_us)


@dataclass(frozen=True)
class Batch:
    """Requests that ended with a right answer; times in ns of the monotonic clock."""

    intended: Counts
    written: Counts
    ended: Counts
    first_byte: Counts
    """When the first byte of the body came; of an answer whose body came at once, or that has none, its end."""

    def share_between(self, start_ns: int, end_ns: int) -> float:
        """How many requests were answered between two times, each counted by the share of its time between them.

        Counting the ends of requests would be wrong for answers that come in bursts: the ends of three bursts may lie
        in a stretch that is as long as two and a half of them.
        """
        took = self.ended - self.written
        shares = self.in_flight_between(start_ns, end_ns) / np.maximum(1, took)
        at_once = (took == 0) & (start_ns <= self.ended) & (self.ended < end_ns)
        return float(shares.sum() + at_once.sum())

    def in_flight_between(self, start_ns: int, end_ns: int) -> Counts:
        """How long each request was in flight between two times, in ns."""
        inside: Counts = np.minimum(self.ended, end_ns) - np.maximum(self.written, start_ns)
        return np.clip(inside, 0, None)

    def begun_between(self, start_ns: int, end_ns: int) -> Batch:
        """The requests whose intended times lie between two times, however long they took."""
        mask = (self.intended >= start_ns) & (self.intended < end_ns)
        return Batch(self.intended[mask], self.written[mask], self.ended[mask], self.first_byte[mask])


class Events(NamedTuple):
    """When the events of one answer came."""

    answer: int
    """Which answer of its batch it is."""
    times: array[int]
    """In ns of the monotonic clock."""


class Series:
    """Requests with one name; the hot path calls `intended`, `written` and `ended` once for each right answer."""

    def __init__(self) -> None:
        self._times = (array("q"), array("q"), array("q"))
        self._untimed = array("q")
        self._events: list[Events] = []
        self._first_bytes: tuple[list[int], list[int]] = ([], [])
        """Of answers whose bodies did not come at once: their places, and when the first byte came."""
        self.body_bytes = 0
        self._expose()

    def add_events(self, times: array[int]) -> None:
        """Add when the events of an answer came, just before the answer itself is added."""
        self._events.append(Events(len(self._times[2]), times))

    def add_first_byte(self, at_ns: int) -> None:
        """Add when the first byte of a body came, just before the end of its answer is added."""
        places, times = self._first_bytes
        places.append(len(self._times[2]))
        times.append(at_ns)

    def _expose(self) -> None:
        self.intended, self.written, self.ended = (times.append for times in self._times)
        self.untimed = self._untimed.append
        """For a request that only its end is known of."""

    def longest_ns(self) -> int:
        """The longest response time since the last call of `take`."""
        return max(map(int.__sub__, self._times[2], self._times[0]), default=0)

    def take(self) -> tuple[Batch, int, Counts, list[Events]]:
        """Remove and return the requests since the last call.

        They are those with times, the total size of their bodies in bytes, the ends of those without times (ns), and
        the events of those that were read as they came.
        """
        times, self._times = (*self._times, self._untimed), (array("q"), array("q"), array("q"))
        self._untimed = array("q")
        body_bytes, self.body_bytes = self.body_bytes, 0
        events, self._events = self._events, []
        (places, first_bytes), self._first_bytes = self._first_bytes, ([], [])
        self._expose()
        intended, written, ended, untimed = (
            np.frombuffer(part, np.int64) if part else np.zeros(0, np.int64) for part in times
        )
        first_byte = ended
        if places:
            first_byte = ended.copy()
            first_byte[places] = np.minimum(first_bytes, ended[places])
        return Batch(intended, written, ended, first_byte), body_bytes, untimed, events
