"""Quart: the reference app's routes in the style of its documentation.

It needs the scheme in the scope of a WebSocket, which the ASGI specification makes optional and daphne omits: a
handshake is a 500 there (seen with Quart 0.22 and daphne 4.2).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from quart import Quart, Response, abort, request, send_file, websocket

from apps import _work as work
from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUIRES = ("quart>=0.22",)

app = Quart(__name__)
items: Items[dict[str, Any]] = Items()


@app.get("/plaintext")
async def plaintext() -> Response:
    return Response("Hello, World!", content_type="text/plain")


@app.get("/json")
async def message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@app.post("/echo")
async def echo() -> Response:
    return Response(await request.get_data(), content_type=request.content_type)


@app.get("/stream/<int:count>")
async def stream(count: int) -> tuple[AsyncIterator[bytes], dict[str, str]]:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(count):
            yield chunk(number)

    return chunks(), {"content-type": "text/plain"}


@app.get("/delay/<int:ms>")
async def delay(ms: int) -> dict[str, int]:
    await asyncio.sleep(ms / 1000)
    return {"ms": ms}


@app.get("/queries/<int:seed>")
async def queries(seed: int) -> dict[str, Any]:
    return await work.query(seed)


@app.post("/digest")
async def digest() -> dict[str, Any]:
    found = work.Digest()
    async for part in request.body:
        found.add(part)
    return found.describe()


@app.get("/bytes/<int:size>")
async def pattern(size: int) -> Response:
    return Response(work.make_pattern(size), content_type="application/octet-stream")


@app.get("/blocks/<int:count>")
async def blocks(count: int) -> tuple[AsyncIterator[bytes], dict[str, str]]:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield work.BLOCK

    return chunks(), {"content-type": "application/octet-stream"}


@app.get("/file")
async def file() -> Response:
    return await send_file(work.open_file(), mimetype="application/octet-stream")


@app.get("/tokens/<int:number>")
async def tokens(number: int) -> tuple[AsyncIterator[bytes], dict[str, str]]:
    return work.streams.send(number), {"content-type": "text/event-stream"}


@app.get("/sent/<int:number>")
async def sent(number: int) -> dict[str, Any]:
    return work.streams.describe(number)


@app.get("/page")
async def page() -> Response:
    return Response(work.compress_page(), content_type="application/json", headers={"content-encoding": "gzip"})


@app.get("/session")
async def session() -> Response:
    visits, cookie = work.visit(request.cookies.get("session"))
    response = await app.make_response(visits)
    response.set_cookie("session", cookie, httponly=True)
    response.headers["x-request-id"] = work.new_request_id()
    return response


@app.get("/scope")
async def scope() -> dict[str, Any]:
    return process()


@app.get("/items")
async def list_items() -> list[dict[str, Any]]:
    return items.newest()


@app.post("/items")
async def create_item() -> tuple[dict[str, Any], int, dict[str, str]]:
    fields = await request.get_json()
    item_id = items.new_id()
    items[item_id] = {**fields, "id": item_id}
    return items[item_id], 201, {"location": f"/items/{item_id}"}


@app.get("/items/<int:item_id>")
async def get_item(item_id: int) -> dict[str, Any]:
    if item_id not in items:
        abort(404)
    return items[item_id]


@app.put("/items/<int:item_id>")
async def put_item(item_id: int) -> tuple[dict[str, Any], int]:
    item = {**await request.get_json(), "id": item_id}
    status = 200 if item_id in items else 201
    items[item_id] = item
    return item, status


@app.delete("/items/<int:item_id>")
async def delete_item(item_id: int) -> tuple[str, int]:
    if items.pop(item_id, None) is None:
        abort(404)
    return "", 204


@app.websocket("/ws/echo")
async def websocket_echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/ws/broadcast")
async def broadcast() -> None:
    send = websocket._get_current_object().send  # noqa: SLF001 - in other tasks, `websocket` is another one
    work.room.join(send)
    try:
        while True:
            await work.room.tell(await websocket.receive())
    finally:
        work.room.leave(send)
