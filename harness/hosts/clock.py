"""Samples of another machine at times of this one's clock. Clocks run at slightly different speeds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.clocks import Offset
    from harness.model.records import Sample


def rebase(samples: Iterable[Sample], before: Offset, after: Offset) -> tuple[Sample, ...]:
    """The samples at times of this machine's clock, by the offsets before and after they were taken."""
    passed_ns = after.there_ns - before.there_ns
    speed = (after.here_ns - before.here_ns) / passed_ns if passed_ns > 0 else 1.0
    return tuple(
        replace(each, at_ns=before.here_ns + round((each.at_ns - before.there_ns) * speed)) for each in samples
    )
