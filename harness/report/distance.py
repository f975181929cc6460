"""What a protocol does at a distance beside HTTP/1.1, in a sentence. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.distance import BESIDE, compare_rates, list_distances
from harness.analysis.naming import name_rtt
from harness.model.link import NEAR
from harness.model.loads import Rate
from harness.model.protocols import PROTOCOL_NAMES
from harness.report.cells import factor, interval
from harness.text.numbers import join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.run_info import RunInfo
    from harness.report.sections import Section


def sentence(run: RunInfo, section: Section, sections: Sequence[Section]) -> str:
    """How many more requests this protocol answers than HTTP/1.1 at the same distance; empty without distances."""
    own = section.summary.comparison
    other = BESIDE.get(own.protocol)
    alike = [each for each in sections if replace(each.summary.comparison, distance=own.distance) == own]
    several = len(list_distances(one for each in alike for one in each.summary.summaries)) > 1
    if other is None or isinstance(own.load, Rate) or (not several and own.distance == NEAR):
        return ""
    wanted = replace(own, protocol=other)
    beside = {
        one.case.candidate: one
        for each in sections
        if each.summary.comparison == wanted
        for one in each.summary.candidates
    }
    pairs = [
        (each.name, beside[each.case.candidate], each)
        for each in section.summary.candidates
        if each.case.candidate in beside
    ]
    found = [(name, ratio) for name, one, each in pairs if (ratio := compare_rates(run, each, one)) is not None]
    if not found:
        return ""
    parts = [f"{factor(ratio.value)}× ({interval(ratio, factor)}) as many on {name}" for name, ratio in found]
    return f"Compared with {PROTOCOL_NAMES[other]} at {name_rtt(own.distance.rtt_s)}, it answers {join(parts)}."
