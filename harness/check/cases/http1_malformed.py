"""HTTP/1.1: malformed request lines and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, CLEAR
from harness.check.cases.malformed_http1 import (
    BAD_REQUEST,
    OK,
    all_refused,
    get,
    post,
    rejected_or_spaced,
    try_form,
    values_of,
)
from harness.check.clients.http1 import shown
from harness.check.model import Check, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import Target

REQUEST_LINES = {
    "no version": b"GET /hello?marker=MARKER\r\nHost: a\r\n\r\n",
    "another protocol": b"GET /hello?marker=MARKER HTTX/1.1\r\nHost: a\r\n\r\n",
    "four words": b"GET /hello?marker=MARKER more HTTP/1.1\r\nHost: a\r\n\r\n",
    "method no token": b"G(T /hello?marker=MARKER HTTP/1.1\r\nHost: a\r\n\r\n",
    "binary": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}
FIELD_LINES = {
    "no colon": get(b"X-Odd"),
    "empty name": get(b": value"),
    "name no token": get(b"X(Odd): value"),
    "space within the name": get(b"X Odd: value"),
}


def _bare_lf(target: Target) -> Finding:
    field = b"X-Odd: one\nX-Next: two"
    sent = b"GET /scope?marker=MARKER HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n"
    outcome = try_form(target, shown(field), sent)
    if outcome.refused:
        return passed(f"refused: {outcome.words}\n{outcome.story}")
    if outcome.answer is None or outcome.answer.status != OK:
        return failed(f"expected a refusal or two headers, found {outcome.words}\n{outcome.story}")
    values = values_of(outcome.answer, b"x-odd")
    if values == [b"one"] and values_of(outcome.answer, b"x-next") == [b"two"]:
        return passed(f"taken for the end of a line\n{outcome.story}")
    if values == [b"one X-Next: two"]:
        return passed(f"replaced with SP\n{outcome.story}")
    return failed(f"expected a refusal, two headers or SP, found that the app got {values}\n{outcome.story}")


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, CLEAR, expectation, source, run, ANY_APP, force)


CHECKS = (
    _check(
        "malformed-request-line",
        "Malformed request line",
        "A server that receives what is no request line SHOULD answer 400 and close; any refusal is accepted, as long "
        "as the app is not called.",
        "RFC 9112 §3, §2.2",
        all_refused(REQUEST_LINES),
        force="should",
    ),
    _check(
        "malformed-header",
        "Malformed header line",
        "A server that receives octets that do not match the grammar SHOULD answer 400 and close; any refusal is "
        "accepted, as long as the app is not called.",
        "RFC 9112 §2.2, §5",
        all_refused(FIELD_LINES),
        force="should",
    ),
    _check(
        "space-before-colon",
        "Space before the colon",
        "A server MUST reject, with 400, a request with whitespace between a header name and its colon.",
        "RFC 9112 §5.1",
        all_refused(
            {"Transfer-Encoding : chunked": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")}, BAD_REQUEST
        ),
    ),
    _check(
        "header-nul",
        "NUL in a header",
        "A recipient of NUL in a field value MUST reject the message or replace it with SP.",
        "RFC 9110 §5.5",
        rejected_or_spaced(b"X-Odd: a\0b", (b"a b",)),
    ),
    _check(
        "header-bare-cr",
        "Bare CR in a header",
        "A recipient of a bare CR MUST take the element for invalid or replace it with SP.",
        "RFC 9112 §2.2, RFC 9110 §5.5",
        rejected_or_spaced(b"X-Odd: a\rb", (b"a b",)),
    ),
    _check(
        "header-bare-lf",
        "Bare LF between headers",
        "A recipient MAY take a single LF for the end of a line; it MUST NOT leave it in a value.",
        "RFC 9112 §2.2, RFC 9110 §5.5",
        _bare_lf,
    ),
    _check(
        "obs-fold",
        "Folded header",
        "A server MUST reject obs-fold with 400 or replace it with one or more SP.",
        "RFC 9112 §5.2",
        rejected_or_spaced(b"X-Odd: a\r\n b", (b"a b", b"a  b", b"a   b"), BAD_REQUEST),
    ),
    _check(
        "host-missing",
        "No Host",
        "A server MUST answer 400 to an HTTP/1.1 request without a Host header.",
        "RFC 9112 §3.2",
        all_refused({"no Host": get(host=b"")}, BAD_REQUEST),
    ),
    _check(
        "host-twice",
        "Two Hosts",
        "A server MUST answer 400 to a request with more than one Host header.",
        "RFC 9112 §3.2",
        all_refused({"two Hosts": get(b"Host: b")}, BAD_REQUEST),
    ),
)
