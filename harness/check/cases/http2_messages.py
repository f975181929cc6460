"""HTTP/2: requests and responses, and how the app sees them (RFC 9113 §8, ASGI)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage
from wsproto.utilities import RemoteProtocolError

from harness.check.cases.http1_body import judge_single
from harness.check.cases.http2 import OK, SILENCE_S, is_hello
from harness.check.cases.malformed_http1 import BAD_REQUEST
from harness.check.cases.scopes import Scope, header_pairs, header_values, judge_extensions, plain, read_scope
from harness.check.clients.h2 import Http2
from harness.check.clients.h2_frames import DATA, ENABLE_CONNECT_PROTOCOL, END_HEADERS, END_STREAM, PADDED, any_frame
from harness.check.clients.h2_raw import RawHttp2, Response
from harness.check.clients.transcript import shown
from harness.check.model import Family, Finding, not_applicable
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(HTTP2_PROTOCOLS)

LARGE = [(f"x-large-{number}", "v" * 4_000) for number in range(6)]
"""Headers that together are larger than one frame, while none is larger than servers allow."""
EARLY_HINTS, TOO_LARGE = 103, 431
TRIED = {
    "http.response.trailers": "h2-response-trailers",
    "http.response.early_hint": "h2-early-hint",
    "websocket.http.response": "ws-response",
}
"""Extensions, and the checks that try them over HTTP/2."""
OTHER_HOST = "other.example"
_NO_CONTENT_IN_HEAD = (
    "The HEAD method is identical to GET except that the server MUST NOT send content in the response."
)


@CHECKS.check(
    "h2-request-trailers",
    "Trailers of a request",
    "RFC 9113 §8.1",
    quote="That is, trailer fields comprise a sequence starting with a HEADERS frame, followed by zero or "
    "more CONTINUATION frames, where the HEADERS frame bears an END_STREAM flag.",
    consequence="gRPC clients and uploads with checksums fail.",
)
def request_trailers(target: Target) -> Finding:
    """A server serves a request that ends with trailers."""
    with Http2(target) as client:
        stream_id = client.request("/echo", "POST", ("trailer", "x-sum"), end=False)
        client.data(stream_id, b"body")
        client.fields(stream_id, [("x-sum", "42")], end=True)
        response = client.await_response(stream_id)
        return client.finding(response.is_complete(OK, b"body"), f"a body and trailers: {response}")


def _extension(extension: str, judge: Callable[[Http2], Finding]) -> Callable[[Target], Finding]:
    """A check that runs if the server advertises the extension."""

    def run(target: Target) -> Finding:
        with Http2(target) as client:
            if extension not in (plain(_scope(client).get("extensions")) or {}):
                return not_applicable(f"{extension} is not among the scope's extensions")
            return judge(client)

    return run


def _response_trailers(client: Http2) -> Finding:
    response = client.fetch("/trailers", "GET", ("te", "trailers"))
    right = response.is_complete(OK, b"body") and ("x-sum", "42") in response.trailers
    return client.finding(right, f"{response} with trailers {response.trailers}")


def _early_hint(client: Http2) -> Finding:
    response = client.fetch("/early-hint")
    right = response.interim == [EARLY_HINTS] and response.is_complete(OK, b"hinted")
    return client.finding(right, f"interim responses {response.interim}, then {response}")


CHECKS.add(
    "h2-response-trailers",
    "Trailers of a response",
    "A server that offers http.response.trailers sends the app's trailers to a client that says te: trailers.",
    "RFC 9113 §8.1; ASGI HTTP Trailers",
    _extension("http.response.trailers", _response_trailers),
    quote="ASGI servers that implement this extension will provide http.response.trailers in the "
    "extensions part of the scope",
    consequence="gRPC does not work: its status is a trailer.",
)
CHECKS.add(
    "h2-early-hint",
    "Early hints",
    "A server that offers http.response.early_hint should send 103 before the response; it may ignore the hint.",
    "ASGI extensions, Early Hints; RFC 8297 §2",
    _extension("http.response.early_hint", _early_hint),
    quote="The ASGI server should then attempt to send an informational response to the client with the "
    "provided links as Link headers.",
    level="should",
    consequence="Browsers start to load styles and scripts later than they could.",
)


@CHECKS.check(
    "h2-extensions",
    "Extensions of the scope",
    "ASGI HTTP 2.5 Connection Scope; ASGI extensions",
    quote="This is achieved via an extensions entry in the scope dictionary, which is itself a dict.",
    consequence="Frameworks that look for an extension fail on every request.",
)
def extensions(target: Target) -> Finding:
    """The extensions that the server supports are a dict, with a dict for each."""
    with Http2(target) as client:
        return judge_extensions(_scope(client), TRIED)


@CHECKS.check(
    "h2-head",
    "HEAD",
    "RFC 9110 §9.3.2",
    quote=_NO_CONTENT_IN_HEAD,
    consequence="Clients and proxies end the stream or the connection with an error.",
)
def head(target: Target) -> Finding:
    """A server MUST NOT send a body in response to HEAD."""
    with Http2(target) as client:
        response = client.fetch("/hello", "HEAD")
        goes_on = is_hello(client.fetch("/hello"))
        words = f"HEAD: {response} with {len(response.body)} bytes of body"
        return client.finding(response.is_complete(OK, b"") and goes_on, words)


@CHECKS.check(
    "h2-head-streamed",
    "HEAD of a streamed response",
    "RFC 9110 §9.3.2",
    quote=_NO_CONTENT_IN_HEAD,
    consequence="Clients and proxies end the stream or the connection with an error.",
)
def head_streamed(target: Target) -> Finding:
    """A server MUST NOT send a body in response to HEAD, also if the app sends one in several parts."""
    with Http2(target) as client:
        response = client.fetch("/stream", "HEAD")
        goes_on = is_hello(client.fetch("/hello"))
        words = f"HEAD: {response} with {len(response.body)} bytes of body"
        return client.finding(response.is_complete(OK, b"") and goes_on, words)


@CHECKS.check(
    "h2-app-date-server",
    "Date and Server set by the app",
    "RFC 9110 §5.3",
    quote="This means that, aside from the well-known exception noted below, a sender MUST NOT generate multiple field "
    "lines with the same name in a message (whether in the headers or trailers) or append a field line when a field "
    "line of the same name already exists in the message, unless that field's definition allows multiple field line "
    "values to be recombined as a comma-separated list",
    consequence="Strict proxies and caches reject the response, or pick one of two dates.",
)
def app_date_server(target: Target) -> Finding:
    """A server MUST NOT add its own Date and Server to those that the app has set."""
    with Http2(target) as client:
        return client.finding(*judge_single(client.fetch("/date-and-server").fields))


@CHECKS.check(
    "h2-no-content",
    "204 and 304",
    "RFC 9110 §15.3.5, §15.4.5",
    quote="A 204 response is terminated by the end of the header section; it cannot contain content or trailers.",
    consequence="Clients and proxies end the stream or the connection with an error.",
)
def no_content(target: Target) -> Finding:
    """A server ends a 204 and a 304 with their headers."""
    with Http2(target) as client:
        responses = {status: client.fetch(f"/status/{status}") for status in (204, 304)}
        right = all(response.is_complete(status, b"") for status, response in responses.items())
        found = ", ".join(f"{response} {len(response.body)} bytes" for response in responses.values())
        return client.finding(right, f"204 and 304: {found}")


@CHECKS.check(
    "h2-expect-continue",
    "Expect: 100-continue",
    "RFC 9110 §10.1.1",
    quote="Upon receiving an HTTP/1.1 (or later) request that has a method, target URI, and complete "
    "header section that contains a 100-continue expectation and an indication that request content "
    "will follow, an origin server MUST send either:",
    consequence="curl and other clients wait a second or more before each large upload, or fail.",
)
def expect_continue(target: Target) -> Finding:
    """A server MUST send 100 or a final status before it waits for the body."""
    with Http2(target) as client:
        stream_id = client.request("/echo", "POST", ("expect", "100-continue"), ("content-length", "4"), end=False)
        response = client.response(stream_id)
        client.run_until(lambda: bool(response.interim or response.status), SILENCE_S)
        interim, early = list(response.interim), response.status
        if not early and not response.over:
            client.data(stream_id, b"body", end=True)
            client.await_response(stream_id)
        words = f"before the body: {', '.join(map(str, interim)) or early or 'nothing'}; after it: {response}"
        return client.finding(bool(interim or early) and response.is_complete(OK, b"body"), words)


@CHECKS.check(
    "h2-padding",
    "Padded DATA",
    "RFC 9113 §6.1",
    quote="Padding octets that contain no application semantic value.",
    consequence="Uploads arrive with additional bytes.",
)
def padding(target: Target) -> Finding:
    """A server does not give the app the padding of DATA frames."""
    with RawHttp2(target) as raw:
        raw.send_fields(1, raw.request_fields("/echo", "POST"), END_HEADERS)
        raw.send(any_frame(DATA, PADDED | END_STREAM, 1, b"\x03body\0\0\0"))
        response = raw.await_response(1)
        words = f"body padded by 3 bytes: {response} {shown(response.body)}"
        return raw.finding(response.is_complete(OK, b"body"), words)


@CHECKS.check(
    "h2-continuation",
    "Header over several frames",
    "RFC 9113 §4.3, §6.10, §10.5.1",
    quote="An endpoint receiving HEADERS, PUSH_PROMISE, or CONTINUATION frames needs to reassemble field "
    "blocks and perform decompression even if the frames are to be discarded.",
    consequence="Users with large cookies lose their connection, with every request on it.",
)
def continuation(target: Target) -> Finding:
    """A server accepts headers that go on in CONTINUATION frames; it may answer 431 if they are too large for it."""
    with Http2(target) as client:
        response = client.fetch("/scope", "GET", *LARGE)
        complete = response.ended and response.status == OK and all(name.encode() in response.body for name, _ in LARGE)
        words = f"24,000 bytes of headers in HEADERS and CONTINUATION: {response}"
        return client.finding(complete or response.status == TOO_LARGE, words)


@CHECKS.check(
    "h2-authority",
    ":authority becomes host",
    "ASGI HTTP, Connection Scope",
    quote="Pseudo headers (present in HTTP/2 and HTTP/3) must be removed; if :authority is present its "
    "value must be added to the start of the iterable with host as the header name or replace any "
    "existing host header already present.",
    consequence="Apps that choose a tenant or make links by the host fail over HTTP/2.",
)
def authority(target: Target) -> Finding:
    """The pseudo-headers MUST be removed from the scope, and :authority added to the start of its headers as host."""
    with Http2(target) as client:
        pairs = header_pairs(_scope(client))
        hosts = [value for name, value in pairs if name == "host"]
        pseudo = [name for name, _ in pairs if name.startswith(":")]
        words = f"host in the scope: {hosts}, pseudo-headers: {pseudo}"
        return client.finding(hosts == [target.authority] and not pseudo and pairs[0][0] == "host", words)


@CHECKS.check(
    "h2-authority-and-host",
    ":authority and another host",
    "RFC 9113 §8.3.1; ASGI HTTP, Connection Scope",
    quote="The recipient of an HTTP/2 request MUST NOT use the Host header field to determine the target "
    'URI if ":authority" is present.',
    consequence="A proxy routes by one host and the app by the other, which passes access rules and poisons caches.",
    danger="forges",
)
def authority_and_host(target: Target) -> Finding:
    """A server SHOULD treat a request whose host differs from :authority as malformed; the app gets :authority."""
    with Http2(target) as client:
        response = client.fetch("/scope", "GET", ("host", OTHER_HOST))
        if not response.ended or response.status >= BAD_REQUEST:
            return client.finding(response.over or client.goaway is not None, f"treated as malformed: {response}")
        hosts = header_values(_read(client, response), "host")
        words = f":authority {target.authority}, host {OTHER_HOST}; host in the scope: {hosts}"
        return client.finding(hosts == [target.authority], words)


@CHECKS.check(
    "h2-scope",
    "Keys of the scope",
    "ASGI HTTP, Connection Scope",
    quote='http_version (Unicode string) -- One of "1.0", "1.1" or "2".',
    consequence="Links and redirects that the app makes are wrong over HTTP/2.",
)
def scope(target: Target) -> Finding:
    """The http_version is 2; the scheme, method and path are those of the pseudo-headers."""
    with Http2(target) as client:
        found = plain({"value": _scope(client, "/scope?a=%20b")})
        expected = {"http_version": "2", "scheme": "https" if target.tls else "http", "method": "GET", "path": "/scope"}
        found = {key: found.get(key) for key in expected}
        return client.finding(found == expected, f"expected {expected}, found {found}")


@CHECKS.check(
    "h2-cookies",
    "Cookie in several fields",
    "RFC 9113 §8.2.3",
    quote="If there are multiple Cookie header fields after decompression, these MUST be concatenated into "
    'a single octet string using the two-octet delimiter of 0x3b, 0x20 (the ASCII string "; ") '
    "before being passed into a non-HTTP/2 context, such as an HTTP/1.1 connection, or a generic "
    "HTTP server application.",
    consequence="Browsers split cookies over HTTP/2: apps see only one of them, and users are logged out.",
)
def cookies(target: Target) -> Finding:
    """A server MUST join several Cookie headers with '; ' before it gives them to the app."""
    with Http2(target) as client:
        found = header_values(_scope(client, "/scope", ("cookie", "a=1"), ("cookie", "b=2")), "cookie")
        return client.finding(found == ["a=1; b=2"], f"cookie: a=1, cookie: b=2; the app got {found}")


@CHECKS.check(
    "h2-websocket",
    "WebSocket over a stream",
    "RFC 8441 §3, §5",
    quote="The :protocol pseudo-header field MUST be included in the CONNECT request, and it MUST have a "
    "value of websocket to initiate a WebSocket connection on an HTTP/2 stream.",
    consequence="Browsers that see the setting open their WebSockets in this way, and all fail.",
)
def extended_connect(target: Target) -> Finding:
    """A server that advertises SETTINGS_ENABLE_CONNECT_PROTOCOL opens a WebSocket on CONNECT with that :protocol."""
    with Http2(target) as client:
        if client.settings.get(ENABLE_CONNECT_PROTOCOL) != 1:
            return not_applicable("SETTINGS_ENABLE_CONNECT_PROTOCOL is not advertised")
        fields = client.request_fields("/echo", "CONNECT", (":protocol", "websocket"), ("sec-websocket-version", "13"))
        stream_id = client.open(fields)
        response = client.response(stream_id)
        client.run_until(lambda: bool(response.status) or response.over)
        if response.status != OK:  # in place of 101, RFC 8441 §5
            return client.failed(f"expected 200 to CONNECT, found {response}")
        websocket = Connection(ConnectionType.CLIENT)
        client.data(stream_id, websocket.send(TextMessage("hello")))
        client.run_until(lambda: len(response.body) >= len(b"\x81\x05hello") or response.over)
        websocket.receive_data(response.body)
        try:
            echoed = [event.data for event in websocket.events() if isinstance(event, TextMessage)]
        except RemoteProtocolError as error:
            return client.failed(f"no WebSocket frame: {error}")
        return client.finding(echoed == ["hello"], f"WebSocket over a stream, echo of hello: {echoed}")


def _scope(client: Http2, path: str = "/scope", *more: tuple[str, str]) -> Scope:
    """The scope that the app is given for a request."""
    return _read(client, client.fetch(path, "GET", *more))


def _read(client: Http2, response: Response) -> Scope:
    if not response.ended:
        raise client.fault(f"expected the scope as JSON, found {response}")
    return read_scope(response.body)
