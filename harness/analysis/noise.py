"""How much the numbers of this machine vary from round to round: a server measured beside its control. Pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.budget import estimate_half_width, estimate_variances
from harness.analysis.case_rounds import Round
from harness.analysis.diagnosis import Check
from harness.analysis.intervals import pair_turns, paired_ratio
from harness.model.plan import Conditions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.diagnosis import Level
    from harness.analysis.intervals import Turns
    from harness.model.records import Record
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
    """Median counted time of a trial."""
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
    half_width: float | None = None
    """Half the width of the interval of a ratio in a run with the usual rounds and duration: 0.02 for ±2 %."""
    disturbed: int = 0
    """How many samples the host or other processes disturbed."""
    reasons: tuple[str, ...] = ()
    """Reasons of the verdicts on the trials, each once."""


def estimate_noise(records: Sequence[Record], server: str) -> Noise:
    """Estimate the noise from an A/A comparison; numbers count whatever their verdict, since disturbances are noise."""
    own, control = (_list_rounds(records, control=each) for each in (False, True))
    samples = [each.throughput_rps for each in (*own, *control)]
    rates, control_rates = ({each.key: each.throughput_by_cycle_rps for each in side} for side in (own, control))
    costs, control_costs = ({each.key: each.cpu_by_cycle_us for each in side} for side in (own, control))
    return Noise(
        server=server,
        rounds=len(rates.keys() & control_rates.keys()),
        window_s=statistics.median(each.result.counted_s for each in (*own, *control)) if samples else 0.0,
        samples_rps=tuple(samples),
        spread=max(samples) / min(samples) - 1 if samples else None,
        throughput=paired_ratio(control_rates, rates),
        cpu=paired_ratio(control_costs, costs),
        resolves_throughput=_estimate_resolution(control_rates, rates),
        resolves_cpu=_estimate_resolution(control_costs, costs),
        half_width=_estimate_half_width(control_rates, rates, records),
        disturbed=sum(each.disturbed for each in records if each.result is not None),
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
    fix = "fix the problems above, then use more rounds (--precision 5%) or longer ones (--duration 5s)"
    return Check("noise", level, text, f"at most {RESOLUTION_NOTED:.0%}", fix)


def _list_rounds(records: Sequence[Record], *, control: bool) -> list[Round]:
    return [
        Round((record.round, record.block), record.result, record.samples, record.slice_cpu_s)
        for record in records
        if record.result is not None and record.result.answers > 0 and record.case.control == control
    ]


def _estimate_half_width(control: Turns, own: Turns, records: Sequence[Record]) -> float | None:
    variances = estimate_variances(control, own)
    slices_s = [each.counted_s for record in records if record.result is not None for each in record.result.slices]
    if variances is None or not slices_s:
        return None
    return estimate_half_width(variances, Conditions.rounds, max(1, round(Conditions.duration_s / min(slices_s))))


def _estimate_resolution(numerators: Turns, denominators: Turns) -> float | None:
    logs = list(pair_turns(numerators, denominators).values())
    if len(logs) < 2:  # noqa: PLR2004 - one round does not vary
        return None
    return math.expm1(DETECTED_DEVIATIONS * statistics.stdev(logs))
