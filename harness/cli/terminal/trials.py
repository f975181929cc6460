"""A plan and its trials in short lines. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.budget import TYPICAL, TYPICAL_SLICE_S, estimate_half_width
from harness.analysis.naming import Levels, Naming
from harness.model.loads import SWEEP_OWN_SHARES, Capacity, Rate, Saturate, Sweep
from harness.model.plan import Candidate
from harness.text.numbers import count, duration, half_width, join, percent, plural, significant, tolerance

if TYPE_CHECKING:
    from harness.model.plan import Case, Plan, Selection, ServerConfig
    from harness.model.results import Record


@dataclass(frozen=True)
class CaseNames:
    """Names the cases of a plan by what it has several of."""

    naming: Naming
    levels: Levels

    @classmethod
    def of(cls, plan: Plan) -> CaseNames:
        """The names of this plan's cases, those that cannot be measured included."""
        cases = [*plan.cases, *(each.case for each in plan.exclusions)]
        return cls(Naming.of(case.candidate for case in cases), Levels.of(cases))

    def candidate(self, of: ServerConfig) -> str:
        """`uvicorn`, `starlette on uvicorn, 2 workers`."""
        name = self.naming.name(Candidate(of.server, of.app, of.control))
        return f"{name}, {plural(of.workers, 'worker')}" if self.levels.workers else name

    def case(self, case: Case) -> str:
        """`plaintext · h1 · uvicorn`, `plaintext · h1 · uvicorn, 8 users, 2 workers at 4,000/s`."""
        at = f" at {count(case.load.rps)}/s" if isinstance(case.load, Rate) else ""
        candidate = ", ".join([self.naming.name(case.candidate), *self.levels.names(case)])
        return f"{case.scenario} · {case.protocol} · {candidate}{at}"


def describe_extent(plan: Plan, selection: Selection) -> str:
    """How many trials in how many rounds, as far as it is known before the run."""
    conditions = selection.conditions
    kind = "searches of several trials each" if isinstance(conditions.load, Capacity) else "trials"
    known = f"{plan.case_count} {kind} in {plural(len(plan.rounds), 'round')}"
    if isinstance(conditions.load, Sweep):
        shares = f"each at {len(SWEEP_OWN_SHARES)} shares of what it reached, and at the rates that all share"
        return f"{known} in a closed loop, then {plural(conditions.rounds, 'round')}, {shares}"
    if plan.further and conditions.precision is not None:
        most = len(plan.rounds) + len(plan.further)
        known += f", up to {plural(most, 'round')} until {tolerance(conditions.precision)}"
    return known


def describe_aside(plan: Plan, selection: Selection) -> str | None:
    """What tells how much the server matters, and how long it takes; None in a run that need not tell."""
    if selection.reference is None or not plan.aside_s:
        return None
    parts = []
    if any(case.aside for case in plan.cases):
        parts.append("the reference app under the same servers")
    if plan.half_rate_rounds:
        parts.append(f"{plural(plan.half_rate_rounds, 'round')} at half of the slowest server's rate")
    if not parts:
        return f"how much the server matters would take {duration(plan.aside_s)} more: --with-reference on"
    return f"of that, {duration(plan.aside_s)} tell how much the server matters: {join(parts)} (--with-reference off)"


def describe_resolution(plan: Plan, selection: Selection) -> str | None:
    """How precise the ratios of a closed loop will be, as far as can be said before; None where it cannot."""
    conditions = selection.conditions
    slice_s = conditions.slice_s or TYPICAL_SLICE_S
    cycles = max(1, round(conditions.duration_s / slice_s))
    reached = estimate_half_width(TYPICAL, len(plan.rounds), cycles)
    candidates = {each.candidate for each in plan.cases if not each.aside}
    if reached is None or not isinstance(conditions.load, Saturate) or len(candidates) < 2:  # noqa: PLR2004 - a ratio needs two
        return None
    return (
        f"ratios to about {half_width(reached)}, where cycles vary by {percent(math.sqrt(TYPICAL.of_cycles))} "
        f"and starts by {percent(math.sqrt(TYPICAL.of_starts))}; `harness doctor` measures how much they vary here"
    )


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
