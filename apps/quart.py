"""Quart: the reference app's routes in the style of its documentation.

It needs the scheme in the scope of a WebSocket, which the ASGI specification makes optional and daphne omits: a
handshake is a 500 there (seen with Quart 0.22 and daphne 4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Quart, Response, abort, request, websocket

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
