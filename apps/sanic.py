"""Sanic in its ASGI mode: the reference app's routes in the style of its documentation.

It needs the lifespan protocol, which daphne does not have. It passes its headers to the server as an iterator, which
gunicorn's ASGI worker has used up after its checks (seen with Sanic 25.12 and gunicorn 27.0).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sanic import Sanic
from sanic.exceptions import NotFound
from sanic.response import empty, file_stream, json, raw, text

from apps import _work as work
from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from sanic import HTTPResponse, Request, Websocket
    from sanic.response import ResponseStream

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


@app.get("/delay/<ms:int>")
async def delay(_request: Request, ms: int) -> HTTPResponse:
    await asyncio.sleep(ms / 1000)
    return json({"ms": ms})


@app.get("/queries/<seed:int>")
async def queries(_request: Request, seed: int) -> HTTPResponse:
    return json(await work.query(seed))


@app.post("/digest")
async def digest(request: Request) -> HTTPResponse:
    found = work.Digest()
    found.add(request.body)
    return json(found.describe())


@app.get("/bytes/<size:int>")
async def pattern(_request: Request, size: int) -> HTTPResponse:
    return raw(work.make_pattern(size))


@app.get("/blocks/<count:int>")
async def blocks(request: Request, count: int) -> None:
    response = await request.respond(content_type="application/octet-stream")
    for _ in range(count):
        await response.send(work.BLOCK)
    await response.eof()


@app.get("/file")
async def file(_request: Request) -> ResponseStream:
    return await file_stream(work.open_file(), chunk_size=work.BLOCK_BYTES, mime_type="application/octet-stream")


@app.get("/tokens/<number:int>")
async def tokens(request: Request, number: int) -> None:
    response = await request.respond(content_type="text/event-stream")
    async for event in work.streams.send(number):
        await response.send(event)
    await response.eof()


@app.get("/sent/<number:int>")
async def sent(_request: Request, number: int) -> HTTPResponse:
    return json(work.streams.describe(number))


@app.get("/page")
async def page(_request: Request) -> HTTPResponse:
    return raw(work.compress_page(), content_type="application/json", headers={"content-encoding": "gzip"})


@app.get("/session")
async def session(request: Request) -> HTTPResponse:
    visits, cookie = work.visit(request.cookies.get("session"))
    response = json(visits, headers={"x-request-id": work.new_request_id()})
    response.add_cookie("session", cookie, httponly=True, secure=False)
    return response


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


@app.websocket("/ws/broadcast")
async def broadcast(_request: Request, websocket: Websocket) -> None:
    work.room.join(websocket.send)
    try:
        while (said := await websocket.recv()) is not None:
            await work.room.tell(said)
    finally:
        work.room.leave(websocket.send)
