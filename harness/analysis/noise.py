"""How much the numbers of this machine vary from round to round: a server measured beside its control. Pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.case_rounds import Round
from harness.analysis.diagnosis import Check
from harness.analysis.intervals import paired_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.diagnosis import Level
    from harness.model.results import Record
    from harness.model.summaries import Ratio

RESOLUTION_NOTED, RESOLUTION_LIMIT = 0.05, 0.20
"""A smallest detectable difference above the first is a note, above the second a problem."""
ROUNDS = 5
"""The noise is measured, and the smallest detectable difference is stated, for this many rounds."""
DETECTED_DEVIATIONS = 1.68
"""A difference of this many standard deviations of a round's log ratio is seen by four of five runs of five rounds.

The test is two-sided at 5 %; the figure is from the noncentral t distribution with 4 degrees of freedom.
"""


@dataclass(frozen=True)
class Noise:
    """A server beside its control: whatever differs between them is caused by the machine."""

    server: str
    rounds: int
    """Rounds in which both have a number."""
    window_s: float
    """Median length of the windows."""
    samples_rps: tuple[float, ...]
    """Throughput of each trial, of the server and of its control."""
    spread: float | None
    """Largest ÷ smallest sample − 1."""
    throughput: Ratio | None
    """Throughput of the control ÷ that of the server: a false difference."""
    cpu: Ratio | None
    """CPU per request of the control ÷ that of the server."""
    resolves_throughput: float | None
    """The difference that four of five runs of five rounds like these would see: 0.03 is 3 %.

    It is estimated from few rounds and may be wrong by a factor of two. None with fewer than two rounds.
    """
    resolves_cpu: float | None
    """The same for CPU per request."""
    reasons: tuple[str, ...] = ()
    """Reasons of the verdicts on the trials, each once."""


def estimate_noise(records: Sequence[Record], server: str) -> Noise:
    """Estimate the noise from an A/A comparison; numbers count whatever their verdict, since disturbances are noise."""
    rates, costs = _by_round([each for each in records if not each.case.control])
    control_rates, control_costs = _by_round([each for each in records if each.case.control])
    samples = (*rates.values(), *control_rates.values())
    return Noise(
        server=server,
        rounds=len(rates.keys() & control_rates.keys()),
        window_s=statistics.median(each.result.window_s for each in records if each.result) if samples else 0.0,
        samples_rps=samples,
        spread=max(samples) / min(samples) - 1 if samples else None,
        throughput=paired_ratio(control_rates, rates),
        cpu=paired_ratio(control_costs, costs),
        resolves_throughput=_estimate_resolution(control_rates, rates),
        resolves_cpu=_estimate_resolution(control_costs, costs),
        reasons=tuple(dict.fromkeys(reason for each in records for reason in each.reasons)),
    )


def judge_noise(found: Noise) -> Check:
    """Return the noise as a check of `harness doctor`."""
    resolves = found.resolves_throughput
    if resolves is None or found.spread is None:
        why = f": {found.reasons[0]}" if found.reasons else ""
        return Check("noise", "problem", f"not enough valid results{why}", "results of two rounds", "fix that first")
    level: Level = "problem" if resolves > RESOLUTION_LIMIT else "note" if resolves > RESOLUTION_NOTED else "ok"
    rounds = f"{ROUNDS} rounds × {found.window_s:.2g} s"
    text = f"{rounds} detect differences of about {resolves:.1%} or more; single samples spread by {found.spread:.0%}"
    fix = "fix the problems above, then use more rounds (--precision 5%) and longer windows (--duration 5s)"
    return Check("noise", level, text, f"at most {RESOLUTION_NOTED:.0%}", fix)


def _by_round(records: Sequence[Record]) -> tuple[dict[int, float], dict[int, float]]:
    """Throughput in requests/s and CPU time per request in µs, each by the number of the round."""
    rounds = [
        Round(record.round, record.result, record.samples)
        for record in records
        if record.result is not None and record.result.answers > 0
    ]
    rates = {each.number: each.throughput_rps for each in rounds}
    return rates, {each.number: cost for each in rounds if (cost := each.cpu_us_per_request) is not None}


def _estimate_resolution(numerators: Mapping[int, float], denominators: Mapping[int, float]) -> float | None:
    both = sorted(numerators.keys() & denominators.keys())
    if len(both) < 2:  # noqa: PLR2004 - one round does not vary
        return None
    return math.expm1(
        DETECTED_DEVIATIONS * statistics.stdev(math.log(numerators[each] / denominators[each]) for each in both)
    )
