"""HTTP/2: malformed requests, which a server must refuse (RFC 9113 §8.1.1).

RST_STREAM passes, and so do a connection error (§5.4.1) and a 4xx (§8.1.1), if the app is not called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.malformed_http2 import STREAM, requests_refused, streams_refused
from harness.check.clients.h2_frames import DATA, END_HEADERS, END_STREAM, any_frame
from harness.check.model import Family
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from harness.check.cases.malformed_http2 import Case, Change
    from harness.check.clients.h2_raw import RawHttp2

CHECKS = Family(HTTP2_PROTOCOLS)

_VIOLATES = (
    "A request or response that contains a field that violates any of these conditions MUST be "
    "treated as malformed (Section 8.1.1)."
)

BODY = b"body"


def _without(name: str) -> Change:
    return lambda fields: [field for field in fields if field[0] != name]


def _with(*more: tuple[str, str]) -> Change:
    return lambda fields: [*fields, *more]


def _first(*more: tuple[str, str]) -> Change:
    """Insert fields before the last pseudo-header."""
    return lambda fields: [*fields[:-1], *more, fields[-1]]


def _replaced(name: str, value: str) -> Change:
    return lambda fields: [(found, value if found == name else old) for found, old in fields]


def _again(name: str) -> Change:
    return lambda fields: [*fields, *(field for field in fields if field[0] == name)]


def _body(length: str, body: bytes) -> Case:
    """A request whose Content-Length may differ from its body."""

    def case(raw: RawHttp2, path: str) -> None:
        flags = END_HEADERS if body else END_HEADERS | END_STREAM
        raw.send_fields(STREAM, raw.request_fields(path, "POST", ("content-length", length)), flags)
        if body:
            raw.send(any_frame(DATA, END_STREAM, STREAM, body))

    return case


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


CHECKS.add(
    "h2-pseudo-missing",
    "Pseudo-header missing",
    "A server MUST treat a request without :method, :scheme or :path, or with an empty :path, as a stream error.",
    "RFC 9113 §8.3.1, §8.1.1",
    requests_refused(
        {f"no {name}": _without(name) for name in (":method", ":scheme", ":path")}
        | {"empty :path": _replaced(":path", "")}
    ),
    quote='All HTTP/2 requests MUST include exactly one valid value for the ":method", ":scheme", and ":path" '
    "pseudo-header fields, unless they are CONNECT requests (Section 8.5).",
    consequence="Apps get requests without a method or a path, and fail or guess.",
)
CHECKS.add(
    "h2-pseudo-twice",
    "Pseudo-header twice",
    "A server MUST treat a request in which a pseudo-header appears twice as a stream error.",
    "RFC 9113 §8.3, §8.1.1",
    requests_refused({f"{name} twice": _again(name) for name in (":method", ":scheme", ":path", ":authority")}),
    quote="A field block for an HTTP request or response that contains a repeated pseudo-header field name "
    "MUST be treated as malformed (Section 8.1.1).",
    consequence="A proxy routes by one path and the app by the other, which passes access rules.",
    danger="forges",
)
CHECKS.add(
    "h2-pseudo-late",
    "Pseudo-header after a header",
    "A server MUST treat a request with a pseudo-header after a regular header as a stream error.",
    "RFC 9113 §8.3, §8.1.1",
    requests_refused({"x-first before :path": _first(("x-first", "yes"))}),
    quote="Any request or response that contains a pseudo-header field that appears in a field block after "
    "a regular field line MUST be treated as malformed (Section 8.1.1).",
    consequence="A proxy and the server may read different requests, which passes access rules.",
    danger="forges",
)
CHECKS.add(
    "h2-pseudo-unknown",
    "Pseudo-header unknown",
    "A server MUST treat a request with an undefined pseudo-header, or with :status, as a stream error.",
    "RFC 9113 §8.3, §8.1.1",
    requests_refused({":unknown": _first((":unknown", "yes")), ":status": _first((":status", "200"))}),
    quote="Endpoints MUST treat a request or response that contains undefined or invalid pseudo-header "
    "fields as malformed (Section 8.1.1).",
    consequence="A proxy and the server may read different requests, which passes access rules.",
    danger="forges",
)
CHECKS.add(
    "h2-header-name",
    "Header name not allowed",
    "A server MUST treat a header name with an upper-case letter, space, control character or colon as a stream error.",
    "RFC 9113 §8.2.1",
    requests_refused({repr(name): _with((name, "value")) for name in ("X-Upper", "x space", "x\x7f", "x:colon")}),
    quote=_VIOLATES,
    consequence="Headers become others when a proxy translates to HTTP/1.1: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "h2-header-value",
    "NUL, CR or LF in a header",
    "A server MUST treat a header value with NUL, CR or LF as a stream error.",
    "RFC 9113 §8.2.1",
    requests_refused({repr(value): _with(("x-odd", value)) for value in ("a\0b", "a\rb", "a\nb")}),
    quote=_VIOLATES,
    consequence="Values become headers of their own when a proxy translates to HTTP/1.1: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "h2-header-space",
    "Space around a header's value",
    "A server MUST treat a header value that begins or ends with a space or a tab as a stream error.",
    "RFC 9113 §8.2.1",
    requests_refused({repr(value): _with(("x-odd", value)) for value in (" a", "a ", "\ta")}),
    quote=_VIOLATES,
    consequence="Comparisons of values, such as those of access rules, give another result than in a proxy.",
    danger="forges",
)
CHECKS.add(
    "h2-connection-headers",
    "Connection-specific headers",
    "A server MUST treat a request with headers of HTTP/1.1 connections, such as Connection, as a stream error.",
    "RFC 9113 §8.2.2",
    requests_refused(_CONNECTION_FIELDS),
    quote="Any message containing connection-specific header fields MUST be treated as malformed (Section 8.1.1).",
    consequence="Transfer-Encoding reaches a program that speaks HTTP/1.1: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "h2-te",
    "TE other than trailers",
    "A server MUST treat a request with a TE header other than trailers as a stream error.",
    "RFC 9113 §8.2.2",
    requests_refused({"te: gzip": _with(("te", "gzip"))}),
    quote="The only exception to this is the TE header field, which MAY be present in an HTTP/2 request; "
    'when it is, it MUST NOT contain any value other than "trailers".',
    consequence="The header reaches a program that speaks HTTP/1.1, where it asks for a coding.",
)
CHECKS.add(
    "h2-content-length",
    "Content-Length and DATA differ",
    "A server treats a request whose Content-Length differs from the length of its DATA as a stream error.",
    "RFC 9113 §8.1.1",
    streams_refused(
        {
            "5 said, 4 sent": _body("5", BODY),
            "3 said, 4 sent": _body("3", BODY),
            "5 said, none sent": _body("5", b""),
        }
    ),
    level="expected",
    consequence="A program behind the server that believes Content-Length waits, or reads the next request as "
    "data: request smuggling.",
    danger="smuggles",
)
