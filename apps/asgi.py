"""The reference app: plain ASGI 3 on the standard library, one route for each thing a server has to do.

`PAGES` and `NUMBERED` list the routes; `apps/_answers.py` says what each answers. HEAD goes where GET goes. A number in
a path is a decimal of at most 15 digits, without sign or leading zeros: anything else is 404, and one beyond the
route's limit 400. Errors are JSON: `{"detail": …}`. The WebSocket `/ws/echo` sends every frame back; other paths get
a 403.

An item is a JSON object, kept with the `id` of its URL: a positive integer, which a client may choose by PUT.
The newest 10,000 are kept, so that a long benchmark cannot eat memory; the oldest makes room.
Items and the merge belong to one process: with several workers, each has its own.

`/delay`, `/stream`, `/sse` and `/cpu` need asyncio, for they watch for the client's leaving while they work; the rest
runs on any event loop. Environment: MERGE_SECONDS, and ASGI_APP_FAIL_STARTUP, a message to fail the start-up with.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from apps import _answers as answers
from apps._answers import (
    HELLO,
    MAX_BODY_BYTES,
    MAX_CHUNKS,
    MAX_DELAY_MS,
    MAX_DIGITS,
    MAX_ITEM_BYTES,
    MAX_STEPS,
    Refusal,
    Response,
    Shared,
    find,
    json_response,
    sized,
)
from apps._common import process

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

CPU_SLICE = 10_000  # steps, about half a millisecond
WSGI_TWIN = "apps._wsgi:app"
"""The same answers for servers that speak nothing but WSGI."""
ON_TRIO = ("plaintext", "json", "echo", "items", "ws_echo")
"""The scenarios that need nothing of asyncio."""

Handler = Callable[..., Awaitable[Response]]
"""Takes scope and receive, and in `NUMBERED` the number."""

fallback = cache(Shared.from_environment)


def shared_by(scope: Scope) -> Shared:
    """What the lifespan left in the state, or the module's own where a server has no lifespan or hands on no state."""
    return (scope.get("state") or {}).get("shared") or fallback()


