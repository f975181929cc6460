"""A plan and its trials in short lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.naming import Naming
from harness.model.loads import SWEEP_OWN_SHARES, Capacity, Rate, Sweep
from harness.model.plan import Candidate
from harness.text.numbers import count, plural, significant, tolerance

if TYPE_CHECKING:
    from harness.model.plan import Case, Plan, Selection, ServerConfig
    from harness.model.results import Record


@dataclass(frozen=True)
class CaseNames:
    """Names the cases of a plan by what it has several of."""

    naming: Naming
    workers: bool

    @classmethod
    def of(cls, plan: Plan) -> CaseNames:
        """The names of this plan's cases, those that cannot be measured included."""
        cases = [*plan.cases, *(each.case for each in plan.exclusions)]
        return cls(Naming.of(case.candidate for case in cases), len({case.workers for case in cases}) > 1)

    def candidate(self, of: ServerConfig | Case) -> str:
        """`uvicorn`, `starlette on uvicorn, 2 workers`."""
        name = self.naming.name(Candidate(of.server, of.app, of.control))
        return f"{name}, {plural(of.workers, 'worker')}" if self.workers else name

    def case(self, case: Case) -> str:
        """`plaintext · h1 · uvicorn`, `plaintext · h1 · uvicorn at 4,000/s`."""
        at = f" at {count(case.load.rps)}/s" if isinstance(case.load, Rate) else ""
        return f"{case.scenario} · {case.protocol} · {self.candidate(case)}{at}"


def describe_extent(plan: Plan, selection: Selection) -> str:
    """How many trials in how many rounds, as far as it is known before the run."""
    conditions = selection.conditions
    kind = "searches of several trials each" if isinstance(conditions.load, Capacity) else "trials"
    known = f"{plan.trial_count} {kind} in {plural(len(plan.rounds), 'round')}"
    if isinstance(conditions.load, Sweep):
        shares = f"each at {len(SWEEP_OWN_SHARES)} shares of what it reached, and at the rates that all share"
        return f"{known} in a closed loop, then {plural(conditions.rounds, 'round')}, {shares}"
    if plan.further and conditions.precision is not None:
        most = len(plan.rounds) + len(plan.further)
        known += f", up to {plural(most, 'round')} until {tolerance(conditions.precision)}"
    return known


def describe_trial(record: Record, names: CaseNames) -> str:
    """The result of a trial, or why it has none."""
    case = names.case(record.case)
    if record.result is None or record.verdict != "valid":
        return f"{case}: {record.verdict}: {'; '.join(record.reasons)}"
    p99_ms = significant(record.result.response.percentile(99) / 1000)
    if record.probe is None:
        return f"{case}: {significant(record.result.throughput_rps)} requests/s, p99 {p99_ms} ms"
    tried = f"{case}: {count(record.probe.rate_rps)} requests/s"
    if not record.probe.met:
        return f"{tried} missed: {record.probe.shortfall}"
    return f"{tried} confirmed, p99 {p99_ms} ms" if record.probe.final else f"{tried} met"
