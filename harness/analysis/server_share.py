"""How much the server matters for an app: its share of the CPU time, and what choosing another changes. Pure.

The reference app does next to nothing, so its CPU time per request under a server is the server's own. That is an
explanation, and the difference that was measured between servers on the app itself is the evidence: a server may have
more to do for the app's requests than for those of the reference. So no bound is narrower than what was measured.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from harness.analysis.case_rounds import collect
from harness.analysis.intervals import LEAST_ROUNDS, estimate, estimate_latency, make_chance, paired_ratio
from harness.model.loads import Rate
from harness.model.plan import REFERENCE_APP
from harness.model.records import USABLE
from harness.model.server_share import HalfRate, ServerPart, ServerShare, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.analysis.case_rounds import CaseRounds
    from harness.model.plan import Case
    from harness.model.records import Record
    from harness.model.run_info import RunInfo
    from harness.model.server_share import Limit
    from harness.model.summaries import Ratio

BUSY_FROM = 0.80
"""A server that uses this share of its CPUs is limited by them; a little is lost between requests."""
ALL_FROM = 0.90
"""From this share of the CPU time on, a server is nearly all of it: a cheaper one has no limit that could be named."""


def estimate_server_shares(records: Sequence[Record], run: RunInfo) -> list[ServerShare]:
    """For each comparison with the most users: what the server's part is; none in a run that did not look for it."""
    rows = collect(records)
    asides = [row for row in rows if row.case.aside]
    planned = [case for case in run.planned if case.aside]
    if not asides and not planned:
        return []
    compared: dict[tuple[str, object], list[CaseRounds]] = {}
    near = min(run.conditions.rtt_s)
    for row in rows:
        case = row.case
        if not case.aside and not case.control and case.users == max(run.conditions.users) and case.rtt_s == near:
            compared.setdefault((case.app, case.comparison), []).append(row)
    ordered = sorted(compared.values(), key=lambda own: (own[0].case.app, own[0].case.comparison.place))
    found = [_estimate_share(own, asides, run) for own in ordered]
    return [each for each in found if any(part.throughput_rps is not None for part in each.parts)]


def _estimate_share(rows: Sequence[CaseRounds], asides: Sequence[CaseRounds], run: RunInfo) -> ServerShare:
    pairs = [(row, _find_reference(row.case, asides)) for row in rows]
    parts = tuple(_describe_part(row, reference, _find_half_rate(row.case, asides), run) for row, reference in pairs)
    case = rows[0].case
    return ServerShare(
        app=case.app,
        comparison=case.comparison,
        parts=parts,
        limit=_find_limit(rows, len(run.environment.server_cpus)),
        gain_by_cpu=bound_gain([each.share for each in parts if each.share is not None]),
        spread=_measure_spread(rows),
    )


def _find_reference(case: Case, asides: Iterable[CaseRounds]) -> CaseRounds | None:
    """The reference app under the same server, measured in the same way."""
    same = ("server", "protocol", "load", "users", "streams", "workers")
    return next(
        (
            row
            for row in asides
            if row.case.app == REFERENCE_APP and all(getattr(row.case, name) == getattr(case, name) for name in same)
        ),
        None,
    )


def _find_half_rate(case: Case, asides: Iterable[CaseRounds]) -> CaseRounds | None:
    same = ("server", "app", "scenario", "protocol", "users", "streams", "workers")
    return next((row for row in asides if all(getattr(row.case, name) == getattr(case, name) for name in same)), None)


def _describe_part(row: CaseRounds, reference: CaseRounds | None, half: CaseRounds | None, run: RunInfo) -> ServerPart:
    known = reference is not None and reference.verdict in USABLE
    reason = "; ".join(reference.reasons) or reference.verdict if reference is not None and not known else ""
    cpu = estimate(tuple(row.cpu_us_per_request.values()))
    return ServerPart(
        server=row.case.server,
        verdict=row.verdict,
        throughput_rps=estimate(tuple(row.throughput_rps.values())),
        cpu_us_per_request=cpu,
        reference_cpu_us_per_request=estimate(tuple(reference.cpu_us_per_request.values()))
        if reference is not None and known
        else None,
        share=paired_ratio(reference.cpu_turns, row.cpu_turns)
        if reference is not None and known and row.verdict in USABLE
        else None,
        cpus_used=_count_cpus_used(row),
        reason=reason,
        at_half_rate=None if half is None else _describe_half_rate(half, run),
    )


def _describe_half_rate(row: CaseRounds, run: RunInfo) -> HalfRate:
    load = row.case.load
    return HalfRate(
        verdict=row.verdict,
        reasons=row.reasons,
        offered_rps=load.rps if isinstance(load, Rate) else 0.0,
        throughput_rps=estimate(tuple(row.throughput_rps.values())),
        latency_us=estimate_latency(
            [each.result.response for each in row.rounds], make_chance(run.conditions.seed, row.case)
        ),
        cpu_us_per_request=estimate(tuple(row.cpu_us_per_request.values())),
    )


def _count_cpus_used(row: CaseRounds) -> float | None:
    """CPU seconds a second in the closed loop, from the medians; None where they are unknown."""
    if not row.cpu_us_per_request or not row.throughput_rps:
        return None
    return median(row.cpu_us_per_request.values()) / 1e6 * median(row.throughput_rps.values())


def _find_limit(rows: Iterable[CaseRounds], server_cpus: int) -> Limit:
    """What sets the rate: CPU time only if all servers with a valid number were busy.

    A generator at its limit leaves servers idle, and so do other processes that take their CPUs; nothing follows then.
    At a given rate it is the rate.
    """
    found: set[Limit] = set()
    for row in rows:
        used = _count_cpus_used(row)
        if row.verdict not in USABLE:
            continue
        if used is None or isinstance(row.case.load, Rate):
            found.add("unknown")
        elif used >= BUSY_FROM * _count_usable(used, row.case.workers, server_cpus):
            found.add("cpu")
        else:
            found.add("unknown" if row.disturbed or row.verdict != "valid" else "waiting")
    return next(iter(found)) if len(found) == 1 else "unknown"


def _count_usable(used: float, workers: int, server_cpus: int) -> int:
    """How many CPUs a server can use: one for each worker, unless it used more, which takes further processes."""
    alone = min(workers, server_cpus)
    return alone if used <= alone * (2 - BUSY_FROM) else server_cpus


def bound_gain(shares: Sequence[Ratio]) -> float | None:
    """By how much a server that costs nothing would raise the rate at most: s ÷ (1 − s) for a share s of the CPU time.

    The largest upper end of the intervals counts: infinity where it is nearly all of the CPU time, None without one.
    """
    most = max((each.high for each in shares if each.low < each.high), default=None)
    if most is None:
        return None
    return most / (1 - most) if most < ALL_FROM else math.inf


def _measure_spread(rows: Iterable[CaseRounds]) -> Spread | None:
    """The fastest ÷ the slowest of the valid candidates in a closed loop; None with fewer than two, or few rounds."""
    closed = (row for row in rows if not isinstance(row.case.load, Rate))
    valid = [row for row in closed if row.verdict == "valid" and row.round_count >= LEAST_ROUNDS]
    if len(valid) < 2:  # noqa: PLR2004 - a ratio needs two
        return None
    ordered = sorted(valid, key=lambda row: (row.median_standing("throughput"), row.case.server))
    ratio = paired_ratio(ordered[-1].throughput_turns, ordered[0].throughput_turns)
    return None if ratio is None else Spread(ordered[-1].case.server, ordered[0].case.server, ratio)
