"""WebSocket: the handshake, and what the app and the client learn from it (RFC 6455 §4, ASGI)."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from harness.check.clients.http1 import Wire, new_marker
from harness.check.clients.websocket import Socket
from harness.check.model import Check, Finding, failed, not_applicable, passed
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import Target

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
CLIENT_ERRORS = range(400, 500)
HTTP_ERRORS = range(400, 600)
SWITCHING, FORBIDDEN, TEAPOT = 101, 403, 418
HEADERS_SINCE = (2, 1)
"""Version of the ASGI specification in which accept got headers."""


def _lines(**changed: str | None) -> list[str]:
    """A right handshake's header lines with some of them changed, or left out for None."""
    lines: dict[str, str | None] = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    lines.update({name.replace("_", "-"): value for name, value in changed.items()})
    return [f"{name}: {value}" for name, value in lines.items() if value is not None]


def _sent(target: Target, path: str, lines: list[str], line: str = "GET {} HTTP/1.1") -> Wire:
    wire = Wire(target)
    head = [line.format(path), f"Host: {target.authority}", *lines]
    wire.send("\r\n".join([*head, "", ""]).encode())
    return wire


def _accept(target: Target) -> Finding:
    wire = _sent(target, "/echo", _lines())
    answer = wire.interim_or_final()
    expected = base64.b64encode(hashlib.sha1(KEY.encode() + GUID, usedforsecurity=False).digest())
    found = answer.one(b"sec-websocket-accept")
    right = answer.status == SWITCHING and found == expected and (answer.one(b"upgrade") or b"").lower() == b"websocket"
    words = f"status {answer.status}, Sec-WebSocket-Accept {found!r}, expected {expected!r}"
    return (passed if right else failed)(f"{words}\n{wire.story}")


def _header_words(target: Target) -> Finding:
    wire = _sent(target, "/echo", _lines(Upgrade="WebSocket", Connection="keep-alive, upgrade"))
    status = wire.interim_or_final().status
    return (passed if status == SWITCHING else failed)(f"status {status}, expected 101\n{wire.story}")


def _refused_handshakes(target: Target) -> Finding:
    forms = {
        "no key": (_lines(Sec_WebSocket_Key=None), "GET {} HTTP/1.1"),
        "no version": (_lines(Sec_WebSocket_Version=None), "GET {} HTTP/1.1"),
        "POST": ([*_lines(), "Content-Length: 0"], "POST {} HTTP/1.1"),
        "HTTP/1.0": (_lines(), "GET {} HTTP/1.0"),
    }
    found: dict[str, tuple[int, str]] = {}
    for name, (lines, line) in forms.items():
        wire = _sent(target, "/echo", lines, line)
        found[name] = wire.interim_or_final().status, wire.story
    told = [f"{name}: {status}" for name, (status, _) in found.items()]
    wrong = [f"{name}: {status}" for name, (status, _) in found.items() if status == SWITCHING]
    stories = [story for status, story in found.values() if not wrong or status == SWITCHING]
    if wrong:
        return failed(f"expected an error, found for {'; '.join(wrong)}\n" + "\n".join(stories))
    return passed("\n".join(["; ".join(told), stories[0]]))


def _version(target: Target) -> Finding:
    wire = _sent(target, "/echo", _lines(Sec_WebSocket_Version="12"))
    answer = wire.interim_or_final()
    versions = answer.all(b"sec-websocket-version")
    right = answer.status in CLIENT_ERRORS and b"13" in b",".join(versions).replace(b" ", b"").split(b",")
    words = f"version 12: status {answer.status}, Sec-WebSocket-Version {versions}"
    return (passed if right else failed)(f"{words}\n{wire.story}")


def _subprotocol(target: Target) -> Finding:
    with Socket(target, "/subprotocol?name=two", subprotocols=("one", "two")) as socket:
        chosen = socket.agreed.subprotocol
        return socket.finding(chosen == "two", f"offered one and two, the app chose two, the server said {chosen}")


def _no_subprotocol(target: Target) -> Finding:
    with Socket(target, "/subprotocol", subprotocols=("one", "two")) as socket:
        chosen = socket.agreed.subprotocol
        return socket.finding(chosen is None, f"offered one and two, the app chose none, the server said {chosen}")


