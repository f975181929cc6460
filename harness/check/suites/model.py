"""Independent test suites beside our checks: what they found, and where they and the checks disagree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence  # noqa: TC003 - `check.json` is read by these types
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Literal

from harness.model.protocols import Protocol  # noqa: TC001

if TYPE_CHECKING:
    from harness.check.model import Check, Entry
    from harness.check.target import Target

Side = Literal["suite", "check"]
"""Who found a fault that the other did not: the suite, or our check."""


@dataclass(frozen=True)
class Case:
    """One case of a suite, as it went on one server."""

    id: str
    """As the suite names it, such as `http2/6.9.1/2` or `7.3.1`."""
    title: str
    passed: bool
    found: str = ""
    """What the suite says of a failure, in one line."""


@dataclass(frozen=True)
class Suite:
    """How a suite is run against a server, and which of our checks ask what its cases ask."""

    name: str
    programs: tuple[str, ...]
    """Any one of these runs it, the first that is installed."""
    source: str
    """How to get one of the programs, in one line."""
    protocols: tuple[Protocol, ...]
    """It is run over the first of these that the server speaks."""
    command: Callable[[str, Target, Path], list[str]]
    """The command line of a program, for a server and a folder that takes the report."""
    read: Callable[[Path], list[Case]]
    """The cases in a report; raises `ValueError` or `OSError` if there is none that can be read."""
    related: Mapping[str, tuple[str, ...]]
    """Beginnings of ids of cases, and the checks that ask the same; the longest beginning counts."""

    def checks_like(self, case: str) -> tuple[str, ...]:
        """Our checks that ask what a case asks; none if we have none."""
        parts = case.replace("/", ".").split(".")
        beginnings = {key.replace("/", "."): names for key, names in self.related.items()}
        for length in range(len(parts), 0, -1):
            if (names := beginnings.get(".".join(parts[:length]))) is not None:
                return names
        return ()


@dataclass(frozen=True)
class Disagreement:
    """A fault that only one of the two found: both texts, to be settled by hand."""

    by: Side
    """Who found it."""
    cases: tuple[str, ...]
    """The cases of the suite."""
    suite_says: str
    checks: tuple[str, ...]
    """Our checks; none if no check asks what the case asks."""
    check_says: str


@dataclass(frozen=True)
class SuiteRun:
    """One suite on one server over one protocol."""

    suite: str
    program: str
    server: str
    protocol: Protocol
    cases: int
    failures: tuple[Case, ...]
    disagreements: tuple[Disagreement, ...]
    problem: str = ""
    """Why there are no cases, if there are none."""

    @property
    def passed(self) -> int:
        return self.cases - len(self.failures)


def compare(
    suite: Suite, cases: Sequence[Case], entries: Sequence[Entry], checks: Sequence[Check]
) -> tuple[Disagreement, ...]:
    """What only the suite or only our checks found, on one server over one protocol.

    A failure of one side agrees with any failure of the other that asks the same. Our own expectations count only as
    answers to the suite, not as faults that it should have found.
    """
    found = {entry.check: entry for entry in entries}
    level = {check.name: check.level for check in checks}
    ours = {name: [case for case in cases if name in suite.checks_like(case.id)] for name in found}
    made = []
    for case in cases:
        names = suite.checks_like(case.id)
        tried = [found[name] for name in names if name in found]
        if case.passed or any(entry.outcome == "fail" for entry in tried):
            continue
        said = "; ".join(f"{entry.check}: {entry.outcome}, {entry.summary}" for entry in tried)
        says = f"{case.title}: {case.found}"
        made.append(Disagreement("suite", (case.id,), says, names, said or _say_untried(names)))
    for name, like in ours.items():
        if found[name].outcome == "fail" and level.get(name) == "must" and like and all(case.passed for case in like):
            ids = tuple(case.id for case in like)
            made.append(Disagreement("check", ids, "passed", (name,), found[name].summary))
    return tuple(made)


def _say_untried(names: Sequence[str]) -> str:
    return f"not tried: {', '.join(names)}" if names else "no check asks this"
