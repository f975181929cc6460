"""A plan and its trials in short lines. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.budget import TYPICAL, TYPICAL_SLICE_S, estimate_half_width
from harness.analysis.naming import BY_SERVER, Levels, Naming
from harness.cli.terminal.grids import Column
from harness.model.loads import SWEEP_OWN_SHARES, Capacity, Rate, Saturate, Sweep
from harness.model.plan import Candidate
from harness.report.cells import Cell, estimated, factor, interval
from harness.text.numbers import NOTHING, count, duration, half_width, join, percent, plural, significant, tolerance

if TYPE_CHECKING:
    from harness.analysis.so_far import CaseSoFar
    from harness.model.plan import Case, Plan, Selection, ServerConfig
    from harness.model.records import Record

_NUMBER = re.compile(r"(?<![\w/-])\d[\d,.]*")
"""A number that is no part of a name, such as h2 or HTTP/2."""


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
    number = plan.case_count
    searching = isinstance(conditions.load, Capacity)
    trials = f"{number} searches of several trials each" if searching else plural(number, "trial")
    known = f"{trials} in {plural(len(plan.rounds), 'round')}"
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


def describe_exclusions(plan: Plan) -> list[str]:
    """What cannot be measured and why: one line for all servers and protocols that have the same reason."""
    names: dict[tuple[str, str], list[str]] = {}
    for each in plan.exclusions:
        names.setdefault((each.case.protocol, each.reason), []).append(BY_SERVER.name(each.case.candidate))
    protocols: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for (protocol, reason), servers in names.items():
        protocols.setdefault((tuple(servers), reason), []).append(protocol)
    return [
        f"unsupported: {join(list(dict.fromkeys(servers)))} over {join(own)} "
        f"({plural(len(servers) * len(own), 'case')}): {reason}"
        for (servers, reason), own in protocols.items()
    ]


def without_numbers(reason: str) -> str:
    """What reasons have in common that differ in their numbers only."""
    return _NUMBER.sub("#", reason)


class Faults:
    """Trials without a valid number: each kind of trouble of a candidate is told once, and then counted."""

    def __init__(self, names: CaseNames) -> None:
        self._names = names
        self._told: set[tuple[Candidate, str, str]] = set()
        self._repeated: dict[str, list[str]] = {}
        """The names of the candidates by verdict, one for each trial that was not told."""

    def tell(self, record: Record) -> str | None:
        """The line of a trial; None for one that is valid, or like one before in all but its numbers."""
        if record.verdict == "valid":
            return None
        kind = record.case.candidate, record.verdict, without_numbers(" ".join(record.reasons))
        if kind in self._told:
            self._repeated.setdefault(record.verdict, []).append(self._names.naming.name(record.case.candidate))
            return None
        self._told.add(kind)
        return describe_trial(record, self._names)

    def sum_up(self) -> str | None:
        """One line on all trials that were not told."""
        if not self._repeated:
            return None
        verdicts = [
            f"{len(names)} {verdict} ({', '.join(dict.fromkeys(names))})" for verdict, names in self._repeated.items()
        ]
        return f"More trials without a valid number, for the same reasons: {join(verdicts)}"


def describe_so_far(case: Case, names: CaseNames) -> tuple[str, Column, Column, Column, Column]:
    """Title and columns of the estimates so far."""
    levels = "".join(f", {level}" for level in names.levels.names(case))
    return (
        f"So far: {case.scenario} · {case.protocol}{levels}",
        Column("", words=True),
        Column("Requests/s"),
        Column("÷ baseline"),
        Column("Rounds", leaves=1),
    )


def list_so_far(found: CaseSoFar, names: CaseNames) -> tuple[str, str, str, str]:
    """The cells of one case."""
    throughput, ratio = _write_so_far(found)
    return names.naming.name(found.case.candidate), throughput, ratio or NOTHING, str(found.rounds)


def write_so_far(found: CaseSoFar) -> str:
    """`so far 12,345 (11,900 – 12,700), 1.45× (1.38 – 1.52)`."""
    return f"so far {', '.join(filter(None, _write_so_far(found)))}"


def _write_so_far(found: CaseSoFar) -> tuple[str, str]:
    throughput = str(estimated(found.throughput_rps))
    ratio = found.ratio
    return throughput, "" if ratio is None else str(Cell(f"{factor(ratio.value)}×", interval(ratio, factor)))


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
