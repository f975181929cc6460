"""An HTTP/3 server on aioquic that answers a path with itself, except for the paths of `FAULTS`.

`python faulty_http3_server.py CERTIFICATE KEY PORT PORT PORT`: the first port has the faults, on the second
connections end after a short idle time, and the third uses another protocol. It is a separate process, because asyncio
and gevent cannot share one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import ClassVar

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.buffer import Buffer
from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent, StopSendingReceived

CONTROL_STREAM, GOAWAY = 3, 7
IDLE_S = 0.2
OK = [(b":status", b"200")]


class FaultyConnection(QuicConnectionProtocol):
    """One connection."""

    refused: ClassVar[set[str]] = set()
    """Paths that were refused once, on whichever connection."""
    http: H3Connection | None = None
    cancelled = 0

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol == "h3":
            self.http = H3Connection(self._quic)
        self.cancelled += isinstance(event, StopSendingReceived)
        for heard in self.http.handle_event(event) if self.http else ():
            if isinstance(heard, HeadersReceived):
                self.answer(heard.stream_id, dict(heard.headers)[b":path"].decode())

    def answer(self, stream: int, path: str) -> None:
        fault = FAULTS.get(path.split("/")[1], FaultyConnection.echo)
        fault(self, stream, path)

    def echo(self, stream: int, path: str) -> None:
        self.http.send_headers(stream, OK)
        self.http.send_data(stream, path.encode(), end_stream=True)

    def silent(self, stream: int, path: str) -> None:
        pass

    def count_cancelled(self, stream: int, _: str) -> None:
        self.echo(stream, str(self.cancelled))

    def wrong(self, stream: int, _: str) -> None:
        self.echo(stream, "/right?")

    def reset(self, stream: int, _: str) -> None:
        self.http.send_headers(stream, OK)
        self._quic.reset_stream(stream, ErrorCode.H3_INTERNAL_ERROR)

    def reject(self, stream: int, _: str) -> None:
        self._quic.reset_stream(stream, ErrorCode.H3_REQUEST_REJECTED)

    def break_off(self, stream: int, _: str) -> None:
        self.http.send_headers(stream, OK)
        self.http.send_data(stream, b"half", end_stream=False)
        self.transmit()
        self._quic.close(ErrorCode.H3_INTERNAL_ERROR, reason_phrase="sorry")

    def leave(self, stream: int, path: str) -> None:
        self.echo(stream, path)
        self.transmit()
        self._quic.close(ErrorCode.H3_NO_ERROR)

    def go_away(self, stream: int, path: str) -> None:
        self.send_goaway(stream + 4)
        self.echo(stream, path)

    def refuse_once(self, stream: int, path: str) -> None:
        if path in self.refused:
            self.echo(stream, path)
        else:
            self.refused.add(path)
            self.send_goaway(stream)

    def send_goaway(self, stream: int) -> None:
        frame = Buffer(capacity=16)
        payload = Buffer(capacity=8)
        payload.push_uint_var(stream)
        frame.push_uint_var(GOAWAY)
        frame.push_uint_var(len(payload.data))
        self._quic.send_stream_data(CONTROL_STREAM, frame.data + payload.data)

    def short(self, stream: int, _: str) -> None:
        self.http.send_headers(stream, [*OK, (b"content-length", b"10")])
        self.http.send_data(stream, b"short", end_stream=True)

    def decorated(self, stream: int, path: str) -> None:
        self.http.send_headers(stream, [(b":status", b"103"), (b"link", b"</style.css>")])
        self.http.send_headers(stream, [*OK, (b"x-kept", b"yes")])
        self.http.send_data(stream, path.encode(), end_stream=False)
        self.http.send_headers(stream, [(b"x-trailer", b"ignored")], end_stream=False)
        self.transmit()
        self._quic.send_stream_data(stream, b"", end_stream=True)


FAULTS = {
    "silent": FaultyConnection.silent,
    "count-cancelled": FaultyConnection.count_cancelled,
    "wrong": FaultyConnection.wrong,
    "reset": FaultyConnection.reset,
    "reject": FaultyConnection.reject,
    "break-off": FaultyConnection.break_off,
    "leave": FaultyConnection.leave,
    "go-away": FaultyConnection.go_away,
    "refuse-once": FaultyConnection.refuse_once,
    "short": FaultyConnection.short,
    "decorated": FaultyConnection.decorated,
}
"""What the server does instead of answering a path with itself, by the first segment of the path."""


async def main(certificate: str, key: str, *ports: str) -> None:
    """Print `ready`, and serve until killed."""
    kinds = ({"alpn_protocols": ["h3"]}, {"alpn_protocols": ["h3"], "idle_timeout": IDLE_S}, {"alpn_protocols": ["hq"]})
    for port, kind in zip(ports, kinds, strict=True):
        configuration = QuicConfiguration(is_client=False, **kind)
        configuration.load_cert_chain(certificate, key)
        await serve("127.0.0.1", int(port), configuration=configuration, create_protocol=FaultyConnection)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
