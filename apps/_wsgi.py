"""The WSGI twin of `apps/asgi.py`: the same routes and the same answers, for all that WSGI can do.

It has no WebSocket, and work does not stop when the client has gone, for WSGI does not tell. `/scope` answers the
environment in place of the scope. Items and the merge belong to one process, and all its threads share them.

The environment variables are those of the ASGI app; what would fail its start-up fails the import of this module.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from apps import _answers as answers
from apps._answers import Refusal, Response, Shared
from apps._common import process

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

Handler = Callable[..., Response]
"""Takes the environment, and in `NUMBERED` the number."""

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

shared = Shared.from_environment()
shared_lock = threading.Lock()


def read_body(environ: Environ, limit_bytes: int = answers.MAX_BODY_BYTES) -> bytes:
    """Body of the request, whole; ConnectionResetError if the client goes before its end."""
    length = environ.get("CONTENT_LENGTH")
    # PEP 3333 knows no body without a length; servers that undo chunked coding end the stream, and say so.
    chunked = not length and environ.get("wsgi.input_terminated")
    size_bytes = limit_bytes + 1 if chunked else int(length or 0)
    body: bytes = environ["wsgi.input"].read(min(size_bytes, limit_bytes + 1))
    if len(body) > limit_bytes:
        raise Refusal(413, f"expected a body of at most {limit_bytes} bytes")
    if len(body) < size_bytes and not chunked:
        raise ConnectionResetError("the client went before its request was complete")
    return body


def plaintext(_environ: Environ) -> Response:
    """`Hello, World!`."""
    return answers.HELLO


def message(_environ: Environ) -> Response:
    """A small JSON object."""
    return answers.message()


def pattern(_environ: Environ, size_bytes: int) -> Response:
    """So many bytes."""
    return answers.pattern(size_bytes)


def echo(environ: Environ) -> Response:
    """The request's body and content-type."""
    content_type: str = environ.get("CONTENT_TYPE") or "application/octet-stream"
    return answers.sized(read_body(environ), content_type.encode("latin-1"))


def stream(_environ: Environ, count: int) -> Response:
    """So many chunks."""
    return answers.stream(count)


def server_sent_events(_environ: Environ, count: int) -> Response:
    """So many events."""
    return answers.server_sent_events(count)


def delay(_environ: Environ, ms: int) -> Response:
    """`{"ms": …}`, after so many milliseconds."""
    time.sleep(ms / 1000)
    return answers.delayed(ms)


def cpu(_environ: Environ, steps: int) -> Response:
    """`{"n": …, "result": …}`, after so many steps from 1."""
    return answers.computed(steps, answers.advanced(1, steps))


def describe_environment(environ: Environ) -> Response:
    """What the server told the app, and what `process` sees from within."""
    return answers.json_response(json.dumps({**environ, **process()}, default=repr))


def list_items(_environ: Environ) -> Response:
    """The newest items."""
    with shared_lock:
        return shared.listed()


def create_item(environ: Environ) -> Response:
    """A new item."""
    body = read_body(environ, answers.MAX_ITEM_BYTES)
    with shared_lock:
        return shared.create(body, environ.get("SCRIPT_NAME", ""))


def get_item(_environ: Environ, item_id: int) -> Response:
    """One item."""
    with shared_lock:
        return shared.read(item_id)


def put_item(environ: Environ, item_id: int) -> Response:
    """An item in the place of another, or a new one."""
    body = read_body(environ, answers.MAX_ITEM_BYTES)
    with shared_lock:
        return shared.replace(item_id, body)


def delete_item(_environ: Environ, item_id: int) -> Response:
    """One item less."""
    with shared_lock:
        return shared.delete(item_id)


def merge(environ: Environ) -> Response:
    """A shared resource, taken for a while."""
    read_body(environ)
    with shared_lock:
        return shared.merge(time.monotonic())


PAGES: dict[str, dict[str, Handler]] = {
    "/plaintext": {"GET": plaintext},
    "/json": {"GET": message},
    "/echo": {"POST": echo},
    "/scope": {"GET": describe_environment},
    "/items": {"GET": list_items, "POST": create_item},
    "/public/test": {"GET": message},
    "/merge": {"POST": merge},
}
NUMBERED: dict[str, tuple[int, dict[str, Handler]]] = {  # with the highest number that may follow
    "/bytes/": (answers.MAX_BODY_BYTES, {"GET": pattern}),
    "/stream/": (answers.MAX_CHUNKS, {"GET": stream}),
    "/sse/": (answers.MAX_CHUNKS, {"GET": server_sent_events}),
    "/delay/": (answers.MAX_DELAY_MS, {"GET": delay}),
    "/cpu/": (answers.MAX_STEPS, {"GET": cpu}),
    "/items/": (10**answers.MAX_DIGITS - 1, {"GET": get_item, "PUT": put_item, "DELETE": delete_item}),
}


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """WSGI (PEP 3333)."""
    method = environ["REQUEST_METHOD"]
    is_head = method == "HEAD"
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")  # PEP 3333 puts bytes into a str
    try:
        handler, numbers = answers.find(PAGES, NUMBERED, path, "GET" if is_head else method)
        status, headers, body = handler(environ, *numbers)
    except Refusal as refusal:
        status, headers, body = refusal.response
    start_response(STATUS_LINES[status], [(name.decode(), value.decode("latin-1")) for name, value in headers])
    if is_head or not body:
        return ()
    return (body,) if isinstance(body, bytes) else body
