"""The ranking as data: a group of rows for each question, cells ready to print on a page or in a terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.model import PROTOCOL_NAMES, PROTOCOLS, rate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.findings import CaseSummary, Estimate, Ratio, RunInfo
    from harness.model import Case, Protocol, Verdict

NOTHING = "–"
DIGITS = 3


@dataclass(frozen=True)
class Cell:
    """What a cell says, and in smaller letters what belongs to it: an interval, a version, a reason."""

    value: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.value} ({self.detail})" if self.detail else self.value


@dataclass(frozen=True)
class Row:
    """One server's answer to one question."""

    server: str
    verdict: Verdict
    cells: tuple[Cell, ...]
    """One for each column."""


@dataclass(frozen=True)
class Group:
    """All answers to one question: the cases that differ in their server alone, the first place on top."""

    title: str
    scenario: str
    protocol: Protocol
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    summaries: tuple[CaseSummary, ...]
    """What the rows were made from, in their order."""


def groups(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[Group]:
    """A group for each app, scenario and protocol, protocol by protocol; every summary is in one of them."""
    by_question: dict[Case, list[CaseSummary]] = {}
    for summary in summaries:
        by_question.setdefault(replace(summary.case, server=""), []).append(summary)
    name_app = len({case.app for case in by_question}) > 1
    columns = _columns(run)
    return [
        Group(
            _title(case, name_app=name_app),
            case.scenario,
            case.protocol,
            tuple(name for name, _ in columns),
            tuple(_row(summary, columns) for summary in sorted(group, key=_place)),
            tuple(sorted(group, key=_place)),
        )
        for case, group in sorted(by_question.items(), key=lambda item: PROTOCOLS.index(item[0].protocol))
    ]


def rank(summary: CaseSummary) -> int | None:
    """Its rank; None for a number that does not hold, whatever it is."""
    return summary.rank if summary.verdict == "valid" else None


def count(value: float) -> str:
    """A whole number, thousands with commas: 12,345."""
    return f"{value:,.0f}"


def significant(value: float) -> str:
    """Three significant digits, thousands with commas: 1,234 · 412 · 3.41 · 0.0520."""
    whole = count(value)
    return whole if len(whole) >= DIGITS or value == 0 else f"{value:#.{DIGITS}g}"


def _title(case: Case, *, name_app: bool) -> str:
    app = f" with {case.app}" if name_app else ""
    return f"{case.scenario} over {PROTOCOL_NAMES[case.protocol]}{app}"


def _place(summary: CaseSummary) -> tuple[float, float, str]:
    """The ranked by rank, then the measured by speed, then the others by name."""
    speed = summary.throughput_rps.median if summary.throughput_rps else -1.0
    return rank(summary) or float("inf"), -speed, summary.case.server


Column = tuple[str, "Callable[[CaseSummary], Cell]"]


def _row(summary: CaseSummary, columns: Sequence[Column]) -> Row:
    return Row(summary.case.server, summary.verdict, tuple(cell(summary) for _, cell in columns))


def _columns(run: RunInfo) -> tuple[Column, ...]:
    versions = run.environment.server_versions
    return (
        ("Rank", lambda each: Cell(str(rank(each) or NOTHING))),
        ("Server", lambda each: Cell(each.case.server, versions.get(each.case.server, ""))),
        ("Requests/s", lambda each: _estimate(each.throughput_rps, count)),
        (f"÷ {run.baseline}", lambda each: _ratio(each, run.baseline)),
        *(_OF_AN_OPEN_LOOP if rate_of(run.load) else ()),
        ("p50 ms", lambda each: _ms(each.latency_us.p50)),
        ("p99 ms", lambda each: _ms(each.latency_us.p99)),
        ("p99.9 ms", lambda each: _ms(each.latency_us.p99_9)),
        ("CPU µs/request", lambda each: _estimate(each.cpu_us_per_request, significant)),
        ("Peak MB", lambda each: _megabytes(each.memory_pss_bytes.peak)),
        ("Errors", _errors),
        ("Verdict", lambda each: Cell(each.verdict, "; ".join(each.reasons))),
    )


def _share(ratio: float | None) -> Cell:
    return Cell(NOTHING if ratio is None else f"{100 * ratio:.1f} %")


def _estimate(estimate: Estimate | None, form: Callable[[float], str]) -> Cell:
    if estimate is None:
        return Cell(NOTHING)
    return Cell(form(estimate.median), _interval(estimate, form))


def _interval(bounds: Estimate | Ratio, form: Callable[[float], str]) -> str:
    """Nothing where one round leaves no interval to speak of."""
    return f"{form(bounds.low)} – {form(bounds.high)}" if bounds.low < bounds.high else ""


def _ratio(summary: CaseSummary, baseline: str) -> Cell:
    if summary.ratio_to_baseline is None or not summary.measured:
        return Cell(NOTHING)
    if summary.case.server == baseline:
        return Cell("baseline")
    throughput = summary.ratio_to_baseline.throughput
    return Cell(f"{throughput.value:.2f}×", _interval(throughput, lambda value: f"{value:.2f}"))


def _ms(estimate: Estimate | None) -> Cell:
    return Cell(significant(estimate.median / 1000) if estimate else NOTHING)


def _megabytes(size_bytes: int | None) -> Cell:
    return Cell(significant(size_bytes / 1e6) if size_bytes else NOTHING)


def _errors(summary: CaseSummary) -> Cell:
    if not summary.measured and summary.errors.total == 0:
        return Cell(NOTHING)
    kinds = sorted(summary.errors.by_kind.items(), key=lambda item: -item[1])
    return Cell(count(summary.errors.total), ", ".join(f"{kind} {count(number)}" for kind, number in kinds))


_OF_AN_OPEN_LOOP: tuple[Column, ...] = (
    ("Answered", lambda each: _share(each.achieved_ratio)),
    ("Send lag p99 ms", lambda each: _ms(each.send_lag_us.p99)),
    ("Service p99 ms", lambda each: _ms(each.service_us.p99)),
)
"""Whether the offered rate was kept, and what the response time is made of."""
