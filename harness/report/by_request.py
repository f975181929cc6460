"""The tables of a comparison's requests and of its streams: a row for each request of each candidate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.figures import exceeds_wait
from harness.report.cells import Cell, estimated, factor, interval
from harness.text.numbers import NOTHING, count

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.model.plan import Candidate
    from harness.model.summaries import CaseSummary, ComparisonSummary, Latency, Ratio, RequestSummary

TITLE = "Request"
Column = tuple[str, "Callable[[CaseSummary, RequestSummary], Cell]"]


def make_columns(who: str, comparison: ComparisonSummary, reference: str) -> tuple[Column, ...]:
    """The columns; `who` is the title of the candidates, `reference` the name of what the ratios are ratios to."""

    def ratio(case: CaseSummary, value: Ratio | None) -> Cell:
        return _ratio(case.case.candidate, comparison.reference, value)

    return (
        (TITLE, lambda _, each: Cell(each.label)),
        (who, lambda case, _: Cell(case.name)),
        ("Requests", lambda _, each: Cell(count(each.requests))),
        ("Errors", lambda _, each: Cell(count(each.errors))),
        ("Requests/s", lambda case, each: _mark(case, estimated(each.throughput_rps))),
        (
            f"÷ {reference}",
            lambda case, each: ratio(case, each.ratio_to_baseline and each.ratio_to_baseline.throughput),
        ),
        *((f"{name} ms", _percentile(name)) for name in ("p50", "p90", "p99")),
        (f"p99 ÷ {reference}", lambda case, each: ratio(case, each.ratio_to_baseline and each.ratio_to_baseline.p99)),
    )


def make_stream_columns(who: str) -> tuple[Column, ...]:
    """The columns of answers that are read as they come."""
    return (
        (TITLE, lambda _, each: Cell(each.label)),
        (who, lambda case, _: Cell(case.name)),
        ("Events/s", lambda case, each: _mark(case, estimated(each.events_per_s))),
        *((f"First event {name} ms", _percentile_of("first_event_us", name)) for name in ("p50", "p90", "p99")),
        *((f"Gap {name} ms", _percentile_of("gap_us", name)) for name in ("p50", "p90", "p99")),
    )


def list_streams(comparison: ComparisonSummary) -> list[tuple[CaseSummary, RequestSummary]]:
    """Each request whose answers are read as they come, with each candidate that has it."""
    return [(case, each) for case, each in list_requests(comparison) if each.events_per_s is not None]


def list_requests(comparison: ComparisonSummary) -> list[tuple[CaseSummary, RequestSummary]]:
    """Each request with each candidate that has it, request by request."""
    pairs = [(case, each) for case in comparison.summaries for each in case.by_name]
    order = list(dict.fromkeys((each.method, each.name) for _, each in pairs))
    return sorted(pairs, key=lambda pair: order.index((pair[1].method, pair[1].name)))


def _percentile(name: str) -> Callable[[CaseSummary, RequestSummary], Cell]:
    def show(case: CaseSummary, request: RequestSummary) -> Cell:
        cell = _mark(case, estimated(getattr(request.latency_us, name), unit=1000))
        every = request.requests + request.unanswered
        # Among requests without an answer, a percentile is only known to be longer than it says.
        longer = exceeds_wait(name, every, request.unanswered) and cell.value != NOTHING
        return replace(cell, value=f"> {cell.value}") if longer else cell

    return show


def _percentile_of(figure: str, name: str) -> Callable[[CaseSummary, RequestSummary], Cell]:
    def show(case: CaseSummary, request: RequestSummary) -> Cell:
        latency: Latency | None = getattr(request, figure)
        return _mark(case, estimated(None if latency is None else getattr(latency, name), unit=1000))

    return show


def _mark(case: CaseSummary, cell: Cell) -> Cell:
    return cell.mark_disturbed() if case.disturbed else cell


def _ratio(candidate: Candidate, reference: Candidate | None, value: Ratio | None) -> Cell:
    if candidate == reference:
        return Cell("1")
    if value is None or (candidate.control and candidate.original != reference):
        return Cell(NOTHING)  # such a control is divided by its original
    return Cell(f"{factor(value.value)}×", interval(value, factor))
