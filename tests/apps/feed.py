"""Streams as apps have them: one without end, one that ends, lines of JSON, and one that falls silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

EVENT = b"data: token\n\n"
LINE = b'{"row": 1}\n'
CHAT_EVENTS = 5
GAP_S = 0.01
STREAMS = {
    "/events": ("text/event-stream", EVENT, None),
    "/chat": ("text/event-stream", EVENT, CHAT_EVENTS),
    "/rows": ("application/x-ndjson", LINE, None),
    "/ticks": ("text/plain", b"tick", None),
    "/silent": ("text/event-stream", EVENT, 1),
}
DOCUMENT = {"openapi": "3.1.0", "paths": {path: {"get": {}} for path in ("/events", "/chat", "/ping")}}
Message = dict[str, Any]


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    """`/silent` has one event and does not end; what the client ends is ended here too."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    if path not in STREAMS:
        body = json.dumps(DOCUMENT if path == "/openapi.json" else {"ok": True}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    media_type, part, events = STREAMS[path]
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type.encode())]})
    sent = 0
    while sent != events and not gone.done():
        await send({"type": "http.response.body", "body": part, "more_body": True})
        sent += 1
        await asyncio.sleep(GAP_S)
    if path == "/silent":
        await gone
    gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _wait_until_gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
