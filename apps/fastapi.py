"""FastAPI: the reference app's routes in the style of its documentation, with models for input and output."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Cookie, FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel

from apps import _work as work
from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUIRES = ("fastapi>=0.165",)
# fmt: off
ON_TRIO = (
    "plaintext", "json", "echo", "stream", "items", "churn", "upload", "download", "gzip", "cookies", "hold", "ws_echo",
    "ws_hold", "broadcast",
)
# fmt: on


class Message(BaseModel):
    message: str


class NewItem(BaseModel):
    name: str


class Item(NewItem):
    id: int


app = FastAPI()
items: Items[Item] = Items()


@app.get("/plaintext", response_class=PlainTextResponse)
async def plaintext() -> str:
    return "Hello, World!"


@app.get("/json")
async def message() -> Message:
    return Message(message="Hello, World!")


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers.get("content-type"))


@app.get("/stream/{count}")
async def stream(count: int) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(count):
            yield chunk(number)

    return StreamingResponse(chunks(), media_type="text/plain")


@app.get("/delay/{ms}")
async def delay(ms: int) -> dict[str, int]:
    await asyncio.sleep(ms / 1000)
    return {"ms": ms}


@app.get("/queries/{seed}")
async def queries(seed: int) -> dict[str, Any]:
    return await work.query(seed)


@app.post("/digest")
async def digest(request: Request) -> dict[str, Any]:
    found = work.Digest()
    async for part in request.stream():
        found.add(part)
    return found.describe()


@app.get("/bytes/{size}")
async def pattern(size: int) -> Response:
    return Response(work.make_pattern(size), media_type="application/octet-stream")


@app.get("/blocks/{count}")
async def blocks(count: int) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield work.BLOCK

    return StreamingResponse(chunks(), media_type="application/octet-stream")


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(work.open_file(), media_type="application/octet-stream")


@app.get("/tokens/{number}")
async def tokens(number: int) -> StreamingResponse:
    return StreamingResponse(work.streams.send(number), media_type="text/event-stream")


@app.get("/sent/{number}")
async def sent(number: int) -> dict[str, Any]:
    return work.streams.describe(number)


@app.get("/page")
async def page() -> Response:
    return Response(work.compress_page(), media_type="application/json", headers={"content-encoding": "gzip"})


@app.get("/session")
async def session(response: Response, session: Annotated[str | None, Cookie()] = None) -> dict[str, int]:
    visits, cookie = work.visit(session)
    response.set_cookie("session", cookie, httponly=True)
    response.headers["x-request-id"] = work.new_request_id()
    return visits


@app.get("/scope")
async def scope() -> dict[str, Any]:
    return process()


@app.get("/items")
async def list_items() -> list[Item]:
    return items.newest()


@app.post("/items", status_code=201)
async def create_item(new: NewItem, response: Response) -> Item:
    item = Item(id=items.new_id(), **new.model_dump())
    items[item.id] = item
    response.headers["location"] = f"/items/{item.id}"
    return item


@app.get("/items/{item_id}")
async def get_item(item_id: int) -> Item:
    if item_id not in items:
        raise HTTPException(404)
    return items[item_id]


@app.put("/items/{item_id}")
async def put_item(item_id: int, new: NewItem, response: Response) -> Item:
    if item_id not in items:
        response.status_code = 201
    items[item_id] = Item(id=item_id, **new.model_dump())
    return items[item_id]


@app.delete("/items/{item_id}", status_code=204)
async def delete_item(item_id: int) -> None:
    if items.pop(item_id, None) is None:
        raise HTTPException(404)


@app.websocket("/ws/echo")
async def websocket_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        return


@app.websocket("/ws/broadcast")
async def broadcast(websocket: WebSocket) -> None:
    await websocket.accept()
    work.room.join(websocket.send_text)
    try:
        while True:
            await work.room.tell(await websocket.receive_text())
    except WebSocketDisconnect:
        return
    finally:
        work.room.leave(websocket.send_text)
