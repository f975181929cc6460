"""The search for a capacity: which rate to try next, and whether a rate met the level. Pure.

Doubling from a first rate until one is missed, bisection on the logarithmic scale until the highest rate met and the
lowest missed are near each other, then a confirming trial at the highest rate met. If that misses, the rate goes down
step by step: a rate that held only once is not a capacity.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from harness.analysis.intervals import TAIL
from harness.model.loads import (
    ANSWERED_LEAST,
    SEARCH_CONFIRMATIONS,
    SEARCH_FIRST_RPS,
    SEARCH_LEAST_RPS,
    SEARCH_LONGEST_S,
    SEARCH_RESOLUTION,
)
from harness.model.records import USABLE, Probe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from harness.model.loads import Capacity
    from harness.model.records import Record, Step, Verdict
    from harness.model.results import LoadResult

SPARE = 1.05
"""With random arrivals, fewer requests than expected may be due in a trial."""
MAYBE_ACCIDENTS: Collection[Verdict] = frozenset({"client-limited", "network-limited", "invalid"})
"""Verdicts on a trial after which a rate is tried once more."""


class Try(NamedTuple):
    """What to try next."""

    rate_rps: float
    step: Step


class Search:
    """The search of one case. Its caller makes the trial that is due and hands over the record, until none is due."""

    def __init__(self, level: Capacity, earlier: Iterable[Record] = ()) -> None:
        self._level = level
        self._first_rps = starting_rps(level, earlier)
        self._seen: list[Probe] = []
        self._is_repeated = False
        self.due = self._next()

    def take(self, attempt: Try, trial: Record) -> Record:
        """The record of the trial of what was due, as the search sees it."""
        record, probe = weigh(trial, attempt, self._level, self._seen)
        if trial.verdict in MAYBE_ACCIDENTS and not probe.met and not self._is_repeated:
            # Once may be an accident of the machine's, or of the generator's; twice is not.
            self._is_repeated = True
            return replace(record, probe=replace(probe, final=False))
        self._is_repeated = False
        self._seen.append(probe)
        self.due = None if probe.final else self._next()
        return record

    def _next(self) -> Try | None:
        return next_try(self._seen, self._first_rps, least_rps(self._level))


def choose_length_s(level: Capacity, rate_rps: float, duration_s: float) -> float:
    """How long a trial at this rate has to look, `duration_s` at least, until its requests carry the percentiles."""
    return max(duration_s, min(SEARCH_LONGEST_S, SPARE * _requests(level) / rate_rps))


def starting_rps(level: Capacity, earlier: Iterable[Record]) -> float:
    """The rate that a search begins with: half of what the searches of earlier rounds found, if there were any."""
    found = [each.probe.rate_rps for each in earlier if each.probe and each.probe.final]
    return max(median(found) / 2 if found else SEARCH_FIRST_RPS, least_rps(level))


def least_rps(level: Capacity) -> float:
    """The lowest rate at which the longest trial carries the percentiles."""
    return max(SEARCH_LEAST_RPS, SPARE * _requests(level) / SEARCH_LONGEST_S)


def _requests(level: Capacity) -> float:
    """How many are needed for the farthest percentile."""
    return TAIL / (1 - max(level.limits_us) / 100)


def next_try(
    seen: Sequence[Probe], first_rps: float = SEARCH_FIRST_RPS, lowest_rps: float = SEARCH_LEAST_RPS
) -> Try | None:
    """The next rate and why it is tried; None when the search is over, with or without success."""
    confirmations = [probe for probe in seen if probe.step == "confirmation"]
    if confirmations:
        last = confirmations[-1]
        if (
            last.met
            or len(confirmations) == SEARCH_CONFIRMATIONS
            or last.rate_rps / (1 + SEARCH_RESOLUTION) < lowest_rps
        ):
            return None
        return Try(last.rate_rps / (1 + SEARCH_RESOLUTION), "confirmation")
    met = max((probe.rate_rps for probe in seen if probe.met), default=None)
    missed = min((probe.rate_rps for probe in seen if not probe.met), default=None)
    if missed is None:
        return Try(first_rps if met is None else 2 * met, "doubling")
    if met is None:
        return Try(missed / 2, "doubling") if missed / 2 >= lowest_rps else None
    if missed > met * (1 + SEARCH_RESOLUTION):
        return Try(math.sqrt(met * missed), "bisection")
    return Try(met, "confirmation")


def shortfall(level: Capacity, rate_rps: float, result: LoadResult) -> str | None:
    """Why a trial at this rate did not meet the level, with figure and limit; None when it did."""
    share = result.throughput_rps / rate_rps
    if result.dropped or share < ANSWERED_LEAST:
        return f"{100 * share:.3g} % of {rate_rps:,.0f} requests/s were answered; limit {100 * ANSWERED_LEAST:g} %"
    errors = result.errors.total / max(result.finished, 1)
    if errors > level.error_share:
        return f"{100 * errors:.2g} % of the requests had no right answer; limit {100 * level.error_share:g} %"
    for percent, limit_us in level.limits_us.items():
        found_us = result.response.percentile(percent)
        if found_us >= limit_us:
            return f"p{percent:g} was {found_us / 1000:,.3g} ms; limit {limit_us / 1000:g} ms"
    return None


def weigh(trial: Record, attempt: Try, level: Capacity, seen: Sequence[Probe]) -> tuple[Record, Probe]:
    """The record of a trial of a search, as the search sees it, and the probe in it; `seen` are the ones before it.

    A trial that missed the level is a sound trial, and the search goes on; it is over, and its last trial stands for
    the round, when a rate was confirmed, when none can be, or when a trial was not sound: the generator or the machine
    may have been why the level was missed.
    """
    result = trial.result
    why = "" if result is None else shortfall(level, attempt.rate_rps, result) or ""
    met = result is not None and not why and trial.verdict in USABLE
    probe = Probe(attempt.rate_rps, attempt.step, met, shortfall=why)
    verdict, reasons = trial.verdict, trial.reasons
    if met:
        verdict, probe = "valid", replace(probe, final=attempt.step == "confirmation")
    elif trial.verdict != "valid":
        probe = replace(probe, final=True)
        reasons = (*reasons, f"the search ended at {attempt.rate_rps:,.0f} requests/s; {_known(seen)}")
    elif next_try([*seen, probe], lowest_rps=least_rps(level)) is None:
        lowest = min(each.rate_rps for each in [*seen, probe])
        verdict, probe = "invalid", replace(probe, final=True)
        reasons = (f"no rate down to {lowest:,.0f} requests/s met the level twice; the last time, {why}", *reasons)
    return replace(trial, verdict=verdict, reasons=reasons, probe=probe), probe


def _known(seen: Iterable[Probe]) -> str:
    highest_rps = max((each.rate_rps for each in seen if each.met), default=None)
    if highest_rps is None:
        return "no rate had met the level yet"
    return f"the highest rate that met the level was {highest_rps:,.0f}"
