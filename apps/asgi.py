"""The reference app: plain ASGI 3 on the standard library, one route for each thing a server has to do.

`PAGES` and `NUMBERED` list the routes; each handler says what it answers. HEAD goes where GET goes. A number in a path
is a decimal of at most 15 digits, without sign or leading zeros: anything else is 404, and one beyond the route's limit
400. Errors are JSON: `{"detail": …}`. The WebSocket `/ws/echo` sends every frame back; other paths get a 403.

An item is a JSON object, kept with the `id` of its URL: a positive integer, which a client may choose by PUT.
The newest 10,000 are kept, so that a long benchmark cannot eat memory; the oldest makes room.
Items and the merge belong to one process: with several workers, each has its own.

`/delay`, `/stream`, `/sse` and `/cpu` need asyncio, for they watch for the client's leaving while they work; the rest
runs on any event loop. Environment: MERGE_SECONDS, and ASGI_APP_FAIL_STARTUP, a message to fail the start-up with.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

MAX_BODY_BYTES = 16 * 1024 * 1024
CPU_SLICE = 10_000  # steps, about half a millisecond
MAX_ITEMS = 10_000
MAX_ITEM_BYTES = 4096
LISTED_ITEMS = 100
MAX_DIGITS = 15  # the longest decimals that every JSON reader keeps exact
PATTERN = bytes(range(251))  # a prime number, so that a lost or swapped block of any usual size shows


class Response(NamedTuple):
    """What a handler answers; a body in parts is sent part by part, without a content-length."""

    status: int
    headers: list[Header]
    body: bytes | Iterable[bytes]


Handler = Callable[..., Awaitable[Response]]
"""Takes scope and receive, and in `NUMBERED` the number."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the program
    """The answer is an error status."""

    def __init__(self, status: int, detail: str, *headers: Header) -> None:
        super().__init__(detail)
        self.response = json_response(json.dumps({"detail": detail}), status, *headers)


