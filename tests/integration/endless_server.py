"""A server in a thread that sends what has no end, or never comes to it: each kind has a port of its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from harness.load import http2_frames as frames
from tests.endless import Endless
from tests.integration.async_server import HOST, serving, url_of

_WRITE_BYTES = 64 * 1024
_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def _greet(protocol: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a request, and answer what must come before anything else."""
    if protocol == "http2":
        await reader.readexactly(len(frames.PREFACE))
        writer.write(frames.settings({}))
        await reader.readuntil(frames.frame(frames.SETTINGS, frames.ACK, 0))  # what follows meets a client at work
        return
    request = await reader.readuntil(b"\r\n\r\n")
    if protocol == "websocket":
        (key,) = (line[19:] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
        token = base64.b64encode(hashlib.sha1(key + _ACCEPT_GUID).digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n")
        await reader.readexactly(2)


@contextmanager
def sending_endlessly(protocol: str, kinds: Mapping[str, Endless]) -> Iterator[dict[str, str]]:
    """The URL for each kind."""
    urls: dict[str, str] = {}

    async def start() -> list[asyncio.Server]:
        listeners = []
        for name, kind in kinds.items():

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: Endless = kind) -> None:
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    await _greet(protocol, reader, writer)
                    writer.write(kind.beginning)
                    parts = kind.part * (_WRITE_BYTES // max(1, len(kind.part)))
                    while parts:
                        writer.write(parts)
                        await writer.drain()
                    await reader.read()
                writer.close()

            listeners.append(await asyncio.start_server(serve, HOST, 0))
            urls[name] = url_of(listeners[-1])
        return listeners

    with serving(start):
        yield urls
