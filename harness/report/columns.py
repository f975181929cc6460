"""The columns of a report's tables: the title of each, and what it shows of a case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.figures import exceeds_wait
from harness.analysis.naming import TITLES, Naming
from harness.model.loads import Capacity, Rate, Saturate
from harness.report import by_request
from harness.report.cells import Cell, estimated, factor, interval, megabytes, milliseconds
from harness.text.numbers import NOTHING, count, half_width, percent, plural, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.model.plan import Case
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary, Latency

_PROGRAMS = "CPU µs/request by program"
TEXT_COLUMNS = TITLES | {"Verdict", by_request.TITLE, _PROGRAMS}
"""These hold words and are aligned to the left; all others hold numbers."""
Column = tuple[str, "Callable[[CaseSummary], Cell]"]
_MINOR = 0.01
"""A program with less of the CPU time, such as the shell that started the others, is not named."""


def baseline_name(run: RunInfo, summaries: Iterable[CaseSummary]) -> str:
    """What the run calls its baseline."""
    return next((each.name for each in summaries if each.case.candidate == run.baseline), run.baseline.server)


def substitute(run: RunInfo, comparison: ComparisonSummary) -> CaseSummary | None:
    """The candidate that the ratios are ratios to because the baseline cannot be measured here."""
    if comparison.reference in {None, run.baseline}:
        return None
    return next((each for each in comparison.summaries if each.case.candidate == comparison.reference), None)


def valid_rank(summary: CaseSummary) -> int | None:
    """The rank of a valid case; None for any other, whatever rank it has."""
    return summary.rank if summary.verdict == "valid" else None


def candidate_column(run: RunInfo, summaries: Sequence[CaseSummary]) -> Column:
    """The names of the candidates, each with the versions of its server and app."""
    naming = Naming.of(each.case.candidate for each in summaries)
    servers, apps = run.environment.server_versions, run.environment.app_versions

    def versions(case: Case) -> str:
        server, app = servers.get(case.server, ""), apps.get(case.app, "")
        if not (naming.servers and naming.apps):
            return app if naming.apps else server
        return ", ".join(f"{name} {version}" for name, version in ((case.app, app), (case.server, server)) if version)

    return naming.title, lambda each: Cell(each.name, versions(each.case))


def ranking_columns(run: RunInfo, comparison: ComparisonSummary, baseline: str, who: Column) -> tuple[Column, ...]:
    """The columns of a table that ranks candidates; `baseline` is the name of the run's."""
    load = run.conditions.load
    instead = substitute(run, comparison)
    return (
        ("Rank", lambda each: Cell(str(valid_rank(each) or NOTHING))),
        who,
        ("Capacity, requests/s" if isinstance(load, Capacity) else "Requests/s", _THROUGHPUT),
        (f"÷ {instead.name if instead else baseline}", lambda each: _ratio(run, comparison, each)),
        *((("±", _precision),) if run.conditions.precision is not None else ()),
        *(_OPEN_LOOP if isinstance(load, Rate) else ()),
        *_PERCENTILES,
        _CPU,
        _PEAK,
        ("Errors", _errors),
        _VERDICT,
    )


def sweep_columns(who: Column) -> tuple[Column, ...]:
    """The columns of a table with several rates for each candidate."""
    return (
        who,
        ("Offered/s", lambda each: Cell(count(each.offered_rps) if each.offered_rps else NOTHING)),
        ("Of its own rate", _own_share),
        ("Requests/s", _THROUGHPUT),
        _ANSWERED,
        *_PERCENTILES,
        _CPU,
        _PEAK,
        ("Errors", _errors),
        _VERDICT,
    )


def _own_share(summary: CaseSummary) -> Cell:
    if isinstance(summary.case.load, Saturate):
        return Cell("closed loop")
    return Cell(NOTHING if summary.own_share is None else percent(summary.own_share))


def _absolute(column: Callable[[CaseSummary], Cell]) -> Callable[[CaseSummary], Cell]:
    """A column of absolute numbers, which are marked where they were disturbed."""
    return lambda each: column(each).mark_disturbed() if each.disturbed else column(each)


def _ratio(run: RunInfo, comparison: ComparisonSummary, summary: CaseSummary) -> Cell:
    if summary.ratio_to_baseline is None or not summary.measured:
        return Cell(NOTHING)
    candidate = summary.case.candidate
    if candidate.control and candidate.original != comparison.reference:
        return Cell(NOTHING)  # it is divided by its original
    if candidate in {run.baseline, comparison.reference}:
        return Cell("baseline" if candidate == run.baseline else "in its place")
    throughput = summary.ratio_to_baseline.throughput
    return Cell(f"{factor(throughput.value)}×", interval(throughput, factor))


