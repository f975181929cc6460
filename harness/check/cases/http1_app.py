"""HTTP/1.1: what the client sees when the app does what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, CLEAR, HTTP1
from harness.check.clients.http1 import Answer, Cut, Silent, Wire, request
from harness.check.model import Check, Finding, ProtocolFault, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

INTERNAL_ERROR = 500


def _error_answer(path: str) -> Callable[[Target], Finding]:
    """A run that wants a 500, and after it a right answer or a closed connection."""

    def run(target: Target) -> Finding:
        wire = Wire(target)
        wire.send(request(target, path))
        try:
            answer = wire.answer()
        except Cut:
            return failed(f"expected 500, found the connection closed without an answer\n{wire.story}")
        if answer.status != INTERNAL_ERROR:
            return failed(f"expected 500, found {answer.status}\n{wire.story}")
        return _sane(target, wire, "500")

    return run


def _sane(target: Target, wire: Wire, what: str) -> Finding:
    """The connection is closed, or the next request is answered right."""
    wire.send(request(target, "/hello"))
    try:
        answer = wire.answer()
    except Cut:
        return passed(f"{what}, and the connection was closed\n{wire.story}")
    if answer.body != b"hello":
        return failed(f"expected the next answer right, found {answer.status} {answer.body!r}\n{wire.story}")
    return passed(f"{what}, and the connection goes on\n{wire.story}")


def _cut_off(path: str) -> Callable[[Target], Finding]:
    """A run that wants an answer which can be told from a complete one: cut off, or an error in its place."""

    def run(target: Target) -> Finding:
        wire = Wire(target)
        wire.send(request(target, path))
        try:
            answer = wire.answer()
        except Cut as cut:
            return passed(str(cut))
        except Silent as silent:
            return failed(f"expected the answer cut off, found the client left waiting: {silent}")
        if answer.status >= INTERNAL_ERROR:
            return passed(f"{answer.status} in place of the answer\n{wire.story}")
        return failed(f"expected the answer cut off, found it complete: {_summary(answer)}\n{wire.story}")

    return run


def _summary(answer: Answer) -> str:
    if answer.chunked:
        return f"{answer.status}, {len(answer.body)} bytes and the last chunk"
    if answer.all(b"content-length"):
        return f"{answer.status}, {len(answer.body)} bytes as its length says"
    return f"{answer.status}, {len(answer.body)} bytes ended by the end of the connection"


def _body_too_long(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/length?says=5&sends=10"))
    try:
        answer = wire.answer()
    except Cut as cut:
        return passed(str(cut))
    if answer.status < INTERNAL_ERROR and answer.body != b"xxxxx":
        return failed(f"expected 5 bytes or an error, found {_summary(answer)}\n{wire.story}")
    return _sane(target, wire, _summary(answer))


def _injection(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/injection"))
    try:
        answer = wire.answer()
    except Cut as cut:
        return passed(f"no answer: {cut}")
    except ProtocolFault as fault:
        return failed(f"expected the header refused or made harmless, found {fault}")
    if answer.all(b"x-injected"):
        return failed(f"expected no header of the app's making, found x-injected\n{wire.story}")
    return passed(f"{answer.status} without the injected header\n{wire.story}")


CHECKS = (
    Check(
        "app-raises",
        "App raises before its answer",
        HTTP1,
        "A server that cannot fulfil a request for an unexpected condition answers 500; the connection is closed or "
        "fit for the next request.",
        "RFC 9110 §15.6.1",
        _error_answer("/raise"),
        ANY_APP,
        force="expected",
    ),
    Check(
        "app-silent",
        "App returns without an answer",
        CLEAR,
        "A server that cannot fulfil a request for an unexpected condition answers 500.",
        "RFC 9110 §15.6.1",
        _error_answer("/nothing"),
        ANY_APP,
        force="expected",
    ),
    Check(
        "app-raises-midway",
        "App raises in a chunked answer",
        HTTP1,
        "A sender MUST NOT generate what it knows to be false: an answer that is not complete gets no last chunk, the "
        "connection is closed.",
        "RFC 9110 §2.2, RFC 9112 §8, §7.1",
        _cut_off("/raise-midway"),
        ANY_APP,
    ),
    Check(
        "app-raises-midway-length",
        "App raises in an answer with a length",
        CLEAR,
        "An answer that is not complete is not left hanging: the connection is closed before the length is reached.",
        "RFC 9112 §8",
        _cut_off("/raise-midway?length=10"),
        ANY_APP,
        force="expected",
    ),
    Check(
        "app-starts-only",
        "App returns after the start of its answer",
        CLEAR,
        "An answer whose body never comes is cut off or replaced with 500; the client is not left waiting.",
        "RFC 9112 §8, ASGI HTTP 2.5 Response Start",
        _cut_off("/start-only"),
        force="expected",
    ),
    Check(
        "app-body-short",
        "App sends less than Content-Length",
        CLEAR,
        "An answer shorter than its Content-Length is incomplete: the connection is closed, so that the client knows.",
        "RFC 9112 §8",
        _cut_off("/length?says=10&sends=5"),
        ANY_APP,
        force="expected",
    ),
    Check(
        "app-body-long",
        "App sends more than Content-Length",
        CLEAR,
        "A Content-Length that is known to be wrong MUST NOT be sent: no byte beyond it, where it would be read as the "
        "next answer, or an error in its place.",
        "RFC 9110 §8.6, §2.2, RFC 9112 §6.3",
        _body_too_long,
        ANY_APP,
    ),
    Check(
        "header-injection",
        "CR LF in a header of the app",
        HTTP1,
        "A field value MUST NOT have CR or LF in it: the server refuses such a header of the app or makes it harmless.",
        "RFC 9110 §5.5, RFC 9112 §11.1",
        _injection,
        ANY_APP,
    ),
)
