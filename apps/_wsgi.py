"""The WSGI twin of `apps/asgi.py`: the same routes and the same answers, as far as WSGI allows.

It has no WebSocket. Work does not stop when the client disconnects, because WSGI does not report that. `/scope` answers
with the WSGI environment instead of the scope. Items and the merge belong to one process; all its threads share them.

The environment variables are those of the ASGI app. What fails the start-up there fails the import of this module.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from apps import _answers as answers
from apps import _work as work
from apps._answers import Refusal, Response, Shared
from apps._common import process

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

Handler = Callable[..., Response]
"""A handler takes the WSGI environment and, in `NUMBERED`, the number from the path."""

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

shared = Shared.from_environment()
shared_lock = threading.Lock()


def read_body(environ: Environ, limit_bytes: int = answers.MAX_BODY_BYTES) -> bytes:
    """The whole body of the request; raises `ConnectionResetError` if the client disconnects before its end."""
    length = environ.get("CONTENT_LENGTH")
    # PEP 3333 has no body without a length; servers that decode chunked bodies end the stream and set this flag.
    chunked = not length and environ.get("wsgi.input_terminated")
    size_bytes = limit_bytes + 1 if chunked else int(length or 0)
    body: bytes = environ["wsgi.input"].read(min(size_bytes, limit_bytes + 1))
    if len(body) > limit_bytes:
        raise Refusal(413, f"expected a body of at most {limit_bytes} bytes")
    if len(body) < size_bytes and not chunked:
        raise ConnectionResetError("the client disconnected before its request was complete")
    return body


def plaintext(_environ: Environ) -> Response:
    """`Hello, World!`."""
    return answers.HELLO


def message(_environ: Environ) -> Response:
    """A small JSON object."""
    return answers.message()


def pattern(_environ: Environ, size_bytes: int) -> Response:
    """A body of `size_bytes` bytes."""
    return answers.pattern(size_bytes)


def echo(environ: Environ) -> Response:
    """The request's body and content-type."""
    content_type: str = environ.get("CONTENT_TYPE") or "application/octet-stream"
    return answers.sized(read_body(environ), content_type.encode("latin-1"))


def stream(_environ: Environ, count: int) -> Response:
    """A body in `count` chunks."""
    return answers.stream(count)


def server_sent_events(_environ: Environ, count: int) -> Response:
    """A stream of `count` server-sent events."""
    return answers.server_sent_events(count)


def file(_environ: Environ) -> Response:
    """A file of 1 MiB."""
    return answers.file()


def blocks(_environ: Environ, count: int) -> Response:
    """A body in `count` chunks of 64 KiB."""
    return answers.blocks(count)


def digest(environ: Environ) -> Response:
    """The number of bytes and the digest of the request's body."""
    found = work.Digest()
    found.add(read_body(environ))
    return answers.to_json(found.describe())


def query(_environ: Environ, seed: int) -> Response:
    """The answers of a database, one after the other."""
    return answers.to_json(work.query_blocking(seed))


def tokens(_environ: Environ, stream_id: int) -> Response:
    """50 server-sent events, one every 10 ms."""
    return answers.tokens(work.streams.send_blocking(stream_id))


def sent(_environ: Environ, stream_id: int) -> Response:
    """The progress of a stream of tokens."""
    return answers.to_json(work.streams.describe(stream_id))


def page(_environ: Environ) -> Response:
    """A compressed page."""
    return answers.page()


def session(environ: Environ) -> Response:
    """A visit of a session."""
    return answers.session(environ.get("HTTP_COOKIE", ""))


def delay(_environ: Environ, ms: int) -> Response:
    """`{"ms": …}`, after `ms` milliseconds."""
    time.sleep(ms / 1000)
    return answers.delayed(ms)


def cpu(_environ: Environ, steps: int) -> Response:
    """`{"n": …, "result": …}`, after `steps` steps from 1."""
    return answers.computed(steps, answers.advanced(1, steps))


def describe_environment(environ: Environ) -> Response:
    """The WSGI environment that the server gave to the app, and what `process` reports."""
    return answers.json_response(json.dumps({**environ, **process()}, default=repr))


def list_items(_environ: Environ) -> Response:
    """The newest items."""
    with shared_lock:
        return shared.listed()


def create_item(environ: Environ) -> Response:
    """Create an item."""
    body = read_body(environ, answers.MAX_ITEM_BYTES)
    with shared_lock:
        return shared.create(body, environ.get("SCRIPT_NAME", ""))


def get_item(_environ: Environ, item_id: int) -> Response:
    """One item."""
    with shared_lock:
        return shared.read(item_id)


def put_item(environ: Environ, item_id: int) -> Response:
    """Replace an item, or create it."""
    body = read_body(environ, answers.MAX_ITEM_BYTES)
    with shared_lock:
        return shared.replace(item_id, body)


def delete_item(_environ: Environ, item_id: int) -> Response:
    """Delete an item."""
    with shared_lock:
        return shared.delete(item_id)


def merge(environ: Environ) -> Response:
    """Take a shared resource for MERGE_SECONDS."""
    read_body(environ)
    with shared_lock:
        return shared.merge(time.monotonic())


PAGES: dict[str, dict[str, Handler]] = {
    "/plaintext": {"GET": plaintext},
    "/json": {"GET": message},
    "/echo": {"POST": echo},
    "/scope": {"GET": describe_environment},
    "/items": {"GET": list_items, "POST": create_item},
    "/digest": {"POST": digest},
    "/file": {"GET": file},
    "/page": {"GET": page},
    "/session": {"GET": session},
    "/public/test": {"GET": message},
    "/merge": {"POST": merge},
}
NUMBERED: dict[str, tuple[int, dict[str, Handler]]] = {  # with the highest number that is allowed
    "/bytes/": (answers.MAX_BODY_BYTES, {"GET": pattern}),
    "/stream/": (answers.MAX_CHUNKS, {"GET": stream}),
    "/sse/": (answers.MAX_CHUNKS, {"GET": server_sent_events}),
    "/blocks/": (work.MAX_BLOCKS, {"GET": blocks}),
    "/delay/": (answers.MAX_DELAY_MS, {"GET": delay}),
    "/queries/": (work.MAX_SEED, {"GET": query}),
    "/tokens/": (10**answers.MAX_DIGITS - 1, {"GET": tokens}),
    "/sent/": (10**answers.MAX_DIGITS - 1, {"GET": sent}),
    "/cpu/": (answers.MAX_STEPS, {"GET": cpu}),
    "/items/": (10**answers.MAX_DIGITS - 1, {"GET": get_item, "PUT": put_item, "DELETE": delete_item}),
}


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The WSGI application (PEP 3333)."""
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
    if isinstance(body, answers.File):
        send_file = environ.get("wsgi.file_wrapper")
        return work.read_file() if send_file is None else send_file(open(body.path, "rb"))  # noqa: PTH123
    return (body,) if isinstance(body, bytes) else body
