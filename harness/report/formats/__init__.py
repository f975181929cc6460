"""One file for each format of `harness export`, which exports `FORMATS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.run_info import RunInfo
    from harness.model.summaries import ComparisonSummary


class Format(NamedTuple):
    """A form in which other programs read the figures of a run."""

    name: str
    what: str
    """What it is, in a few words."""
    write: Callable[[RunInfo, Sequence[ComparisonSummary]], str]
