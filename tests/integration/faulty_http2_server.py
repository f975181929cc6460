"""A small ASGI server for HTTP/2 that is conformant, except for the faults that a file names.

    python faulty_http2_server.py HOST PORT MODULE:APP FILE [CERTIFICATE KEY]

The file is read for every connection, so that one process serves many tests. `tests/faults.py` says what each does.
h2 does most of the protocol; what it leaves to its user is done here.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hpack import HPACKError
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, PingFrame, SettingsFrame
from wsproto.connection import Connection as WebSocket
from wsproto.connection import ConnectionType
from wsproto.events import TextMessage

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD = 9
GOAWAY, SETTINGS = 0x7, 0x4
SIZES = {0x3: 4, 0x6: 8, 0x8: 4}
"""RST_STREAM, PING and WINDOW_UPDATE have a fixed size."""
LIMIT = 1_000
LEAVING_S = 0.05
"""Longer than an app takes that may answer: a check that lets it do so too early sees its answer."""
EXTENSIONS = ("http.response.trailers", "http.response.early_hint")


class Server:
    def __init__(self, app: Any, file: Path) -> None:
        self.app, self.file = app, file
        self.connections: set[Connection] = set()
        self.stopping = asyncio.Event()
        self.failed = False

    def connection(self) -> Connection:
        return Connection(self, set(self.file.read_text().split()))

    async def run(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stopping.set)
        listener = await asyncio.get_running_loop().create_server(self.connection, host, port, ssl=context)
        await self.stopping.wait()
        listener.close()
        for connection in list(self.connections):
            await connection.shut_down()


class Connection(asyncio.Protocol):
    def __init__(self, server: Server, faults: set[str]) -> None:
        self.server, self.faults = server, faults
        strict = "no-validation" not in faults
        self.h2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_inbound_headers=strict,
                normalize_inbound_headers=strict,
                validate_outbound_headers=False,
            )
        )
        self.streams: dict[int, Stream] = {}
        self.data, self.begun, self.frames = bytearray(), False, 0
        self.window = asyncio.Event()
        self.blocked = False
        """Does a stream wait for its client to read?"""
        self.line = asyncio.Lock()
        self.flags: set[str] = set()
        self.code: int | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, _: object) -> None:
        self.server.connections.discard(self)
        for stream in self.streams.values():
            if "no-disconnect" not in self.faults:
                stream.inbox.put_nowait({"type": "http.disconnect"})

    def begin(self) -> None:
        self.server.connections.add(self)
        self.h2.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
        self.h2.local_settings.acknowledge()
        limit = 2**31 - 1 if "no-limit" in self.faults else 10 if "few-streams" in self.faults else 100
        self.h2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = limit
        self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        if "no-limit" in self.faults:
            self.h2.clear_outbound_data_buffer()
            self.transport.write(SettingsFrame(0, settings={3: 100}).serialize())
        if "late-settings" in self.faults:
            self.transport.write(PingFrame(0, opaque_data=bytes(8)).serialize())
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.begun:
            if not self.data.startswith(PREFACE[: len(self.data)]):
                self.answer_http1()
                return
            if len(self.data) < len(PREFACE):
                return
            self.begun = True
            self.begin()
            self.h2.receive_data(PREFACE)
            del self.data[: len(PREFACE)]
        while len(self.data) >= FRAME_HEAD and not self.transport.is_closing():
            size = FRAME_HEAD + int.from_bytes(self.data[:3], "big")
            if len(self.data) < min(size, FRAME_HEAD + 20_000):
                return
            frame = bytes(self.data[:size])
            del self.data[:size]
            self.frame(frame)

    def answer_http1(self) -> None:
        if b"\r\n\r\n" in self.data and "keeps-bad-preface" not in self.faults:
            ready = b" /ready" in self.data or (self.data.startswith(b"GET ") and "no-http1" not in self.faults)
            body = b"ready" if b" /ready" in self.data else b"hello"
            head = f"HTTP/1.1 {'200 OK' if ready else '400 Bad Request'}\r\ncontent-length: {len(body)}\r\n"
            self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
            self.transport.close()

    def frame(self, frame: bytes) -> None:
        self.frames += 1
        kind = frame[3]
        if kind == GOAWAY:
            if "leaves-at-goaway" in self.faults:
                self.data.clear()
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(LEAVING_S, self.transport.close)
            return
        try:
            self.refuse_kind(kind)
            events = self.h2.receive_data(frame)
        except ProtocolError as error:
            self.code = self.exact_code(frame, error)
            self.flush() if "ignores-errors" not in self.faults else self.forgive(frame)
            if not self.faults & {"ignores-errors", "stays-after-error"}:
                self.transport.close()
            return
        for event in events:
            self.event(event)
        self.flush()

    def exact_code(self, frame: bytes, error: ProtocolError) -> int:
        """The error code that RFC 9113 has for this error, where h2 uses a general one."""
        if "general-codes" in self.faults:
            return ErrorCodes.PROTOCOL_ERROR
        if "other-codes" in self.faults:
            return ErrorCodes.SETTINGS_TIMEOUT
        kind, flags, size = frame[3], frame[4], len(frame) - FRAME_HEAD
        settings = kind == SETTINGS and (size % 6 or (flags & 1 and size))
        if size > 16_384 or settings or size != SIZES.get(kind, size):
            return ErrorCodes.FRAME_SIZE_ERROR
        return ErrorCodes.COMPRESSION_ERROR if isinstance(error.__cause__, HPACKError) else error.error_code

    def refuse_kind(self, kind: int) -> None:
        if self.frames == 1 and kind != SETTINGS and "any-preface" not in self.faults:
            raise ProtocolError("no SETTINGS")
        if kind > 9 and "no-extensions" in self.faults:
            raise ProtocolError("unknown frame")
        if kind == 9 and "no-continuation" in self.faults:
            raise ProtocolError("no CONTINUATION")

    def forgive(self, frame: bytes) -> None:
        """Go on as if the frame had been right: a PING is acknowledged, although h2 has rejected something."""
        self.h2.clear_outbound_data_buffer()
        if frame[3] == PingFrame.type:
            self.transport.write(PingFrame(0, opaque_data=frame[FRAME_HEAD:], flags=["ACK"]).serialize())

    def event(self, event: Event) -> None:
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, RequestReceived):
            self.streams[event.stream_id] = new = Stream(self, event)
            new.task = asyncio.create_task(new.run())
            if len(self.streams) > LIMIT and "drops-requests" in self.faults:
                self.write(GoAwayFrame(0, last_stream_id=event.stream_id))
                self.transport.close()
        elif isinstance(event, DataReceived) and stream:
            if "reads-ahead" in self.faults:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            data = bytes(event.data)
            stream.inbox.put_nowait({"type": "http.request", "body": data, "more_body": True})
            stream.sizes.append(0 if "reads-ahead" in self.faults else event.flow_controlled_length)
            if "counts-padding" in self.faults:
                stream.inbox.put_nowait({"type": "http.request", "body": b"\0", "more_body": True})
        elif isinstance(event, TrailersReceived) and "no-trailers-in" in self.faults:
            self.transport.close()
        elif isinstance(event, StreamEnded) and stream:
            stream.inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        elif isinstance(event, StreamReset) and stream and "no-disconnect" not in self.faults:
            stream.inbox.put_nowait({"type": "http.disconnect"})
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self.window.set()
            self.window = asyncio.Event()

    def write(self, frame: Frame) -> None:
        self.transport.write(frame.serialize())

    def flush(self) -> None:
        data = self.h2.data_to_send()
        while data:
            size = FRAME_HEAD + int.from_bytes(data[:3], "big")
            frame, data = data[:size], data[size:]
            acknowledges = frame[4] & 1
            if frame[3] == GOAWAY and self.code is not None:
                frame = frame[: FRAME_HEAD + 4] + self.code.to_bytes(4, "big") + frame[FRAME_HEAD + 8 :]
            if "no-ack" in self.faults and frame[3] == SETTINGS and acknowledges:
                continue
            if "no-pong" in self.faults and frame[3] == PingFrame.type and acknowledges:
                continue
            if "no-updates" in self.faults and frame[3] == 0x8:
                continue
            if "no-resets" in self.faults and frame[3] == 0x3:
                continue
            self.transport.write(frame)

    async def shut_down(self) -> None:
        if "aborts" in self.faults:
            self.transport.abort()
            return
        if "no-goaway" not in self.faults:
            last = 0 if "names-none" in self.faults else max(self.streams, default=0)
            self.write(GoAwayFrame(0, last_stream_id=last))
        if "waits-for-readers" not in self.faults and (self.blocked or self.transport.get_write_buffer_size()):
            self.transport.abort()
            return
        tasks = [stream.task for stream in self.streams.values() if stream.task]
        await asyncio.gather(*tasks, return_exceptions=True)
        self.transport.close()


class Stream:
    def __init__(self, connection: Connection, event: RequestReceived) -> None:
        self.connection, self.id, self.faults = connection, event.stream_id, connection.faults
        self.fields = [(bytes(name), bytes(value)) for name, value in event.headers]
        self.pseudo = {name: value for name, value in self.fields if name.startswith(b":")}
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sizes: list[int] = []
        self.task: asyncio.Task[None] | None = None
        self.started = self.ended = False
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.ended_at_once = event.stream_ended is not None

    async def run(self) -> None:
        length = dict(self.fields).get(b"content-length")
        if self.ended_at_once and length not in (None, b"0") and "no-validation" not in self.faults:
            self.reset(ErrorCodes.PROTOCOL_ERROR)
            return
        hosts = {self.pseudo.get(b":authority"), *(value for name, value in self.fields if name == b"host")}
        if len(hosts) > 1 and "host-wins" not in self.faults:
            self.reset(ErrorCodes.PROTOCOL_ERROR)
            return
        if self.pseudo.get(b":method") == b"CONNECT":
            await self.tunnel()
            return
        if "one-at-a-time" in self.faults:
            async with self.connection.line:
                await self.call()
        else:
            await self.call()

    async def call(self) -> None:
        with suppress(Exception):  # an app may raise what it likes
            await self.connection.server.app(self.scope(), self.receive, self.send)
        await self.fail()

    async def fail(self) -> None:
        """The app has ended; a response that it left incomplete is an error."""
        server = self.connection.server
        if self.ended or "hangs" in self.faults or ("hangs-later" in self.faults and server.failed):
            return
        server.failed = True
        if not self.started:
            await self.send({"type": "http.response.start", "status": 200 if "completes" in self.faults else 500})
            await self.send({"type": "http.response.body"})
        elif "completes" in self.faults:
            await self.send({"type": "http.response.body"})
        else:
            self.reset(ErrorCodes.INTERNAL_ERROR)

    def reset(self, code: ErrorCodes) -> None:
        self.ended = True
        with suppress(ProtocolError):
            self.connection.h2.reset_stream(self.id, code)
        self.connection.flush()

    def scope(self) -> dict[str, Any]:
        path, _, query = self.pseudo.get(b":path", b"/").decode().partition("?")
        regular = [(name, value) for name, value in self.fields if not name.startswith(b":")]
        authority = self.pseudo.get(b":authority", b"")
        headers = self.fields if "keeps-pseudo" in self.faults else [(b"host", authority), *regular]
        if "host-wins" in self.faults:
            headers = [*regular]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1" if "says-1.1" in self.faults else "2",
            "method": self.pseudo.get(b":method", b"GET").decode(),
            "scheme": self.pseudo.get(b":scheme", b"http").decode(),
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
            "extensions": {name: None if "odd-extension" in self.faults else {} for name in EXTENSIONS},
        }

    async def receive(self) -> dict[str, Any]:
        fields = dict(self.fields)
        if fields.get(b"expect") == b"100-continue" and not self.sizes and "no-continue" not in self.faults:
            self.connection.h2.send_headers(self.id, [(b":status", b"100")])
            self.connection.flush()
        message = await self.inbox.get()
        if message["type"] == "http.request" and message["more_body"] and self.sizes:
            with suppress(ProtocolError):
                self.connection.h2.acknowledge_received_data(self.sizes.pop(0), self.id)
            self.connection.flush()
        return message

    async def send(self, message: dict[str, Any]) -> None:
        if self.ended:
            return
        with suppress(ProtocolError):  # the stream or the connection is gone
            if message["type"] == "http.response.start":
                self.start = [(b":status", b"%d" % message["status"]), *message.get("headers", [])]
                if "two-dates" in self.faults:
                    self.start.append((b"date", b"Sun, 06 Nov 1994 08:49:38 GMT"))
                self.status, self.trailing = message["status"], message.get("trailers", False)
            elif message["type"] == "http.response.early_hint":
                if "no-hints" not in self.faults:
                    links = [(b"link", link) for link in message["links"]]
                    self.connection.h2.send_headers(self.id, [(b":status", b"103"), *links])
            elif message["type"] == "http.response.trailers":
                self.ended = True
                fields = [] if "no-trailers" in self.faults else message["headers"]
                self.connection.h2.send_headers(self.id, fields or [(b"x-none", b"")], end_stream=True)
            else:
                await self.body(message.get("body", b""), last=not message.get("more_body", False))
            self.connection.flush()

    async def body(self, data: bytes, *, last: bool) -> None:
        if not self.started:
            self.started = True
            self.connection.h2.send_headers(self.id, self.start)
            self.connection.flush()
        bodiless = self.pseudo.get(b":method") == b"HEAD" or self.status in (204, 304)
        if bodiless:
            data = b"body" if "body-for-head" in self.faults else b""
        if "ignores-windows" in self.faults and data:
            self.connection.flush()
            for start in range(0, len(data), 16_384):
                self.connection.write(DataFrame(self.id, data[start : start + 16_384]))
            data = b""
        await self.data(data)
        if last and not self.trailing:
            self.ended = True
            self.connection.h2.end_stream(self.id)

    async def data(self, data: bytes) -> None:
        h2 = self.connection.h2
        while data:
            room = min(h2.local_flow_control_window(self.id), h2.max_outbound_frame_size)
            if room <= 0:
                if "stops-at-window" in self.faults:
                    await asyncio.Event().wait()
                if "blocks-all" in self.faults:
                    self.connection.faults.add("one-at-a-time")
                    await self.connection.line.acquire()
                self.connection.blocked = True
                await self.connection.window.wait()
                self.connection.blocked = False
                continue
            h2.send_data(self.id, data[:room])
            self.connection.flush()
            data = data[room:]

    async def tunnel(self) -> None:
        """WebSocket over the stream: every text is echoed."""
        if "no-websocket" in self.faults:
            return
        self.connection.h2.send_headers(self.id, [(b":status", b"200")])
        self.connection.flush()
        websocket = WebSocket(ConnectionType.SERVER)
        while (message := await self.receive()).get("more_body"):
            websocket.receive_data(message["body"])
            for event in websocket.events():
                if isinstance(event, TextMessage):
                    self.connection.h2.send_data(self.id, websocket.send(TextMessage(event.data)))
            self.connection.flush()


def main(host: str, port: str, target: str, file: str, *tls: str) -> None:
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        faults = Path(file).read_text().split()
        context.set_alpn_protocols(["http/1.1", "h2"] if "prefers-http1" in faults else ["h2", "http/1.1"])
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    asyncio.run(Server(app, Path(file)).run(host, int(port), context))


if __name__ == "__main__":
    main(*sys.argv[1:])
