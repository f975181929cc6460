"""What a check is, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target
    from harness.model.protocols import Interface, Protocol

Result = Literal["pass", "fail", "n/a"]
"""As the source asks · not so · there is nothing to try."""

Outcome = Literal["pass", "fail", "n/a", "no-start", "error"]
"""A result; or the server did not start; or a fault of the check itself."""

Force = Literal["must", "should", "expected"]
"""The source requires it · it recommends it · no source asks for it, those who wrote the check expect it."""

EVIDENCE_CHARACTERS = 2000


class ProtocolFault(Exception):  # noqa: N818 - the server's fault, not this program's
    """What the server sent cannot be read as its protocol says; the text is evidence."""


@dataclass(frozen=True)
class Finding:
    """What came of one check on one server over one protocol."""

    result: Result
    evidence: str
    """What was sent and what came back, readable, bytes escaped, at most `EVIDENCE_CHARACTERS`."""
    value: str = ""
    """Where the question is what the server has, not whether: the answer in a word, for the cell of a table."""


def passed(evidence: str, value: str = "") -> Finding:
    """It does what the source asks."""
    return Finding("pass", bounded(evidence), value)


def failed(evidence: str) -> Finding:
    """It does not."""
    return Finding("fail", bounded(evidence))


def not_applicable(why: str) -> Finding:
    """There is nothing to try, and why."""
    return Finding("n/a", bounded(why))


def bounded(text: str, most: int = EVIDENCE_CHARACTERS) -> str:
    """At most so many characters: the beginning and the end, and how much is left out between them."""
    if len(text) <= most:
        return text
    half = (most - 60) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


@dataclass(frozen=True)
class Check:
    """One question to a server.

    `run` gives its finding within seconds. `ProtocolFault`, a lost connection, a time-out and a server of its own that
    does not start may leave it as they are and become a `fail`; any other exception is a fault of this program.
    """

    name: str
    """Unique, words with hyphens."""
    title: str
    protocols: frozenset[Protocol]
    """The columns in which it is tried."""
    expectation: str
    """One sentence; MUST and SHOULD as the source has them."""
    source: str
    """Such as `RFC 9112 §9.3.2`."""
    run: Callable[[Target], Finding]
    interfaces: frozenset[Interface] = frozenset({"asgi"})
    """What servers can be asked it: `wsgi` too where the twin of the probe answers alike."""
    force: Force = "must"
    """What stands behind the expectation, and so how much a failure weighs."""


@dataclass(frozen=True)
class Entry:
    """One cell of the table: a check on a server over a protocol."""

    server: str
    protocol: Protocol
    check: str
    outcome: Outcome
    evidence: str
    """Its first line is a summary."""
    value: str = ""
    """As in `Finding`."""

    @property
    def summary(self) -> str:
        return self.evidence.partition("\n")[0]
