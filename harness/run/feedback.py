"""What to measure next, given what has been measured: the rounds of a sweep, and those that a precision takes.

A search for a capacity decides by itself within a round which rate to try (`search.next_try`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis import budget, precision, summarise
from harness.analysis.case_rounds import collect
from harness.model.loads import Sweep
from harness.model.records import USABLE
from harness.plan.blocks import keep_cases
from harness.plan.schedule import estimate_duration_s, plan_half_rate, plan_sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.model.plan import Plan, Round, Selection
    from harness.model.records import Record


def further_rounds(plan: Plan, selection: Selection, records: Sequence[Record]) -> Iterator[Round]:
    """The rounds after those of the plan, one at a time; `records` grows while they are carried out.

    A sweep goes on in open loops, at shares of what each case reached in the closed ones. With a precision, the cases
    whose intervals are still too wide are measured again, until none is left or the plan has no more rounds; their
    rounds have as many cycles as spend the time best.
    """
    wanted = selection.conditions.precision
    if isinstance(selection.conditions.load, Sweep):
        yield from plan_sweep(selection, summarise.reached_rps(records))
    elif wanted is not None:
        for planned in plan.further:
            left = keep_cases(planned, precision.imprecise(_list_ranked(records), selection.baseline, wanted))
            if not left:
                return
            duration_s = choose_duration_s(left, selection, records)
            yield tuple(replace(block, duration_s=duration_s) for block in left)


def half_rate_rounds(plan: Plan, selection: Selection, records: Sequence[Record]) -> tuple[Round, ...]:
    """The rounds at half of the slowest server's rate, which come after all others; none where the plan has none.

    A rate that is not ranked, because the generator was at its limit, is good enough for that. One of a case that is
    invalid is not: a server that fails most requests would set a rate that says nothing.
    """
    rows = collect(_list_ranked(records))
    reached_rps = {row.case: row.median_standing("throughput") for row in rows if row.verdict in USABLE}
    return plan_half_rate(plan, selection, reached_rps)


def _list_ranked(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if not record.case.aside]


def choose_duration_s(blocks: Round, selection: Selection, records: Sequence[Record]) -> float:
    """The counted time of each case in a round for which a given time is best spent; the usual one until known."""
    usual_s = selection.conditions.duration_s
    variances = precision.usual_variances(_list_ranked(records), selection.baseline)
    slices_s = [each.counted_s for record in _list_ranked(records) if record.result for each in record.result.slices]
    if variances is None or not slices_s:
        return usual_s
    slice_s = min(slices_s)
    cases = sum(block.case_count for block in blocks)
    whole_s = estimate_duration_s((blocks,), selection)
    cycle_s = cases * slice_s
    fixed_s = max(0.0, whole_s - usual_s / slice_s * cycle_s)
    return slice_s * budget.choose_cycles(variances, fixed_s, cycle_s)
