"""Sanic in its ASGI mode: the reference app's routes in the style of its documentation.

It needs the lifespan protocol, which daphne does not have. It passes its headers to the server as an iterator, which
gunicorn's ASGI worker has used up after its checks (seen with Sanic 25.12 and gunicorn 27.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanic import Sanic
from sanic.exceptions import NotFound
from sanic.response import empty, json, raw, text

from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from sanic import HTTPResponse, Request, Websocket

REQUIRES = ("sanic>=25",)

app = Sanic("reference")
app.config.ACCESS_LOG = False
items: Items[dict[str, Any]] = Items()


@app.get("/plaintext")
async def plaintext(_request: Request) -> HTTPResponse:
    return text("Hello, World!")


@app.get("/json")
async def message(_request: Request) -> HTTPResponse:
    return json({"message": "Hello, World!"})


@app.post("/echo")
async def echo(request: Request) -> HTTPResponse:
    return raw(request.body, content_type=request.content_type)


@app.get("/stream/<count:int>")
async def stream(request: Request, count: int) -> None:
    response = await request.respond(content_type="text/plain")
    for number in range(count):
        await response.send(chunk(number))
    await response.eof()


@app.get("/scope")
async def scope(_request: Request) -> HTTPResponse:
    return json(process())


@app.get("/items")
async def list_items(_request: Request) -> HTTPResponse:
    return json(items.newest())


@app.post("/items")
async def create_item(request: Request) -> HTTPResponse:
    fields = request.json
    item_id = items.new_id()
    items[item_id] = {**fields, "id": item_id}
    return json(items[item_id], 201, {"location": f"/items/{item_id}"})


@app.get("/items/<item_id:int>")
async def get_item(_request: Request, item_id: int) -> HTTPResponse:
    if item_id not in items:
        raise NotFound
    return json(items[item_id])


@app.put("/items/<item_id:int>")
async def put_item(request: Request, item_id: int) -> HTTPResponse:
    item = {**request.json, "id": item_id}
    status = 200 if item_id in items else 201
    items[item_id] = item
    return json(item, status)


@app.delete("/items/<item_id:int>")
async def delete_item(_request: Request, item_id: int) -> HTTPResponse:
    if items.pop(item_id, None) is None:
        raise NotFound
    return empty()


@app.websocket("/ws/echo")
async def websocket_echo(_request: Request, websocket: Websocket) -> None:
    while (said := await websocket.recv()) is not None:  # under ASGI, None means that the client has disconnected
        await websocket.send(said)
