"""HTTP/1.1: malformed request lines and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.malformed_http1 import (
    BAD_REQUEST,
    Treatment,
    all_refused,
    get,
    post,
    refused_or,
    rejected_or_spaced,
    scope_with,
)
from harness.check.cases.scopes import header_values, read_scope
from harness.check.clients.transcript import shown
from harness.check.model import ANY_APP, HTTP1_CLEAR, Family, Finding

if TYPE_CHECKING:
    from harness.check.clients.http1 import Response
    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

_CONTROL = (
    "a recipient of CR, LF, or NUL within a field value MUST either reject the message or replace "
    "each of those characters with SP before further processing or forwarding of that message."
)
_ONE_HOST = (
    "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that "
    "lacks a Host header field and to any request message that contains more than one Host header "
    "field line or a Host header field with an invalid field value."
)

REQUEST_LINES = {
    "no version": b"GET /hello?marker=MARKER\r\nHost: a\r\n\r\n",
    "another protocol": b"GET /hello?marker=MARKER HTTX/1.1\r\nHost: a\r\n\r\n",
    "four words": b"GET /hello?marker=MARKER more HTTP/1.1\r\nHost: a\r\n\r\n",
    "method no token": b"G(T /hello?marker=MARKER HTTP/1.1\r\nHost: a\r\n\r\n",
    "binary": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}
SPACES = {
    "two spaces before the target": b"GET  /hello?marker=MARKER HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces before the version": b"GET /hello?marker=MARKER  HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab before the version": b"GET /hello?marker=MARKER\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "a space at the end": b"GET /hello?marker=MARKER HTTP/1.1 \r\nHost: a\r\n\r\n",
}
RAW_TARGETS = {
    "UTF-8 in the path": "GET /hello/\u00e9?marker=MARKER HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "UTF-8 in the query": "GET /hello?marker=MARKER&\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
}
FIELD_LINES = {
    "no colon": get(b"X-Odd"),
    "empty name": get(b": value"),
    "name no token": get(b"X(Odd): value"),
    "space within the name": get(b"X Odd: value"),
}
SPACE_BEFORE_COLON = {"Transfer-Encoding : chunked": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")}

_INVALID_LINE = (
    "Recipients of an invalid request-line SHOULD respond with either a 400 (Bad Request) error or a "
    "301 (Moved Permanently) redirect with the request-target properly encoded."
)

CHECKS.add(
    "malformed-request-line",
    "Malformed request line",
    "A server SHOULD answer 400 to an invalid request line and close. Any refusal passes, if the app is not called.",
    "RFC 9112 §3, §2.2",
    all_refused(REQUEST_LINES),
    level="should",
    quote=_INVALID_LINE,
    consequence="A proxy and the server may read two different requests, which passes filters by.",
    danger="forges",
)
CHECKS.add(
    "request-line-spaces",
    "Other whitespace in the request line",
    "A server refuses a request line whose words are not separated by one space each; the source allows both.",
    "RFC 9112 §3",
    all_refused(SPACES),
    level="expected",
    consequence="A proxy and the server may read two different targets, which passes access rules.",
    danger="forges",
)
CHECKS.add(
    "target-utf8",
    "Target with raw UTF-8",
    "A server SHOULD answer 400 to a target with characters beyond ASCII that are not percent-encoded.",
    "RFC 9112 §3.2",
    all_refused(RAW_TARGETS),
    level="should",
    quote=_INVALID_LINE,
    consequence="A proxy and the app may read two different paths, which passes access rules.",
    danger="forges",
)
CHECKS.add(
    "malformed-header",
    "Malformed header line",
    "A server SHOULD answer 400 to an invalid header line and close. Any refusal passes, if the app is not called.",
    "RFC 9112 §2.2, §5",
    all_refused(FIELD_LINES),
    level="should",
    quote="the server SHOULD respond with a 400 (Bad Request) response and close the connection.",
    consequence="A proxy and the server may read different headers, which passes filters by.",
    danger="smuggles",
)
CHECKS.add(
    "space-before-colon",
    "Space before the colon",
    "A server MUST answer 400 to a request with whitespace between a header name and its colon.",
    "RFC 9112 §5.1",
    all_refused(SPACE_BEFORE_COLON, BAD_REQUEST),
    quote="A server MUST reject, with a response status code of 400 (Bad Request), any received request "
    "message that contains whitespace between a header field name and colon.",
    consequence="An attacker hides a header such as Transfer-Encoding from a proxy: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "header-nul",
    "NUL in a header",
    "A server MUST reject a request with NUL in a header value, or replace the NUL with a space.",
    "RFC 9110 §5.5",
    rejected_or_spaced(b"X-Odd: a\0b", ("a b",)),
    quote=_CONTROL,
    consequence="Values are cut short in libraries written in C, so that two programs read different ones.",
    danger="forges",
)
CHECKS.add(
    "header-bare-cr",
    "Bare CR in a header",
    "A server MUST reject a request with CR without LF in a header value, or replace the CR with a space.",
    "RFC 9112 §2.2, RFC 9110 §5.5",
    rejected_or_spaced(b"X-Odd: a\rb", ("a b",)),
    quote="A recipient of such a bare CR MUST consider that element to be invalid or replace each bare CR "
    "with SP before processing the element or forwarding the message.",
    consequence="Programs behind the app that take CR for the end of a line see an injected header.",
    danger="forges",
)


@CHECKS.check(
    "header-bare-lf",
    "Bare LF between headers",
    "RFC 9112 §2.2, RFC 9110 §5.5",
    quote=_CONTROL,
    consequence="Programs behind the app that take LF for the end of a line see an injected header.",
    danger="forges",
)
def header_bare_lf(target: Target) -> Finding:
    """A server MAY take LF without CR for the end of a header line; it MUST NOT leave it in a value."""

    def read(treatment: Treatment, response: Response) -> Finding:
        scope = read_scope(response.body)
        values = header_values(scope, "x-odd")
        if values == ["one"] and header_values(scope, "x-next") == ["two"]:
            return treatment.finding(True, "taken for the end of a line")
        if values == ["one X-Next: two"]:
            return treatment.finding(True, "replaced with SP")
        return treatment.finding(False, f"expected a refusal, two headers or SP, found that the app got {values}")

    field = b"X-Odd: one\nX-Next: two"
    return refused_or(target, shown(field), scope_with(field), "two headers", read)


CHECKS.add(
    "obs-fold",
    "Folded header",
    "A server MUST answer 400 to a header value that goes on in the next line, or replace the fold with spaces.",
    "RFC 9112 §5.2",
    rejected_or_spaced(b"X-Odd: a\r\n b", ("a b", "a  b", "a   b"), BAD_REQUEST),
    quote='A server that receives an obs-fold in a request message that is not within a "message/http" '
    "container MUST either reject the message by sending a 400 (Bad Request), preferably with a "
    "representation explaining that obsolete line folding is unacceptable, or replace each received "
    "obs-fold with one or more SP octets prior to interpreting the field value or forwarding the "
    "message downstream.",
    consequence="A proxy and the server may see different headers, which passes filters by.",
    danger="smuggles",
)
CHECKS.add(
    "host-missing",
    "No Host",
    "A server MUST answer 400 to an HTTP/1.1 request without a Host header.",
    "RFC 9112 §3.2",
    all_refused({"no Host": get(host=b"")}, BAD_REQUEST),
    quote=_ONE_HOST,
    consequence="Apps that choose a tenant or make links by the host fail or guess.",
)
CHECKS.add(
    "host-twice",
    "Two Hosts",
    "A server MUST answer 400 to a request with more than one Host header.",
    "RFC 9112 §3.2",
    all_refused({"two Hosts": get(b"Host: b")}, BAD_REQUEST),
    quote=_ONE_HOST,
    consequence="A proxy routes by one host and the app by the other, which passes access rules and poisons caches.",
    danger="forges",
)
