"""How far an interrupted run came. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.naming import Levels, Naming
from harness.report.sections import is_sweep, title
from harness.text.numbers import plural, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.model.plan import Case
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary


def lines(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[str]:
    """What an interrupted run lacks: first in a sentence, then who has no number, a line for each comparison.

    Empty for a run that is complete, or was made by a version that did not record it.
    """
    if run.complete is not False:
        return []
    if not run.ranked_cases:
        return ["Interrupted: the run is not complete."]
    measured = [each for each in summaries if each.measured and each.case in run.ranked_cases]
    done = {each.case for each in measured}
    missing = [case for case in run.ranked_cases if case not in done]
    return [f"Interrupted: {_numbers(run, missing)}{_rounds(run, measured, missing)}.", *_by_comparison(run, missing)]


def _numbers(run: RunInfo, missing: Sequence[Case]) -> str:
    if not missing:
        return f"all {len(run.ranked_cases)} cases have a number"
    return f"{len(missing)} of {len(run.ranked_cases)} cases {'has' if len(missing) == 1 else 'have'} no number yet"


def _rounds(run: RunInfo, measured: Iterable[CaseSummary], missing: Sequence[Case]) -> str:
    """How many rounds the numbers come from. A sweep plans its open loops during the run: some may be missing."""
    counts = [each.rounds for each in measured]
    if not counts:
        return ""
    who = "the others" if missing else "they"
    more = ", and open loops may be missing" if is_sweep(run) else ""
    return f"; {who} have {span(counts)} of {plural(run.conditions.rounds, 'round')} that count{more}"


def _by_comparison(run: RunInfo, missing: Iterable[Case]) -> list[str]:
    naming = Naming.of(case.candidate for case in run.ranked_cases)
    levels = Levels.of(run.ranked_cases)
    names: dict[str, list[str]] = {}
    for case in missing:
        names.setdefault(title(case, levels), []).append(naming.name(case.candidate))
    return [f"{comparison}: {', '.join(own)}" for comparison, own in names.items()]