def _accept_headers(target: Target) -> Finding:
    marker = new_marker()
    with Socket(target, f"/headers?marker={marker}") as socket:
        headers = [(name.lower(), value) for name, value in socket.agreed.extra_headers]
        sent = [(b"x-probe", b"yes"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        missing = [pair for pair in sent if pair not in headers]
        if missing and (why := before(target, marker, HEADERS_SINCE)):
            return not_applicable(f"headers of the accept {why}")
        return socket.finding(not missing, f"headers that the app sent and the client did not get: {missing or 'none'}")


def _scope(target: Target) -> Finding:
    marker = new_marker()
    path = f"/scope/%C3%A9?marker={marker}&a=%20b"
    with Socket(target, path, subprotocols=("one", "two"), headers=[(b"X-Upper", b"Value")]) as socket:
        found = target.await_event(marker, "scope")
        first = target.await_event(marker, "first")
        if found is None or first is None:
            return socket.finding(False, "the app was not called")
        expected = {
            "type": "websocket",
            "path": "/scope/é",
            "query_string": repr(f"marker={marker}&a=%20b".encode()),
            "subprotocols": ["one", "two"],
        }
        optional = {"scheme": ("wss" if target.tls else "ws", "ws"), "http_version": ("1.1", "1.1")}
        wrong = [f"{key} is {found[key]!r}, not {value!r}" for key, value in expected.items() if found[key] != value]
        for key, (value, default) in optional.items():
            if (found[key] or default) != value:
                wrong.append(f"{key} is {found[key]!r}, not {value!r}")
        if ["b'x-upper'", "b'Value'"] not in [[name.lower(), value] for name, value in found["headers"]]:
            wrong.append(f"x-upper: Value is not among the headers {found['headers']}")
        if not isinstance(found["asgi"], dict) or "version" not in found["asgi"]:
            wrong.append(f"asgi is {found['asgi']!r}")
        if first["type"] != "websocket.connect":
            wrong.append(f"the first event is {first['type']}, not websocket.connect")
        return socket.finding(not wrong, "; ".join(wrong) or f"{expected}, asgi {found['asgi']}")


def before(target: Target, marker: str, since: tuple[int, ...]) -> str:
    """That the server says that it follows an older version of the specification; empty where it does not."""
    first = target.await_event(marker, "first")
    spec = (first["spec"] if first else None) or "2.0"
    return f"came with {'.'.join(map(str, since))}, the server has {spec}" if version_of(spec) < since else ""


def version_of(text: object) -> tuple[int, ...]:
    """A version of the specification; one that is no version counts as the first."""
    parts = str(text).split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else (2, 0)


def _reject(target: Target) -> Finding:
    return _status(target, "/reject", lambda status: status == FORBIDDEN, "closed before it accepted")


def _raise_early(target: Target) -> Finding:
    with target.fresh() as own:
        return _status(own, "/raise-early", lambda status: status in HTTP_ERRORS, "raised before it accepted")


def _status(target: Target, path: str, right: Callable[[int], bool], what: str) -> Finding:
    with Socket(target, path) as socket:
        status = SWITCHING if socket.accepted is not None else socket.rejected.status_code if socket.rejected else None
        return socket.finding(status is not None and right(status), f"the app {what}: status {status or 'none'}")


def _response(target: Target) -> Finding:
    marker = new_marker()
    with Socket(target, f"/respond?marker={marker}") as socket:
        offer = target.await_event(marker, "offer")
        if offer is not None and not offer["made"]:
            return not_applicable("websocket.http.response is not among the scope's extensions")
        status = socket.rejected.status_code if socket.rejected else None
        right = status == TEAPOT and socket.rejection == b"no entry"
        return socket.finding(right, f"the app answered 418 'no entry', the client got {status} {socket.rejection!r}")


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, WEBSOCKET_PROTOCOLS, expectation, source, run, force=force)


_ASGI = "ASGI WebSocket"

CHECKS = (
    _check(
        "ws-accept",
        "Handshake",
        "The answer is 101 with Upgrade: websocket and the Sec-WebSocket-Accept that the key asks for.",
        "RFC 6455 §4.2.2",
        _accept,
    ),
    _check(
        "ws-handshake-words",
        "Handshake as browsers send it",
        "Upgrade and Connection are compared without regard to case, and Connection may have more words.",
        "RFC 6455 §4.2.1",
        _header_words,
    ),
    _check(
        "ws-handshake-malformed",
        "Malformed handshake",
        "A server MUST stop at a handshake without key, version, GET or HTTP/1.1, and answer with an error.",
        "RFC 6455 §4.2.1",
        _refused_handshakes,
    ),
    _check(
        "ws-version",
        "Version not understood",
        "The answer MUST be an error such as 426, with the versions understood in Sec-WebSocket-Version.",
        "RFC 6455 §4.2.2, §4.4",
        _version,
    ),
    _check(
        "ws-subprotocol",
        "Subprotocol",
        "The client is told the subprotocol that the app chose.",
        f"RFC 6455 §4.2.2; {_ASGI}, Accept",
        _subprotocol,
    ),
    _check(
        "ws-no-subprotocol",
        "No subprotocol",
        "Where the app chose none, the client is told none.",
        f"RFC 6455 §4.2.2; {_ASGI}, Accept",
        _no_subprotocol,
    ),
    _check(
        "ws-headers",
        "Headers of the app",
        "Headers of the app's accept reach the client, since version 2.1 of the specification.",
        f"{_ASGI}, Accept, Spec Versions",
        _accept_headers,
    ),
    _check(
        "ws-scope",
        "Scope",
        "The scope has type, scheme, decoded path, query string, subprotocols and headers; websocket.connect "
        "comes first.",
        f"{_ASGI}, Connection Scope, Connect",
        _scope,
    ),
    _check(
        "ws-reject",
        "Rejected by the app",
        "A websocket.close before websocket.accept MUST become HTTP 403.",
        f"{_ASGI}, Connect, Close",
        _reject,
    ),
    _check(
        "ws-raise-early",
        "App that raises before it accepts",
        "The client gets an HTTP error, such as 500.",
        "RFC 6455 §4.2.2, RFC 9110 §15.6.1",
        _raise_early,
        force="expected",
    ),
    _check(
        "ws-response",
        "Rejected with an answer of the app's",
        "Where websocket.http.response is offered, status and body of the app reach the client.",
        "ASGI WebSocket Denial Response",
        _response,
    ),
)
