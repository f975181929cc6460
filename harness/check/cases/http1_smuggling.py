"""HTTP/1.1 request smuggling: requests whose end two servers may see in different places, so that one is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.malformed_http1 import (
    BAD_REQUEST,
    SILENCE,
    Treatment,
    all_refused,
    get,
    post,
    refused_or,
    try_case,
)
from harness.check.clients.transcript import shown
from harness.check.model import ANY_APP, HTTP1_CLEAR, Family, Finding, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.clients.http1 import Response
    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

_UNRECOVERABLE = (
    "If the unrecoverable error is in a request message, the server MUST respond with a 400 (Bad "
    "Request) status code and then close the connection."
)
_NO_GRAMMAR = "the server SHOULD respond with a 400 (Bad Request) response and close the connection."


def _chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


TWO_LENGTHS = {
    "two headers": post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "one header": post(b"Content-Length: 5, 6", body=b"hello!"),
}
LENGTHS = {
    f"Content-Length: {shown(value)}": post(b"Content-Length: " + value, body=b"hello")
    for value in (b"+5", b"-5", b"5 5", b"0x5", b"5.0", b"5_0", b"five", b"")
}
CODINGS = {
    f"Transfer-Encoding: {shown(value)}": post(b"Transfer-Encoding: " + value, body=b"5\r\nhello\r\n0\r\n\r\n")
    for value in (b"chunked, identity", b"identity", b"xchunked", b"\x0bchunked", b"gzip")
}
OVERFLOW = {"size beyond 64 bits": _chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")}
BARE_LF = {
    "size ended by LF": _chunked(b"5\nhello\r\n0\r\n\r\n"),
    "extension ended by LF": _chunked(b"5;name=value\nhello\r\n0\r\n\r\n"),
    "data ended by LF": _chunked(b"5\r\nhello\n0\r\n\r\n"),
}
CHUNKS = {
    "size with garbage": _chunked(b"5x\r\nhello\r\n0\r\n\r\n"),
    "size with a sign": _chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "size with 0x": _chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "size with _": _chunked(b"0_5\r\nhello\r\n0\r\n\r\n"),
    "empty size": _chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "data longer than its size": _chunked(b"3\r\nhello\r\n0\r\n\r\n"),
}


@CHECKS.check(
    "smuggling-cl-te",
    "Content-Length with Transfer-Encoding",
    "RFC 9112 §6.1, §6.3",
    quote="Regardless, the server MUST close the connection after responding to such a request to avoid "
    "the potential attacks.",
    consequence="An attacker hides a request in a body, and the next user's connection is answered with it: "
    "request smuggling.",
)
def content_length_and_chunked(target: Target) -> Finding:
    """A server MAY reject a request with Content-Length and Transfer-Encoding, or obey Transfer-Encoding alone.

    It MUST close the connection after its response.
    """
    body = b"0\r\n\r\n" + get()
    sent = post(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked", body=body)
    case = "Content-Length with Transfer-Encoding"
    return refused_or(target, case, sent, "the body read as chunked", _read_as_chunked, closing=SILENCE)


def _read_as_chunked(treatment: Treatment, response: Response) -> Finding:
    if response.body:
        return treatment.finding(False, "expected Transfer-Encoding to take precedence, found that Content-Length did")
    if treatment.reached > 1:
        return treatment.finding(False, "expected the connection closed, found the rest served as a request")
    if not treatment.closed:
        return treatment.finding(False, "expected the connection closed after the response, found it open")
    return treatment.finding(True, "read as chunked, and the connection closed")


def _never_complete(cases: Mapping[str, bytes], *, may_wait: bool = False) -> Callable[[Target], Finding]:
    """A check that passes if the app never gets these bodies complete; a server may wait for more if `may_wait`."""

    def run(target: Target) -> Finding:
        treatments = [try_case(target, case, sent) for case, sent in cases.items()]
        return judge([each.attempt(_is_safe(each) or (may_wait and each.silent)) for each in treatments], "a refusal")

    return run


def _is_safe(treatment: Treatment) -> bool:
    """Refused; or answered with any error, as the app has been called by then, and closed."""
    ended_by_error = treatment.status is not None and treatment.status >= BAD_REQUEST and treatment.closed
    return treatment.refused or (ended_by_error and not treatment.reached)


CHECKS.add(
    "smuggling-two-lengths",
    "Two Content-Lengths",
    "A server MUST answer 400 to a request with different Content-Length values, and close.",
    "RFC 9112 §6.3",
    all_refused(TWO_LENGTHS, BAD_REQUEST, closing=True),
    quote=_UNRECOVERABLE,
    consequence="A proxy and the server see the end of the body in different places: request smuggling.",
)
CHECKS.add(
    "content-length-malformed",
    "Malformed Content-Length",
    "A server MUST answer 400 to a request with an invalid Content-Length, and close.",
    "RFC 9112 §6.3, RFC 9110 §8.6",
    all_refused(LENGTHS, BAD_REQUEST, closing=True),
    quote=_UNRECOVERABLE,
    consequence="A proxy and the server see the end of the body in different places: request smuggling.",
)
CHECKS.add(
    "smuggling-codings",
    "Transfer-Encoding that does not end with chunked",
    "A server MUST answer 400 to a request whose last transfer coding is not chunked, and close. It SHOULD answer 501"
    " to a coding that it does not know.",
    "RFC 9112 §6.3, §6.1",
    all_refused(CODINGS, closing=True),
    quote="If a Transfer-Encoding header field is present in a request and the chunked transfer coding is "
    "not the final encoding, the message body length cannot be determined reliably; the server MUST "
    "respond with the 400 (Bad Request) status code and then close the connection.",
    consequence="A proxy and the server see the end of the body in different places: request smuggling.",
)
CHECKS.add(
    "chunk-malformed",
    "Malformed chunk",
    "A server SHOULD answer 400 to a malformed chunk and close. The app, which may have been called by then, never gets"
    " such a body complete.",
    "RFC 9112 §7.1, §2.2",
    _never_complete(CHUNKS),
    level="should",
    quote=_NO_GRAMMAR,
    consequence="A proxy and the server see the end of a chunk in different places: request smuggling.",
)
CHECKS.add(
    "chunk-overflow",
    "Chunk size beyond 64 bits",
    "A server MUST NOT let a large chunk size overflow. It may wait for that many bytes.",
    "RFC 9112 §7.1",
    _never_complete(OVERFLOW, may_wait=True),
    quote="Therefore, recipients MUST anticipate potentially large hexadecimal numerals and prevent "
    "parsing errors due to integer conversion overflows or precision loss due to integer "
    "representation.",
    consequence="The size wraps round to a small one, and the rest of the body is read as a request: request "
    "smuggling.",
)
CHECKS.add(
    "chunk-bare-lf",
    "Bare LF in the chunked coding",
    "A server SHOULD answer 400 to LF without CR in the chunked coding, and close. Only request lines and headers may"
    " end with a single LF.",
    "RFC 9112 §7.1, §2.2",
    _never_complete(BARE_LF),
    level="should",
    quote=_NO_GRAMMAR,
    consequence="A proxy and the server see the end of a chunk in different places: request smuggling.",
)