@dataclass
class Shared:
    """What the requests of one process share."""

    merge_s: float
    merging_until: float = 0.0
    """In time.monotonic()."""
    items: dict[int, str] = field(default_factory=dict)
    """JSON text by id, oldest first."""
    next_id: int = 1

    @classmethod
    def from_environment(cls) -> Shared:
        """Fresh; ValueError with a message for the user if it cannot be."""
        if failure := os.environ.get("ASGI_APP_FAIL_STARTUP"):
            raise ValueError(failure)
        seconds = os.environ.get("MERGE_SECONDS", "10")
        try:
            return cls(float(seconds))
        except ValueError:
            raise ValueError(f"MERGE_SECONDS: expected a number of seconds, found {seconds!r}") from None

    def keep(self, item_id: int, body: bytes) -> bool:
        """Keep a JSON object (RFC 8259: no NaN, no infinity) as an item; True when there was none with this id."""
        try:
            text = json.dumps({**json.loads(body), "id": item_id}, allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            raise Refusal(400, "expected a JSON object") from None
        created = item_id not in self.items
        if created and len(self.items) >= MAX_ITEMS:
            del self.items[next(iter(self.items))]
        self.items[item_id] = text
        return created


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


def sized(body: bytes, content_type: bytes) -> Response:
    """The body with its length."""
    return Response(200, [(b"content-type", content_type), (b"content-length", b"%d" % len(body))], body)


def json_response(text: str, status: int = 200, *headers: Header) -> Response:
    """The JSON text with its length."""
    response = sized(text.encode(), b"application/json")
    return Response(status, [*response.headers, *headers], response.body)


HELLO = sized(b"Hello, World!", b"text/plain; charset=utf-8")


async def plaintext(_scope: Scope, _receive: Receive) -> Response:
    """`Hello, World!`."""
    return HELLO


async def message(_scope: Scope, _receive: Receive) -> Response:
    """`{"message": "Hello, World!"}`, serialised each time."""
    return json_response(json.dumps({"message": "Hello, World!"}))


async def pattern(_scope: Scope, _receive: Receive, size_bytes: int) -> Response:
    """So many bytes; byte i is i mod 251."""
    return sized((PATTERN * (size_bytes // len(PATTERN) + 1))[:size_bytes], b"application/octet-stream")


async def echo(scope: Scope, receive: Receive) -> Response:
    """The request's body and content-type."""
    content_types = (value for name, value in scope["headers"] if name == b"content-type")
    return sized(await read_body(receive), next(content_types, b"application/octet-stream"))


async def stream(_scope: Scope, _receive: Receive, count: int) -> Response:
    """So many chunks of 1,024 bytes: each its number from 0, dots, a newline."""
    chunks = ((b"%d" % number).ljust(1023, b".") + b"\n" for number in range(count))
    return Response(200, [(b"content-type", b"text/plain; charset=utf-8")], chunks)


async def server_sent_events(_scope: Scope, _receive: Receive, count: int) -> Response:
    """So many events: each with its number from 0 as id, and `event` and the number as data."""
    events = (b"id: %d\ndata: event %d\n\n" % (number, number) for number in range(count))
    return Response(200, [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")], events)


async def delay(_scope: Scope, receive: Receive, ms: int) -> Response:
    """`{"ms": …}`, after so many milliseconds."""
    with departure(receive) as gone:
        await asyncio.wait({gone}, timeout=ms / 1000)
        await yield_to_others(gone)
    return json_response(json.dumps({"ms": ms}))


async def cpu(_scope: Scope, receive: Receive, steps: int) -> Response:
    """`{"n": …, "result": …}`: so many steps from 1 of a generator (Press et al., Numerical Recipes, 1992, §7.1).

    A client can check it without repeating them: an affine map is raised to a power by squaring.
    """
    result = 1
    with departure(receive) as gone:
        for start in range(0, steps, CPU_SLICE):
            for _ in range(start, min(start + CPU_SLICE, steps)):
                result = (1_664_525 * result + 1_013_904_223) % 2**32
            await yield_to_others(gone)
    return json_response(json.dumps({"n": steps, "result": result}))


async def describe_scope(scope: Scope, _receive: Receive) -> Response:
    """What the server told the app, with the names in its state, and the process that answers as `pid`."""

    def readable(value: object) -> str:
        return value.decode("latin-1") if isinstance(value, bytes) else repr(value)

    told = {**scope, "state": sorted(scope.get("state") or ()), "pid": os.getpid()}
    return json_response(json.dumps(told, default=readable))


async def list_items(scope: Scope, _receive: Receive) -> Response:
    """The newest 100 items, newest first."""
    newest = islice(reversed(shared_by(scope).items.values()), LISTED_ITEMS)
    return json_response(f"[{', '.join(newest)}]")


async def create_item(scope: Scope, receive: Receive) -> Response:
    """201, the new item and its Location."""
    body = await read_body(receive, MAX_ITEM_BYTES)
    shared = shared_by(scope)
    while shared.next_id in shared.items:  # a client may have chosen it
        shared.next_id += 1
    item_id = shared.next_id
    shared.keep(item_id, body)
    shared.next_id += 1
    location = f"{scope.get('root_path', '')}/items/{item_id}".encode()
    return json_response(shared.items[item_id], 201, (b"location", location))


async def get_item(scope: Scope, _receive: Receive, item_id: int) -> Response:
    """The item, or 404."""
    text = shared_by(scope).items.get(item_id)
    if text is None:
        raise Refusal(404, f"no item {item_id}")
    return json_response(text)


async def put_item(scope: Scope, receive: Receive, item_id: int) -> Response:
    """200 and the item where it replaced one, 201 where it is new; 404 for 0, which no client may choose."""
    body = await read_body(receive, MAX_ITEM_BYTES)
    if item_id == 0:
        raise Refusal(404, "expected an id of at least 1")
    shared = shared_by(scope)
    created = shared.keep(item_id, body)
    return json_response(shared.items[item_id], 201 if created else 200)


async def delete_item(scope: Scope, _receive: Receive, item_id: int) -> Response:
    """204 without a body, or 404."""
    if shared_by(scope).items.pop(item_id, None) is None:
        raise Refusal(404, f"no item {item_id}")
    return Response(204, [], b"")


async def merge(scope: Scope, receive: Receive) -> Response:
    """202, and then 401 until MERGE_SECONDS have passed: a shared resource in use."""
    await read_body(receive)  # of no use here, but an answer before its end costs hypercorn the HTTP/2 connection
    shared = shared_by(scope)
    now = time.monotonic()
    if now < shared.merging_until:
        # 409 would be the word for it, but clients of the documented example that this follows rely on 401.
        raise Refusal(401, "the shared resource is in use")
    shared.merging_until = now + shared.merge_s
    return json_response(json.dumps({"message": "merge started"}), 202)


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
    "/stream/": (10_000, {"GET": stream}),
    "/sse/": (10_000, {"GET": server_sent_events}),
    "/delay/": (60_000, {"GET": delay}),
    "/cpu/": (10_000_000, {"GET": cpu}),
    "/items/": (10**MAX_DIGITS - 1, {"GET": get_item, "PUT": put_item, "DELETE": delete_item}),
}


def app_path(scope: Scope) -> str:
    """Path below the app's mount point, whether or not the server left that in the path."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def parse_number(text: str) -> int | None:
    """A decimal in its one canonical spelling, so that nothing has two names; None for all else."""
    canonical = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    return int(text) if canonical and len(text) <= MAX_DIGITS else None


def find(path: str, method: str) -> tuple[Handler, tuple[int, ...]]:
    """The handler, and the number in the path where there is one."""
    numbers: tuple[int, ...] = ()
    methods = PAGES.get(path)
    if methods is None:
        stem, slash, last = path.rpartition("/")
        limit, methods = NUMBERED.get(stem + slash, (0, {}))
        number = parse_number(last)
        if not methods or number is None:
            raise Refusal(404, f"nothing at {path}")
        if number > limit:
            raise Refusal(400, f"expected a number of at most {limit}")
        numbers = (number,)
    handler = methods.get(method)
    if handler is None:
        allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
        raise Refusal(405, f"expected {allowed}", (b"allow", allowed.encode()))
    return handler, numbers


async def serve_http(scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    method = scope["method"]
    is_head = method == "HEAD"
    try:
        handler, numbers = find(app_path(scope), "GET" if is_head else method)
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
