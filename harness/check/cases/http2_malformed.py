"""HTTP/2: malformed requests, which a server must refuse (RFC 9113 §8.1.1).

RST_STREAM passes, a connection error (§5.4.1), and 4xx (§8.1.1), as long as the app is not called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.malformed_http2 import STREAM, requests_refused, streams_refused
from harness.check.clients.h2_frames import DATA, END_HEADERS, END_STREAM, any_frame
from harness.check.model import Check, Finding
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.cases.malformed_http2 import Change, Form
    from harness.check.clients.h2_raw import Raw
    from harness.check.model import Force
    from harness.check.target import Target

BODY = b"body"


def _without(name: str) -> Change:
    return lambda fields: [field for field in fields if field[0] != name]


def _with(*more: tuple[str, str]) -> Change:
    return lambda fields: [*fields, *more]


def _first(*more: tuple[str, str]) -> Change:
    """Fields within the pseudo-header fields."""
    return lambda fields: [*fields[:-1], *more, fields[-1]]


def _replaced(name: str, value: str) -> Change:
    return lambda fields: [(found, value if found == name else old) for found, old in fields]


def _again(name: str) -> Change:
    return lambda fields: [*fields, *(field for field in fields if field[0] == name)]


def _body(length: str, body: bytes) -> Form:
    """A request that says one length and has another."""

    def form(raw: Raw, path: str) -> None:
        flags = END_HEADERS if body else END_HEADERS | END_STREAM
        raw.send_fields(STREAM, raw.request_fields(path, "POST", ("content-length", length)), flags)
        if body:
            raw.send(any_frame(DATA, END_STREAM, STREAM, body))

    return form


_CONNECTION_FIELDS = {
    name: _with((name, value))
    for name, value in {
        "connection": "keep-alive",
        "keep-alive": "timeout=5",
        "proxy-connection": "keep-alive",
        "transfer-encoding": "chunked",
        "upgrade": "websocket",
    }.items()
}


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, HTTP2_PROTOCOLS, f"{expectation}.", f"RFC 9113 {source}", run, force=force)


CHECKS = (
    _check(
        "h2-pseudo-missing",
        "Pseudo-header missing",
        "A request without :method, :scheme or :path, or with an empty :path, is malformed and MUST be a stream error",
        "§8.3.1, §8.1.1",
        requests_refused(
            {f"no {name}": _without(name) for name in (":method", ":scheme", ":path")}
            | {"empty :path": _replaced(":path", "")}
        ),
    ),
    _check(
        "h2-pseudo-twice",
        "Pseudo-header twice",
        "The same pseudo-header MUST NOT appear more than once; such a request MUST be a stream error",
        "§8.3, §8.1.1",
        requests_refused({f"{name} twice": _again(name) for name in (":method", ":scheme", ":path", ":authority")}),
    ),
    _check(
        "h2-pseudo-late",
        "Pseudo-header after a header",
        "A pseudo-header after a regular field MUST be taken for malformed: a stream error",
        "§8.3, §8.1.1",
        requests_refused({"x-first before :path": _first(("x-first", "yes"))}),
    ),
    _check(
        "h2-pseudo-unknown",
        "Pseudo-header unknown",
        "Undefined pseudo-headers, and :status in a request, MUST be taken for malformed: a stream error",
        "§8.3, §8.1.1",
        requests_refused({":unknown": _first((":unknown", "yes")), ":status": _first((":status", "200"))}),
    ),
    _check(
        "h2-header-name",
        "Header name not allowed",
        "Names with upper-case letters, spaces, controls or colons MUST be taken for malformed: a stream error",
        "§8.2.1",
        requests_refused({repr(name): _with((name, "value")) for name in ("X-Upper", "x space", "x\x7f", "x:colon")}),
    ),
    _check(
        "h2-header-value",
        "NUL, CR or LF in a header",
        "Values with NUL, CR or LF MUST be taken for malformed: a stream error",
        "§8.2.1",
        requests_refused({repr(value): _with(("x-odd", value)) for value in ("a\0b", "a\rb", "a\nb")}),
    ),
    _check(
        "h2-header-space",
        "Space around a header's value",
        "Values that begin or end with SP or HTAB MUST be taken for malformed: a stream error",
        "§8.2.1",
        requests_refused({repr(value): _with(("x-odd", value)) for value in (" a", "a ", "\ta")}),
    ),
    _check(
        "h2-connection-headers",
        "Connection-specific headers",
        "Connection-specific fields MUST be taken for malformed: a stream error",
        "§8.2.2",
        requests_refused(_CONNECTION_FIELDS),
    ),
    _check(
        "h2-te",
        "TE other than trailers",
        "TE MUST NOT have any value but trailers; else the request is malformed: a stream error",
        "§8.2.2",
        requests_refused({"te: gzip": _with(("te", "gzip"))}),
    ),
    _check(
        "h2-content-length",
        "Content-Length and DATA differ",
        "A request whose content-length is not the sum of its DATA is malformed, which a server sees: a stream error",
        "§8.1.1",
        streams_refused(
            {
                "5 said, 4 sent": _body("5", BODY),
                "3 said, 4 sent": _body("3", BODY),
                "5 said, none sent": _body("5", b""),
            }
        ),
        force="expected",
    ),
)
