"""A small ASGI server for WebSocket that is conformant, except for the faults that a file names.

    python faulty_websocket_server.py HOST PORT MODULE:APP FILE [CERTIFICATE KEY]

The file is read for every connection, so that one process serves many tests. `tests/faults.py` says what each does.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import signal
import ssl
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h11
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits
from wsproto.utilities import LocalProtocolError, ProtocolError, generate_accept_token

LARGEST = 16 * 1024 * 1024
READ_BYTES = 65_536
FORBIDDEN_CODES = (1004, 1005, 1006, 1015)


TAIL = b"\0\0\xff\xff"
PARAMETER = re.compile(
    r"(server|client)_no_context_takeover|server_max_window_bits=(9|1[0-5])|client_max_window_bits(=([89]|1[0-5]))?"
)


class Left(Exception):  # noqa: N818 - an event
    """The client is gone."""


class Server:
    def __init__(self, app: Any, file: Path) -> None:
        self.app, self.file = app, file
        self.stopping = asyncio.Event()
        self.sockets: set[Socket] = set()
        self.raised = False
        """Has the app raised in a response? Only servers with a fault remember it."""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = Socket(self, reader, writer, set(self.file.read_text().split()))
        with suppress(ConnectionError, ProtocolError, LocalProtocolError):
            await socket.serve()
        writer.close()

    async def run(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stopping.set)
        listener = await asyncio.start_server(self.connected, host, port, ssl=context, limit=READ_BYTES)
        await self.stopping.wait()
        listener.close()
        for socket in list(self.sockets):
            await socket.shut_down()


class Compression(Extension):
    """permessage-deflate, which wsproto has, but for final blocks, strict offers and a limit."""

    name = "permessage-deflate"

    def __init__(self, faults: set[str]) -> None:
        self.faults = faults
        self.parameters: list[str] = []
        self.bits, self.keeps = 15, True
        self.inflater = zlib.decompressobj(-15)
        self.deflater = zlib.compressobj(wbits=-15)
        self.history = b""
        self.compressed: bool | None = None
        self.payload = b""

    def enabled(self) -> bool:
        return "no-inflate" not in self.faults

    def offer(self) -> bool:
        return True

    def accept(self, offer: str) -> str | None:
        asked = [part.strip() for part in offer.split(";")[1:]]
        names = [part.partition("=")[0] for part in asked]
        valid = all(map(PARAMETER.fullmatch, asked)) and len(names) == len(set(names))
        if not valid and "any-offer" not in self.faults:
            return None
        self.parameters = [part for part in asked if part.startswith("server_")]
        if "adds-bits" in self.faults:
            self.parameters.append("client_max_window_bits=15")
        self.keeps = "server_no_context_takeover" not in self.parameters or "keeps-context" in self.faults
        if "wide-window" not in self.faults:
            self.bits = next((int(each.partition("=")[2]) for each in self.parameters if "bits=1" in each), 15)
        self.deflater = zlib.compressobj(wbits=-self.bits)
        return "; ".join(self.parameters)

    def frame_inbound_header(self, _: Any, opcode: Opcode, rsv: RsvBits, __: int) -> CloseReason | RsvBits:
        if rsv.rsv1 and opcode not in (Opcode.TEXT, Opcode.BINARY):
            return CloseReason.PROTOCOL_ERROR
        if not opcode.iscontrol() and self.compressed is None:
            self.compressed = rsv.rsv1
        self.control = opcode.iscontrol()
        return RsvBits(True, False, False)

    def frame_inbound_payload_data(self, _: Any, data: bytes) -> bytes | CloseReason:
        if self.control or not self.compressed:
            return data
        self.payload += data
        return b""

    def frame_inbound_complete(self, _: Any, fin: bool) -> bytes | CloseReason | None:
        if self.control or not fin:
            return None
        compressed, payload, self.compressed, self.payload = self.compressed, self.payload + TAIL, None, b""
        if not compressed:
            return None
        try:
            return self.inflated(payload)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA

    def inflated(self, payload: bytes) -> bytes | CloseReason:
        data = b""
        limit = 0 if "no-size-limit" in self.faults else LARGEST + 1
        while payload:
            data += self.inflater.decompress(payload, limit)
            payload = self.inflater.unused_data
            self.history = (self.history + data)[-32_768:]
            if limit and len(data) >= limit:
                return CloseReason.MESSAGE_TOO_BIG
            if not self.inflater.eof or "one-stream" in self.faults:
                break
            self.inflater = zlib.decompressobj(-15, zdict=self.history)
        if "forgets-context" in self.faults:
            self.inflater = zlib.decompressobj(-15)
        return data

    def frame_outbound(self, _: Any, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool) -> tuple[RsvBits, bytes]:
        if opcode.iscontrol():
            return rsv, data
        data = self.deflater.compress(bytes(data)) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        if fin and not self.keeps:
            self.deflater = zlib.compressobj(wbits=-self.bits)
        return RsvBits(True, rsv.rsv2, rsv.rsv3), data.removesuffix(TAIL)


class Socket:
    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: set[str]
    ) -> None:
        self.server, self.reader, self.writer, self.faults = server, reader, writer, faults
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue(0 if "reads-ahead" in faults else 4)
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.accepted = asyncio.Event()
        self.ended = asyncio.Event()
        self.refused = self.over = False
        self.ws: Connection | None = None
        self.parts: list[Any] = []

    async def serve(self) -> None:
        head = await self.reader.readuntil(b"\r\n\r\n")
        http = h11.Connection(h11.SERVER)
        http.receive_data(head)
        self.request = http.next_event()
        assert isinstance(self.request, h11.Request)
        self.lower = {name.lower(): value for name, value in self.request.headers.raw_items()}
        if b"upgrade" not in self.lower:
            self.server.raised = self.request.target == b"/raise-midway"
            await self.answer(200, b"ready")
            return
        if refusal := self.refusal():
            await self.answer(*refusal)
            return
        self.server.sockets.add(self)
        app = asyncio.create_task(self.call())
        await self.accepted.wait()
        if not self.refused:
            await self.read()
        await app
        self.server.sockets.discard(self)

    def refusal(self) -> tuple[int, bytes, list[tuple[bytes, bytes]]] | None:
        names = self.lower[b"upgrade"] if "case" in self.faults else self.lower[b"upgrade"].lower()
        words = self.lower.get(b"connection", b"").lower().split(b", ")
        if names != b"websocket" or b"upgrade" not in words:
            return 400, b"", []
        if self.lower.get(b"sec-websocket-version", b"13") != b"13":
            versions = [] if "no-versions" in self.faults else [(b"sec-websocket-version", b"13")]
            return 426, b"", versions
        right = self.request.method == b"GET" and self.request.http_version == b"1.1"
        needed = {b"sec-websocket-version", b"sec-websocket-key"}
        if not (right and needed <= set(self.lower)) and "lenient" not in self.faults:
            return 400, b"", []
        return None

    async def answer(self, status: int, body: bytes = b"", fields: list[tuple[bytes, bytes]] | None = None) -> None:
        head = b"HTTP/1.1 %d \r\n" % status
        lines = [*(fields or []), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        head += b"".join(b"%s: %s\r\n" % line for line in lines)
        self.writer.write(head + b"\r\n" + body)
        with suppress(ConnectionError):
            await self.writer.drain()

    def scope(self) -> dict[str, Any]:
        target = self.request.target.decode()
        path, _, query = target.partition("?")
        headers = [(name.lower(), value) for name, value in self.request.headers.raw_items()]
        offered = [name.strip() for name in self.lower.get(b"sec-websocket-protocol", b"").decode().split(",") if name]
        return {
            "type": "websocket",
            "asgi": {"version": "3.0"} if "old-spec" in self.faults else {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if self.writer.get_extra_info("ssl_object") else "ws",
            "path": path if "raw-path" in self.faults else unquote(path),
            "query_string": query.encode(),
            "headers": headers,
            "subprotocols": offered,
            "extensions": {"websocket.http.response": {}},
        }

    async def call(self) -> None:
        try:
            await self.server.app(self.scope(), self.inbox.get, self.send)
        except Exception:  # noqa: BLE001 - an app may raise what it likes
            await self.end(1000 if "raises-cleanly" in self.faults else 1011)
        else:
            await self.end(1000)

    async def end(self, code: int) -> None:
        """The app has ended."""
        if not self.accepted.is_set():
            if self.server.raised and "hangs-later" in self.faults:
                await asyncio.Event().wait()
            await self.refuse(200 if "raises-cleanly" in self.faults else 500)
        elif not self.refused and not self.faults & {"stays-open", "no-close-back", "echoes-codes"}:
            self.close(code)
            self.writer.close()

    async def refuse(self, status: int, body: bytes = b"") -> None:
        self.refused = True
        await self.answer(status, body)
        self.accepted.set()

    def close(self, code: int, reason: str = "") -> None:
        if self.ws and self.ws.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            self.writer.write(self.ws.send(CloseConnection(code, reason)))

    async def send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.accept(message)
        elif kind == "websocket.close" and not self.accepted.is_set():
            await self.refuse(500 if "refuses-500" in self.faults else 403)
        elif kind == "websocket.close":
            self.close(message["code"], "" if "no-reason" in self.faults else message.get("reason") or "")
        elif kind == "websocket.http.response.start":
            self.status, self.body = message["status"], b""
        elif kind == "websocket.http.response.body":
            self.body += message["body"]
            ended = not message.get("more_body", False) or "one-part" in self.faults
            if ended and not self.refused:
                await self.refuse(self.status, b"" if "no-body" in self.faults else self.body)
        elif self.over:
            if "silent-send" not in self.faults:
                raise ValueError("closed") if "odd-error" in self.faults else OSError("closed")
        else:
            await self.say(message)

    def accept(self, message: dict[str, Any]) -> None:
        offered = self.lower.get(b"sec-websocket-extensions", b"").decode()
        extensions: list[Extension] = []
        lines = [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
        token = generate_accept_token(self.lower.get(b"sec-websocket-key", b""))
        lines.append((b"sec-websocket-accept", b"wrong" if "wrong-accept" in self.faults else token))
        if "permessage-deflate" in offered:
            deflate = Compression(self.faults)
            accepted = deflate.accept(offered)
            if accepted is not None:
                lines.append((b"sec-websocket-extensions", f"permessage-deflate; {accepted}".rstrip("; ").encode()))
                extensions = [deflate] if deflate.enabled() else []
        chosen = message.get("subprotocol") or ("one" if "always-chooses" in self.faults else None)
        if chosen and "first-subprotocol" in self.faults:
            chosen = "one"
        if chosen and b"sec-websocket-protocol" in self.lower:
            lines.append((b"sec-websocket-protocol", chosen.encode()))
        lines += [] if "no-headers" in self.faults else message.get("headers", [])
        self.writer.write(b"HTTP/1.1 101 \r\n" + b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n")
        self.ws = Connection(ConnectionType.SERVER, extensions)
        self.accepted.set()

    async def say(self, message: dict[str, Any]) -> None:
        text, data = message.get("text"), message.get("bytes")
        if "drops-empty" in self.faults and not (text or data):
            return
        if "never-sends" in self.faults:
            await self.ended.wait()
            return
        if "text-only" in self.faults and data is not None:
            text, data = data.decode("latin-1"), None
        assert self.ws
        with suppress(LocalProtocolError):
            self.writer.write(self.ws.send(BytesMessage(data) if text is None else TextMessage(text)))
        if "no-drain" not in self.faults:
            await self.writer.drain()

    async def read(self) -> None:
        code = 1006
        try:
            while data := await self.reader.read(READ_BYTES):
                assert self.ws
                self.ws.receive_data(b"" if "ignores-input" in self.faults else data)
                for event in self.ws.events():
                    code = await self.event(event) or code
        except (ConnectionError, Left) as left:
            code = left.args[0] if isinstance(left, Left) else code
        self.over = True
        self.ended.set()
        if "no-disconnect" not in self.faults:
            await self.inbox.put(
                {"type": "websocket.disconnect", "code": 1000 if "always-1000" in self.faults else code}
            )

    async def event(self, event: Event) -> int | None:
        assert self.ws
        if isinstance(event, Ping) and "no-pong" not in self.faults:
            payload = b"" if "empty-pong" in self.faults else event.payload
            self.writer.write(self.ws.send(Pong(payload)))
        elif isinstance(event, Pong) and "ends-on-pong" in self.faults:
            raise Left(1002)
        elif isinstance(event, Pong) and "answers-pong" in self.faults:
            self.writer.write(self.ws.send(Pong(event.payload)))
        elif isinstance(event, TextMessage | BytesMessage):
            await self.message(event)
        elif isinstance(event, CloseConnection):
            self.closed_by_client(event)
            raise Left(event.code)
        return None

    def closed_by_client(self, event: CloseConnection) -> None:
        assert self.ws
        found_by_us = self.ws.state is not ConnectionState.REMOTE_CLOSING
        if found_by_us and "no-close" in self.faults:
            self.writer.close()
        elif found_by_us and "echoes-codes" in self.faults:
            self.writer.write(bytes((0x88, 2)) + (1005).to_bytes(2, "big"))
        elif found_by_us:
            self.writer.write(self.ws.send(CloseConnection(event.code)))
            self.writer.close()
        elif "no-close-back" not in self.faults:
            within = self.parts and "no-close-within" in self.faults
            self.writer.write(self.ws.send(CloseConnection(1002) if within else event.response()))
            self.writer.close()

    async def message(self, event: TextMessage | BytesMessage) -> None:
        self.parts.append(event.data)
        limit = 1024 if "small" in self.faults else LARGEST
        if "no-size-limit" not in self.faults and sum(map(len, self.parts)) > limit:
            if "drops-large" in self.faults:
                self.parts.clear()
                return
            if "hangs-on-large" in self.faults:
                await asyncio.Event().wait()
            self.close(1011 if "small" in self.faults else 1009)
            self.writer.close()
            raise Left(1009)
        if event.message_finished or "no-joining" in self.faults:
            kind = "text" if isinstance(event, TextMessage) else "bytes"
            whole = ("" if kind == "text" else b"").join(self.parts)
            self.parts.clear()
            other = {"bytes" if kind == "text" else "text": whole} if "both-keys" in self.faults else {}
            if "closes-when-full" in self.faults and self.inbox.full():
                self.writer.transport.abort()
                raise Left(1006)
            if "drops-when-full" in self.faults and self.inbox.full():
                return
            await self.inbox.put({"type": "websocket.receive", kind: whole, **other})

    async def shut_down(self) -> None:
        if "aborts" in self.faults:
            self.writer.transport.abort()
            return
        self.close(1000 if "plain-shutdown" in self.faults else 1001)
        await self.inbox.put({"type": "websocket.disconnect", "code": 1001})
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), 1)
        self.writer.close()


def main(host: str, port: str, target: str, file: str, *tls: str) -> None:
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    asyncio.run(Server(app, Path(file)).run(host, int(port), context))


if __name__ == "__main__":
    main(*sys.argv[1:])
