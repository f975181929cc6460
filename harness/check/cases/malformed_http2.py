"""Forms of what a server must refuse over HTTP/2, each on a connection of its own, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check.clients import h2_frames as h2frames
from harness.check.clients.h2_frames import MAX_HEADER_LIST_SIZE
from harness.check.clients.h2_raw import Raw
from harness.check.clients.http1 import new_marker
from harness.check.model import Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.clients.h2_frames import Fields
    from harness.check.target import Target

    Form = Callable[[Raw, str], None]
    """Sends what is malformed; the string is the path of a request that the app would note."""
    Change = Callable[[list[tuple[str, str]]], Fields]
    """From the fields of a right request to those of a malformed one."""

SILENCE_S = 2.0
"""A stream that nothing has come on after so long is taken for unanswered."""
AFTERMATH_S = 0.1
"""How long what a server does after the answer to a PING is waited for."""
STREAM = 1
"""The stream that forms are about."""
CLIENT_ERRORS = range(400, 500)
FLOOD = 8 * 1024 * 1024
"""Header octets that no server should take in that does not say how many it takes."""
TOLERANCE = 1.5
"""So many times what the server says that it takes is too much."""
PIECE = 16_000
"""More than fits into the dynamic table, so that each piece is sent in full."""


@dataclass(frozen=True)
class Outcome:
    """What became of one form."""

    form: str
    connection_refused: bool
    """GOAWAY with an error, or closed."""
    stream_refused: bool
    """RST_STREAM, or 4xx."""
    called: bool
    """Was the app given a request?"""
    words: str
    story: str


def _outcome(raw: Raw, form: str, path: str) -> Outcome:
    answer = raw.answer(STREAM)
    ended = raw.closed or raw.given_up
    refused = answer.reset is not None or answer.status in CLIENT_ERRORS
    called = any(event["event"] == "http" for event in raw.target.events(path.rpartition("=")[2]))
    if raw.given_up and raw.goaway is not None:
        found = f"GOAWAY {h2frames.error_name(raw.goaway.error_code)}"
    else:
        found = "closed" if raw.closed else str(answer)
    words = f"{form}: {found}{', the app was called' if called else ''}"
    return Outcome(form, ended, refused, called, words, raw.story)


def requests_refused(forms: Mapping[str, Change]) -> Callable[[Target], Finding]:
    """A run of a check for which requests with each of these changes have to be refused, the app not called."""

    def form(change: Change) -> Form:
        return lambda raw, path: raw.send_fields(STREAM, change(raw.request_fields(path)))

    sent = {name: form(change) for name, change in forms.items()}
    return refused(sent, lambda outcome: (outcome.connection_refused or outcome.stream_refused) and not outcome.called)


def streams_refused(forms: Mapping[str, Form]) -> Callable[[Target], Finding]:
    """The same for frames that have to be a stream error or a connection error; the app may have been called."""
    return refused(forms, lambda outcome: outcome.connection_refused or outcome.stream_refused)


def connections_refused(forms: Mapping[str, Form]) -> Callable[[Target], Finding]:
    """The same for frames that have to be a connection error."""
    return refused(forms, lambda outcome: outcome.connection_refused, stream_enough=False)


def refused(
    forms: Mapping[str, Form], right: Callable[[Outcome], bool], *, stream_enough: bool = True
) -> Callable[[Target], Finding]:
    """A run that tries each form and then asks whether the server still serves others."""

    def run(target: Target) -> Finding:
        outcomes = [_tried(target, name, form, stream_enough=stream_enough) for name, form in forms.items()]
        wrong = [outcome for outcome in outcomes if not right(outcome)]
        summary = "; ".join(outcome.words for outcome in wrong or outcomes)
        stories = "\n".join(outcome.story for outcome in wrong or outcomes[:1])
        if wrong:
            return failed(
                f"expected {'a stream or ' if stream_enough else 'a '}connection error, found for {summary}\n{stories}"
            )
        if not serves(target):
            return failed(f"the server serves no more after {summary}\n{stories}")
        return passed(f"{summary}\n{stories}")

    return run


def _tried(target: Target, name: str, form: Form, *, stream_enough: bool) -> Outcome:
    path = f"/echo?marker={new_marker()}"
    with Raw(target) as raw:
        form(raw, path)
        answer = raw.answer(STREAM)

        def decided() -> bool:
            return raw.closed or raw.given_up or (stream_enough and answer.over)

        if not decided() and raw.pinged(SILENCE_S, decided):
            raw.run_until(decided, SILENCE_S if stream_enough else AFTERMATH_S)
        return _outcome(raw, name, path)


def serves(target: Target) -> bool:
    """Is a right request on a new connection answered?"""
    with Raw(target) as raw:
        raw.send_fields(STREAM, raw.request_fields("/hello"))
        return raw.await_answer(STREAM).is_whole(200, b"hello")


def flood(target: Target) -> Finding:
    """A header section that goes on in CONTINUATION for ever."""
    with Raw(target) as raw:
        said = raw.settings.get(MAX_HEADER_LIST_SIZE)
        most = FLOOD if said is None else max(FLOOD, TOLERANCE * said)
        fields = raw.encoded(raw.request_fields("/hello"))
        raw.send(h2frames.any_frame(h2frames.HEADERS, h2frames.END_STREAM, STREAM, fields))
        piece = h2frames.any_frame(h2frames.CONTINUATION, 0, STREAM, raw.encoded([("x-flood", "v" * PIECE)]))
        sent = 0

        def stopped() -> bool:
            return raw.closed or raw.given_up or raw.answer(STREAM).over

        while sent < most and not stopped():
            raw.transmit(piece.serialize())
            raw.poll()
            sent += PIECE
        found = "refused" if raw.run_until(stopped, AFTERMATH_S) else "taken, and more would be"
        finding = raw.finding(stopped(), f"{sent:,} bytes of headers in CONTINUATION: {found}")
    return finding if serves(target) else failed(f"the server serves no more after {finding.evidence}")
