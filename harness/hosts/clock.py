"""How far the clock of another machine is from this one's. Clocks run at slightly different speeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.results import Sample


@dataclass(frozen=True)
class Offset:
    """What the other clock said, and when by this one; both in ns."""

    here_ns: int
    there_ns: int
    error_ns: int
    """Half of the round trip in which it was asked: the answer was made some time in it."""

    @staticmethod
    def between(sent_ns: int, there_ns: int, received_ns: int) -> Offset:
        """From a question and its answer."""
        error_ns = (received_ns - sent_ns) // 2
        return Offset(sent_ns + error_ns, there_ns, error_ns)


def choose(offsets: Iterable[Offset]) -> Offset:
    """The one of the least round trip, which is known best."""
    return min(offsets, key=lambda each: each.error_ns)


def rebase(samples: Iterable[Sample], before: Offset, after: Offset) -> tuple[Sample, ...]:
    """The samples at times of this machine's clock, by the offsets before and after they were taken."""
    passed_ns = after.there_ns - before.there_ns
    speed = (after.here_ns - before.here_ns) / passed_ns if passed_ns > 0 else 1.0
    return tuple(
        replace(each, at_ns=before.here_ns + round((each.at_ns - before.there_ns) * speed)) for each in samples
    )