async def read_body(receive: Receive, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Body of the request, whole; ConnectionResetError if the client goes before its end."""
    parts: list[bytes] = []
    size_bytes, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionResetError("the client went before its request was complete")
        part = event.get("body", b"")
        size_bytes += len(part)
        if size_bytes > limit_bytes:
            raise Refusal(413, f"expected a body of at most {limit_bytes} bytes")
        parts.append(part)
        more = event.get("more_body", False)
    return b"".join(parts)


@contextmanager
def departure(receive: Receive) -> Iterator[asyncio.Task[None]]:
    """A task that is done when the client has gone.

    A coroutine of our own awaits receive(), because granian's is an awaitable that create_task() would not take.
    It is cancelled only when no more is received: gunicorn reports a false disconnect after a cancelled receive().
    """

    async def wait_for_disconnect() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.create_task(wait_for_disconnect())
    try:
        yield gone
    finally:
        gone.cancel()


async def yield_to_others(gone: asyncio.Task[None]) -> None:
    """Give other tasks their turn, which work and send() alone do not; ConnectionResetError if the client has gone."""
    await asyncio.sleep(0)
    if gone.done():
        raise ConnectionResetError("the client went before its answer was complete")


async def plaintext(_scope: Scope, _receive: Receive) -> Response:
    """`Hello, World!`."""
    return HELLO


async def message(_scope: Scope, _receive: Receive) -> Response:
    """A small JSON object."""
    return answers.message()


async def pattern(_scope: Scope, _receive: Receive, size_bytes: int) -> Response:
    """So many bytes."""
    return answers.pattern(size_bytes)


async def echo(scope: Scope, receive: Receive) -> Response:
    """The request's body and content-type."""
    content_types = (value for name, value in scope["headers"] if name == b"content-type")
    return sized(await read_body(receive), next(content_types, b"application/octet-stream"))


async def stream(_scope: Scope, _receive: Receive, count: int) -> Response:
    """So many chunks."""
    return answers.stream(count)


async def server_sent_events(_scope: Scope, _receive: Receive, count: int) -> Response:
    """So many events."""
    return answers.server_sent_events(count)


async def delay(_scope: Scope, receive: Receive, ms: int) -> Response:
    """`{"ms": …}`, after so many milliseconds."""
    with departure(receive) as gone:
        await asyncio.wait({gone}, timeout=ms / 1000)
        await yield_to_others(gone)
    return answers.delayed(ms)


async def cpu(_scope: Scope, receive: Receive, steps: int) -> Response:
    """`{"n": …, "result": …}`, after so many steps from 1."""
    result = 1
    with departure(receive) as gone:
        for start in range(0, steps, CPU_SLICE):
            result = answers.advanced(result, min(CPU_SLICE, steps - start))
            await yield_to_others(gone)
    return answers.computed(steps, result)


async def describe_scope(scope: Scope, _receive: Receive) -> Response:
    """What the server told the app, with the names in its state, and what the process that answers is run with."""

    def readable(value: object) -> str:
        return value.decode("latin-1") if isinstance(value, bytes) else repr(value)

    told = {**scope, "state": sorted(scope.get("state") or ()), **process()}
    return json_response(json.dumps(told, default=readable))


async def list_items(scope: Scope, _receive: Receive) -> Response:
    """The newest items."""
    return shared_by(scope).listed()


async def create_item(scope: Scope, receive: Receive) -> Response:
    """A new item."""
    body = await read_body(receive, MAX_ITEM_BYTES)
    return shared_by(scope).create(body, scope.get("root_path", ""))


async def get_item(scope: Scope, _receive: Receive, item_id: int) -> Response:
    """One item."""
    return shared_by(scope).read(item_id)


async def put_item(scope: Scope, receive: Receive, item_id: int) -> Response:
    """An item in the place of another, or a new one."""
    return shared_by(scope).replace(item_id, await read_body(receive, MAX_ITEM_BYTES))


async def delete_item(scope: Scope, _receive: Receive, item_id: int) -> Response:
    """One item less."""
    return shared_by(scope).delete(item_id)


async def merge(scope: Scope, receive: Receive) -> Response:
    """A shared resource, taken for a while."""
    await read_body(receive)  # of no use here, but an answer before its end costs hypercorn the HTTP/2 connection
    return shared_by(scope).merge(time.monotonic())


PAGES: dict[str, dict[str, Handler]] = {
    "/plaintext": {"GET": plaintext},
    "/json": {"GET": message},
    "/echo": {"POST": echo},
    "/scope": {"GET": describe_scope},
    "/items": {"GET": list_items, "POST": create_item},
    "/public/test": {"GET": message},
    "/merge": {"POST": merge},
}
NUMBERED: dict[str, tuple[int, dict[str, Handler]]] = {  # with the highest number that may follow
    "/bytes/": (MAX_BODY_BYTES, {"GET": pattern}),
    "/stream/": (MAX_CHUNKS, {"GET": stream}),
    "/sse/": (MAX_CHUNKS, {"GET": server_sent_events}),
    "/delay/": (MAX_DELAY_MS, {"GET": delay}),
    "/cpu/": (MAX_STEPS, {"GET": cpu}),
    "/items/": (10**MAX_DIGITS - 1, {"GET": get_item, "PUT": put_item, "DELETE": delete_item}),
}


def app_path(scope: Scope) -> str:
    """Path below the app's mount point, whether or not the server left that in the path."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def serve_http(scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    method = scope["method"]
    is_head = method == "HEAD"
    try:
        handler, numbers = find(PAGES, NUMBERED, app_path(scope), "GET" if is_head else method)
        status, headers, body = await handler(scope, receive, *numbers)
    except Refusal as refusal:
        status, headers, body = refusal.response
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if is_head:
        body = b""
    elif not isinstance(body, bytes):
        with departure(receive) as gone:
            for part in body:
                await send({"type": "http.response.body", "body": part, "more_body": True})
                await yield_to_others(gone)
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def serve_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """One connection, from handshake to disconnect."""
    await receive()  # websocket.connect
    if app_path(scope) != "/ws/echo":
        await send({"type": "websocket.close"})  # before an accept, the server makes a 403 of it
        return
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        await send({"type": "websocket.send", **({"bytes": event["bytes"]} if text is None else {"text": text})})


async def serve_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """The life of the process, from start-up to shutdown."""
    await receive()  # lifespan.startup
    try:
        shared = Shared.from_environment()
    except ValueError as fault:
        await send({"type": "lifespan.startup.failed", "message": str(fault)})
        return
    if "state" in scope:
        scope["state"]["shared"] = shared
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})


SERVED = {"http": serve_http, "websocket": serve_websocket, "lifespan": serve_lifespan}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI 3 (https://asgi.readthedocs.io)."""
    serve = SERVED.get(scope["type"])
    if serve is None:
        raise ValueError(f"expected a scope of http, websocket or lifespan, found {scope['type']!r}")
    try:
        await serve(scope, receive, send)
    except OSError:
        return  # of send() (since ASGI 2.4) or our own ConnectionResetError: nobody waits for an answer any more
