"""HTTP/2: requests and answers, and how they look to the app (RFC 9113 §8, ASGI)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage
from wsproto.utilities import RemoteProtocolError

from harness.check.cases.asgi import judged_extensions, plain
from harness.check.cases.http2 import is_hello
from harness.check.clients.h2 import Client
from harness.check.clients.h2_frames import DATA, ENABLE_CONNECT_PROTOCOL, END_HEADERS, END_STREAM, PADDED, any_frame
from harness.check.clients.h2_raw import Answer, Raw
from harness.check.clients.http1 import shown
from harness.check.model import Check, Finding, ProtocolFault, not_applicable
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.clients.h2_frames import Fields
    from harness.check.model import Force
    from harness.check.target import Target

LARGE = [(f"x-large-{number}", "v" * 4_000) for number in range(6)]
"""Together more than one frame holds, alone not more than servers allow."""
SILENCE_S = 2.0
EARLY_HINTS = 103
TRIED = {
    "http.response.trailers": "h2-response-trailers",
    "http.response.early_hint": "h2-early-hint",
    "websocket.http.response": "ws-response",
}
"""Extensions, and the checks that try them over HTTP/2."""
OTHER_HOST = "other.example"


def _request_trailers(target: Target) -> Finding:
    with Client(target) as client:
        stream_id = client.request("/echo", "POST", ("trailer", "x-sum"), end=False)
        client.data(stream_id, b"body")
        client.fields(stream_id, [("x-sum", "42")], end=True)
        answer = client.await_answer(stream_id)
        return client.finding(answer.is_whole(200, b"body"), f"a body and trailers: {answer}")


def _response_trailers(target: Target) -> Finding:
    with Client(target) as client:
        extensions = _scope(client, client.request_fields("/scope"))["extensions"] or {}
        if "http.response.trailers" not in extensions:
            return not_applicable("http.response.trailers is not among the scope's extensions")
        answer = client.fetch("/trailers", "GET", ("te", "trailers"))
        right = answer.is_whole(200, b"body") and ("x-sum", "42") in answer.trailers
        return client.finding(right, f"{answer} with trailers {answer.trailers}")


def _early_hint(target: Target) -> Finding:
    with Client(target) as client:
        extensions = _scope(client, client.request_fields("/scope"))["extensions"] or {}
        if "http.response.early_hint" not in extensions:
            return not_applicable("http.response.early_hint is not among the scope's extensions")
        answer = client.fetch("/early-hint")
        words = f"interim answers {answer.interim}, then {answer}"
        return client.finding(answer.interim == [EARLY_HINTS] and answer.is_whole(200, b"hinted"), words)


def _extensions(target: Target) -> Finding:
    with Client(target) as client:
        answer = client.await_answer(client.open(client.request_fields("/scope"), end=True))
        return judged_extensions(plain(_described(client, answer).get("extensions")), TRIED)


def _head(target: Target) -> Finding:
    with Client(target) as client:
        answer = client.fetch("/hello", "HEAD")
        survives = is_hello(client.fetch("/hello"))
        words = f"HEAD: {answer} with {len(answer.body)} bytes of body"
        return client.finding(answer.is_whole(200, b"") and survives, words)


def _no_content(target: Target) -> Finding:
    with Client(target) as client:
        answers = [client.fetch(f"/status/{status}") for status in (204, 304)]
        right = [answer.is_whole(status, b"") for answer, status in zip(answers, (204, 304), strict=True)]
        return client.finding(
            all(right), f"204 and 304: {', '.join(f'{each} {len(each.body)} bytes' for each in answers)}"
        )


def _expectation(target: Target) -> Finding:
    with Client(target) as client:
        stream_id = client.request("/echo", "POST", ("expect", "100-continue"), ("content-length", "4"), end=False)
        answer = client.answer(stream_id)
        client.run_until(lambda: bool(answer.interim or answer.status), SILENCE_S)
        interim, early = list(answer.interim), answer.status
        if not early and not answer.over:
            client.data(stream_id, b"body", end=True)
            client.await_answer(stream_id)
        words = f"before the body: {', '.join(map(str, interim)) or early or 'nothing'}; after it: {answer}"
        return client.finding(bool(interim or early) and answer.is_whole(200, b"body"), words)


def _padding(target: Target) -> Finding:
    with Raw(target) as raw:
        raw.send_fields(1, raw.request_fields("/echo", "POST"), END_HEADERS)
        raw.send(any_frame(DATA, PADDED | END_STREAM, 1, b"\x03body\0\0\0"))
        answer = raw.await_answer(1)
        return raw.finding(answer.is_whole(200, b"body"), f"body padded by 3 bytes: {answer} {shown(answer.body)}")


def _continuation(target: Target) -> Finding:
    with Client(target) as client:
        scope = client.fetch("/scope", "GET", *LARGE)
        got = all(name.encode() in scope.body for name, _ in LARGE)
        words = f"24,000 bytes of headers in HEADERS and CONTINUATION: {scope}"
        return client.finding((scope.ended and scope.status == 200 and got) or scope.status == 431, words)  # noqa: PLR2004


def _authority(target: Target) -> Finding:
    with Client(target) as client:
        scope = _scope(client, client.request_fields("/scope"))
        headers = scope["headers"]
        hosts = [value for name, value in headers if name == "host"]
        pseudo = [name for name, _ in headers if name.startswith(":")]
        words = f"host in the scope: {hosts}, pseudo-headers: {pseudo}"
        return client.finding(hosts == [target.authority] and not pseudo and headers[0][0] == "host", words)


def _other_host(target: Target) -> Finding:
    with Client(target) as client:
        stream_id = client.request("/scope", "GET", ("host", OTHER_HOST))
        answer = client.await_answer(stream_id)
        if not answer.ended or answer.status >= 400:  # noqa: PLR2004 - client error
            return client.finding(answer.over or client.goaway is not None, f"taken for malformed: {answer}")
        hosts = [value for name, value in _parsed(client, answer)["headers"] if name == "host"]
        words = f":authority {target.authority}, host {OTHER_HOST}; host in the scope: {hosts}"
        return client.finding(hosts == [target.authority], words)


def _scope_keys(target: Target) -> Finding:
    with Client(target) as client:
        scope = _scope(client, client.request_fields("/scope?a=%20b"))
        expected = {"http_version": "2", "scheme": "https" if target.tls else "http", "method": "GET", "path": "/scope"}
        found = {key: scope[key] for key in expected}
        return client.finding(found == expected, f"expected {expected}, found {found}")


def _cookies(target: Target) -> Finding:
    with Client(target) as client:
        scope = _scope(client, client.request_fields("/scope", "GET", ("cookie", "a=1"), ("cookie", "b=2")))
        cookies = [value for name, value in scope["headers"] if name == "cookie"]
        return client.finding(cookies == ["a=1; b=2"], f"cookie: a=1, cookie: b=2; the app got {cookies}")


def _extended_connect(target: Target) -> Finding:
    with Client(target) as client:
        if client.settings.get(ENABLE_CONNECT_PROTOCOL) != 1:
            return not_applicable("SETTINGS_ENABLE_CONNECT_PROTOCOL is not advertised")
        pseudo = dict(client.request_fields("/echo", "CONNECT"))
        stream_id = client.open([*pseudo.items(), (":protocol", "websocket"), ("sec-websocket-version", "13")])
        answer = client.answer(stream_id)
        client.run_until(lambda: bool(answer.status) or answer.over)
        if answer.status != 200:  # noqa: PLR2004 - what RFC 8441 §5 asks for in place of 101
            return client.finding(False, f"expected 200 to CONNECT, found {answer}")
        websocket = Connection(ConnectionType.CLIENT)
        client.data(stream_id, websocket.send(TextMessage("hello")))
        client.run_until(lambda: len(answer.body) >= len(b"\x81\x05hello") or answer.over)
        websocket.receive_data(answer.body)
        try:
            echoed = [event.data for event in websocket.events() if isinstance(event, TextMessage)]
        except RemoteProtocolError as error:
            return client.finding(False, f"no WebSocket frame: {error}")
        return client.finding(echoed == ["hello"], f"WebSocket over a stream, echo of hello: {echoed}")


def _scope(client: Client, fields: Fields) -> dict[str, Any]:
    """The scope of a request with these fields, as the app got it."""
    return _parsed(client, client.await_answer(client.open(fields, end=True)))


def _described(client: Client, answer: Answer) -> dict[str, Any]:
    """The scope that `/scope` answers with, as the probe describes values."""
    try:
        scope: dict[str, Any] = json.loads(answer.body)["value"]
    except (ValueError, LookupError, TypeError) as error:
        raise ProtocolFault(
            f"expected the scope as JSON, found {answer} {shown(answer.body)}\n{client.story}"
        ) from error
    return scope


def _parsed(client: Client, answer: Answer) -> dict[str, Any]:
    scope = _described(client, answer)
    try:
        found = {key: item["value"] for key, item in scope.items()}
        pairs = [[part["value"] for part in pair["value"]] for pair in found["headers"]]
    except (LookupError, TypeError) as error:
        raise ProtocolFault(f"expected the keys of a scope, found {sorted(scope)}\n{client.story}") from error
    return {"extensions": {}, **found, "headers": [(name, value) for name, value in pairs]}


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, HTTP2_PROTOCOLS, expectation, source, run, force=force)


CHECKS = (
    _check(
        "h2-request-trailers",
        "Trailers of a request",
        "A request may end with a field section of trailers; it is served.",
        "RFC 9113 §8.1",
        _request_trailers,
    ),
    _check(
        "h2-response-trailers",
        "Trailers of an answer",
        "Where http.response.trailers is offered, a client that says te: trailers gets the app's after the data.",
        "RFC 9113 §8.1; ASGI HTTP Trailers",
        _response_trailers,
    ),
    _check(
        "h2-early-hint",
        "Early hints",
        "Where http.response.early_hint is offered, the client gets 103 before the answer.",
        "ASGI extensions, Early Hints; RFC 8297 §2",
        _early_hint,
    ),
    _check(
        "h2-extensions",
        "Extensions of the scope",
        "Extensions that the server supports are a dict, with a dict for each.",
        "ASGI HTTP 2.5 Connection Scope; ASGI extensions",
        _extensions,
    ),
    _check("h2-head", "HEAD", "An answer to HEAD MUST NOT have content.", "RFC 9110 §9.3.2", _head),
    _check(
        "h2-no-content",
        "204 and 304",
        "Answers with these statuses end with the header section.",
        "RFC 9110 §15.3.5, §15.4.5",
        _no_content,
    ),
    _check(
        "h2-expect-continue",
        "Expect: 100-continue",
        "A server MUST send 100 or a final status before it waits for the body.",
        "RFC 9110 §10.1.1",
        _expectation,
    ),
    _check("h2-padding", "Padded DATA", "Padding is no part of the data.", "RFC 9113 §6.1", _padding),
    _check(
        "h2-continuation",
        "Header over several frames",
        "A field section may go on in CONTINUATION; a server that finds it too large may answer 431.",
        "RFC 9113 §4.3, §6.10, §10.5.1",
        _continuation,
    ),
    _check(
        "h2-authority",
        ":authority becomes host",
        "Pseudo-headers MUST be removed, and :authority added to the start of the headers as host.",
        "ASGI HTTP, Connection Scope",
        _authority,
    ),
    _check(
        "h2-authority-and-host",
        ":authority and another host",
        "A server SHOULD take such a request for malformed; to the app, :authority replaces host.",
        "RFC 9113 §8.3.1; ASGI HTTP, Connection Scope",
        _other_host,
    ),
    _check(
        "h2-scope",
        "Keys of the scope",
        "http_version is 2, and scheme, method and path are those of the pseudo-headers.",
        "ASGI HTTP, Connection Scope",
        _scope_keys,
    ),
    _check(
        "h2-cookies",
        "Cookie in several fields",
        "Cookie fields MUST be joined with '; ' before they go to a generic HTTP server application.",
        "RFC 9113 §8.2.3",
        _cookies,
    ),
    _check(
        "h2-websocket",
        "WebSocket over a stream",
        "Where SETTINGS_ENABLE_CONNECT_PROTOCOL is advertised, CONNECT with :protocol websocket opens a WebSocket.",
        "RFC 8441 §3, §5",
        _extended_connect,
    ),
)
