"""Whether the gates of a comparison are kept, case by case. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.comparison import Judgement
from harness.model.summaries import Ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.analysis.comparison import CasePair, Difference, Entry, StartPair
    from harness.analysis.gates import Gate
    from harness.model.plan import Case, ServerConfig


def check_gate(
    gate: Gate,
    cases: Sequence[CasePair],
    starts: Sequence[StartPair],
    only_a: Sequence[Entry],
    controls: Iterable[CasePair],
) -> list[Judgement]:
    """Check a gate on every case, or every server configuration, of A.

    There is always a judgement, so that no gate passes unchecked. Cases that are unsupported in A or that only B has
    cannot be worse than in A and are left out.
    """
    if gate.metric == "ready":
        found = [_judge(gate, pair.a, pair.difference) for pair in starts]
    else:
        own_controls = {pair.a.case: pair for pair in controls}
        found = [
            _doubt(gate, _judge_pair(gate, pair), own_controls.get(pair.a.case))
            for pair in cases
            if pair.a.verdict != "unsupported"
        ]
        absent = (each.case for each in only_a if each.verdict != "unsupported")
        found += [_judge(gate, case, None, "B has no such case") for case in absent]
    return found or [Judgement(gate.text, gate.metric, None, "not checked", reason="A measured nothing")]


def _judge_pair(gate: Gate, pair: CasePair) -> Judgement:
    if gate.metric == "errors":
        return _judge_errors(gate, pair)
    return _judge(gate, pair.a.case, pair.difference(gate.metric), _explain_invalid(pair))


def _judge_errors(gate: Gate, pair: CasePair) -> Judgement:
    """Errors are counted, not estimated: whatever the verdicts, and without an interval."""
    ours, theirs = pair.a.error_share, pair.b.error_share
    about, metric = pair.a.case, gate.metric
    if ours is None or theirs is None or pair.requests:
        reason = pair.requests or _explain_invalid(pair) or "no requests"
        return Judgement(gate.text, metric, about, "not checked", reason=reason)
    change = 1 + theirs - ours
    ratio = Ratio(change, change, change)
    told = f"{pair.b.errors:,} of B's {pair.b.requests + pair.b.errors:,} requests, {100 * theirs:.3g} %; "
    told += f"{100 * ours:.3g} % of A's"
    return Judgement(gate.text, metric, about, gate.judge(ratio), ratio, told)


def _doubt(gate: Gate, judgement: Judgement, control: CasePair | None) -> Judgement:
    """A gate that A misses against itself, in the same run, is not clear."""
    if control is None or judgement.outcome != "missed" or gate.metric == "errors":
        return judgement
    against_itself = _judge_pair(gate, control)
    if against_itself.outcome != "missed":
        return judgement
    return replace(judgement, outcome="not clear", reason="the control, A measured twice, misses it too")


def _explain_invalid(pair: CasePair) -> str:
    """Say which sides are not valid; empty if both are."""
    doubts = [(name, entry.verdict) for name, entry in (("A", pair.a), ("B", pair.b)) if entry.verdict != "valid"]
    return " and ".join(f"{name} is {verdict}" for name, verdict in doubts)


def _judge(gate: Gate, about: Case | ServerConfig, difference: Difference | None, reason: str = "") -> Judgement:
    if difference is None or difference.ratio is None or difference.finding == "not compared":
        reason = reason or (difference.reason if difference else "")
        ratio = difference.ratio if difference else None
        return Judgement(gate.text, gate.metric, about, "not checked", ratio, reason)
    return Judgement(gate.text, gate.metric, about, gate.judge(difference.ratio), difference.ratio)
