"""Malformed HTTP/2 frames and requests: each is sent on a new connection, and the server has to refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check.clients import h2_frames as h2frames
from harness.check.clients.h2_raw import RawHttp2
from harness.check.model import Attempt, Finding, failed, judge
from harness.check.target import new_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.clients.h2_frames import Fields
    from harness.check.target import Target

    Case = Callable[[RawHttp2, str], None]
    """Sends something malformed; the string is the path of a request that the app would note."""
    Change = Callable[[list[tuple[str, str]]], Fields]
    """Turns the fields of a well-formed request into those of a malformed one."""

SILENCE_S = 2.0
"""A stream on which nothing has been received by then counts as unanswered."""
AFTER_PING_S = 0.1
"""What a server does after it has acknowledged a PING is awaited for this long."""
STREAM = 1
"""The cases use this stream."""
CLIENT_ERRORS = range(400, 500)
GENERAL_CODES = (h2frames.PROTOCOL_ERROR, h2frames.INTERNAL_ERROR)
"""They can always be used in place of more specific codes (RFC 9113 §5.4)."""


@dataclass(frozen=True)
class Treatment:
    """How the server treated one case."""

    case: str
    connection_refused: bool
    """GOAWAY with an error, or the connection closed."""
    stream_refused: bool
    """RST_STREAM, or a 4xx."""
    called: bool
    """Was the app called?"""
    code: int | None
    """The error code of GOAWAY or RST_STREAM; None if neither was received."""
    words: str
    transcript: str

    @property
    def refused(self) -> bool:
        return self.connection_refused or self.stream_refused

    def names(self, *codes: int) -> bool:
        """Refused with one of these error codes, or without any: GOAWAY is only recommended (RFC 9113 §5.4.1)."""
        return self.refused and self.code in (None, *codes)


def requests_refused(cases: Mapping[str, Change]) -> Callable[[Target], Finding]:
    """A check that passes if a request with each of these changes is refused and the app is not called."""

    def case(change: Change) -> Case:
        return lambda raw, path: raw.send_fields(STREAM, change(raw.request_fields(path)))

    sent = {name: case(change) for name, change in cases.items()}
    return refused(sent, lambda treatment: treatment.refused and not treatment.called)


def streams_refused(cases: Mapping[str, Case]) -> Callable[[Target], Finding]:
    """A check that passes if each case is a stream error or a connection error; the app may have been called."""
    return refused(cases, lambda treatment: treatment.refused)


def connections_refused(cases: Mapping[str, Case], code: int | None = None) -> Callable[[Target], Finding]:
    """A check that passes if each case is a connection error; with this error code or a general one, if given."""

    def is_right(treatment: Treatment) -> bool:
        return treatment.connection_refused and (code is None or treatment.names(code, *GENERAL_CODES))

    expected = "a connection error" if code is None else f"a connection error ({h2frames.error_name(code)})"
    return refused(cases, is_right, expected, stream_enough=False)


def codes_named(cases: Mapping[int, Mapping[str, Case]]) -> Callable[[Target], Finding]:
    """A check that passes if each case, under the code that it calls for, ends with just this error code."""
    code_of = {name: code for code, group in cases.items() for name in group}
    every = {name: case for group in cases.values() for name, case in group.items()}
    expected = " and ".join(map(h2frames.error_name, cases))
    return refused(every, lambda treatment: treatment.names(code_of[treatment.case]), expected)


def refused(
    cases: Mapping[str, Case],
    is_right: Callable[[Treatment], bool],
    expected: str = "a stream or connection error",
    *,
    stream_enough: bool = True,
) -> Callable[[Target], Finding]:
    """A check that tries each case, and then whether the server still serves others."""

    def run(target: Target) -> Finding:
        treatments = [_try_case(target, name, case, stream_enough=stream_enough) for name, case in cases.items()]
        attempts = [Attempt(each.words, is_right(each), each.transcript) for each in treatments]
        finding = judge(attempts, expected)
        if finding.result == "pass" and not serves(target):
            return failed(f"the server serves no more after {finding.evidence}")
        return finding

    return run


def _try_case(target: Target, name: str, case: Case, *, stream_enough: bool) -> Treatment:
    marker = new_marker()
    with RawHttp2(target) as raw:
        case(raw, f"/echo?marker={marker}")
        response = raw.response(STREAM)

        def decided() -> bool:
            return raw.closed or raw.failed_by_server or (stream_enough and response.over)

        if not decided() and raw.ping(SILENCE_S, decided):
            raw.run_until(decided, SILENCE_S if stream_enough else AFTER_PING_S)
    called = any(event["event"] == "http" for event in target.events(marker))
    if raw.failed_by_server and raw.goaway is not None:
        found = f"GOAWAY {h2frames.error_name(raw.goaway.error_code)}"
    else:
        found = "closed" if raw.closed else str(response)
    words = f"{name}: {found}{', the app was called' if called else ''}"
    stream_refused = response.reset is not None or response.status in CLIENT_ERRORS
    refused = raw.closed or raw.failed_by_server
    code = raw.goaway.error_code if raw.failed_by_server and raw.goaway is not None else response.reset
    return Treatment(name, refused, stream_refused, called, code, words, str(raw.transcript))


def serves(target: Target) -> bool:
    """Does the server answer a well-formed request on a new connection?"""
    with RawHttp2(target) as raw:
        raw.send_fields(STREAM, raw.request_fields("/hello"))
        return raw.await_response(STREAM).is_complete(200, b"hello")