def _precision(summary: CaseSummary) -> Cell:
    if not summary.measured:
        return Cell(NOTHING)
    rounds = plural(summary.rounds, "round")
    if not summary.precision:  # the baseline's is 0
        return Cell(NOTHING, rounds)
    own = "its own, " if summary.ratio_to_baseline is None else ""
    return Cell(half_width(summary.precision).removeprefix("±"), f"{own}{rounds}")


def _percentile(summary: CaseSummary, name: str, times: Latency | None) -> Cell:
    """A percentile of these times; one of requests that had no answer is only known to be longer than it says."""
    cell = milliseconds(getattr(times, name, None))
    longer = exceeds_wait(name, summary.response.count, summary.unanswered)
    return replace(cell, value=f"> {cell.value}") if longer and cell.value != NOTHING else cell


def _list_programs(summary: CaseSummary) -> str:
    """`uvicorn 57.1, nginx 35.2`; empty where one program does all."""
    parts = {name: each.median for name, each in summary.cpu_us_by_program.items()}
    named = [name for name in parts if parts[name] >= _MINOR * sum(parts.values())]
    named.sort(key=lambda name: -parts[name])
    return ", ".join(f"{name} {significant(parts[name])}" for name in named) if len(named) > 1 else ""


def _errors(summary: CaseSummary) -> Cell:
    if not summary.measured and summary.errors.total == 0:
        return Cell(NOTHING)
    kinds = sorted(summary.errors.by_kind.items(), key=lambda item: -item[1])
    return Cell(count(summary.errors.total), ", ".join(f"{kind} {count(number)}" for kind, number in kinds))


_THROUGHPUT = _absolute(lambda each: estimated(each.throughput_rps))
_ANSWERED: Column = (
    "Answered",
    lambda each: Cell(NOTHING if each.achieved_ratio is None else f"{100 * each.achieved_ratio:.1f} %"),
)
"""Always with a tenth: below 99 % a trial is invalid."""
_PERCENTILES: tuple[Column, ...] = (
    ("p50 ms", _absolute(lambda each: _percentile(each, "p50", each.latency_us))),
    ("p99 ms", _absolute(lambda each: _percentile(each, "p99", each.latency_us))),
    ("p99.9 ms", _absolute(lambda each: _percentile(each, "p99_9", each.latency_us))),
)
_CPU: Column = ("CPU µs/request", _absolute(lambda each: estimated(each.cpu_us_per_request)))
_PEAK: Column = ("Peak MB", lambda each: estimated(each.memory_pss_bytes.by_round, unit=1e6))
_VERDICT: Column = ("Verdict", lambda each: Cell(each.verdict, "; ".join(each.reasons)))
_OPEN_LOOP: tuple[Column, ...] = (
    _ANSWERED,
    ("Send lag p99 ms", _absolute(lambda each: milliseconds(each.send_lag_us.p99))),
    ("Service p99 ms", _absolute(lambda each: milliseconds(each.service_us.p99))),
)
"""Was the offered rate kept, and what is the response time made of?"""
STARTS: tuple[Column, ...] = (
    ("Ready s", lambda each: estimated(each.ready_s)),
    ("First answer ms", lambda each: estimated(each.first_request_s, unit=1e-3)),
    ("Stop s", lambda each: estimated(each.stop_s)),
    ("Idle MB", lambda each: megabytes(each.memory_pss_bytes.idle)),
)
"""What a server does before its first measurement and after its last, whatever the load between."""
DETAILS: tuple[Column, ...] = (
    ("First byte p50 ms", _absolute(lambda each: _percentile(each, "p50", each.first_byte_us))),
    ("First byte p99 ms", _absolute(lambda each: _percentile(each, "p99", each.first_byte_us))),
    (
        "Differs from start to start",
        lambda each: Cell(NOTHING if each.start_spread is None else percent(each.start_spread)),
    ),
    ("Users ready s", lambda each: estimated(each.users_ready_s)),
    (_PROGRAMS, _absolute(lambda each: Cell(_list_programs(each) or NOTHING))),
    ("Context switches/request", lambda each: estimated(each.context_switches_per_request)),
    ("CPU MHz", lambda each: estimated(each.frequency_mhz)),
)
"""What a ranking has no room for."""
