"""The figures of a run, one by one, as tables and other programs take them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.analysis.intervals import PER_MILLE
from harness.model.link import NEAR
from harness.model.loads import Saturate
from harness.model.summaries import Estimate, Ratio
from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.model.plan import Case
    from harness.model.summaries import CaseSummary, ComparisonSummary, Ratios, RequestSummary

Unit = Literal["requests/s", "us", "us/request", "bytes", "s", "requests", "ratio", "1/request"]
"""`us` is microseconds, which `µs` would be only where a file's encoding is known."""
Better = Literal["higher", "lower"]
Value = Estimate | Ratio | float | None


@dataclass(frozen=True)
class Figure:
    """What is measured of a case; figures that gates have are named as there."""

    name: str
    unit: Unit
    better: Better
    is_absolute: bool
    """Is it marked where other processes or the host disturbed the measurement? Ratios and memory hold."""
    read: Callable[[CaseSummary], Value]


@dataclass(frozen=True)
class Row:
    """One figure of one case, or of one of its requests."""

    case: CaseSummary
    request: RequestSummary | None
    """None for the whole case."""
    figure: Figure
    value: float
    low: float | None
    """The 95 % interval from here to `high`; None where there is none, as after a single round."""
    high: float | None
    is_at_least: bool
    """Is the value only known to be no less? So many requests had no answer within the time limit."""

    @property
    def is_sound(self) -> bool:
        """May it be compared with that of other runs? Not if the case is not valid, or nobody knows the value."""
        return self.case.verdict == "valid" and not self.is_at_least

    @property
    def is_disturbed(self) -> bool:
        return self.case.disturbed and self.figure.is_absolute


def list_rows(comparisons: Iterable[ComparisonSummary], *, requests: bool = False) -> list[Row]:
    """A row for each figure that a case has, and with `requests` for those of its requests too."""
    rows = []
    for case in (each for comparison in comparisons for each in comparison.summaries):
        rows += [row for figure in FIGURES for row in _row(case, None, figure, figure.read(case))]
        if requests and len(case.by_name) > 1:
            rows += [row for request in case.by_name for row in _list_request_rows(case, request)]
    return rows


def name_case(case: Case) -> str:
    """A name that holds all that tells cases apart, so that it is the same in every run that measures the case."""
    load = [] if isinstance(case.load, Saturate) else [case.load.text]
    streams = [plural(case.streams, "stream")] if case.streams > 1 else []
    far = [] if case.distance == NEAR else [f"{1000 * case.rtt_s:g} ms RTT", f"{100 * case.loss:g} % loss"]
    levels = [plural(case.users, "user"), *streams, plural(case.workers, "worker"), *load, *far]
    return f"{case.scenario} {case.protocol} {case.app} on {case.label}, {', '.join(levels)}"


def exceeds_wait(percentile: str, every: int, unanswered: int) -> bool:
    """Does this percentile of `every` request fall among those without an answer, so that it is longer than it says?"""
    return PER_MILLE[percentile] * every > 1000 * (every - unanswered)


def _row(case: CaseSummary, request: RequestSummary | None, figure: Figure, value: Value) -> Iterator[Row]:
    if value is None:
        return
    about = case if request is None else request
    every = case.response.count if request is None else request.requests + request.unanswered
    percentile = figure.name.removeprefix(_FIRST_BYTE)
    at_least = percentile in PER_MILLE and exceeds_wait(percentile, every, about.unanswered)
    if isinstance(value, int | float):
        yield Row(case, request, figure, value, None, None, at_least)
        return
    middle = value.median if isinstance(value, Estimate) else value.value
    low, high = (None, None) if value.low == value.high else (value.low, value.high)
    yield Row(case, request, figure, middle, low, high, at_least)


def _list_request_rows(case: CaseSummary, request: RequestSummary) -> Iterator[Row]:
    ratios = request.ratio_to_baseline
    values: dict[str, Value] = {
        "throughput": request.throughput_rps,
        **{name: getattr(request.latency_us, name) for name in PER_MILLE},
        "requests": request.requests,
        "errors": request.errors,
        "unanswered": request.unanswered,
        "throughput ratio": ratios.throughput if ratios else None,
        "p99 ratio": ratios.p99 if ratios else None,
    }
    for figure in FIGURES:
        yield from _row(case, request, figure, values.get(figure.name))


def _read_percentile(name: str, times: str = "latency_us") -> Callable[[CaseSummary], Value]:
    def read(case: CaseSummary) -> Estimate | None:
        found: Estimate | None = getattr(getattr(case, times), name, None)
        return found

    return read


def _read_ratio(read: Callable[[Ratios], Ratio | None]) -> Callable[[CaseSummary], Value]:
    return lambda case: read(case.ratio_to_baseline) if case.ratio_to_baseline else None


def _if_measured(read: Callable[[CaseSummary], int]) -> Callable[[CaseSummary], Value]:
    """A count, of cases that were measured: nothing happened is not nothing known."""
    return lambda case: read(case) if case.measured or case.errors.total else None


_FIRST_BYTE = "first byte "
FIGURES = (
    Figure("throughput", "requests/s", "higher", True, lambda case: case.throughput_rps),
    *(Figure(name, "us", "lower", True, _read_percentile(name)) for name in PER_MILLE),
    *(
        Figure(f"{_FIRST_BYTE}{name}", "us", "lower", True, _read_percentile(name, "first_byte_us"))
        for name in ("p50", "p99")
    ),
    Figure("cpu", "us/request", "lower", True, lambda case: case.cpu_us_per_request),
    Figure("memory", "bytes", "lower", False, lambda case: case.memory_pss_bytes.by_round),
    Figure("idle memory", "bytes", "lower", False, lambda case: case.memory_pss_bytes.idle),
    Figure("ready", "s", "lower", False, lambda case: case.ready_s),
    Figure("first request", "s", "lower", False, lambda case: case.first_request_s),
    Figure("stop", "s", "lower", False, lambda case: case.stop_s),
    Figure("context switches", "1/request", "lower", False, lambda case: case.context_switches_per_request),
    Figure("requests", "requests", "higher", False, _if_measured(lambda case: case.requests)),
    Figure("errors", "requests", "lower", False, _if_measured(lambda case: case.errors.total)),
    Figure("unanswered", "requests", "lower", False, _if_measured(lambda case: case.unanswered)),
    Figure("throughput ratio", "ratio", "higher", False, _read_ratio(lambda ratios: ratios.throughput)),
    Figure("cpu ratio", "ratio", "lower", False, _read_ratio(lambda ratios: ratios.cpu)),
    Figure("p99 ratio", "ratio", "lower", False, _read_ratio(lambda ratios: ratios.p99)),
)
