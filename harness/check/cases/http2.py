"""HTTP/2: how a connection begins, is kept, and ends."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import h11
from hyperframe.frame import SettingsFrame

from harness.check.cases.malformed_http2 import serves
from harness.check.clients.h2 import Client
from harness.check.clients.h2_frames import GOAWAY, NO_ERROR, PING, PREFACE, SETTINGS, any_frame
from harness.check.clients.h2_raw import Answer, Raw
from harness.check.clients.http1 import new_marker, shown
from harness.check.model import Check, Finding, failed, passed
from harness.model.protocols import HTTP2_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import Target
    from harness.model.protocols import Protocol

OVER_TLS: frozenset[Protocol] = frozenset({"h2"})
SILENCE_S = 2.0
"""What has not come after so long, where nothing hinders it, does not come."""


def is_hello(answer: Answer) -> bool:
    """Is it the right answer to GET /hello?"""
    return answer.is_whole(200, b"hello")


def _preface(target: Target) -> Finding:
    with Client(target) as client:
        answer = client.fetch("/hello")
        return client.finding(is_hello(answer), f"SETTINGS first, then the answer to a request: {answer}")


def _bad_preface(sent: bytes) -> Callable[[Target], Finding]:
    def run(target: Target) -> Finding:
        with Raw(target, greeting=False) as raw:
            raw.transmit(sent, shown(sent))
            raw.run_until(lambda: raw.closed or raw.given_up, SILENCE_S)
            refused = raw.closed or raw.given_up
            return raw.finding(refused and serves(target), f"the connection was {'refused' if refused else 'kept'}")

    return run


def _alpn(target: Target) -> Finding:
    with target.connect(("h2", "http/1.1")) as connection:
        chosen = connection.selected_alpn_protocol() if isinstance(connection, ssl.SSLSocket) else None
    return (passed if chosen == "h2" else failed)(f"offered h2 and http/1.1 by ALPN, the server chose {chosen}")


def _alpn_http1(target: Target) -> Finding:
    with target.connect(("http/1.1",)) as connection:
        chosen = connection.selected_alpn_protocol() if isinstance(connection, ssl.SSLSocket) else None
        said = f"offered http/1.1 alone by ALPN, the server chose {chosen}"
        connection.sendall(f"GET /hello HTTP/1.1\r\nHost: {target.authority}\r\nConnection: close\r\n\r\n".encode())
        http, received = h11.Connection(h11.CLIENT), b""
        http.send(h11.Request(method="GET", target="/hello", headers=[("Host", target.authority)]))
        while data := connection.recv(65_536):
            received += data
    http.receive_data(received)
    try:
        answer = http.next_event()
    except h11.RemoteProtocolError as error:
        return failed(f"{said}\n← {shown(received)}: {error}")
    right = isinstance(answer, h11.Response) and answer.status_code == 200 and chosen in (None, "http/1.1")  # noqa: PLR2004 - OK
    return (passed if right else failed)(f"{said}\n→ GET /hello HTTP/1.1\n← {shown(received)}")


def _settings_acknowledged(target: Target) -> Finding:
    with Client(target) as client:
        client.run_until(lambda: _acknowledgements(client) > 0)
        first = _acknowledgements(client)
        client.change({0x3: 50})
        client.run_until(lambda: _acknowledgements(client) > 1)
        found = _acknowledgements(client)
        return client.finding((first, found) == (1, 2), f"two SETTINGS, {found} acknowledgements")


def _acknowledgements(client: Raw) -> int:
    return sum(isinstance(frame, SettingsFrame) and "ACK" in frame.flags for frame in client.frames)


def _ping(target: Target) -> Finding:
    with Client(target) as client:
        answered = client.pinged()
        return client.finding(answered, f"PING {'acknowledged' if answered else 'not acknowledged'}")


def _unknown(target: Target) -> Finding:
    with Raw(target) as raw:
        raw.send(SettingsFrame(0, settings={0xFFF0: 1}), any_frame(0xF0, 0xFF, 0, b"extension"))
        raw.send_fields(1, raw.request_fields("/hello"))
        answer = raw.await_answer(1)
        return raw.finding(is_hello(answer), f"an unknown setting and an unknown frame, then a request: {answer}")


def _goaway_on_shutdown(target: Target) -> Finding:
    with target.fresh() as own, Client(own) as client:
        marker = new_marker()
        stream_id = client.request(f"/late?marker={marker}")
        if own.await_event(marker, "http") is None:
            return client.finding(False, "the app was not called")
        own.terminate()
        client.tale.tell("!", "SIGTERM to the server")
        client.run_until(lambda: client.goaway is not None, 1.0)
        own.open_gate(marker)
        client.tale.tell("!", "the app may answer now")
        answer = client.await_answer(stream_id)
        client.run_until(lambda: client.goaway is not None, SILENCE_S)
    if not answer.is_whole(200, b"late"):
        return client.finding(False, f"expected the stream in flight to be answered, found {answer}")
    if client.goaway is None:
        return client.finding(False, "the stream in flight was answered, but no GOAWAY came")
    last = client.goaway.last_stream_id
    kept = client.goaway.error_code == NO_ERROR and last >= stream_id
    return client.finding(kept, f"stream {stream_id} in flight was answered, GOAWAY names {last} as the last one")


def _closed_after_error(target: Target) -> Finding:
    with Raw(target) as raw:
        raw.send(any_frame(0x0, 0, 0, b"data"))
        raw.run_until(lambda: raw.closed, SILENCE_S)
        found = "closed" if raw.closed else f"open after {SILENCE_S:g} s"
        return raw.finding(raw.closed, f"DATA on stream 0: the connection is {found}")


def _client_goaway(target: Target) -> Finding:
    with Client(target) as client:
        marker = new_marker()
        stream_id = client.request(f"/late?marker={marker}")
        target.await_event(marker, "http")
        client.send(any_frame(GOAWAY, 0, 0, bytes(8)))
        target.open_gate(marker)
        answer = client.await_answer(stream_id, SILENCE_S)
        return client.finding(
            answer.is_whole(200, b"late"), f"GOAWAY from the client with a stream in flight: {answer}"
        )


def _check(
    name: str,
    title: str,
    expectation: str,
    source: str,
    run: Callable[[Target], Finding],
    protocols: frozenset[Protocol] = HTTP2_PROTOCOLS,
    force: Force = "must",
) -> Check:
    return Check(name, title, protocols, expectation, source, run, force=force)


CHECKS = (
    _check(
        "h2-preface",
        "Connection preface",
        "A server MUST send SETTINGS as its first frame to a client that speaks HTTP/2 from the start, and serve it.",
        "RFC 9113 §3.3, §3.4",
        _preface,
    ),
    _check(
        "h2-bad-preface",
        "Wrong connection preface",
        "An invalid preface MUST be a connection error; GOAWAY may be left out.",
        "RFC 9113 §3.4",
        _bad_preface(PREFACE.replace(b"SM", b"XX") + any_frame(SETTINGS, 0, 0).serialize()),
    ),
    _check(
        "h2-preface-no-settings",
        "Connection preface without SETTINGS",
        "The preface MUST be followed by SETTINGS; else it is invalid, and MUST be a connection error.",
        "RFC 9113 §3.4",
        _bad_preface(PREFACE + any_frame(PING, 0, 0, bytes(8)).serialize()),
    ),
    _check(
        "h2-alpn",
        "ALPN chooses h2",
        "A server of HTTP/2 over TLS MUST use ALPN with the identifier h2.",
        "RFC 9113 §3.2",
        _alpn,
        OVER_TLS,
    ),
    _check(
        "h2-alpn-http1",
        "HTTP/1.1 on the same port",
        "A client that offers http/1.1 alone is not answered in h2; here it gets its answer in HTTP/1.1.",
        "RFC 7301 §3.2",
        _alpn_http1,
        OVER_TLS,
        force="expected",
    ),
    _check(
        "h2-settings-ack",
        "SETTINGS acknowledged",
        "A recipient of SETTINGS MUST acknowledge them, each once.",
        "RFC 9113 §6.5.3",
        _settings_acknowledged,
    ),
    _check("h2-ping", "PING", "PING MUST be acknowledged with the same payload.", "RFC 9113 §6.7", _ping),
    _check(
        "h2-unknown",
        "Unknown frames and settings",
        "Frames of unknown type MUST be discarded, and unknown settings ignored.",
        "RFC 9113 §5.5, §6.5.2",
        _unknown,
    ),
    _check(
        "h2-client-goaway",
        "GOAWAY from the client",
        "GOAWAY stops new streams and lets those in flight finish.",
        "RFC 9113 §6.8",
        _client_goaway,
        force="expected",
    ),
    _check(
        "h2-goaway-shutdown",
        "GOAWAY on SIGTERM",
        "A server SHOULD send GOAWAY before it closes a connection, and streams up to the last one named are answered.",
        "RFC 9113 §6.8",
        _goaway_on_shutdown,
        force="should",
    ),
    _check(
        "h2-closed-after-error",
        "Closed after a connection error",
        "After a connection error an endpoint MUST close the TCP connection, and SHOULD send GOAWAY first.",
        "RFC 9113 §5.4.1",
        _closed_after_error,
    ),
)
