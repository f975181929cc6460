"""What endangers a deployment on each server, and what each server can do, from the results of checks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.model.protocols import PROTOCOL_NAMES, PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.check.model import BroughtDown, Danger
    from harness.check.report import CheckRun, Table

WORDS: Mapping[Danger, str] = {
    "dies": "It dies, or stops to answer",
    "smuggles": "Requests can be smuggled past a proxy",
    "mixes": "Users may get each other's data",
    "forges": "Clients can forge what a proxy checks",
    "loses": "Requests or data are lost",
    "hangs": "Clients are left waiting",
    "memory": "A few clients can use up its memory",
}
"""What a failure of each kind endangers, the gravest first."""
CAPABILITIES: Mapping[str, str] = {
    "ws-deflate": "WebSocket compression",
    "h2-websocket": "WebSocket over HTTP/2",
    "extension-pathsend": "path send",
    "extension-trailers": "response trailers",
    "lifespan-startup": "lifespan",
    "lifespan-state": "lifespan state",
    "process-worker-replaced": "replaces workers",
    "process-reload": "reloads on SIGHUP",
}
"""Checks that ask for something that a server has or has not, and what that is called."""
_OF_OTHERS = {"extension-trailers": "h2-response-trailers"}
"""Where a check was not tried, this one may say it."""


_DANGERS_OF_DOWN: Mapping[BroughtDown, Danger] = {"died": "dies", "hangs": "dies"}


class Shown(NamedTuple):
    """A failed check: its title, with the protocol unless that is HTTP/1.1, and the id of its evidence on the page."""

    title: str
    consequence: str
    anchor: str


@dataclass(frozen=True)
class Risk:
    """What endangers a deployment on one server in one way, and which checks showed it."""

    words: str
    found: tuple[Shown, ...]


def list_risks(tables: Sequence[Table], server: str) -> list[Risk]:
    """What failed on a server and endangers a deployment, the gravest first."""
    by_danger: dict[Danger, list[Shown]] = {}
    for table in tables:
        for check, entry in table.failures:
            danger = _DANGERS_OF_DOWN.get(entry.brought_down, check.danger)
            if danger and entry.server == server:
                title = check.title if table.kind == "h1" else f"{check.title} ({table.title})"
                by_danger.setdefault(danger, []).append(Shown(title, check.consequence, table.anchor(entry)))
    return [Risk(words, tuple(by_danger[danger])) for danger, words in WORDS.items() if danger in by_danger]


@dataclass(frozen=True)
class Capabilities:
    """A table of what servers can do: yes, no, or unknown."""

    names: tuple[str, ...]
    by_server: Mapping[str, tuple[bool | None, ...]]


def list_capabilities(run: CheckRun) -> Capabilities:
    """Protocols that servers speak and checks of `CAPABILITIES`, of servers on which anything was tried.

    What nobody was asked for is left out.
    """
    outcomes: dict[tuple[str, str], set[str]] = {}
    for entry in run.results:
        for name in (entry.check, entry.protocol):
            outcomes.setdefault((entry.server, name), set()).add(entry.outcome)
    servers = list(dict.fromkeys(entry.server for entry in run.results if entry.outcome != "n/a"))
    asked = {name for _, name in outcomes}
    columns: dict[str, str] = {
        **{protocol: PROTOCOL_NAMES[protocol] for protocol in PROTOCOLS if protocol in asked},
        **{name: words for name, words in CAPABILITIES.items() if name in asked},
    }
    by_server = {server: tuple(_can(outcomes, server, name) for name in columns) for server in servers}
    return Capabilities(tuple(columns.values()), by_server)


def _can(outcomes: Mapping[tuple[str, str], set[str]], server: str, name: str) -> bool | None:
    """Does any of the results show it? None if none says anything."""
    found = outcomes.get((server, name), set()) | outcomes.get((server, _OF_OTHERS.get(name, "")), set())
    if found & {"no-start"}:
        return None
    if name in PROTOCOL_NAMES:
        return bool(found - {"n/a"}) if found else None
    return "pass" in found if found else None
