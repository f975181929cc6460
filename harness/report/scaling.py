"""What more workers bring, in a sentence. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.across import divide_rates, has_all_rounds
from harness.analysis.scaling import allowed_growth
from harness.model.loads import Rate
from harness.report.cells import factor, interval
from harness.text.numbers import join, percent, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, Ratio
    from harness.report.sections import Section


def sentence(run: RunInfo, section: Section, sections: Sequence[Section]) -> str:
    """How much faster the most workers are than the fewest; empty for any other number of workers."""
    own = section.summary.comparison
    alike = [each for each in sections if replace(each.summary.comparison, workers=own.workers) == own]
    fewest = min(alike, key=lambda each: each.summary.comparison.workers)
    workers, least = own.workers, fewest.summary.comparison.workers
    if workers == least or workers < max(each.summary.comparison.workers for each in alike):
        return ""
    many, few = _repeated(section), _repeated(fewest)
    growth = {name: ratio for name in many if name in few and (ratio := divide_rates(run, many[name], few[name]))}
    if not growth:
        return ""
    allowed = allowed_growth(least, workers, len(run.environment.server_cpus))
    parts = [f"{name} answers {factor(more.value)}× as many{_explain(more, allowed)}" for name, more in growth.items()]
    unpaired = [name for name in growth if not has_all_rounds(run, many[name], few[name])]
    pairs = f" The rounds of {join(unpaired)} could not be paired." if unpaired else ""
    return f"With {workers} workers instead of {least}, {join(parts)}.{pairs}{_limit(run)}"


def _limit(run: RunInfo) -> str:
    cpus = len(run.environment.server_cpus)
    return f" The servers had {plural(cpus, 'CPU')}: beyond that nothing can scale." if cpus else ""


def _repeated(section: Section) -> dict[str, CaseSummary]:
    """The valid cases that found a rate in two rounds or more. One round has no interval; a given rate is no result."""
    return {
        each.name: each
        for each in section.summary.candidates
        if each.verdict == "valid" and not isinstance(each.case.load, Rate) and len(each.throughput_by_round_rps) > 1
    }


def _explain(growth: Ratio, allowed: float) -> str:
    """` (1.6 – 1.9; 88 % of what the CPUs allow)`; without the share where they allow no growth."""
    share = [f"{percent(growth.value / allowed)} of what the CPUs allow"] if allowed > 1 else []
    said = "; ".join(filter(None, [interval(growth, factor), *share]))
    return f" ({said})" if said else ""
