"""The columns of a report's tables: the title of each, and what it shows of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.naming import TITLES, Naming
from harness.model.loads import Capacity, Rate, Saturate
from harness.report.cells import Cell, estimated, factor, interval, megabytes, milliseconds
from harness.text.numbers import NOTHING, count, percent, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.plan import Case
    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary

TEXT_COLUMNS = TITLES | {"Verdict"}
"""These hold words and are aligned to the left; all others hold numbers."""
Column = tuple[str, "Callable[[CaseSummary], Cell]"]


def is_baseline(run: RunInfo, case: Case) -> bool:
    """Is this the candidate that the others are divided by?"""
    return case.candidate == run.baseline


def baseline_name(run: RunInfo, summaries: Sequence[CaseSummary]) -> str:
    """What the run calls its baseline."""
    return next((each.name for each in summaries if is_baseline(run, each.case)), run.baseline.server)


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


def ranking_columns(run: RunInfo, summaries: Sequence[CaseSummary], who: Column) -> tuple[Column, ...]:
    """The columns of a table that ranks candidates."""
    load = run.conditions.load
    return (
        ("Rank", lambda each: Cell(str(valid_rank(each) or NOTHING))),
        who,
        ("Capacity, requests/s" if isinstance(load, Capacity) else "Requests/s", _throughput),
        (f"÷ {baseline_name(run, summaries)}", lambda each: _ratio(run, each)),
        *((("±", _precision),) if run.conditions.precision is not None else ()),
        *(_OPEN_LOOP if isinstance(load, Rate) else ()),
        *_PERCENTILES,
        _CPU,
        ("Peak MB", lambda each: megabytes(each.memory_pss_bytes.peak)),
        ("Errors", _errors),
        _VERDICT,
    )


def sweep_columns(who: Column) -> tuple[Column, ...]:
    """The columns of a table with several rates for each candidate."""
    return (
        who,
        ("Offered/s", lambda each: Cell(count(each.offered_rps) if each.offered_rps else NOTHING)),
        ("Of its own rate", _own_share),
        ("Requests/s", _throughput),
        _ANSWERED,
        *_PERCENTILES,
        _CPU,
        ("Errors", _errors),
        _VERDICT,
    )


def _own_share(summary: CaseSummary) -> Cell:
    if isinstance(summary.case.load, Saturate):
        return Cell("closed loop")
    return Cell(NOTHING if summary.own_share is None else percent(summary.own_share))


def _throughput(summary: CaseSummary) -> Cell:
    return estimated(summary.throughput_rps)


def _ratio(run: RunInfo, summary: CaseSummary) -> Cell:
    if summary.ratio_to_baseline is None or not summary.measured:
        return Cell(NOTHING)
    if is_baseline(run, summary.case):
        return Cell("baseline")
    throughput = summary.ratio_to_baseline.throughput
    return Cell(f"{factor(throughput.value)}×", interval(throughput, factor))


def _precision(summary: CaseSummary) -> Cell:
    if not summary.measured:
        return Cell(NOTHING)
    rounds = plural(summary.rounds, "round")
    if not summary.precision:  # the baseline's is 0
        return Cell(NOTHING, rounds)
    own = "its own, " if summary.ratio_to_baseline is None else ""
    return Cell(percent(summary.precision), f"{own}{rounds}")


def _errors(summary: CaseSummary) -> Cell:
    if not summary.measured and summary.errors.total == 0:
        return Cell(NOTHING)
    kinds = sorted(summary.errors.by_kind.items(), key=lambda item: -item[1])
    return Cell(count(summary.errors.total), ", ".join(f"{kind} {count(number)}" for kind, number in kinds))


_ANSWERED: Column = (
    "Answered",
    lambda each: Cell(NOTHING if each.achieved_ratio is None else f"{100 * each.achieved_ratio:.1f} %"),
)
"""Always with a tenth: below 99 % a trial is invalid."""
_PERCENTILES: tuple[Column, ...] = (
    ("p50 ms", lambda each: milliseconds(each.latency_us.p50)),
    ("p99 ms", lambda each: milliseconds(each.latency_us.p99)),
    ("p99.9 ms", lambda each: milliseconds(each.latency_us.p99_9)),
)
_CPU: Column = ("CPU µs/request", lambda each: estimated(each.cpu_us_per_request))
_VERDICT: Column = ("Verdict", lambda each: Cell(each.verdict, "; ".join(each.reasons)))
_OPEN_LOOP: tuple[Column, ...] = (
    _ANSWERED,
    ("Send lag p99 ms", lambda each: milliseconds(each.send_lag_us.p99)),
    ("Service p99 ms", lambda each: milliseconds(each.service_us.p99)),
)
"""Was the offered rate kept, and what is the response time made of?"""
RESOURCES: tuple[Column, ...] = (
    ("Ready s", lambda each: estimated(each.ready_s)),
    ("First answer ms", lambda each: estimated(each.first_request_s, unit=1e-3)),
    ("Stop s", lambda each: estimated(each.stop_s)),
    ("Idle MB", lambda each: megabytes(each.memory_pss_bytes.idle)),
    ("Peak MB", lambda each: megabytes(each.memory_pss_bytes.peak)),
    ("Context switches/request", lambda each: estimated(each.context_switches_per_request)),
    ("CPU MHz", lambda each: estimated(each.frequency_mhz)),
)
"""The columns of the table about starts, stops and resources."""
