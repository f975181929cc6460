"""By what a reader can narrow a page down. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.naming import name_rtt
from harness.model.protocols import PROTOCOL_NAMES
from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.report.sections import Section


@dataclass(frozen=True)
class Filter:
    """A choice among the values that the comparisons of a run have."""

    name: str
    """Its name in the address of a view, and of the attribute `data-…` that it looks at."""
    title: str
    values: Mapping[str, str]
    """What each value is called."""


def list_filters(sections: Iterable[Section]) -> list[Filter]:
    """Protocol, load, distance and workers, as far as the run has several of them."""
    every = [each.summary.comparison for each in sections]
    found = (
        Filter("protocol", "Protocol", {each.protocol: PROTOCOL_NAMES[each.protocol] for each in every}),
        Filter("users", "Load", {str(each.users): plural(each.users, "user") for each in every}),
        Filter("rtt", "Distance", {f"{each.distance.rtt_s:g}": name_rtt(each.distance.rtt_s) for each in every}),
        Filter("workers", "Workers", {str(each.workers): plural(each.workers, "worker") for each in every}),
    )
    return [each for each in found if len(each.values) > 1]
