"""Whether the order of candidates depends on the number of users, in a sentence. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from harness.report.columns import valid_rank
from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.sections import Section

LISTED = 3
"""So many pairs are named; more are counted."""


def sentence(section: Section, sections: Sequence[Section]) -> str:
    """Which candidates change places; given once, with the most users. Candidates that share a rank have no order."""
    own = section.summary.comparison
    alike = [each for each in sections if replace(each.summary.comparison, users=own.users) == own]
    levels = sorted(alike, key=lambda each: each.summary.comparison.users)
    if len(levels) == 1 or section is not levels[-1]:
        return ""
    places = {each.summary.comparison.users: _places(each) for each in levels}
    names = sorted(set().union(*places.values()))
    changes = [found for one, other in combinations(names, 2) if (found := _change(one, other, places))]
    if not changes:
        return ""
    more = f"; {plural(len(changes) - LISTED, 'more pair')} of candidates too" if len(changes) > LISTED else ""
    return f"The order changes with the number of users: {'; '.join(changes[:LISTED])}{more}."


def _places(section: Section) -> dict[str, int]:
    return {each.name: rank for each in section.summary.candidates if (rank := valid_rank(each))}


def _change(one: str, other: str, places: dict[int, dict[str, int]]) -> str:
    """`b is before a with 8 users, a before b with 128 users`; empty if neither passes the other."""
    both = {users: each for users, each in places.items() if one in each and other in each}
    first = [users for users, each in both.items() if each[one] < each[other]]
    second = [users for users, each in both.items() if each[one] > each[other]]
    if not first or not second:
        return ""
    ahead, behind = (one, other) if first[0] < second[0] else (other, one)
    earlier, later = sorted((first, second))
    before, after = plural(earlier[0], "user"), plural(later[-1], "user")
    return f"{ahead} is before {behind} with {before}, {behind} before {ahead} with {after}"
