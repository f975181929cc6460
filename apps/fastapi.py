"""FastAPI: the reference app's routes in the style of its documentation, with models for input and output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel

from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REQUIRES = ("fastapi>=0.165",)
ON_TRIO = ("plaintext", "json", "echo", "stream", "items", "ws_echo")


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
