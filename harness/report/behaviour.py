"""What checks and drills beside a run's records say of its servers: what endangers a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from harness.host.files import read_file
from harness.model.protocols import PROTOCOL_NAMES, Protocol
from harness.text.numbers import join, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

Severity = Literal["danger", "fault", "note"]
"""It endangers a deployment; the server does not do what a standard requires; somebody who deploys it should know."""
SEVERITIES: tuple[Severity, ...] = ("danger", "fault", "note")
_GRADES: dict[str, Severity] = {"bad": "danger", "fair": "note"}


@dataclass(frozen=True)
class Behaviour:
    """What was seen of one server."""

    server: str
    severity: Severity
    what: str
    meaning: str
    option: str = ""
    """What changes it."""


class _Words(msgspec.Struct):
    grade: str
    cell: str
    meaning: str
    option: str = ""


class _DrillEntry(msgspec.Struct):
    server: str
    drill: str
    words: _Words | None = None


class _Titled(msgspec.Struct):
    name: str
    title: str
    force: str = "must"
    consequence: str = ""
    danger: str | None = None


class _Drills(msgspec.Struct):
    """What is read of a `drill.json`."""

    drills: list[_Titled]
    results: list[_DrillEntry]


class _CheckEntry(msgspec.Struct):
    server: str
    protocol: Protocol
    check: str
    outcome: str


class _Checks(msgspec.Struct):
    """What is read of a `check.json`."""

    checks: list[_Titled]
    results: list[_CheckEntry]


_Kind = TypeVar("_Kind", _Drills, _Checks)


def read_behaviour(folder: Path, servers: Collection[str]) -> list[Behaviour]:
    """What `check.json` and `drill.json` in the folder of a run or right below it say of its servers, dangers first.

    Files of others with these names are passed over.
    """
    found: list[Behaviour] = []
    for path in sorted([*folder.glob("drill.json"), *folder.glob("*/drill.json")]):
        found += _list_drills(_read(path, _Drills))
    for path in sorted([*folder.glob("check.json"), *folder.glob("*/check.json")]):
        found += _list_checks(_read(path, _Checks))
    own = dict.fromkeys(each for each in found if each.server in servers)
    return sorted(own, key=lambda each: SEVERITIES.index(each.severity))


def _read(path: Path, kind: type[_Kind]) -> _Kind | None:
    try:
        return msgspec.json.decode(read_file(path), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _list_drills(drills: _Drills | None) -> Iterable[Behaviour]:
    if drills is None:
        return
    titles = {each.name: each.title for each in drills.drills}
    for each in drills.results:
        severity = _GRADES.get(each.words.grade) if each.words else None
        if each.words and severity:
            title = titles.get(each.drill, each.drill)
            yield Behaviour(each.server, severity, f"{title}: {each.words.cell}", each.words.meaning, each.words.option)


def _list_checks(checks: _Checks | None) -> Iterable[Behaviour]:
    """For each server, the checks that it failed: what endangers a deployment, then what is required, by protocol."""
    if checks is None:
        return
    named = {each.name: each for each in checks.checks}
    wrong = dict.fromkeys((each.server, each.check) for each in checks.results if each.outcome == "fail")
    dangers: dict[tuple[str, str], list[_Titled]] = {}
    for server, name in wrong:
        if (check := named.get(name)) and check.danger:
            dangers.setdefault((server, check.danger), []).append(check)
    for (server, _), found in dangers.items():
        meaning = " ".join(dict.fromkeys(each.consequence for each in found))
        yield Behaviour(server, "danger", join([each.title for each in found]), meaning)
    titles = {each.name: each.title for each in checks.checks if each.force == "must" and not each.danger}
    failed: dict[tuple[str, Protocol], list[str]] = {}
    for each in checks.results:
        if each.outcome == "fail" and each.check in titles:
            failed.setdefault((each.server, each.protocol), []).append(titles[each.check])
    for (server, protocol), names in failed.items():
        what = f"{PROTOCOL_NAMES[protocol]}: {plural(len(names), 'required check')} failed"
        yield Behaviour(server, "fault", what, f"{join(names)}.")
