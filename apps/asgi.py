"""The reference app: ASGI 3 with the standard library only, one route for each thing that a server has to do.

`PAGES` and `NUMBERED` list the routes; `apps/_answers.py` says what each answers. HEAD works wherever GET does. A
number in a path is a decimal of at most 15 digits, without sign or leading zeros: anything else is 404, a number above
the route's limit is 400. Errors are JSON: `{"detail": …}`. The WebSocket `/ws/echo` sends every message back,
`/ws/broadcast` sends it to all its connections, numbered for each; other paths get a 403.

An item is a JSON object, stored with the `id` of its URL: a positive integer, which a client may choose with PUT.
Only the newest 10,000 are stored, so that memory does not grow during a long benchmark.
Items and the merge belong to one process: with several workers, each has separate ones.

`/delay`, `/cpu`, `/file` and all streams need asyncio, because they watch for a disconnect while they work, and
`/queries` to wait; other routes run on any event loop. `/file` is sent with the extension `http.response.pathsend`
where the server has it. Environment variables: MERGE_SECONDS; ASGI_APP_FAIL_STARTUP, a message that fails the start-up.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from functools import cache
from typing import Any

from apps import _answers as answers
from apps import _work as work
from apps._answers import (
    HELLO,
    MAX_BODY_BYTES,
    MAX_CHUNKS,
    MAX_DELAY_MS,
    MAX_DIGITS,
    MAX_ITEM_BYTES,
    MAX_STEPS,
    File,
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
"""The app that servers run which speak only WSGI; its answers are the same."""
# fmt: off
ON_TRIO = (
    "plaintext", "json", "echo", "items", "ws_echo", "churn", "upload", "gzip", "cookies", "hold", "ws_hold",
    "broadcast",
)
# fmt: on
"""These scenarios do not need asyncio."""

Handler = Callable[..., Awaitable[Response]]
"""A handler takes scope and receive and, in `NUMBERED`, the number from the path."""

fallback = cache(Shared.from_environment)


def shared_by(scope: Scope) -> Shared:
    """The state that the lifespan made, or the module's if the server has no lifespan or does not pass on the state."""
    return (scope.get("state") or {}).get("shared") or fallback()


async def read_body(receive: Receive, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The whole body of the request; raises as `pass_body` does."""
    parts: list[bytes] = []
    await pass_body(receive, parts.append, limit_bytes)
    return b"".join(parts)


async def pass_body(receive: Receive, take: Callable[[bytes], None], limit_bytes: int = MAX_BODY_BYTES) -> None:
    """Hand on the body of the request as it comes.

    Raises `ConnectionResetError` if the client disconnects before its end, and `Refusal` (413) if it is too long.
    """
    size_bytes, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionResetError("the client disconnected before its request was complete")
        part = event.get("body", b"")
        size_bytes += len(part)
        if size_bytes > limit_bytes:
            raise Refusal(413, f"expected a body of at most {limit_bytes} bytes")
        take(part)
        more = event.get("more_body", False)


@contextmanager
def departure(receive: Receive) -> Iterator[asyncio.Task[None]]:
    """A task that is done when the client has disconnected.

    It wraps receive() in a coroutine, because granian's receive() returns an awaitable that create_task() rejects.
    It is cancelled only when nothing more is received: gunicorn reports a false disconnect after a cancelled receive().
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
    """Let other tasks run, which work and send() alone do not; raises `ConnectionResetError` after a disconnect."""
    await asyncio.sleep(0)
    if gone.done():
        raise ConnectionResetError("the client disconnected before its answer was complete")


async def plaintext(_scope: Scope, _receive: Receive) -> Response:
    """`Hello, World!`."""
    return HELLO


async def message(_scope: Scope, _receive: Receive) -> Response:
    """A small JSON object."""
    return answers.message()


async def pattern(_scope: Scope, _receive: Receive, size_bytes: int) -> Response:
    """A body of `size_bytes` bytes."""
    return answers.pattern(size_bytes)


async def echo(scope: Scope, receive: Receive) -> Response:
    """The request's body and content-type."""
    content_types = (value for name, value in scope["headers"] if name == b"content-type")
    return sized(await read_body(receive), next(content_types, b"application/octet-stream"))


async def stream(_scope: Scope, _receive: Receive, count: int) -> Response:
    """A body in `count` chunks."""
    return answers.stream(count)


async def server_sent_events(_scope: Scope, _receive: Receive, count: int) -> Response:
    """A stream of `count` server-sent events."""
    return answers.server_sent_events(count)


async def file(_scope: Scope, _receive: Receive) -> Response:
    """A file of 1 MiB."""
    return answers.file()


async def blocks(_scope: Scope, _receive: Receive, count: int) -> Response:
    """A body in `count` chunks of 64 KiB."""
    return answers.blocks(count)


async def digest(_scope: Scope, receive: Receive) -> Response:
    """The number of bytes and the digest of the request's body."""
    found = work.Digest()
    await pass_body(receive, found.add)
    return answers.to_json(found.describe())


async def query(_scope: Scope, _receive: Receive, seed: int) -> Response:
    """The answers of a database, one after the other."""
    return answers.to_json(await work.query(seed))


async def tokens(_scope: Scope, _receive: Receive, stream_id: int) -> Response:
    """50 server-sent events, one every 10 ms."""
    return answers.tokens(work.streams.send(stream_id))


async def sent(_scope: Scope, _receive: Receive, stream_id: int) -> Response:
    """The progress of a stream of tokens."""
    return answers.to_json(work.streams.describe(stream_id))


async def page(_scope: Scope, _receive: Receive) -> Response:
    """A compressed page."""
    return answers.page()


async def session(scope: Scope, _receive: Receive) -> Response:
    """A visit of a session."""
    return answers.session("; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"))


