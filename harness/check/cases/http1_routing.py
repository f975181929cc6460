"""HTTP/1.1: which host and version a request is for, and transfer codings beside chunked."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from harness.check.cases.malformed_http1 import (
    BAD_REQUEST,
    OK,
    SILENCE,
    Treatment,
    all_refused,
    get,
    post,
    refused_or,
    scope_with,
    try_case,
)
from harness.check.cases.scopes import header_values, read_scope
from harness.check.model import ANY_APP, HTTP1_CLEAR, Family, Finding, judge, not_applicable

if TYPE_CHECKING:
    from harness.check.clients.http1 import Response
    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

HOSTS = {
    f"Host: {value.decode()}": get(host=b"Host: " + value + b"\r\n")
    for value in (b"a b", b"a/b", b"a@b", b"a:port", b"[::1")
}
NOT_FOUND = 404
OTHER_HOST = "other.example"
BODY = b"hello"
CHUNKED_BODY = b"5\r\nhello\r\n0\r\n\r\n"
GZIPPED = gzip.compress(BODY, mtime=0)

CHECKS.add(
    "host-invalid",
    "Invalid Host",
    "A server MUST answer 400 to a request whose Host header has an invalid value.",
    "RFC 9112 §3.2, RFC 9110 §7.2",
    all_refused(HOSTS, BAD_REQUEST),
    quote="A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that "
    "lacks a Host header field and to any request message that contains more than one Host header "
    "field line or a Host header field with an invalid field value.",
    consequence="An attacker's text gets into links and caches as the host.",
    danger="forges",
)


def _serves(target: Target, case: str, sent: bytes) -> Finding:
    treatment = try_case(target, case, sent)
    return treatment.finding(treatment.is_hello, treatment.words)


@CHECKS.check(
    "absolute-form",
    "Target in absolute-form",
    "RFC 9112 §3.2.2",
    quote="A server MUST accept the absolute-form in requests even though most HTTP/1.1 clients will only "
    "send the absolute-form to a proxy.",
    consequence="Requests of clients that are configured to use a proxy fail.",
)
def absolute_form(target: Target) -> Finding:
    """A server MUST accept a request target in absolute-form, such as http://example.org/path: it calls the app."""
    treatment = _try_absolute_form(target)
    return treatment.finding(bool(treatment.reached), treatment.words)


def _try_absolute_form(target: Target) -> Treatment:
    line = f"GET http://{target.authority}/hello?marker=MARKER HTTP/1.1\r\n"
    return try_case(target, "target in absolute-form", f"{line}Host: {target.authority}\r\n\r\n".encode())


@CHECKS.check(
    "absolute-form-path",
    "Path of a target in absolute-form",
    "RFC 9112 §3.3; ASGI HTTP 2.5 HTTP Connection Scope, which calls the whole target the path",
    level="expected",
    consequence="Apps answer 404 to clients that are configured to use a proxy.",
)
def absolute_form_path(target: Target) -> Finding:
    """A server gives the app the path of an absolute-form target, without its scheme and host."""
    treatment = _try_absolute_form(target)
    return treatment.finding(treatment.is_hello, treatment.words)


@CHECKS.check(
    "absolute-form-host",
    "Host of a target in absolute-form",
    "RFC 9112 §3.2.2; ASGI HTTP 2.5 HTTP Connection Scope",
    level="expected",
    consequence="Apps make links from a host that the client did not ask for, which may poison caches.",
)
def absolute_form_host(target: Target) -> Finding:
    """A server gives the app the host of an absolute-form target in place of the Host header.

    The source requires it of an origin server, and ASGI that headers are preserved, so the app could do it too.

    Refusing a request with two different hosts passes too.
    """
    sent = f"GET http://{OTHER_HOST}/scope?marker=MARKER HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    treatment = try_case(target, "target in absolute-form with another host", sent)
    if treatment.refused:
        return treatment.finding(True, f"refused: {treatment.words}")
    if treatment.reached and treatment.status == NOT_FOUND:
        return not_applicable(f"the app did not get the path, as absolute-form-path says: {treatment.words}")
    if treatment.response is None or treatment.status != OK:
        return treatment.finding(False, f"expected a refusal or the host of the target, found {treatment.words}")
    hosts = header_values(read_scope(treatment.response.body), "host")
    return treatment.finding(
        hosts == [OTHER_HOST], f"target http://{OTHER_HOST}/scope, Host: a; the app got the host {hosts}"
    )


