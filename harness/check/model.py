"""What a check is, and what running it on a server found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.model.protocols import Protocol  # noqa: TC001 - `check.json` is read by these types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.check.target import Target
    from harness.model.protocols import Interface

    Run = Callable[[Target], "Finding"]

Result = Literal["pass", "fail", "n/a"]
"""The server does what the source asks, or does not, or there was nothing to try."""

Outcome = Literal["pass", "fail", "n/a", "no-start", "error"]
"""A result; or the server did not start; or the check itself has a bug."""

Level = Literal["must", "should", "expected"]
"""Requirement level (RFC 2119): the source requires it, or recommends it, or only this project expects it."""

HTTP1: frozenset[Protocol] = frozenset({"h1", "h1-tls"})
HTTP1_CLEAR: frozenset[Protocol] = frozenset({"h1"})
"""HTTP/1.1 without TLS, for checks whose result TLS cannot change."""
ASGI_ONLY: frozenset[Interface] = frozenset({"asgi"})
ANY_APP: frozenset[Interface] = frozenset({"asgi", "wsgi"})
"""Both interfaces, for checks whose result does not depend on how the app is called."""

Danger = Literal["dies", "smuggles", "mixes", "forges", "loses", "hangs", "memory"]
"""What a failure endangers in a deployment: the server itself, the rules of a proxy, users' data, their requests, their
time, or the memory of the server."""

OURS = "No source asks for this; the expectation is this project's."
"""Stands for the quotation of a check whose level is `expected`."""

BroughtDown = Literal["", "died", "hangs"]
"""What a check did to the server: nothing, or the process ended, or it no longer answers."""

EVIDENCE_CHARACTERS = 2000
"""Evidence is cut to this length."""


class ProtocolFault(Exception):  # noqa: N818 - the server's fault, not this program's
    """The server broke its protocol, so the check fails; the message is the evidence."""


class NotApplicable(Exception):  # noqa: N818 - no error
    """There is nothing to try on this server; the message is the reason."""


@dataclass(frozen=True)
class Finding:
    """What one check found on one server over one protocol."""

    result: Result
    evidence: str
    """What was sent and received, bytes escaped, at most `EVIDENCE_CHARACTERS`; its first line is a summary."""
    value: str = ""
    """For checks that ask what a server has rather than whether: the value for the table, such as `2.4`."""


def passed(evidence: str, value: str = "") -> Finding:
    """The server does what the source asks."""
    return Finding("pass", bounded(evidence), value)


def failed(evidence: str) -> Finding:
    """The server does not do what the source asks."""
    return Finding("fail", bounded(evidence))


def not_applicable(reason: str) -> Finding:
    """There was nothing to try."""
    return Finding("n/a", bounded(reason))


def bounded(text: str, most: int = EVIDENCE_CHARACTERS) -> str:
    """Cut a text to a number of characters: its beginning, how many were left out, and its end."""
    if len(text) <= most:
        return text
    half = (most - 60) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


@dataclass(frozen=True)
class Check:
    """One question to a server.

    `run` returns its finding within seconds. If it raises `ProtocolFault`, `ServerError`, a connection error or a
    timeout, the check has failed; any other exception is a bug in the check.
    """

    name: str
    """Unique; lower-case words with hyphens."""
    title: str
    protocols: frozenset[Protocol]
    """The check runs once over each of these."""
    expectation: str
    """What a server should do, with MUST and SHOULD as in the source."""
    source: str
    """Where the expectation comes from, such as `RFC 9112 §9.3.2`."""
    quote: str
    """The words of the source that a server is held to, unchanged; `OURS` if there are none."""
    consequence: str
    """What a failure means for a deployment, in one sentence."""
    run: Run
    interfaces: frozenset[Interface] = ASGI_ONLY
    """Servers that call apps by one of these are checked; `wsgi` needs the route in `probe/wsgi.py` too."""
    level: Level = "must"
    danger: Danger | None = None
    """What a failure endangers; None where it is only an inconvenience."""


@dataclass
class Family:
    """The checks of one module, in the order in which they are added; a module exports it as `CHECKS`."""

    protocols: frozenset[Protocol]
    """Used for each check that does not name its own."""
    interfaces: frozenset[Interface] = ASGI_ONLY
    """Used for each check that does not name its own."""
    _checks: list[Check] = field(default_factory=list)

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def add(
        self,
        name: str,
        title: str,
        expectation: str,
        source: str,
        run: Run,
        *,
        consequence: str,
        quote: str = OURS,
        danger: Danger | None = None,
        level: Level = "must",
        protocols: frozenset[Protocol] | None = None,
        interfaces: frozenset[Interface] | None = None,
    ) -> None:
        """Add a check whose `run` is made by another function."""
        spoken, called = protocols or self.protocols, interfaces or self.interfaces
        self._checks.append(
            Check(name, title, spoken, expectation, source, quote, consequence, run, called, level, danger)
        )

    def check(
        self,
        name: str,
        title: str,
        source: str,
        *,
        consequence: str,
        quote: str = OURS,
        danger: Danger | None = None,
        level: Level = "must",
        protocols: frozenset[Protocol] | None = None,
        interfaces: frozenset[Interface] | None = None,
    ) -> Callable[[Run], Run]:
        """Add the decorated function as a check; its docstring is the expectation."""

        def decorate(run: Run) -> Run:
            expectation = " ".join((run.__doc__ or "").split())
            if not expectation:
                raise ValueError(f"check {name}: expected a docstring that states the expectation, found none")
            self.add(
                name,
                title,
                expectation,
                source,
                run,
                quote=quote,
                consequence=consequence,
                danger=danger,
                level=level,
                protocols=protocols,
                interfaces=interfaces,
            )
            return run

        return decorate


@dataclass(frozen=True)
class Entry:
    """One cell of the table: a check on a server over a protocol."""

    server: str
    protocol: Protocol
    check: str
    outcome: Outcome
    evidence: str
    """As in `Finding`."""
    value: str = ""
    """As in `Finding`."""
    brought_down: BroughtDown = ""
    """A server that did not survive the check has failed it, whatever else was found."""

    @property
    def summary(self) -> str:
        """The first line of the evidence."""
        return self.evidence.partition("\n")[0]


@dataclass(frozen=True)
class Attempt:
    """How a server treated one malformed case."""

    words: str
    right: bool
    """Did the server refuse it as the source asks?"""
    transcript: str


def judge(attempts: list[Attempt], expected: str) -> Finding:
    """One finding for all cases of a check: those that are wrong with their transcripts, or that all are right."""
    wrong = [attempt for attempt in attempts if not attempt.right]
    summary = "; ".join(attempt.words for attempt in wrong or attempts)
    transcripts = "\n".join(attempt.transcript for attempt in wrong or attempts[:1])
    if wrong:
        return failed(f"expected {expected}, found for {summary}\n{transcripts}")
    return passed(f"{summary}\n{transcripts}")
