"""HTTP/1.1: requests whose end two servers may see in different places, so that one hides a request from the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, CLEAR
from harness.check.cases.malformed_http1 import BAD_REQUEST, OK, SILENCE, Outcome, all_refused, post, try_form, verdict
from harness.check.clients.http1 import shown
from harness.check.model import Check, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.model import Force
    from harness.check.target import Target


def _chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


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


def _length_and_chunked(target: Target) -> Finding:
    smuggled = b"GET /hello?marker=MARKER HTTP/1.1\r\nHost: a\r\n\r\n"
    body = b"0\r\n\r\n" + smuggled
    sent = post(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked", body=body)
    outcome = try_form(target, "Content-Length with Transfer-Encoding", sent, closing=SILENCE)
    if outcome.refused:
        return passed(f"refused: {outcome.words}\n{outcome.story}")
    if outcome.answer is None or outcome.answer.status != OK:
        return failed(f"expected a refusal or the chunked reading, found {outcome.words}\n{outcome.story}")
    if outcome.answer.body:
        return failed(f"expected Transfer-Encoding to override, found that Content-Length did\n{outcome.story}")
    if outcome.reached > 1:
        return failed(f"expected the connection closed, found what followed served as a request\n{outcome.story}")
    if not outcome.closed:
        return failed(f"expected the connection closed after the answer, found it open\n{outcome.story}")
    return passed(f"read as chunked, and the connection closed\n{outcome.story}")


def _chunks(forms: Mapping[str, bytes], *, may_wait: bool = False) -> Callable[[Target], Finding]:
    """A run of a check for which the app never gets these bodies whole; waiting for more of them may be right."""

    def run(target: Target) -> Finding:
        outcomes = [try_form(target, form, sent) for form, sent in forms.items()]
        wrong = [each for each in outcomes if not (_is_safe(each) or (may_wait and each.silent))]
        return verdict(outcomes, wrong, "a refusal")

    return run


def _is_safe(outcome: Outcome) -> bool:
    """The app has been called by then, so that an error of its own may be the answer."""
    ended_by_error = outcome.answer is not None and outcome.answer.status >= BAD_REQUEST and outcome.closed
    return outcome.refused or (ended_by_error and not outcome.reached)


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, CLEAR, expectation, source, run, ANY_APP, force)


CHECKS = (
    _check(
        "smuggling-cl-te",
        "Content-Length with Transfer-Encoding",
        "A server MAY reject it or go by Transfer-Encoding alone, and MUST close the connection after its answer.",
        "RFC 9112 §6.1, §6.3",
        _length_and_chunked,
    ),
    _check(
        "smuggling-two-lengths",
        "Two Content-Lengths",
        "Content-Length with different values is an unrecoverable error: a server MUST answer 400 and close.",
        "RFC 9112 §6.3",
        all_refused(
            {
                "two headers": post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
                "one header": post(b"Content-Length: 5, 6", body=b"hello!"),
            },
            BAD_REQUEST,
            closing=True,
        ),
    ),
    _check(
        "content-length-malformed",
        "Malformed Content-Length",
        "An invalid Content-Length is an unrecoverable error: a server MUST answer 400 and close.",
        "RFC 9112 §6.3, RFC 9110 §8.6",
        all_refused(LENGTHS, BAD_REQUEST, closing=True),
    ),
    _check(
        "smuggling-codings",
        "Transfer-Encoding that does not end with chunked",
        "Where chunked is not the final coding a server MUST answer 400 and close; to a coding that it does not know"
        " it SHOULD answer 501.",
        "RFC 9112 §6.3, §6.1",
        all_refused(CODINGS, closing=True),
    ),
    _check(
        "chunk-malformed",
        "Malformed chunk",
        "A server that receives octets that do not match the grammar SHOULD answer 400 and close; the app, which may "
        "have been called by then, never gets such a body whole.",
        "RFC 9112 §7.1, §2.2",
        _chunks(CHUNKS),
        "should",
    ),
    _check(
        "chunk-overflow",
        "Chunk size beyond 64 bits",
        "A recipient MUST prevent errors from overflow of a chunk's size; one that waits for so many bytes may.",
        "RFC 9112 §7.1",
        _chunks(OVERFLOW, may_wait=True),
    ),
    _check(
        "chunk-bare-lf",
        "Bare LF in the chunked coding",
        "A single LF may end a request line or a header, and no line of the chunked coding: octets that do not match "
        "the grammar SHOULD be answered with 400, and the connection closed.",
        "RFC 9112 §7.1, §2.2",
        _chunks(BARE_LF),
        "should",
    ),
)
