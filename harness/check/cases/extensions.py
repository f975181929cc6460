"""ASGI extensions over HTTP/1.1, where the server advertises them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.asgi import scope_of
from harness.check.cases.scopes import plain
from harness.check.clients.http1 import Http1, Response
from harness.check.model import HTTP1_CLEAR, Family, Finding, not_applicable

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR)

EARLY_HINTS = 103


def _extension(
    extension: str, path: str, *lines: str, expected: str, is_right: Callable[[Response], bool]
) -> Callable[[Target], Finding]:
    """A check that fetches `path` if the server advertises the extension."""

    def run(target: Target) -> Finding:
        advertised = plain(scope_of(target).get("extensions")) or {}
        if extension not in advertised:
            return not_applicable(f"{extension} is not among the extensions: {', '.join(advertised) or 'none'}")
        connection = Http1(target)
        response = connection.fetch(path, *lines)
        found = f"interim statuses {response.interim}, {len(response.body)} bytes, trailers {response.trailers}"
        right = is_right(response)
        return connection.finding(right, f"received {expected}" if right else f"expected {expected}, found {found}")

    return run


CHECKS.add(
    "extension-trailers",
    "Extension: trailers",
    "A server that advertises http.response.trailers sends the app's trailers after the body.",
    "ASGI extensions, HTTP Trailers",
    _extension(
        "http.response.trailers",
        "/trailers",
        "TE: trailers",
        expected="the body and the trailer",
        is_right=lambda response: response.body == b"body" and response.trailers == [(b"x-sum", b"42")],
    ),
    quote="ASGI servers that implement this extension will provide http.response.trailers in the "
    "extensions part of the scope",
    consequence="Checksums and statuses that the app sends after the body, as gRPC does, are lost.",
)
CHECKS.add(
    "extension-early-hint",
    "Extension: early hints",
    "A server that advertises http.response.early_hint should send 103 before the response; it may ignore the hint.",
    "ASGI extensions, Early Hints",
    _extension(
        "http.response.early_hint",
        "/early-hint",
        expected="103 and the response",
        is_right=lambda response: response.interim == [EARLY_HINTS] and response.body == b"hinted",
    ),
    quote="The ASGI server should then attempt to send an informational response to the client with the "
    "provided links as Link headers.",
    level="should",
    consequence="Browsers start to load styles and scripts later than they could.",
)
CHECKS.add(
    "extension-pathsend",
    "Extension: path send",
    "A server that advertises http.response.pathsend sends the file that the app names as the body.",
    "ASGI extensions, Path Send",
    _extension(
        "http.response.pathsend",
        "/pathsend",
        expected="the file",
        is_right=lambda response: b"async def get_pathsend" in response.body,
    ),
    quote="Path Send allows you to send the contents of a file path to the HTTP client without handling "
    "file descriptors, offloading the operation directly to the server.",
    consequence="Static files that a framework sends in this way arrive empty or not at all.",
)
