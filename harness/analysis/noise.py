"""How much this machine's numbers vary by themselves: the same server measured under two names. Pure."""

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
ROUNDS = 5
RESOLVED_DEVIATIONS = 1.68
"""Standard deviations of a round's log ratio that five rounds tell from none, two-sided at 5 %, in four runs of five.

From the noncentral t distribution with 4 degrees of freedom.
"""


@dataclass(frozen=True)
class Noise:
    """The same server under two names: what is found to differ is the machine's doing."""

    server: str
    rounds: int
    """That gave numbers for both."""
    window_s: float
    """Length of a trial's window, the median."""
    samples_rps: tuple[float, ...]
    """Of both, one for each trial."""
    spread: float | None
    """Largest ÷ smallest sample − 1."""
    throughput: Ratio | None
    """The false difference, second name ÷ first."""
    cpu: Ratio | None
    """The same of CPU per request."""
    resolves_throughput: float | None
    """The smallest difference that five rounds like these tell from none in four runs of five: 0.03 is 3 %.

    An estimate from few rounds: it may be off by a factor of two. None with fewer than two rounds.
    """
    resolves_cpu: float | None
    reasons: tuple[str, ...] = ()
    """What the verdicts on the trials said, each once."""


def measured(records: Sequence[Record], server: str) -> Noise:
    """What an A/A comparison says of the machine. Numbers count whatever their verdict: noise is what is asked for."""
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
        resolves_throughput=_resolves(control_rates, rates),
        resolves_cpu=_resolves(control_costs, costs),
        reasons=tuple(dict.fromkeys(reason for each in records for reason in each.reasons)),
    )


def judge(found: Noise) -> Check:
    """The comparison as a check."""
    resolves = found.resolves_throughput
    if resolves is None or found.spread is None:
        why = f": {found.reasons[0]}" if found.reasons else ""
        return Check("noise", "problem", f"too few numbers came{why}", "numbers from two rounds", "mend that first")
    level: Level = "problem" if resolves > RESOLUTION_LIMIT else "note" if resolves > RESOLUTION_NOTED else "ok"
    rounds = f"{ROUNDS} rounds × {found.window_s:.2g} s"
    text = f"{rounds} resolve differences from about {resolves:.1%} on; single samples spread by {found.spread:.0%}"
    fix = "mend what stands above, then more rounds (--precision 5%) and longer windows (--duration 5s)"
    return Check("noise", level, text, f"at most {RESOLUTION_NOTED:.0%}", fix)


def _by_round(records: Sequence[Record]) -> tuple[dict[int, float], dict[int, float]]:
    """Requests a second, and CPU µs a request, by the number of the round."""
    rounds = [
        Round(record.round, record.result, record.samples)
        for record in records
        if record.result is not None and record.result.answers > 0
    ]
    rates = {each.number: each.throughput_rps for each in rounds}
    return rates, {each.number: cost for each in rounds if (cost := each.cpu_us_per_request) is not None}


def _resolves(numerators: Mapping[int, float], denominators: Mapping[int, float]) -> float | None:
    both = sorted(numerators.keys() & denominators.keys())
    if len(both) < 2:  # noqa: PLR2004 - one round does not vary
        return None
    return math.expm1(
        RESOLVED_DEVIATIONS * statistics.stdev(math.log(numerators[each] / denominators[each]) for each in both)
    )
