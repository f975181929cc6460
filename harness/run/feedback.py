"""What to measure next, given what has been measured: the rounds of a sweep, and those that a precision takes.

A search for a capacity decides by itself within a round which rate to try (`search.next_try`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis import summarise
from harness.model.loads import Sweep
from harness.plan.schedule import keep_cases, plan_sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.model.plan import Plan, Round, Selection
    from harness.model.results import Record


def further_rounds(plan: Plan, selection: Selection, records: Sequence[Record]) -> Iterator[Round]:
    """The rounds after those of the plan, one at a time; `records` grows while they are carried out.

    A sweep goes on in open loops, at shares of what each case reached in the closed ones. With a precision, the cases
    whose intervals are still too wide are measured again, until none is left or the plan has no more rounds.
    """
    precision = selection.conditions.precision
    if isinstance(selection.conditions.load, Sweep):
        yield from plan_sweep(selection, summarise.reached_rps(records))
    elif precision is not None:
        for planned in plan.further:
            left = keep_cases(planned, summarise.imprecise(records, selection.baseline, precision))
            if not left:
                return
            yield left
