"""How far a run came that did not come to its end. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.rows import is_sweep, title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.model.plan import Case
    from harness.model.results import RunInfo
    from harness.model.summaries import CaseSummary


def lines(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[str]:
    """What an interrupted run lacks: in a sentence, and then who has no number, question by question.

    Nothing of a run that came to its end, or does not say whether it did.
    """
    if run.complete is not False:
        return []
    if not run.planned:
        return ["Interrupted: the run did not come to its end."]
    measured = [each for each in summaries if each.measured and each.case in run.planned]
    done = {each.case for each in measured}
    missing = [case for case in run.planned if case not in done]
    return [f"Interrupted: {_numbers(run, missing)}{_rounds(run, measured, missing)}.", *_by_question(run, missing)]


def _numbers(run: RunInfo, missing: Sequence[Case]) -> str:
    if not missing:
        return f"all {len(run.planned)} cases have a number"
    return f"{len(missing)} of {len(run.planned)} cases {'has' if len(missing) == 1 else 'have'} no number yet"


def _rounds(run: RunInfo, measured: Iterable[CaseSummary], missing: Sequence[Case]) -> str:
    """How many rounds the numbers are made of; of a sweep only the closed loops are known beforehand."""
    counts = sorted({each.rounds for each in measured})
    if not counts:
        return ""
    rounds = f"{run.conditions.rounds} round{'s' if run.conditions.rounds > 1 else ''}"
    counted = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    more = ", and open loops may be missing" if is_sweep(run) else ""
    return f"; {'the others' if missing else 'they'} have {counted} of {rounds} that count{more}"


def _by_question(run: RunInfo, missing: Iterable[Case]) -> list[str]:
    servers, apps = {case.server for case in run.planned}, {case.app for case in run.planned}
    several = len({case.workers for case in run.planned}) > 1
    names: dict[str, list[str]] = {}
    for case in missing:
        both = f"{case.app} on {case.server}" if len(servers) > 1 else case.app
        name = both if len(apps) > 1 else case.server
        names.setdefault(title(case, name_workers=several), []).append(name)
    return [f"{question}: {', '.join(own)}" for question, own in names.items()]
