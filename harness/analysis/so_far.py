"""What a run has found of each case while it still goes on, from figures that are cheap to estimate. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.analysis.case_rounds import Round
from harness.analysis.intervals import estimate, paired_ratio
from harness.model.loads import Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.analysis.intervals import Key
    from harness.model.plan import Candidate, Case, Comparison
    from harness.model.records import Record
    from harness.model.summaries import Estimate, Ratio


@dataclass(frozen=True)
class CaseSoFar:
    """The best estimate of a case so far."""

    case: Case
    rounds: int
    throughput_rps: Estimate
    ratio: Ratio | None
    """Throughput ÷ that of the baseline, or for a control of its original; None for the baseline itself."""


class SoFar:
    """The valid trials of a run; rates that were offered are left out, as they tell nothing of a server."""

    def __init__(self, baseline: Candidate | None) -> None:
        self._baseline = baseline
        self._cycles: dict[Case, dict[Key, Mapping[int, float]]] = {}
        self._rates_rps: dict[Case, dict[Key, float]] = {}

    def add(self, record: Record) -> None:
        """Take a trial into account."""
        case, key = record.case, (record.round, record.block)
        if record.result is None or record.verdict != "valid" or not record.counts or isinstance(case.load, Rate):
            return
        found = Round(key, record.result, record.samples)
        self._cycles.setdefault(case, {})[key] = found.throughput_by_cycle_rps
        self._rates_rps.setdefault(case, {})[key] = found.throughput_rps

    def estimate(self, case: Case) -> CaseSoFar | None:
        """The case by what is known; None before its first valid trial."""
        rates = self._rates_rps.get(case, {})
        throughput = estimate(list(rates.values()))
        if throughput is None:
            return None
        divisor = self._find_divisor(case)
        ratio = None if divisor in {None, case} else paired_ratio(self._cycles[case], self._cycles.get(divisor, {}))
        return CaseSoFar(case, len({number for number, _ in rates}), throughput, ratio)

    def estimate_all(self, comparison: Comparison) -> list[CaseSoFar]:
        """The cases of a comparison, the fastest first."""
        own = (self.estimate(case) for case in self._rates_rps if case.comparison == comparison and not case.aside)
        return sorted((each for each in own if each), key=lambda each: -each.throughput_rps.median)

    def _find_divisor(self, case: Case) -> Case | None:
        if case.control:
            return replace(case, control=False)
        if self._baseline is None:
            return None
        return replace(case, server=self._baseline.server, app=self._baseline.app)
