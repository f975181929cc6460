"""HTTP/2: how a connection begins, is kept, and ends."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import h11
from hyperframe.frame import SettingsFrame

from harness.check.cases.malformed_http2 import serves
from harness.check.clients.h2 import Http2
from harness.check.clients.h2_frames import (
    GOAWAY,
    MAX_CONCURRENT_STREAMS,
    NO_ERROR,
    PING,
    PREFACE,
    SETTINGS,
    any_frame,
)
from harness.check.clients.h2_raw import RawHttp2, Response
from harness.check.clients.transcript import shown
from harness.check.model import Family, Finding, failed, passed
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target
    from harness.model.protocols import Protocol

CHECKS = Family(HTTP2_PROTOCOLS)

OK = 200
OVER_TLS: frozenset[Protocol] = frozenset({"h2"})
SILENCE_S = 2.0
"""What a server has not sent by then, with nothing to hinder it, it does not send."""


def is_hello(response: Response) -> bool:
    """Is it the correct response to GET /hello?"""
    return response.is_complete(OK, b"hello")


@CHECKS.check(
    "h2-preface",
    "Connection preface",
    "RFC 9113 §3.3, §3.4",
    quote="The server connection preface consists of a potentially empty SETTINGS frame (Section 6.5) that "
    "MUST be the first frame the server sends in the HTTP/2 connection.",
    consequence="HTTP/2 clients cannot connect.",
)
def preface(target: Target) -> Finding:
    """A server MUST send SETTINGS as its first frame to a client that speaks HTTP/2 from the start, and serve it."""
    with Http2(target) as client:
        response = client.fetch("/hello")
        return client.finding(is_hello(response), f"SETTINGS first, then the response to a request: {response}")


def _bad_preface(sent: bytes) -> Callable[[Target], Finding]:
    def run(target: Target) -> Finding:
        with RawHttp2(target, greeting=False) as raw:
            raw.transcript.add("→", shown(sent))
            raw.transmit(sent)
            refused = raw.run_until(lambda: raw.failed_by_server, SILENCE_S) or raw.closed
            return raw.finding(refused and serves(target), f"the connection was {'refused' if refused else 'kept'}")

    return run


CHECKS.add(
    "h2-bad-preface",
    "Wrong connection preface",
    "A server MUST treat a wrong preface as a connection error; it may leave out GOAWAY.",
    "RFC 9113 §3.4",
    _bad_preface(PREFACE.replace(b"SM", b"XX") + any_frame(SETTINGS, 0, 0).serialize()),
    quote="Clients and servers MUST treat an invalid connection preface as a connection error (Section "
    "5.4.1) of type PROTOCOL_ERROR.",
    consequence="Clients of another protocol hold connections that serve nothing.",
)
CHECKS.add(
    "h2-preface-no-settings",
    "Connection preface without SETTINGS",
    "A server MUST treat a preface that is not followed by SETTINGS as a connection error.",
    "RFC 9113 §3.4",
    _bad_preface(PREFACE + any_frame(PING, 0, 0, bytes(8)).serialize()),
    quote="This sequence MUST be followed by a SETTINGS frame (Section 6.5), which MAY be empty.",
    consequence="Clients of another protocol hold connections that serve nothing.",
)


@CHECKS.check(
    "h2-alpn",
    "ALPN chooses h2",
    "RFC 9113 §3.2",
    protocols=OVER_TLS,
    quote="HTTP/2 connections over TLS MUST use protocol negotiation in TLS [TLS-ALPN].",
    consequence="Browsers fall back to HTTP/1.1, and nobody notices.",
)
def alpn(target: Target) -> Finding:
    """A server MUST choose h2 by ALPN for HTTP/2 over TLS."""
    with target.connect(("h2", "http/1.1")) as connection:
        chosen = connection.selected_alpn_protocol() if isinstance(connection, ssl.SSLSocket) else None
    return (passed if chosen == "h2" else failed)(f"offered h2 and http/1.1 by ALPN, the server chose {chosen}")


@CHECKS.check(
    "h2-alpn-http1",
    "HTTP/1.1 on the same port",
    "RFC 7301 §3.2",
    protocols=OVER_TLS,
    level="expected",
    consequence="Clients and health checks without HTTP/2 cannot connect.",
)
def alpn_http1(target: Target) -> Finding:
    """A server answers in HTTP/1.1 to a client that offers only http/1.1 by ALPN."""
    with target.connect(("http/1.1",)) as connection:
        chosen = connection.selected_alpn_protocol() if isinstance(connection, ssl.SSLSocket) else None
        words = f"offered http/1.1 alone by ALPN, the server chose {chosen}"
        connection.sendall(f"GET /hello HTTP/1.1\r\nHost: {target.authority}\r\nConnection: close\r\n\r\n".encode())
        http, received = h11.Connection(h11.CLIENT), b""
        http.send(h11.Request(method="GET", target="/hello", headers=[("Host", target.authority)]))
        while data := connection.recv(65_536):
            received += data
    http.receive_data(received)
    try:
        response = http.next_event()
    except h11.RemoteProtocolError as error:
        return failed(f"{words}\n← {shown(received)}: {error}")
    right = isinstance(response, h11.Response) and response.status_code == OK and chosen in (None, "http/1.1")
    return (passed if right else failed)(f"{words}\n→ GET /hello HTTP/1.1\n← {shown(received)}")


@CHECKS.check(
    "h2-settings-ack",
    "SETTINGS acknowledged",
    "RFC 9113 §6.5.3",
    quote="Once all values have been processed, the recipient MUST immediately emit a SETTINGS frame with "
    "the ACK flag set.",
    consequence="Clients close the connection after a while with SETTINGS_TIMEOUT.",
)
def settings_acknowledged(target: Target) -> Finding:
    """A server MUST acknowledge each SETTINGS frame once."""
    with Http2(target) as client:

        def acknowledged() -> int:
            return sum(isinstance(frame, SettingsFrame) and "ACK" in frame.flags for frame in client.frames)

        client.run_until(lambda: acknowledged() > 0)
        first = acknowledged()
        client.change({MAX_CONCURRENT_STREAMS: 50})
        client.run_until(lambda: acknowledged() > 1)
        found = acknowledged()
        return client.finding((first, found) == (1, 2), f"two SETTINGS, {found} acknowledgements")


@CHECKS.check(
    "h2-ping",
    "PING",
    "RFC 9113 §6.7",
    quote="Receivers of a PING frame that does not include an ACK flag MUST send a PING frame with the ACK "
    "flag set in response, with an identical frame payload.",
    consequence="Clients and proxies that test a connection with PING take it for dead, and close it.",
)
def ping(target: Target) -> Finding:
    """A server MUST acknowledge PING with the same payload."""
    with Http2(target) as client:
        acknowledged = client.ping()
        return client.finding(acknowledged, f"PING {'acknowledged' if acknowledged else 'not acknowledged'}")


@CHECKS.check(
    "h2-unknown",
    "Unknown frames and settings",
    "RFC 9113 §5.5, §6.5.2",
    quote="Implementations MUST discard frames that have unknown or unsupported types.",
    consequence="Browsers that send newer frames, such as PRIORITY_UPDATE or GREASE, lose their connection.",
)
def unknown(target: Target) -> Finding:
    """A server MUST discard frames of unknown types, and ignore unknown settings."""
    with RawHttp2(target) as raw:
        raw.send(SettingsFrame(0, settings={0xFFF0: 1}), any_frame(0xF0, 0xFF, 0, b"extension"))
        raw.send_fields(1, raw.request_fields("/hello"))
        response = raw.await_response(1)
        return raw.finding(is_hello(response), f"an unknown setting and an unknown frame, then a request: {response}")


@CHECKS.check(
    "h2-client-goaway",
    "GOAWAY from the client",
    "RFC 9113 §6.8",
    level="expected",
    consequence="Requests in flight fail when a proxy renews its connections.",
)
def client_goaway(target: Target) -> Finding:
    """A server completes the streams in flight after a GOAWAY from the client."""
    with Http2(target) as client:
        stream_id, marker = client.call_app("/late")
        client.send(any_frame(GOAWAY, 0, 0, bytes(8)))
        client.ping(SILENCE_S)  # or the app might answer before the server has read the GOAWAY
        target.open_gate(marker)
        response = client.await_response(stream_id, SILENCE_S)
        words = f"GOAWAY from the client with a stream in flight: {response}"
        return client.finding(response.is_complete(OK, b"late"), words)


@CHECKS.check(
    "h2-goaway-shutdown",
    "GOAWAY on SIGTERM",
    "RFC 9113 §6.8",
    level="should",
    quote="Endpoints SHOULD always send a GOAWAY frame before closing a connection so that the remote peer "
    "can know whether a stream has been partially processed or not.",
    consequence="Clients cannot know which requests to send again, and some fail with each deployment.",
    danger="loses",
)
def goaway_on_shutdown(target: Target) -> Finding:
    """A server SHOULD send GOAWAY before it closes a connection.

    It completes the streams up to the last one that GOAWAY names.
    """
    with target.fresh() as server, Http2(server) as client:
        stream_id, marker = client.call_app("/late")
        server.terminate()
        client.remark("SIGTERM to the server")
        client.run_until(lambda: client.goaway is not None, 1.0)
        server.open_gate(marker)
        client.remark("the app may answer now")
        response = client.await_response(stream_id)
        client.run_until(lambda: client.goaway is not None, SILENCE_S)
    if not response.is_complete(OK, b"late"):
        return client.failed(f"expected the stream in flight to be answered, found {response}")
    if client.goaway is None:
        return client.failed("the stream in flight was answered, but no GOAWAY was received")
    last = client.goaway.last_stream_id
    right = client.goaway.error_code == NO_ERROR and last >= stream_id
    return client.finding(right, f"stream {stream_id} in flight was answered, GOAWAY names {last} as the last one")


@CHECKS.check(
    "h2-closed-after-error",
    "Closed after a connection error",
    "RFC 9113 §5.4.1",
    quote="After sending the GOAWAY frame for an error condition, the endpoint MUST close the TCP connection.",
    consequence="Connections that serve nothing pile up.",
)
def closed_after_error(target: Target) -> Finding:
    """A server MUST close the TCP connection after a connection error, and SHOULD send GOAWAY first."""
    with RawHttp2(target) as raw:
        raw.send(any_frame(0x0, 0, 0, b"data"))
        raw.run_until(lambda: False, SILENCE_S)
        found = "closed" if raw.closed else f"open after {SILENCE_S:g} s"
        return raw.finding(raw.closed, f"DATA on stream 0: the connection is {found}")
