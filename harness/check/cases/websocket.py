"""WebSocket: the handshake, and what the app and the client learn from it (RFC 6455 §4, ASGI)."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from harness.check.cases.malformed_http1 import CLIENT_ERRORS
from harness.check.clients.http1 import Http1
from harness.check.clients.websocket import SWITCHING_PROTOCOLS, WebSocket
from harness.check.model import Attempt, Family, Finding, judge, not_applicable
from harness.check.target import new_marker
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(WEBSOCKET_PROTOCOLS)

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HTTP_ERRORS = range(400, 600)
FORBIDDEN, TEAPOT = 403, 418
SILENCE_S = 1.0
HEADERS_SINCE = (2, 1)
"""The version of the ASGI specification that added headers to websocket.accept."""
_ASGI = "ASGI WebSocket"


def handshake(target: Target, request_line: str = "GET {} HTTP/1.1", **changed: str | None) -> Http1:
    """A connection on which a handshake has been sent, with some of its headers changed, or left out for None."""
    headers: dict[str, str | None] = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    connection = Http1(target)
    head = [request_line.format("/echo"), f"Host: {target.authority}", *lines]
    connection.send("\r\n".join([*head, "", ""]).encode())
    return connection


@CHECKS.check(
    "ws-accept",
    "Handshake",
    "RFC 6455 §4.2.2",
    quote="A Status-Line with a 101 response code as per RFC 2616",
    consequence="No client can open a WebSocket: each rejects the handshake.",
)
def accept(target: Target) -> Finding:
    """A server answers 101 with Upgrade: websocket, and with the Sec-WebSocket-Accept that belongs to the key."""
    connection = handshake(target)
    response = connection.next_head()
    expected = base64.b64encode(hashlib.sha1(KEY.encode() + GUID, usedforsecurity=False).digest())
    found = response.one(b"sec-websocket-accept")
    upgrade = (response.one(b"upgrade") or b"").lower()
    right = response.status == SWITCHING_PROTOCOLS and found == expected and upgrade == b"websocket"
    words = f"status {response.status}, Sec-WebSocket-Accept {found!r}, expected {expected!r}"
    return connection.finding(right, words)


@CHECKS.check(
    "ws-handshake-words",
    "Handshake as browsers send it",
    "RFC 6455 §4.2.1",
    quote=(
        'A |Connection| header field that includes the token "Upgrade", treated as an ASCII case-insensitive value.'
    ),
    consequence="Browsers and proxies that write these headers in another way cannot open a WebSocket.",
)
def handshake_of_browsers(target: Target) -> Finding:
    """A server ignores upper and lower case in Upgrade and Connection, and accepts more words in Connection."""
    connection = handshake(target, Upgrade="WebSocket", Connection="keep-alive, upgrade")
    status = connection.next_head().status
    return connection.finding(status == SWITCHING_PROTOCOLS, f"status {status}, expected 101")


@CHECKS.check(
    "ws-handshake-malformed",
    "Malformed handshake",
    "RFC 6455 §4.2.1",
    quote=(
        "the server MUST stop processing the client's handshake and return an HTTP response with an appropriate error "
        "code"
    ),
    consequence=(
        "A page of another site, which cannot send these headers, may open a connection that only WebSocket clients "
        "should."
    ),
    danger="forges",
)
def malformed_handshake(target: Target) -> Finding:
    """A server MUST answer with an error to a handshake without key, version, GET or HTTP/1.1."""
    cases: dict[str, Callable[[], Http1]] = {
        "no key": lambda: handshake(target, Sec_WebSocket_Key=None),
        "no version": lambda: handshake(target, Sec_WebSocket_Version=None),
        "POST": lambda: handshake(target, "POST {} HTTP/1.1", Content_Length="0"),
        "HTTP/1.0": lambda: handshake(target, "GET {} HTTP/1.0"),
    }
    attempts = []
    for name, send in cases.items():
        connection = send()
        status = connection.next_head().status
        attempts.append(Attempt(f"{name}: {status}", status != SWITCHING_PROTOCOLS, str(connection.transcript)))
    return judge(attempts, "an error")


@CHECKS.check(
    "ws-version",
    "Version not understood",
    "RFC 6455 §4.2.2, §4.4",
    quote=(
        "the server MUST abort the WebSocket handshake described in this section and instead send an appropriate HTTP "
        "error code (such as 426 Upgrade Required) and a |Sec-WebSocket-Version| header field indicating the "
        "version(s) the server is capable of understanding"
    ),
    consequence="A client of another version cannot find out which one to use.",
)
def version(target: Target) -> Finding:
    """A server MUST answer with an error such as 426 to a version that it does not understand.

    Sec-WebSocket-Version in the response names the versions that it does understand.
    """
    connection = handshake(target, Sec_WebSocket_Version="12")
    response = connection.next_head()
    versions = response.all(b"sec-websocket-version")
    right = response.status in CLIENT_ERRORS and b"13" in b",".join(versions).replace(b" ", b"").split(b",")
    return connection.finding(right, f"version 12: status {response.status}, Sec-WebSocket-Version {versions}")


@CHECKS.check(
    "ws-subprotocol",
    "Subprotocol",
    f"RFC 6455 §4.2.2; {_ASGI}, Accept",
    quote=(
        "The value chosen MUST be derived from the client's handshake, specifically by selecting one of the values "
        "from the |Sec-WebSocket-Protocol| field that the server is willing to use for this connection (if any)."
    ),
    consequence="Client and app talk different subprotocols, as with MQTT or GraphQL over WebSocket.",
)
def subprotocol(target: Target) -> Finding:
    """The client is told the subprotocol that the app chose."""
    with WebSocket(target, "/subprotocol?name=two", subprotocols=("one", "two")) as socket:
        chosen = socket.agreed.subprotocol
        return socket.finding(chosen == "two", f"offered one and two, the app chose two, the server said {chosen}")


@CHECKS.check(
    "ws-no-subprotocol",
    "No subprotocol",
    f"RFC 6455 §4.2.2; {_ASGI}, Accept",
    quote=(
        "if the server does not wish to agree to one of the suggested subprotocols, it MUST NOT send back a "
        "|Sec-WebSocket-Protocol| header field in its response"
    ),
    consequence="The client believes in a subprotocol that the app does not speak.",
)
def no_subprotocol(target: Target) -> Finding:
    """The client is told no subprotocol if the app chose none."""
    with WebSocket(target, "/subprotocol", subprotocols=("one", "two")) as socket:
        chosen = socket.agreed.subprotocol
        return socket.finding(chosen is None, f"offered one and two, the app chose none, the server said {chosen}")


@CHECKS.check(
    "ws-headers",
    "Headers of the app",
    f"{_ASGI}, Accept, Spec Versions",
    quote="Order must be preserved in the HTTP response.",
    consequence="Cookies and tokens that the app sets in the handshake are lost.",
)
def accept_headers(target: Target) -> Finding:
    """The client gets the headers of the app's websocket.accept, since version 2.1 of the specification."""
    marker = new_marker()
    with WebSocket(target, f"/headers?marker={marker}") as socket:
        headers = [(name.lower(), value) for name, value in socket.agreed.extra_headers]
        sent = [(b"x-probe", b"yes"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        missing = [pair for pair in sent if pair not in headers]
        if missing and (reason := older_than(target, marker, HEADERS_SINCE)):
            return not_applicable(f"headers of the accept {reason}")
        return socket.finding(not missing, f"headers that the app sent and the client did not get: {missing or 'none'}")


@CHECKS.check(
    "ws-scope",
    "Scope",
    f"{_ASGI}, Connection Scope, Connect",
    quote=(
        "HTTP request target excluding any query string, with percent-encoded sequences and UTF-8 byte sequences "
        "decoded into characters."
    ),
    consequence="Routing, authentication or the choice of a subprotocol go wrong in the app.",
)
def scope(target: Target) -> Finding:
    """The scope has the type, scheme, decoded path, query string, subprotocols and headers of the handshake.

    The first event is websocket.connect.
    """
    marker = new_marker()
    path = f"/scope/%C3%A9?marker={marker}&a=%20b"
    with WebSocket(target, path, subprotocols=("one", "two"), headers=[(b"X-Upper", b"Value")]) as socket:
        found = target.await_event(marker, "scope")
        first = target.await_event(marker, "first")
        if found is None or first is None:
            return socket.failed("the app was not called")
        optional = {"scheme": found["scheme"] or "ws", "http_version": found["http_version"] or "1.1"}
        expected = {
            "type": "websocket",
            "path": "/scope/é",
            "query_string": repr(f"marker={marker}&a=%20b".encode()),
            "subprotocols": ["one", "two"],
            "scheme": "wss" if target.tls else "ws",
            "http_version": "1.1",
        }
        found |= optional
        wrong = [f"{key} is {found[key]!r}, not {value!r}" for key, value in expected.items() if found[key] != value]
        if ["b'x-upper'", "b'Value'"] not in [[name.lower(), value] for name, value in found["headers"]]:
            wrong.append(f"x-upper: Value is not among the headers {found['headers']}")
        if not isinstance(found["asgi"], dict) or "version" not in found["asgi"]:
            wrong.append(f"asgi is {found['asgi']!r}")
        if first["type"] != "websocket.connect":
            wrong.append(f"the first event is {first['type']}, not websocket.connect")
        return socket.finding(not wrong, "; ".join(wrong) or f"{expected}, asgi {found['asgi']}")


def older_than(target: Target, marker: str, since: tuple[int, ...]) -> str:
    """Says that the server follows a version of the specification before this one; empty if it does not."""
    first = target.await_event(marker, "first")
    spec = (first["spec"] if first else None) or "2.0"
    return f"came with {'.'.join(map(str, since))}, the server has {spec}" if version_of(spec) < since else ""


def version_of(text: object) -> tuple[int, ...]:
    """A version of the specification; text that is none counts as the first version."""
    parts = str(text).split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else (2, 0)


@CHECKS.check(
    "ws-reject",
    "Rejected by the app",
    f"{_ASGI}, Connect, Close",
    quote=(
        "If this is sent before the socket is accepted, the server must close the connection with a HTTP 403 error "
        "code (Forbidden), and not complete the WebSocket handshake"
    ),
    consequence="A client that the app turned away sees another error, and may try again for ever.",
)
def reject(target: Target) -> Finding:
    """A server MUST answer 403 if the app sends websocket.close before websocket.accept."""
    with WebSocket(target, "/reject") as socket:
        words = f"the app closed before it accepted: status {socket.status or 'none'}"
        return socket.finding(socket.status == FORBIDDEN, words)


@CHECKS.check(
    "ws-raise-early",
    "App that raises before it accepts",
    "RFC 6455 §4.2.2, RFC 9110 §15.6.1",
    level="expected",
    consequence=(
        "A client waits for the answer to a handshake that has failed, and no status shows it in the log of a proxy."
    ),
    danger="hangs",
)
def raise_early(target: Target) -> Finding:
    """The client gets an HTTP error such as 500 if the app raises before websocket.accept."""
    with target.fresh() as server, WebSocket(server, "/raise-early") as socket:
        words = f"the app raised before it accepted: status {socket.status or 'none'}"
        return socket.finding(socket.status in HTTP_ERRORS, words)


@CHECKS.check(
    "ws-raises-later",
    "App that raises after another did",
    "RFC 6455 §4.2.2, RFC 9110 §15.6.1",
    level="expected",
    consequence="One exception in a response leaves all later handshakes that fail without an answer: clients hang.",
    danger="hangs",
)
def raises_later(target: Target) -> Finding:
    """The client gets an HTTP error if the app raises before websocket.accept, also after it raised in a response."""
    with target.fresh() as server:
        with Http1(server) as before:
            before.send(f"GET /raise-midway HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode())
            before.rest(SILENCE_S)
        with WebSocket(server, "/raise-early") as socket:
            found = socket.status or "no answer"
            words = f"after an app that raised in its response, another raised before it accepted: {found}"
            return socket.finding(socket.status in HTTP_ERRORS, words)


def _denial(route: str) -> Callable[[Target], Finding]:
    """A check in which the app rejects the handshake with a response, if the server offers that."""

    def run(target: Target) -> Finding:
        marker = new_marker()
        with WebSocket(target, f"/{route}?marker={marker}") as socket:
            offer = target.await_event(marker, "offer")
            if offer is not None and not offer["made"]:
                return not_applicable("websocket.http.response is not among the scope's extensions")
            status = socket.rejected.status_code if socket.rejected else None
            right = status == TEAPOT and socket.rejection == b"no entry"
            words = f"the app answered 418 'no entry', the client got {status} {socket.rejection!r}"
            return socket.finding(right, words)

    return run


CHECKS.add(
    "ws-response",
    "Rejected with a response of the app",
    "The client gets the status and body of the app if the server offers websocket.http.response.",
    "ASGI WebSocket Denial Response",
    _denial("respond"),
    quote=(
        "This will allow the ASGI Framework to send HTTP response messages after the ``websocket.connect`` message."
    ),
    consequence="Frameworks that turn a handshake down with 401 or a redirect of their own send something else.",
)
CHECKS.add(
    "ws-response-parts",
    "Rejected with a response in several parts",
    "The client gets the whole body if the app sends it in parts with more_body, if the server offers "
    "websocket.http.response.",
    "ASGI WebSocket Denial Response",
    _denial("respond-parts"),
    quote=(
        "The messages themselves should be ``websocket.http.response.start`` and ``websocket.http.response.body`` with "
        "a structure that matches the ``http.response.start`` and ``http.response.body`` messages defined in the HTTP "
        "part of the core ASGI specification."
    ),
    consequence=(
        "Frameworks that send each response in parts, as middleware makes them do, cannot turn a handshake down."
    ),
)
