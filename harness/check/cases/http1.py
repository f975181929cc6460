"""HTTP/1.1: whose turn it is on a connection, and when it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from harness.check.clients.http1 import Answer, Cut, Wire, new_marker, request, shown
from harness.check.model import Check, Finding, failed, not_applicable, passed

if TYPE_CHECKING:
    from harness.check.target import Target
    from harness.model.protocols import Interface, Protocol

HTTP1: frozenset[Protocol] = frozenset({"h1", "h1-tls"})
FIRST_BYTE_S = 0.2
"""Who judges a request by its first byte has done so after it."""
CLEAR: frozenset[Protocol] = frozenset({"h1"})
"""For what TLS cannot change."""
ANY_APP: frozenset[Interface] = frozenset({"asgi", "wsgi"})
"""For what does not depend on how the app is called."""


def _keep_alive(target: Target) -> Finding:
    wire = Wire(target)
    for _ in range(2):
        wire.send(request(target, "/hello"))
        answer = wire.answer()
        if answer.body != b"hello" or answer.says_close:
            return failed(f"expected two answers on one connection\n{wire.story}")
    return passed(f"two answers on one connection\n{wire.story}")


def next_is_right(wire: Wire, target: Target, answer: Answer, what: str) -> Finding:
    """After an answer that went well: the next one stands right behind it, or the server closes as it said."""
    if answer.says_close:
        if stray := wire.rest(target.patience_s):
            return failed(f"expected the end, found {shown(stray)}\n{wire.story}")
        return passed(f"{what}, and the connection was closed\n{wire.story}")
    wire.send(request(target, "/hello"))
    if wire.closed(target.patience_s):  # that it does so without a word is for keep-alive to find
        return passed(f"{what}, and the connection was closed\n{wire.story}")
    if (following := wire.answer()).body != b"hello":
        return failed(f"expected the next answer right behind it, found {following.body!r}\n{wire.story}")
    return passed(f"{what}, and the connection goes on\n{wire.story}")


def _http10_close(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(b"GET /hello HTTP/1.0\r\n\r\n")
    answer = wire.answer()
    if answer.status != 200 or answer.body != b"hello":  # noqa: PLR2004 - OK
        return failed(f"expected the answer to an HTTP/1.0 request\n{wire.story}")
    if not wire.closed(target.patience_s):
        return failed(f"expected the connection closed, found it open after {target.patience_s:g} s\n{wire.story}")
    return passed(f"answered and closed\n{wire.story}")


def _http10_stream(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(b"GET /stream HTTP/1.0\r\n\r\n")
    answer = wire.answer()
    if answer.chunked:
        return failed(f"expected no Transfer-Encoding to HTTP/1.0\n{wire.story}")
    if answer.body != b"onetwothree":
        return failed(f"expected the whole body, found {answer.body!r}\n{wire.story}")
    return passed(f"delimited without chunks\n{wire.story}")


def _connection_close(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(request(target, "/hello", "Connection: close"))
    answer = wire.answer()
    if answer.body != b"hello":
        return failed(f"expected the answer\n{wire.story}")
    if not wire.closed(target.patience_s):
        return failed(f"expected the connection closed, found it open after {target.patience_s:g} s\n{wire.story}")
    said = "said so in its Connection header" if answer.says_close else "did not say so in its Connection header"
    return passed(f"closed, and {said}\n{wire.story}")


def _pipelining(target: Target) -> Finding:
    wire = Wire(target)
    bodies = [b"first", b"second", b"third"]
    wire.send(
        b"".join(request(target, "/echo", f"Content-Length: {len(body)}", method="POST", body=body) for body in bodies)
    )
    found: list[bytes] = []
    with suppress(Cut):  # which a server may do between answers: it breaks no order, and keep-alive tells of it
        found += (wire.answer().body for _ in bodies)
    if found != bodies[: len(found)]:
        return failed(f"expected {bodies} in this order, found {found}\n{wire.story}")
    if len(found) == len(bodies):
        return passed(f"three answers in the order of the requests\n{wire.story}")
    if not found:
        return failed(f"expected an answer, found the connection closed without one\n{wire.story}")
    return not_applicable(f"the server closed the connection after {len(found)} of {len(bodies)} answers\n{wire.story}")


def _unread_body(target: Target) -> Finding:
    wire, marker = Wire(target), new_marker()
    hidden = request(target, f"/hello?marker={marker}")
    wire.send(request(target, "/refuse", f"Content-Length: {len(hidden)}", method="POST", body=hidden))
    if wire.answer().status != 401:  # noqa: PLR2004 - what the app answers
        return failed(f"expected the app's 401\n{wire.story}")
    wire.send(request(target, "/hello"))
    if wire.closed(target.patience_s):
        verdict = "the connection was closed after the answer"
    elif (answer := wire.answer()).status == 200 and answer.body == b"hello":  # noqa: PLR2004 - OK
        verdict = "the body was skipped, the next request answered"
    else:
        return failed(f"expected the next request answered or the connection closed\n{wire.story}")
    if target.events(marker):
        return failed(f"expected the body skipped, found that it was served as a request\n{wire.story}")
    return passed(f"{verdict}\n{wire.story}")


def _empty_line_first(target: Target) -> Finding:
    wire = Wire(target)
    wire.send(b"\r\n" + request(target, "/hello"))
    answer = wire.answer()
    if answer.body != b"hello":
        return failed(f"expected the answer, found {answer.status}\n{wire.story}")
    return passed(f"an empty line before the request was ignored\n{wire.story}")


def _byte_by_byte(target: Target) -> Finding:
    wire = Wire(target)
    whole = request(target, "/echo", "Content-Length: 3", method="POST", body=b"abc")
    wire.send(whole[:1])
    if not wire.readable(FIRST_BYTE_S):  # so that the others do not arrive together with it
        for at in range(1, len(whole)):
            wire.send(whole[at : at + 1])
    answer = wire.answer()
    if answer.body != b"abc":
        return failed(f"expected the answer, found {answer.status} {answer.body!r}\n{wire.story}")
    return passed(f"a request in {len(whole)} segments was answered\n{wire.story}")


CHECKS = (
    Check(
        "keep-alive",
        "Connection kept open",
        HTTP1,
        "A server SHOULD support persistent connections: an HTTP/1.1 connection is kept unless one side says close.",
        "RFC 9112 §9.3",
        _keep_alive,
        ANY_APP,
        force="should",
    ),
    Check(
        "http10-close",
        "HTTP/1.0 closed",
        HTTP1,
        "After the answer to an HTTP/1.0 request that does not ask for keep-alive the connection will close.",
        "RFC 9112 §9.3",
        _http10_close,
        ANY_APP,
    ),
    Check(
        "http10-no-chunks",
        "No chunks to HTTP/1.0",
        CLEAR,
        "A server MUST NOT send Transfer-Encoding in answer to an HTTP/1.0 request.",
        "RFC 9112 §6.1",
        _http10_stream,
        ANY_APP,
    ),
    Check(
        "connection-close",
        "Connection: close honoured",
        HTTP1,
        "A server that receives the close option MUST close the connection after the answer, and SHOULD say close.",
        "RFC 9112 §9.6",
        _connection_close,
        ANY_APP,
    ),
    Check(
        "pipelining",
        "Pipelined requests",
        HTTP1,
        "A server MUST answer pipelined requests in the order in which they came; one that closes before"
        " them all are answered is not asked.",
        "RFC 9112 §9.3.2",
        _pipelining,
        ANY_APP,
    ),
    Check(
        "unread-body",
        "Body that the app leaves unread",
        CLEAR,
        "A server MUST read the whole request body or close the connection after its answer; no byte of the body may"
        " be taken for a request.",
        "RFC 9112 §9.3",
        _unread_body,
        ANY_APP,
    ),
    Check(
        "empty-line-first",
        "Empty line before a request",
        CLEAR,
        "A server SHOULD ignore at least one empty line before the request line.",
        "RFC 9112 §2.2",
        _empty_line_first,
        ANY_APP,
        force="should",
    ),
    Check(
        "byte-by-byte",
        "Request in many segments",
        CLEAR,
        "A message is a sequence of octets, however TCP cuts it: a request that comes byte by byte is answered.",
        "RFC 9112 §2.2",
        _byte_by_byte,
        ANY_APP,
    ),
)
