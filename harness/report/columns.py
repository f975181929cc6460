"""The columns of a report's tables: what each is called, and what it says of a candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.loads import Capacity, Rate, Saturate
from harness.report.cells import (
    NOTHING,
    Cell,
    count,
    estimated,
    interval,
    megabytes,
    milliseconds,
    percent,
    short_percent,
    significant,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.plan import Case
    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary

CONTESTANTS = frozenset({"Server", "App", "App on server"})
"""What the column is called that names who is compared."""
Column = tuple[str, "Callable[[CaseSummary], Cell]"]


def candidates_column(summaries: Sequence[CaseSummary]) -> str:
    """What the candidates are: servers, apps, or pairs of both, whichever there are several of."""
    if len({each.case.app for each in summaries}) <= 1:
        return "Server"
    return "App" if len({each.case.server for each in summaries}) == 1 else "App on server"


def is_baseline(run: RunInfo, case: Case) -> bool:
    """Is it what the others are divided by?"""
    return case.candidate == run.baseline


def baseline_name(run: RunInfo, summaries: Sequence[CaseSummary]) -> str:
    """What the run calls its baseline."""
    return next((each.name for each in summaries if is_baseline(run, each.case)), run.baseline.server)


def rank(summary: CaseSummary) -> int | None:
    """Its rank; None for a number that does not hold, whatever it is."""
    return summary.rank if summary.verdict == "valid" else None


def candidate(run: RunInfo, summaries: Sequence[CaseSummary]) -> Column:
    """The names, each with the versions of what it is made of; the baseline's second entry says that it is one."""
    title = candidates_column(summaries)
    servers, apps = run.environment.server_versions, run.environment.app_versions

    def versions(case: Case) -> str:
        server, app = servers.get(case.server, ""), apps.get(case.app, "")
        if title == "Server":
            return server
        if title == "App":
            return app
        return ", ".join(f"{name} {version}" for name, version in ((case.app, app), (case.server, server)) if version)

    def cell(each: CaseSummary) -> Cell:
        return Cell(each.name, versions(each.case))

    return title, cell


def of_a_ranking(run: RunInfo, summaries: Sequence[CaseSummary], who: Column) -> tuple[Column, ...]:
    """The columns of candidates beside each other."""
    return (
        ("Rank", lambda each: Cell(str(rank(each) or NOTHING))),
        who,
        ("Capacity, requests/s" if isinstance(run.conditions.load, Capacity) else "Requests/s", _throughput),
        (f"÷ {baseline_name(run, summaries)}", lambda each: _ratio(run, each)),
        *((("±", _precision),) if run.conditions.precision is not None else ()),
        *(_OF_AN_OPEN_LOOP if isinstance(run.conditions.load, Rate) else ()),
        *_PERCENTILES,
        _CPU,
        ("Peak MB", lambda each: megabytes(each.memory_pss_bytes.peak)),
        ("Errors", _errors),
        _VERDICT,
    )


def of_a_sweep(who: Column) -> tuple[Column, ...]:
    """The columns of candidates at several rates each."""
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
    return estimated(summary.throughput_rps, count)


def _ratio(run: RunInfo, summary: CaseSummary) -> Cell:
    if summary.ratio_to_baseline is None or not summary.measured:
        return Cell(NOTHING)
    if is_baseline(run, summary.case):
        return Cell("baseline")
    throughput = summary.ratio_to_baseline.throughput
    return Cell(f"{throughput.value:.2f}×", interval(throughput, lambda value: f"{value:.2f}"))


def _precision(summary: CaseSummary) -> Cell:
    if not summary.measured:
        return Cell(NOTHING)
    rounds = f"{summary.rounds} round{'s' if summary.rounds > 1 else ''}"
    if not summary.precision:  # 0 is the baseline's
        return Cell(NOTHING, rounds)
    own = "its own, " if summary.ratio_to_baseline is None else ""
    return Cell(short_percent(summary.precision), f"{own}{rounds}")


def _errors(summary: CaseSummary) -> Cell:
    if not summary.measured and summary.errors.total == 0:
        return Cell(NOTHING)
    kinds = sorted(summary.errors.by_kind.items(), key=lambda item: -item[1])
    return Cell(count(summary.errors.total), ", ".join(f"{kind} {count(number)}" for kind, number in kinds))


_ANSWERED: Column = (
    "Answered",
    lambda each: Cell(NOTHING if each.achieved_ratio is None else f"{100 * each.achieved_ratio:.1f} %"),
)
_PERCENTILES: tuple[Column, ...] = (
    ("p50 ms", lambda each: milliseconds(each.latency_us.p50)),
    ("p99 ms", lambda each: milliseconds(each.latency_us.p99)),
    ("p99.9 ms", lambda each: milliseconds(each.latency_us.p99_9)),
)
_CPU: Column = ("CPU µs/request", lambda each: estimated(each.cpu_us_per_request, significant))
_VERDICT: Column = ("Verdict", lambda each: Cell(each.verdict, "; ".join(each.reasons)))
_OF_AN_OPEN_LOOP: tuple[Column, ...] = (
    _ANSWERED,
    ("Send lag p99 ms", lambda each: milliseconds(each.send_lag_us.p99)),
    ("Service p99 ms", lambda each: milliseconds(each.service_us.p99)),
)
"""Whether the offered rate was kept, and what the response time is made of."""
RESOURCES: tuple[Column, ...] = (
    ("Ready s", lambda each: estimated(each.ready_s, significant)),
    ("First answer ms", lambda each: estimated(each.first_request_s, significant, 1e-3)),
    ("Stop s", lambda each: estimated(each.stop_s, significant)),
    ("Idle MB", lambda each: megabytes(each.memory_pss_bytes.idle)),
    ("Peak MB", lambda each: megabytes(each.memory_pss_bytes.peak)),
    ("Context switches/request", lambda each: estimated(each.context_switches_per_request, significant)),
    ("CPU MHz", lambda each: estimated(each.frequency_mhz, count)),
)
