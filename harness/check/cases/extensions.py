"""ASGI: extensions of a server, where it advertises them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.asgi import plain, scope_of
from harness.check.cases.http1 import CLEAR
from harness.check.clients.http1 import Wire, request
from harness.check.model import Check, Finding, failed, not_applicable, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

EARLY_HINTS = 103


def _where_advertised(extension: str, run: Callable[[Target], Finding]) -> Callable[[Target], Finding]:
    def guarded(target: Target) -> Finding:
        advertised = plain(scope_of(target).get("extensions")) or {}
        if extension not in advertised:
            return not_applicable(f"{extension} is not among the extensions: {', '.join(advertised) or 'none'}")
        return run(target)

    return guarded


def _trailers(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/trailers", "TE: trailers"))
    answer = wire.answer()
    if answer.body != b"body" or answer.trailers != [(b"x-sum", b"42")]:
        return failed(f"expected the body and the trailer, found {answer.body!r} and {answer.trailers}\n{wire.story}")
    return passed(wire.story)


def _early_hint(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/early-hint"))
    answer = wire.answer()
    if answer.interim != [EARLY_HINTS] or answer.body != b"hinted":
        return failed(f"expected 103 and the answer, found {answer.interim} and {answer.body!r}\n{wire.story}")
    return passed(wire.story)


def _pathsend(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/pathsend"))
    answer = wire.answer()
    if b"async def get_pathsend" not in answer.body:
        return failed(f"expected the file, found {len(answer.body)} bytes\n{wire.story}")
    return passed(wire.story)


CHECKS = (
    Check(
        "extension-trailers",
        "Extension: trailers",
        CLEAR,
        "A server that advertises http.response.trailers sends them after the body.",
        "ASGI extensions, HTTP Trailers",
        _where_advertised("http.response.trailers", _trailers),
    ),
    Check(
        "extension-early-hint",
        "Extension: early hints",
        CLEAR,
        "A server that advertises http.response.early_hint sends 103 before the answer.",
        "ASGI extensions, Early Hints",
        _where_advertised("http.response.early_hint", _early_hint),
    ),
    Check(
        "extension-pathsend",
        "Extension: path send",
        CLEAR,
        "A server that advertises http.response.pathsend sends the file as the body.",
        "ASGI extensions, Path Send",
        _where_advertised("http.response.pathsend", _pathsend),
    ),
)