@CHECKS.check(
    "space-before-header",
    "Space before the first header",
    "RFC 9112 §2.2",
    quote="A recipient that receives whitespace between the start-line and the first header field MUST "
    "either reject the message as invalid or consume each whitespace-preceded line without further "
    "processing of it",
    consequence="An attacker hides a header from a proxy: request smuggling.",
    danger="smuggles",
)
def space_before_header(target: Target) -> Finding:
    """A server MUST reject a request with whitespace before the first header, or ignore that line."""

    def read(treatment: Treatment, response: Response) -> Finding:
        values = header_values(read_scope(response.body), "x-odd")
        return treatment.finding(not values, f"the line was {'taken for a header' if values else 'ignored'}")

    sent = scope_with().replace(b"\r\n", b"\r\n X-Odd: value\r\n", 1)
    return refused_or(target, "a space before the first header", sent, "the line ignored", read)


CHECKS.add(
    "version-major",
    "HTTP/3.7",
    "A server refuses a request line with a major version that it does not speak, with 505 or 400.",
    "RFC 9110 §2.5, §15.6.6",
    all_refused({"HTTP/3.7": get().replace(b"HTTP/1.1", b"HTTP/3.7")}),
    level="expected",
    consequence="Requests of another protocol are read as HTTP/1.1, and may be misread.",
)


@CHECKS.check(
    "version-minor",
    "HTTP/1.2",
    "RFC 9110 §2.5",
    level="should",
    quote="A recipient that receives a message with a major version number that it implements and a minor "
    "version number higher than what it implements SHOULD process the message as if it were in the "
    "highest minor version within that major version to which the recipient is conformant.",
    consequence="Clients of a later minor version would be refused; there are none yet.",
)
def version_minor(target: Target) -> Finding:
    """A server SHOULD serve a request with a higher minor version as one of the highest minor version it knows."""
    return _serves(target, "HTTP/1.2", get().replace(b"HTTP/1.1", b"HTTP/1.2"))


@CHECKS.check(
    "http10-transfer-encoding",
    "Transfer-Encoding in HTTP/1.0",
    "RFC 9112 §6.1",
    quote="A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header "
    "field MUST treat the message as if the framing is faulty, even if a Content-Length is present, "
    "and close the connection after processing the message.",
    consequence="Behind a proxy that speaks HTTP/1.0, an attacker can hide a request in a body: request smuggling.",
    danger="smuggles",
)
def http10_transfer_encoding(target: Target) -> Finding:
    """A server MUST treat Transfer-Encoding in HTTP/1.0 as faulty framing, and close the connection afterwards."""
    lines = b"Host: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = b"POST /echo?marker=MARKER HTTP/1.0\r\n" + lines + CHUNKED_BODY
    treatment = try_case(target, "Transfer-Encoding in HTTP/1.0", sent, closing=SILENCE)
    return judge([treatment.attempt(treatment.closed)], "the connection closed")


@CHECKS.check(
    "gzip-chunked",
    "Transfer-Encoding: gzip, chunked",
    "RFC 9112 §6.1, §7",
    level="should",
    quote="A server that receives a request message with a transfer coding it does not understand SHOULD "
    "respond with 501 (Not Implemented).",
    consequence="Apps store or parse bodies that are still compressed.",
)
def gzip_chunked(target: Target) -> Finding:
    """A server SHOULD answer 501 to a transfer coding that it does not know; any refusal passes.

    It never gives the app a body that is still encoded.
    """

    def read(treatment: Treatment, response: Response) -> Finding:
        if response.body == BODY:
            return treatment.finding(True, "decoded")
        found = "still in gzip" if response.body == GZIPPED else repr(response.body)
        return treatment.finding(False, f"expected a refusal or the decoded body, found that the app got it {found}")

    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GZIPPED), GZIPPED)
    sent = post(b"Transfer-Encoding: gzip, chunked", body=body)
    return refused_or(target, "gzip, chunked", sent, "the decoded body", read)


CHECKS.add(
    "chunked-twice",
    "Transfer-Encoding: chunked, chunked",
    "A server refuses a request that names chunked twice, which no sender may do.",
    "RFC 9112 §6.1",
    all_refused({"chunked, chunked": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKED_BODY)}),
    level="expected",
    consequence="A proxy and the server may see the end of the body in different places: request smuggling.",
    danger="smuggles",
)