async def delay(_scope: Scope, receive: Receive, ms: int) -> Response:
    """`{"ms": …}`, after `ms` milliseconds."""
    with departure(receive) as gone:
        await asyncio.wait({gone}, timeout=ms / 1000)
        await yield_to_others(gone)
    return answers.delayed(ms)


async def cpu(_scope: Scope, receive: Receive, steps: int) -> Response:
    """`{"n": …, "result": …}`, after `steps` steps from 1."""
    result = 1
    with departure(receive) as gone:
        for start in range(0, steps, CPU_SLICE):
            result = answers.advanced(result, min(CPU_SLICE, steps - start))
            await yield_to_others(gone)
    return answers.computed(steps, result)


async def describe_scope(scope: Scope, _receive: Receive) -> Response:
    """The scope that the server gave to the app, with the names in its state, and what `process` reports."""

    def readable(value: object) -> str:
        return value.decode("latin-1") if isinstance(value, bytes) else repr(value)

    told = {**scope, "state": sorted(scope.get("state") or ()), **process()}
    return json_response(json.dumps(told, default=readable))


async def list_items(scope: Scope, _receive: Receive) -> Response:
    """The newest items."""
    return shared_by(scope).listed()


async def create_item(scope: Scope, receive: Receive) -> Response:
    """Create an item."""
    body = await read_body(receive, MAX_ITEM_BYTES)
    return shared_by(scope).create(body, scope.get("root_path", ""))


async def get_item(scope: Scope, _receive: Receive, item_id: int) -> Response:
    """One item."""
    return shared_by(scope).read(item_id)


async def put_item(scope: Scope, receive: Receive, item_id: int) -> Response:
    """Replace an item, or create it."""
    return shared_by(scope).replace(item_id, await read_body(receive, MAX_ITEM_BYTES))


async def delete_item(scope: Scope, _receive: Receive, item_id: int) -> Response:
    """Delete an item."""
    return shared_by(scope).delete(item_id)


async def merge(scope: Scope, receive: Receive) -> Response:
    """Take a shared resource for MERGE_SECONDS."""
    await read_body(receive)  # not used, but hypercorn closes the HTTP/2 connection if it is not read
    return shared_by(scope).merge(time.monotonic())


PAGES: dict[str, dict[str, Handler]] = {
    "/plaintext": {"GET": plaintext},
    "/json": {"GET": message},
    "/echo": {"POST": echo},
    "/scope": {"GET": describe_scope},
    "/items": {"GET": list_items, "POST": create_item},
    "/digest": {"POST": digest},
    "/file": {"GET": file},
    "/page": {"GET": page},
    "/session": {"GET": session},
    "/public/test": {"GET": message},
    "/merge": {"POST": merge},
}
NUMBERED: dict[str, tuple[int, dict[str, Handler]]] = {  # with the highest number that is allowed
    "/bytes/": (MAX_BODY_BYTES, {"GET": pattern}),
    "/stream/": (MAX_CHUNKS, {"GET": stream}),
    "/sse/": (MAX_CHUNKS, {"GET": server_sent_events}),
    "/blocks/": (work.MAX_BLOCKS, {"GET": blocks}),
    "/delay/": (MAX_DELAY_MS, {"GET": delay}),
    "/queries/": (work.MAX_SEED, {"GET": query}),
    "/tokens/": (10**MAX_DIGITS - 1, {"GET": tokens}),
    "/sent/": (10**MAX_DIGITS - 1, {"GET": sent}),
    "/cpu/": (MAX_STEPS, {"GET": cpu}),
    "/items/": (10**MAX_DIGITS - 1, {"GET": get_item, "PUT": put_item, "DELETE": delete_item}),
}


def app_path(scope: Scope) -> str:
    """The path below the app's mount point; some servers include the mount point in the path, some do not."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def serve_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
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
    elif isinstance(body, File):
        if "http.response.pathsend" in (scope.get("extensions") or ()):
            await send({"type": "http.response.pathsend", "path": body.path})
            return
        body = work.read_file()
    if not isinstance(body, bytes):
        with departure(receive) as gone:
            if isinstance(body, AsyncIterator):
                async with aclosing(body):
                    async for part in body:
                        await send({"type": "http.response.body", "body": part, "more_body": True})
                        await yield_to_others(gone)
            else:
                for part in body:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                    await yield_to_others(gone)
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def serve_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection, from handshake to disconnect."""
    await receive()  # websocket.connect
    path = app_path(scope)
    if path not in {"/ws/echo", "/ws/broadcast"}:
        await send({"type": "websocket.close"})  # before the accept, so the server answers 403
        return
    await send({"type": "websocket.accept"})
    if path == "/ws/broadcast":
        await broadcast(receive, send)
        return
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        await send({"type": "websocket.send", **({"bytes": event["bytes"]} if text is None else {"text": text})})


async def broadcast(receive: Receive, send: Send) -> None:
    """Send each message of this connection to all."""

    async def send_text(text: str) -> None:
        await send({"type": "websocket.send", "text": text})

    work.room.join(send_text)
    try:
        while (event := await receive())["type"] == "websocket.receive":
            await work.room.tell(event.get("text") or "")
    finally:
        work.room.leave(send_text)


async def serve_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the lifespan of the process, from start-up to shutdown."""
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
    """The ASGI 3 application (https://asgi.readthedocs.io)."""
    serve = SERVED.get(scope["type"])
    if serve is None:
        raise ValueError(f"expected a scope of http, websocket or lifespan, found {scope['type']!r}")
    try:
        await serve(scope, receive, send)
    except OSError:
        return  # raised by send() (since ASGI 2.4) or above after a disconnect: no client waits for the answer
