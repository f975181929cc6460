"""Malformed HTTP/1.1 requests: each is sent on a new connection, and the server has to refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.cases.scopes import header_values, read_scope
from harness.check.clients.connection import Cut, Silent
from harness.check.clients.http1 import Http1, Response
from harness.check.clients.transcript import shown
from harness.check.model import Attempt, Finding, failed, judge, passed
from harness.check.target import new_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.target import Target

CLIENT_ERRORS = range(400, 500)
OK, BAD_REQUEST, NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED = 200, 400, 501, 505
REFUSALS = (*CLIENT_ERRORS, NOT_IMPLEMENTED, VERSION_NOT_SUPPORTED)
SILENCE = 0.4
"""A server that has not answered after this share of the timeout counts as waiting for more."""
CLOSING = 0.1
"""A server that has not closed after a response that is no refusal, within this share of the timeout, keeps it open."""
MARKER = b"MARKER"
"""Stands in a case for the marker of the request."""


@dataclass(frozen=True)
class Treatment:
    """How the server treated one malformed request."""

    case: str
    response: Response | None
    """None if there was none."""
    silent: bool
    """The server sent nothing and left the connection open."""
    closed: bool
    """The server closed the connection, or said in its response that it will."""
    reached: int
    """How many requests the app was given complete."""
    transcript: str

    @property
    def status(self) -> int | None:
        return None if self.response is None else self.response.status

    @property
    def is_hello(self) -> bool:
        """Is it the correct response to GET /hello?"""
        return self.response is not None and (self.response.status, self.response.body) == (OK, b"hello")

    @property
    def refused(self) -> bool:
        """A 4xx, 501 or 505, or the end of the connection; and the app was not given the request."""
        return not (self.reached or self.silent) and (self.status is None or self.status in REFUSALS)

    @property
    def words(self) -> str:
        status = "closed without a response" if self.status is None else str(self.status)
        found = "no response" if self.silent else status
        more = ["the app was given it"] * bool(self.reached) + ["left open"] * (not self.closed and not self.silent)
        return ", ".join([f"{self.case}: {found}", *more])

    def attempt(self, right: bool) -> Attempt:
        """One case of a check."""
        return Attempt(self.words, right, self.transcript)

    def finding(self, right: bool, words: str) -> Finding:
        """Passed or failed, with these words and the transcript as evidence."""
        return (passed if right else failed)(f"{words}\n{self.transcript}")


def try_case(target: Target, case: str, sent: bytes, closing: float = CLOSING) -> Treatment:
    """Send bytes on a new connection; `closing` is the share of the timeout that the end of it is waited for."""
    marker = new_marker()
    connection, response, silent = Http1(target), None, False
    connection.timeout_s = SILENCE * target.timeout_s
    connection.send(sent.replace(MARKER, marker.encode()))
    try:
        response = connection.response()
        # A server that says close may wait for the client to do so first (RFC 9112 §9.6).
        waits = SILENCE if response.status >= BAD_REQUEST and not response.says_close else closing
        closed = connection.await_close(waits * target.timeout_s) or response.says_close
    except Cut:
        closed = True
    except Silent:
        closed, silent = False, True
    connection.close()
    reached = sum(map(_is_complete, target.events(marker)))
    return Treatment(case, response, silent, closed, reached, str(connection.transcript))


def _is_complete(event: dict[str, Any]) -> bool:
    """Was the app given a complete request? It is called when the head is there; `/echo` then notes the whole body."""
    if event["event"] == "http":
        return bool(event["path"] != "/echo")
    return bool(event["event"] == "body" and event["body"] is not None)


def all_refused(
    cases: Mapping[str, bytes], status: int | None = None, *, closing: bool = False
) -> Callable[[Target], Finding]:
    """A check that passes if each case is refused; with this status, or by closing, if that is asked for."""
    asked = [str(status or "a refusal"), *(["the connection closed"] if closing else [])]

    def is_right(treatment: Treatment) -> bool:
        right_status = status is None or treatment.status == status
        return treatment.refused and right_status and (treatment.closed or not closing)

    def run(target: Target) -> Finding:
        treatments = [try_case(target, case, sent) for case, sent in cases.items()]
        return judge([each.attempt(is_right(each)) for each in treatments], " and ".join(asked))

    return run


def refused_or(
    target: Target,
    case: str,
    sent: bytes,
    expected: str,
    read: Callable[[Treatment, Response], Finding],
    *,
    status: int | None = None,
    closing: float = CLOSING,
) -> Finding:
    """Passed if the request is refused, with this status if one is given; otherwise `read` judges a response of 200."""
    treatment = try_case(target, case, sent, closing)
    if treatment.refused and status in (None, treatment.status):
        return treatment.finding(True, f"refused: {treatment.words}")
    if treatment.response is None or treatment.status != OK:
        return treatment.finding(False, f"expected {status or 'a refusal'} or {expected}, found {treatment.words}")
    return read(treatment, treatment.response)


def rejected_or_spaced(field: bytes, spaced: tuple[str, ...], status: int | None = None) -> Callable[[Target], Finding]:
    """A check that passes if a field is refused, or reaches the app with SP in place of what is not allowed."""

    def read(treatment: Treatment, response: Response) -> Finding:
        values = header_values(read_scope(response.body), "x-odd")
        if len(values) == 1 and values[0] in spaced:
            return treatment.finding(True, f"the app got {values[0]!r}")
        expected = f"{status or 'a refusal'} or {spaced[0]!r}"
        return treatment.finding(False, f"expected {expected}, found that the app got {values}")

    def run(target: Target) -> Finding:
        return refused_or(target, shown(field), scope_with(field), "SP", read, status=status)

    return run


def post(*lines: bytes, body: bytes = b"", host: bytes = b"Host: a\r\n") -> bytes:
    """A POST to `/echo` with these header lines."""
    return b"POST /echo?marker=MARKER HTTP/1.1\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def get(*lines: bytes, host: bytes = b"Host: a\r\n") -> bytes:
    """A GET of `/hello` with these header lines."""
    return b"GET /hello?marker=MARKER HTTP/1.1\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def scope_with(*lines: bytes) -> bytes:
    """A GET of `/scope` with these header lines."""
    return get(*lines).replace(b"/hello", b"/scope", 1)
