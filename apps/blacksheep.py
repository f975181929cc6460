"""BlackSheep: the reference app's routes in the style of its documentation, with typed input and output."""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - BlackSheep reads annotations at run time
from dataclasses import dataclass

from blacksheep import (
    Application,
    Content,
    FromJSON,
    Request,
    Response,
    StreamedContent,
    WebSocket,
    WebSocketDisconnectError,
    created,
    json,
    no_content,
    not_found,
    text,
)

from apps._common import Items, chunk, process

REQUIRES = ("blacksheep>=2",)
ON_TRIO = ("plaintext", "json", "echo", "stream", "items", "ws_echo")


@dataclass
class NewItem:
    name: str


@dataclass
class Item:
    name: str
    id: int


app = Application()
items: Items[Item] = Items()


@app.router.get("/plaintext")
async def plaintext() -> Response:
    return text("Hello, World!")


@app.router.get("/json")
async def message() -> Response:
    return json({"message": "Hello, World!"})


@app.router.post("/echo")
async def echo(request: Request) -> Response:
    return Response(200, content=Content(request.content_type(), await request.read() or b""))


@app.router.get("/stream/{int:count}")
async def stream(count: int) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(count):
            yield chunk(number)

    return Response(200, content=StreamedContent(b"text/plain", chunks))


@app.router.get("/scope")
async def scope() -> Response:
    return json(process())


@app.router.get("/items")
async def list_items() -> Response:
    return json(items.newest())


@app.router.post("/items")
async def create_item(new: FromJSON[NewItem]) -> Response:
    item = Item(new.value.name, items.new_id())
    items[item.id] = item
    return created(item, f"/items/{item.id}")


@app.router.get("/items/{int:item_id}")
async def get_item(item_id: int) -> Response:
    return json(items[item_id]) if item_id in items else not_found()


@app.router.put("/items/{int:item_id}")
async def put_item(item_id: int, new: FromJSON[NewItem]) -> Response:
    status = 200 if item_id in items else 201
    items[item_id] = Item(new.value.name, item_id)
    return json(items[item_id], status)


@app.router.delete("/items/{int:item_id}")
async def delete_item(item_id: int) -> Response:
    return not_found() if items.pop(item_id, None) is None else no_content()


@app.router.ws("/ws/echo")
async def websocket_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnectError:
        return
