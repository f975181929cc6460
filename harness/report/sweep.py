"""What a sweep over rates says: up to which rate each candidate keeps its tail short. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.report.cells import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.summaries import CaseSummary
    from harness.report.rows import Group

TAIL_US = 10_000
"""A p99 above it is a long tail: an answer of a service that others wait for is expected sooner."""


class Reach(NamedTuple):
    """The highest rate up to which p99 stayed within `TAIL_US`, and the lowest at which it did not."""

    kept: CaseSummary | None
    lost: CaseSummary | None


def told_by_rate(group: Group) -> bool:
    """Are these answers at several rates? No for a sweep that had no closed loop to start from."""
    return any(each.own_share is not None for each in group.summaries)


def reach(rates: Sequence[CaseSummary]) -> Reach:
    """Of one candidate's open loops; a rate without a valid p99 says nothing, and one that overloads it is lost."""
    kept = None
    for each in sorted(rates, key=lambda each: each.offered_rps or 0.0):
        p99 = each.latency_us.p99 if each.verdict == "valid" else None
        if each.overloaded or (p99 is not None and p99.median > TAIL_US):
            return Reach(kept, each)
        if p99 is not None:
            kept = each
    return Reach(kept, None)


def sentence(group: Group) -> str:
    """How far each candidate goes, in one sentence."""
    names = dict.fromkeys(each.name for each in group.candidates)
    return (
        "; ".join(
            _part(name, reach([each for each in group.summaries if each.name == name and each.own_share is not None]))
            for name in names
        )
        + "."
    )


def _part(name: str, found: Reach) -> str:
    within = f"p99 within {TAIL_US / 1000:g} ms"
    if found.lost is None:
        return f"{name} has no valid p99" if found.kept is None else f"{name} keeps {within} up to {_at(found.kept)}"
    lost = "is overloaded" if found.lost.overloaded else "first exceeds it"
    if found.kept is None:
        return f"{name} does not keep {within}: it {lost} at {_at(found.lost)}, the lowest rate that tells"
    return f"{name} keeps {within} up to {_at(found.kept)} and {lost} at {count(found.lost.offered_rps or 0.0)}"


def _at(summary: CaseSummary) -> str:
    return f"{count(summary.offered_rps or 0.0)} requests/s ({percent(summary.own_share or 0.0)} of its own rate)"
