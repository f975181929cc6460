"""HTTP/1.1: whom a request is for, in which version, and codings on top of chunked."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, CLEAR
from harness.check.cases.malformed_http1 import (
    BAD_REQUEST,
    OK,
    SILENCE,
    all_refused,
    get,
    post,
    try_form,
    values_of,
    verdict,
)
from harness.check.model import Check, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import Target

HOSTS = {
    f"Host: {value.decode()}": get(host=b"Host: " + value + b"\r\n")
    for value in (b"a b", b"a/b", b"a@b", b"a:port", b"[::1")
}
OTHER = b"other.example"
BODY = b"hello"
CHUNKED_GZIP = gzip.compress(BODY, mtime=0)


def _absolute(target: Target) -> Finding:
    sent = f"GET http://{target.authority}/hello?marker=MARKER HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode()
    outcome = try_form(target, "target in absolute-form", sent)
    right = outcome.answer is not None and (outcome.answer.status, outcome.answer.body) == (OK, BODY)
    return (passed if right else failed)(f"{outcome.words}\n{outcome.story}")


def _absolute_host(target: Target) -> Finding:
    sent = b"GET http://" + OTHER + b"/scope?marker=MARKER HTTP/1.1\r\nHost: a\r\n\r\n"
    outcome = try_form(target, "target in absolute-form with another host", sent)
    if outcome.refused:
        return passed(f"refused: {outcome.words}\n{outcome.story}")
    if outcome.answer is None or outcome.answer.status != OK:
        return failed(f"expected the host of the target, found {outcome.words}\n{outcome.story}")
    hosts = values_of(outcome.answer, b"host")
    return (passed if hosts == [OTHER] else failed)(
        f"target http://{OTHER.decode()}/scope, Host: a; the app got the host {hosts}\n{outcome.story}"
    )


def _gzip(target: Target) -> Finding:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CHUNKED_GZIP), CHUNKED_GZIP)
    outcome = try_form(target, "gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", body=body))
    if outcome.refused:
        return passed(f"refused: {outcome.words}\n{outcome.story}")
    if outcome.answer is None or outcome.answer.status != OK:
        return failed(f"expected a refusal or the decoded body, found {outcome.words}\n{outcome.story}")
    if outcome.answer.body == BODY:
        return passed(f"decoded\n{outcome.story}")
    found = "still in gzip" if outcome.answer.body == CHUNKED_GZIP else repr(outcome.answer.body)
    return failed(f"expected a refusal or the decoded body, found that the app got it {found}\n{outcome.story}")


def _http10(target: Target) -> Finding:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    lines = b"Host: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = b"POST /echo?marker=MARKER HTTP/1.0\r\n" + lines + body
    outcome = try_form(target, "Transfer-Encoding in HTTP/1.0", sent, closing=SILENCE)
    return verdict([outcome], [outcome] * (not outcome.closed), "the connection closed")


def _space_first(target: Target) -> Finding:
    sent = b"GET /scope?marker=MARKER HTTP/1.1\r\n X-Odd: value\r\nHost: a\r\n\r\n"
    outcome = try_form(target, "a space before the first header", sent)
    if outcome.refused:
        return passed(f"refused: {outcome.words}\n{outcome.story}")
    if outcome.answer is None or outcome.answer.status != OK:
        return failed(f"expected a refusal or the line ignored, found {outcome.words}\n{outcome.story}")
    values = values_of(outcome.answer, b"x-odd")
    return (failed if values else passed)(
        f"the line was {'taken for a header' if values else 'ignored'}\n{outcome.story}"
    )


def _later_minor(target: Target) -> Finding:
    sent = get().replace(b"HTTP/1.1", b"HTTP/1.2")
    outcome = try_form(target, "HTTP/1.2", sent)
    right = outcome.answer is not None and (outcome.answer.status, outcome.answer.body) == (OK, BODY)
    return (passed if right else failed)(f"{outcome.words}\n{outcome.story}")


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, CLEAR, expectation, source, run, ANY_APP, force)


CHECKS = (
    _check(
        "host-invalid",
        "Host that is none",
        "A server MUST answer 400 to a request whose Host header has an invalid value.",
        "RFC 9112 §3.2, RFC 9110 §7.2",
        all_refused(HOSTS, BAD_REQUEST),
    ),
    _check(
        "absolute-form",
        "Target in absolute-form",
        "A server MUST accept the absolute-form of a request target.",
        "RFC 9112 §3.2.2",
        _absolute,
    ),
    _check(
        "absolute-form-host",
        "Host of a target in absolute-form",
        "A server MUST ignore the Host header and use the host of an absolute-form target, which is what the app gets; "
        "a refusal of two different hosts is accepted.",
        "RFC 9112 §3.2.2",
        _absolute_host,
    ),
    _check(
        "space-before-header",
        "Space before the first header",
        "A recipient of whitespace before the first header MUST reject the message, or ignore the line.",
        "RFC 9112 §2.2",
        _space_first,
    ),
    _check(
        "version-major",
        "HTTP/3.7",
        "A request line in a major version that the server does not speak is refused, with 505 or 400, and not served.",
        "RFC 9110 §2.5, §15.6.6",
        all_refused({"HTTP/3.7": get().replace(b"HTTP/1.1", b"HTTP/3.7")}),
        "expected",
    ),
    _check(
        "version-minor",
        "HTTP/1.2",
        "A recipient SHOULD process a message with a higher minor version as one of the highest that it knows.",
        "RFC 9110 §2.5",
        _later_minor,
        "should",
    ),
    _check(
        "http10-transfer-encoding",
        "Transfer-Encoding in HTTP/1.0",
        "A server that receives Transfer-Encoding in HTTP/1.0 MUST take the framing for faulty and close the "
        "connection afterwards.",
        "RFC 9112 §6.1",
        _http10,
    ),
    _check(
        "gzip-chunked",
        "Transfer-Encoding: gzip, chunked",
        "To a transfer coding that it does not understand a server SHOULD answer 501 – any refusal is accepted –, "
        "and never gives the app what is still encoded.",
        "RFC 9112 §6.1, §7",
        _gzip,
        "should",
    ),
    _check(
        "chunked-twice",
        "Transfer-Encoding: chunked, chunked",
        "No sender may apply chunked more than once: such a request is refused.",
        "RFC 9112 §6.1",
        all_refused(
            {"chunked, chunked": post(b"Transfer-Encoding: chunked, chunked", body=b"5\r\nhello\r\n0\r\n\r\n")}
        ),
        "expected",
    ),
)
