"""The result of comparing two runs, or two candidates: B ÷ A, figure by figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.conditions import Contrast
    from harness.analysis.gates import GateResult, Metric
    from harness.model.plan import Case, ServerConfig
    from harness.model.records import Record, ServerStart, Verdict
    from harness.model.run_info import RunInfo
    from harness.model.summaries import Estimate, Ratio

COMPARISON_SCHEMA = 1
"""Version of the JSON form of a `RunComparison`; it goes up on an incompatible change."""

Finding = Literal["better", "worse", "no difference seen", "not compared"]
"""B against A: the interval of the ratio excludes 1 (better or worse), includes it, or does not exist."""


@dataclass(frozen=True)
class Side:
    """The records of one side of a comparison."""

    label: str
    """The argument on the command line, `results/latest` or `results/latest:uvicorn`."""
    info: RunInfo
    records: Sequence[Record]
    starts: Sequence[ServerStart]
    server: str | None = None
    """The name of the one server that is compared; None for all."""
    app: str | None = None
    """The name of the one app that is compared; None for all."""


@dataclass(frozen=True)
class Origin:
    """Where and when the figures of one side were measured."""

    label: str
    run: str
    started_at: str
    server: str | None
    git_commit: str | None
    command: str
    host: str
    system: str
    app_commit: str | None = None
    app: str | None = None

    @property
    def candidate(self) -> str | None:
        """The one server or app that is compared; None for a whole run."""
        return self.server or self.app


@dataclass(frozen=True)
class Difference:
    """One figure on both sides, in the unit of the metric: requests/s, µs, bytes or s."""

    metric: Metric
    a: Estimate | None
    b: Estimate | None
    rounds_a: int
    rounds_b: int
    finding: Finding
    ratio: Ratio | None = None
    """B ÷ A; its interval means nothing if the finding is `not compared`."""
    told_from: float | None = None
    """The smallest difference detectable: half the width of the interval, 0.03 for 3 %."""
    reason: str = ""
    """Why the figure was not compared."""


@dataclass(frozen=True)
class Entry:
    """A case on one side, with its verdict."""

    case: Case
    verdict: Verdict
    reasons: tuple[str, ...]
    requests: int = 0
    """Right answers."""
    errors: int = 0
    """Requests without a right answer."""

    @property
    def error_share(self) -> float | None:
        """The share of its requests without a right answer; None without requests."""
        every = self.requests + self.errors
        return self.errors / every if every else None


@dataclass(frozen=True)
class CasePair:
    """A case that both sides have; without differences unless both are valid."""

    a: Entry
    b: Entry
    differences: tuple[Difference, ...]
    requests: str = ""
    """How the requests of the two sides differ; nothing is compared then."""

    def difference(self, metric: Metric) -> Difference | None:
        return next((each for each in self.differences if each.metric == metric), None)


@dataclass(frozen=True)
class StartPair:
    """The start-up times of a server on both sides; those of B may be missing."""

    a: ServerConfig
    b: ServerConfig
    difference: Difference


@dataclass(frozen=True)
class Judgement:
    """The result of a gate for one case, or for the starts of one server."""

    gate: str
    metric: Metric
    about: Case | ServerConfig | None
    """The case or server configuration of A; None if A has nothing to check the gate on."""
    outcome: GateResult
    ratio: Ratio | None = None
    reason: str = ""
    """Why the gate was not checked or is not clear; of `errors`, the counts."""


@dataclass(frozen=True)
class RunComparison:
    """All differences between the two sides, and the conditions under which they were measured."""

    schema: int
    """`COMPARISON_SCHEMA`."""
    a: Origin
    b: Origin
    paired: bool
    """Are both sides from the same run?"""
    cases: tuple[CasePair, ...]
    starts: tuple[StartPair, ...]
    only_a: tuple[Entry, ...]
    only_b: tuple[Entry, ...]
    gates: tuple[Judgement, ...]
    changes: tuple[Contrast, ...]
    """Versions and other facts that may explain the differences."""
    unlike: tuple[Contrast, ...]
    """Conditions that should be equal and are not."""
    conditions_a: Mapping[str, object]
    conditions_b: Mapping[str, object]
    controls: tuple[CasePair, ...] = ()
    """A measured twice: what the run itself calls no difference."""
    own_rates: tuple[int, int] = (0, 0)
    """In a sweep: how many cases of A, and of B, are not compared as the other side does not have their rates."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All figures of all cases and starts."""
        of_cases = (each for pair in self.cases for each in pair.differences)
        return (*of_cases, *(pair.difference for pair in self.starts))
