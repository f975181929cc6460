"""Flask, a WSGI framework, behind a2wsgi's bridge: the reference app's routes in the style of Flask's documentation.

It has no WebSocket. The bridge runs the views on ten threads. It expects that `receive()` returns a coroutine, but
granian returns another awaitable: every POST would be a 500. `asgiref.wsgi.WsgiToAsgi` is not an alternative: since
asgiref 3.9 it answers 500 to requests on a connection that is kept alive under uvicorn and daphne
(https://github.com/django/asgiref/issues/491), and it has only one thread.
"""

from __future__ import annotations

import time
from itertools import repeat
from typing import TYPE_CHECKING, Any

from a2wsgi import WSGIMiddleware
from flask import Flask, Response, abort, jsonify, request, send_file

from apps import _work as work
from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Receive = Callable[[], Awaitable[Any]]

REQUIRES = ("flask>=3", "a2wsgi>=1.10")
# fmt: off
SCENARIOS = (
    "plaintext", "json", "echo", "stream", "items", "churn", "wait", "database", "upload", "download", "file", "tokens",
    "gzip", "cookies", "hold",
)
# fmt: on
WSGI_TWIN = "apps.flask:wsgi_app"

wsgi_app = Flask(__name__)
items: Items[dict[str, Any]] = Items()


@wsgi_app.get("/plaintext")
def plaintext() -> Response:
    return Response("Hello, World!", content_type="text/plain")


@wsgi_app.get("/json")
def message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@wsgi_app.post("/echo")
def echo() -> Response:
    return Response(request.get_data(), content_type=request.content_type)


@wsgi_app.get("/stream/<int:count>")
def stream(count: int) -> tuple[Iterator[bytes], dict[str, str]]:
    return map(chunk, range(count)), {"content-type": "text/plain"}


@wsgi_app.get("/delay/<int:ms>")
def delay(ms: int) -> dict[str, int]:
    time.sleep(ms / 1000)
    return {"ms": ms}


@wsgi_app.get("/queries/<int:seed>")
def queries(seed: int) -> dict[str, Any]:
    return work.query_blocking(seed)


@wsgi_app.post("/digest")
def digest() -> dict[str, Any]:
    found = work.Digest()
    while part := request.stream.read(work.BLOCK_BYTES):
        found.add(part)
    return found.describe()


@wsgi_app.get("/bytes/<int:size>")
def pattern(size: int) -> Response:
    return Response(work.make_pattern(size), content_type="application/octet-stream")


@wsgi_app.get("/blocks/<int:count>")
def blocks(count: int) -> tuple[Iterator[bytes], dict[str, str]]:
    return repeat(work.BLOCK, count), {"content-type": "application/octet-stream"}


@wsgi_app.get("/file")
def file() -> Response:
    return send_file(work.open_file(), mimetype="application/octet-stream")


@wsgi_app.get("/tokens/<int:number>")
def tokens(number: int) -> tuple[Iterator[bytes], dict[str, str]]:
    return work.streams.send_blocking(number), {"content-type": "text/event-stream"}


@wsgi_app.get("/sent/<int:number>")
def sent(number: int) -> dict[str, Any]:
    return work.streams.describe(number)


@wsgi_app.get("/page")
def page() -> Response:
    return Response(work.compress_page(), content_type="application/json", headers={"content-encoding": "gzip"})


@wsgi_app.get("/session")
def session() -> Response:
    visits, cookie = work.visit(request.cookies.get("session"))
    response = jsonify(visits)
    response.set_cookie("session", cookie, httponly=True)
    response.headers["x-request-id"] = work.new_request_id()
    return response


@wsgi_app.get("/scope")
def scope() -> dict[str, Any]:
    return process()


@wsgi_app.get("/items")
def list_items() -> list[dict[str, Any]]:
    return items.newest()


@wsgi_app.post("/items")
def create_item() -> tuple[dict[str, Any], int, dict[str, str]]:
    fields = request.get_json()
    item_id = items.new_id()
    items[item_id] = {**fields, "id": item_id}
    return items[item_id], 201, {"location": f"/items/{item_id}"}


@wsgi_app.get("/items/<int:item_id>")
def get_item(item_id: int) -> dict[str, Any]:
    item = items.get(item_id)
    if item is None:
        abort(404)
    return item


@wsgi_app.put("/items/<int:item_id>")
def put_item(item_id: int) -> tuple[dict[str, Any], int]:
    item = {**request.get_json(), "id": item_id}
    status = 200 if item_id in items else 201
    items[item_id] = item
    return item, status


@wsgi_app.delete("/items/<int:item_id>")
def delete_item(item_id: int) -> tuple[str, int]:
    if items.pop(item_id, None) is None:
        abort(404)
    return "", 204


bridge = WSGIMiddleware(wsgi_app)


async def app(scope: Any, receive: Receive, send: Any) -> None:
    """The bridge, with a `receive()` that returns a coroutine under every server."""

    async def received() -> Any:
        return await receive()

    await bridge(scope, received, send)
