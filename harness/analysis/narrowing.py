"""A part of a run: some of its scenarios, protocols, servers or numbers of users. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.errors import UsageError
from harness.text.numbers import join
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.model.plan import Case
    from harness.model.records import Record
    from harness.model.run_info import RunInfo

FIELDS: Mapping[str, Callable[[Case], str]] = {
    "scenarios": lambda case: case.scenario,
    "protocols": lambda case: case.protocol,
    "servers": lambda case: case.server,
    "users": lambda case: str(case.users),
}
"""What a run can be narrowed by, and the value that a case has."""


def narrow(run: RunInfo, records: Sequence[Record], wanted: Mapping[str, str]) -> tuple[RunInfo, list[Record]]:
    """The run and its records with these comma-separated values only, in the run's own order; others are left out.

    The figures of what is kept do not change. A server that is named keeps its control. Raises `UsageError` for a
    value that the run has not.
    """
    cases = dict.fromkeys(each.case for each in records)
    kept = {name: _choose(name, text, [FIELDS[name](case) for case in cases]) for name, text in wanted.items()}
    left_out = {name: values for name, (values, all_) in kept.items() if len(values) < len(all_)}
    if not left_out:
        return run, list(records)

    def belongs(case: Case) -> bool:
        return all(FIELDS[name](case) in values for name, (values, _) in kept.items())

    users = tuple(each for each in run.conditions.users if "users" not in kept or str(each) in kept["users"][0])
    part = tuple(f"{name} {join(values)}, of {join(kept[name][1])}" for name, values in left_out.items())
    info = replace(
        run,
        planned=tuple(filter(belongs, run.planned)),
        conditions=replace(run.conditions, users=users),
        part=part,
    )
    return info, [each for each in records if belongs(each.case)]


def _choose(name: str, text: str, found: Sequence[str]) -> tuple[list[str], list[str]]:
    """The values that are named, and all that there are."""
    known = list(dict.fromkeys(found))
    asked = text.split(",")
    for each in asked:
        if each not in known:
            raise UsageError(f"--{name}: expected any of {', '.join(known)}, found {each}{suggest(each, known)}")
    return [each for each in known if each in asked], known
