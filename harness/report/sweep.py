"""What a sweep over rates says: up to which rate each candidate keeps its p99 short. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.text.numbers import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.summaries import CaseSummary
    from harness.report.sections import Section

TAIL_US = 10_000
"""A p99 above this is long: a service that waits for this one expects its answer sooner."""


class Reach(NamedTuple):
    """The highest rate up to which p99 stayed within `TAIL_US`, and the lowest at which it did not."""

    kept: CaseSummary | None
    lost: CaseSummary | None


def has_rates(section: Section) -> bool:
    """Does this comparison have shares of the candidates' own rates? Not if no closed loop gave a rate."""
    return any(each.own_share is not None for each in section.summary.summaries)


def find_reach(rates: Sequence[CaseSummary]) -> Reach:
    """The reach of one candidate. An overloaded rate is lost; a rate without a valid p99 is skipped."""
    kept = None
    for each in sorted(rates, key=lambda each: each.offered_rps or 0.0):
        p99 = each.latency_us.p99 if each.verdict == "valid" else None
        if each.overloaded or (p99 is not None and p99.median > TAIL_US):
            return Reach(kept, each)
        if p99 is not None:
            kept = each
    return Reach(kept, None)


def sentence(section: Section) -> str:
    """The reach of every candidate."""
    rates: dict[str, list[CaseSummary]] = {}
    for each in section.summary.candidates:
        rates.setdefault(each.name, []).extend([each] if each.own_share is not None else [])
    return "; ".join(_part(name, find_reach(own)) for name, own in rates.items()) + "."


def _part(name: str, found: Reach) -> str:
    within = f"p99 within {TAIL_US / 1000:g} ms"
    if found.lost is None:
        return f"{name} has no valid p99" if found.kept is None else f"{name} keeps {within} up to {_at(found.kept)}"
    lost = "is overloaded" if found.lost.overloaded else "first exceeds it"
    if found.kept is None:
        return f"{name} does not keep {within}: it {lost} at {_at(found.lost)}, the lowest rate with a result"
    return f"{name} keeps {within} up to {_at(found.kept)} and {lost} at {count(found.lost.offered_rps or 0.0)}"


def _at(summary: CaseSummary) -> str:
    return f"{count(summary.offered_rps or 0.0)} requests/s ({percent(summary.own_share or 0.0)} of its own rate)"
