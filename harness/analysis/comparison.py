"""What comes of setting two runs, or two candidates of runs, against each other: B ÷ A, figure by figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.conditions import Contrast
    from harness.analysis.gates import GateResult, Metric
    from harness.model.plan import Case, ServerConfig
    from harness.model.results import Record, RunInfo, ServerStart, Verdict
    from harness.model.summaries import Estimate, Ratio

COMPARISON_SCHEMA = 1
"""Version of the JSON form of a `RunComparison`; goes up on an incompatible change."""

Finding = Literal["better", "worse", "no difference seen", "not compared"]


@dataclass(frozen=True)
class Side:
    """What one side of a comparison is made from."""

    label: str
    """What it was called on the command line."""
    info: RunInfo
    records: Sequence[Record]
    starts: Sequence[ServerStart]
    server: str | None = None
    """The candidate, if it is one of the run; None for the whole run."""


@dataclass(frozen=True)
class Origin:
    """Where one side's figures come from."""

    label: str
    run: str
    started_at: str
    server: str | None
    git_commit: str | None
    command: str
    host: str
    system: str
    app_commit: str | None = None


@dataclass(frozen=True)
class Difference:
    """One figure on both sides, in the metric's own unit: requests/s, µs, bytes or s."""

    metric: Metric
    a: Estimate | None
    b: Estimate | None
    rounds_a: int
    rounds_b: int
    finding: Finding
    ratio: Ratio | None = None
    """B ÷ A. Without an interval to speak of where the finding is `not compared`."""
    told_from: float | None = None
    """The smallest difference that this comparison could have told: half the width of its interval, 0.03 for 3 %."""
    reason: str = ""
    """Why it was not compared."""


@dataclass(frozen=True)
class Entry:
    """A case on one side, and whether its numbers may be believed."""

    case: Case
    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class CasePair:
    """A case that both sides have; without differences where either is not valid."""

    a: Entry
    b: Entry
    differences: tuple[Difference, ...]

    def difference(self, metric: Metric) -> Difference | None:
        return next((each for each in self.differences if each.metric == metric), None)


@dataclass(frozen=True)
class StartPair:
    """The starts of a server on both sides; those of B may be missing."""

    a: ServerConfig
    b: ServerConfig
    difference: Difference


@dataclass(frozen=True)
class Judgement:
    """What became of a gate on one case, or on the starts of one server."""

    gate: str
    metric: Metric
    about: Case | ServerConfig | None
    """As A has it; None where there was nothing to check the gate on."""
    outcome: GateResult
    ratio: Ratio | None = None
    reason: str = ""
    """Why it was not checked."""


@dataclass(frozen=True)
class RunComparison:
    """Everything that was found, and what it stands on."""

    schema: int
    """`COMPARISON_SCHEMA`."""
    a: Origin
    b: Origin
    paired: bool
    """Do both sides come from one run?"""
    cases: tuple[CasePair, ...]
    starts: tuple[StartPair, ...]
    only_a: tuple[Entry, ...]
    only_b: tuple[Entry, ...]
    gates: tuple[Judgement, ...]
    changes: tuple[Contrast, ...]
    """What may be behind the differences."""
    unlike: tuple[Contrast, ...]
    """What should not have been different."""
    conditions_a: Mapping[str, object]
    conditions_b: Mapping[str, object]
    own_rates: tuple[int, int] = (0, 0)
    """Of a sweep: how many cases of A, and of B, are at rates that the other does not have. They are not compared."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Every figure of every pair."""
        of_cases = (each for pair in self.cases for each in pair.differences)
        return (*of_cases, *(pair.difference for pair in self.starts))
