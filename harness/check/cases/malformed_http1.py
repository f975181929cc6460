"""Requests that are not well formed, each sent on a connection of its own, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.clients.http1 import Answer, Cut, Silent, Wire, new_marker, shown
from harness.check.model import Finding, ProtocolFault, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.check.target import Target

CLIENT_ERRORS = range(400, 500)
OK, BAD_REQUEST, NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED = 200, 400, 501, 505
SILENCE = 0.4
"""Share of the patience for a target, after which it is taken to wait for more."""
CLOSING = 0.1
"""The same for its closing after an answer that is none of refusal: who means to close does so at once."""
MARKER = b"MARKER"
"""Stands in a form for the name under which the probe app notes what reaches it."""


@dataclass(frozen=True)
class Outcome:
    """What became of one malformed request."""

    form: str
    answer: Answer | None
    """None when the connection ended without one."""
    silent: bool
    """Nothing came, and the connection stayed open."""
    closed: bool
    """The connection was ended, or is about to be, as the answer says."""
    reached: int
    """How many requests the app was given whole."""
    story: str

    @property
    def refused(self) -> bool:
        """Answered with a 4xx, 501 or 505, or by the end of the connection, and the app was not given it."""
        if self.reached or self.silent:
            return False
        refusals = (*CLIENT_ERRORS, NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED)
        return self.answer is None or self.answer.status in refusals

    @property
    def words(self) -> str:
        if self.silent:
            found = "silence"
        else:
            found = "closed without an answer" if self.answer is None else str(self.answer.status)
        more = ["the app was given it"] * bool(self.reached) + ["left open"] * (not self.closed and not self.silent)
        return ", ".join([f"{self.form}: {found}", *more])


def try_form(target: Target, form: str, sent: bytes, closing: float = CLOSING) -> Outcome:
    """Send bytes on a new connection and see what comes of them; `closing` is how long its end is waited for."""
    marker = new_marker()
    wire, answer, silent = Wire(target), None, False
    wire.socket.settimeout(SILENCE * target.patience_s)
    wire.send(sent.replace(MARKER, marker.encode()))
    try:
        answer = wire.answer()
        # Who says close may wait for the client to do it first (RFC 9112 §9.6).
        waited = SILENCE if answer.status >= BAD_REQUEST and not answer.says_close else closing
        closed = wire.closed(waited * target.patience_s) or answer.says_close
    except Cut:
        closed = True
    except Silent:
        closed, silent = False, True
    wire.close()
    reached = sum(map(_is_whole, target.events(marker)))
    return Outcome(form, answer, silent, closed, reached, wire.story)


def _is_whole(event: dict[str, Any]) -> bool:
    """An app is called once the head is there; `/echo` then tells when it has the body."""
    if event["event"] == "http":
        return bool(event["path"] != "/echo")
    return bool(event["event"] == "body" and event["body"] is not None)


def all_refused(
    forms: Mapping[str, bytes], status: int | None = None, *, closing: bool = False
) -> Callable[[Target], Finding]:
    """A run of a check for which each form has to be refused: with this status, and by closing, where that is asked."""
    asked = [str(status or "a refusal"), *(["the connection closed"] if closing else [])]

    def is_wrong(outcome: Outcome) -> bool:
        other = status is not None and (outcome.answer is None or outcome.answer.status != status)
        return not outcome.refused or other or (closing and not outcome.closed)

    def run(target: Target) -> Finding:
        outcomes = [try_form(target, form, sent) for form, sent in forms.items()]
        return verdict(outcomes, [each for each in outcomes if is_wrong(each)], " and ".join(asked))

    return run


def verdict(outcomes: Sequence[Outcome], wrong: Sequence[Outcome], expected: str) -> Finding:
    """What was found for all forms, or for those that are wrong, and what went over the wire."""
    summary = "; ".join(each.words for each in wrong or outcomes)
    stories = "\n".join(each.story for each in wrong or outcomes[:1])
    if wrong:
        return failed(f"expected {expected}, found for {summary}\n{stories}")
    return passed(f"{summary}\n{stories}")


def post(*lines: bytes, body: bytes = b"", host: bytes = b"Host: a\r\n") -> bytes:
    """A POST to `/echo` with these header lines."""
    return b"POST /echo?marker=MARKER HTTP/1.1\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def get(*lines: bytes, host: bytes = b"Host: a\r\n") -> bytes:
    """A GET of `/hello` with these header lines."""
    return b"GET /hello?marker=MARKER HTTP/1.1\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def rejected_or_spaced(
    field: bytes, spaced: tuple[bytes, ...], status: int | None = None
) -> Callable[[Target], Finding]:
    """A run of a check for which a field is refused, or reaches the app with SP in place of what is not allowed.

    The refusal has this status where one is asked for.
    """

    def run(target: Target) -> Finding:
        sent = b"GET /scope?marker=MARKER HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n"
        outcome = try_form(target, shown(field), sent)
        if outcome.refused and status in (None, outcome.answer and outcome.answer.status):
            return passed(f"refused: {outcome.words}\n{outcome.story}")
        if outcome.answer is None or outcome.answer.status != OK:
            return failed(f"expected {status or 'a refusal'} or SP, found {outcome.words}\n{outcome.story}")
        values = values_of(outcome.answer, b"x-odd")
        if len(values) == 1 and values[0] in spaced:
            return passed(f"the app got {values[0]!r}\n{outcome.story}")
        expected = f"{status or 'a refusal'} or {spaced[0]!r}"
        return failed(f"expected {expected}, found that the app got {values}\n{outcome.story}")

    return run


def values_of(scope: Answer, name: bytes) -> list[bytes]:
    """Values of a header that `/scope` says the app got."""
    try:
        pairs = json.loads(scope.body)["value"]["headers"]["value"]
        texts = [[part["value"].encode("latin-1") for part in pair["value"]] for pair in pairs]
    except (ValueError, LookupError, TypeError) as error:
        raise ProtocolFault(f"expected the scope as JSON, found {shown(scope.body)}") from error
    return [value for found, value in texts if found.lower() == name]
