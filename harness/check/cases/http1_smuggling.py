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
} | {
    "chunked, then identity in two lines": post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"5\r\nhello\r\n0\r\n\r\n"
    )
}
OVERFLOW = {"size beyond 64 bits": _chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")}
BARE_LF = {
    "size ended by LF": _chunked(b"5\nhello\r\n0\r\n\r\n"),
    "extension ended by LF": _chunked(b"5;name=value\nhello\r\n0\r\n\r\n"),
    "data ended by LF": _chunked(b"5\r\nhello\n0\r\n\r\n"),
}
EXTENSIONS = {
    "extension with NUL": _chunked(b"5;a\0b\r\nhello\r\n0\r\n\r\n"),
    "extension with bare CR": _chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
}
TWO_LINES = {
    "identity, then chunked in two lines": post(
        b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"
    )
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
    danger="smuggles",
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


def _never_complete(target: Target) -> Finding:
    """Passed if the app never gets such a body complete: a server may wait for more, or answer with any error."""
    treatments = [try_case(target, case, sent) for case, sent in OVERFLOW.items()]
    return judge(
        [each.attempt(not each.reached and (each.silent or _is_error(each))) for each in treatments], "no body"
    )


def _is_error(treatment: Treatment) -> bool:
    return treatment.status is None or (treatment.status >= BAD_REQUEST and treatment.closed)


CHECKS.add(
    "smuggling-two-lengths",
    "Two Content-Lengths",
    "A server MUST answer 400 to a request with different Content-Length values, and close.",
    "RFC 9112 §6.3",
    all_refused(TWO_LENGTHS, BAD_REQUEST, closing=True),
    quote=_UNRECOVERABLE,
    consequence="A proxy and the server see the end of the body in different places: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "content-length-malformed",
    "Malformed Content-Length",
    "A server MUST answer 400 to a request with an invalid Content-Length, and close.",
    "RFC 9112 §6.3, RFC 9110 §8.6",
    all_refused(LENGTHS, BAD_REQUEST, closing=True),
    quote=_UNRECOVERABLE,
    consequence="A proxy and the server see the end of the body in different places: request smuggling.",
    danger="smuggles",
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
    danger="smuggles",
)
CHECKS.add(
    "chunk-malformed",
    "Malformed chunk",
    "A server SHOULD answer 400 to a malformed chunk and close. The app, which may have been called by then, never gets"
    " such a body complete.",
    "RFC 9112 §7.1, §2.2",
    all_refused(CHUNKS, closing=True),
    level="should",
    quote=_NO_GRAMMAR,
    consequence="A proxy and the server see the end of a chunk in different places: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "chunk-overflow",
    "Chunk size beyond 64 bits",
    "A server MUST NOT let a large chunk size overflow. It may wait for that many bytes.",
    "RFC 9112 §7.1",
    _never_complete,
    quote="Therefore, recipients MUST anticipate potentially large hexadecimal numerals and prevent "
    "parsing errors due to integer conversion overflows or precision loss due to integer "
    "representation.",
    consequence="The size wraps round to a small one, and the rest of the body is read as a request: request "
    "smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "chunk-bare-lf",
    "Bare LF in the chunked coding",
    "A server SHOULD answer 400 to LF without CR in the chunked coding, and close. Only request lines and headers may"
    " end with a single LF.",
    "RFC 9112 §7.1, §2.2",
    all_refused(BARE_LF, closing=True),
    level="should",
    quote=_NO_GRAMMAR,
    consequence="A proxy and the server see the end of a chunk in different places: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "chunk-extension-control",
    "NUL or bare CR in a chunk extension",
    "A server SHOULD answer 400 to a chunk extension that no grammar allows, and close.",
    "RFC 9112 §2.2, §7.1.1",
    all_refused(EXTENSIONS, closing=True),
    level="should",
    quote=_NO_GRAMMAR,
    consequence="A proxy that takes CR for the end of a line sees another chunk than the server: request smuggling.",
    danger="smuggles",
)
CHECKS.add(
    "transfer-encoding-lines",
    "Transfer-Encoding in two lines",
    "A server SHOULD answer 501 to identity, which is no transfer coding any more, also if a second line says chunked."
    " Any refusal passes.",
    "RFC 9112 §6.1",
    all_refused(TWO_LINES),
    level="should",
    quote="A server that receives a request message with a transfer coding it does not understand SHOULD respond with "
    "501 (Not Implemented).",
    consequence="A proxy that obeys the first line sees another end of the body than the server: request smuggling.",
    danger="smuggles",
)
