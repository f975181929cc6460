"""BlackSheep: the reference app's routes in the style of its documentation, with typed input and output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator  # noqa: TC003 - BlackSheep reads annotations at run time
from dataclasses import dataclass
from functools import partial

from blacksheep import (
    Application,
    Content,
    Cookie,
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

from apps import _work as work
from apps._common import Items, chunk, process

REQUIRES = ("blacksheep>=2",)
# fmt: off
SCENARIOS = (
    "plaintext", "json", "echo", "stream", "items", "churn", "wait", "database", "upload", "download", "tokens",
    "gzip", "cookies", "hold", "ws_echo", "ws_hold", "broadcast",
)
# fmt: on
# fmt: off
ON_TRIO = (
    "plaintext", "json", "echo", "stream", "items", "churn", "upload", "download", "gzip", "cookies", "hold", "ws_echo",
    "ws_hold", "broadcast",
)
# fmt: on


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


@app.router.get("/delay/{int:ms}")
async def delay(ms: int) -> Response:
    await asyncio.sleep(ms / 1000)
    return json({"ms": ms})


@app.router.get("/queries/{int:seed}")
async def queries(seed: int) -> Response:
    return json(await work.query(seed))


@app.router.post("/digest")
async def digest(request: Request) -> Response:
    found = work.Digest()
    async for part in request.stream():
        found.add(part)
    return json(found.describe())


@app.router.get("/bytes/{int:size}")
async def pattern(size: int) -> Response:
    return Response(200, content=Content(b"application/octet-stream", work.make_pattern(size)))


@app.router.get("/blocks/{int:count}")
async def blocks(count: int) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield work.BLOCK

    return Response(200, content=StreamedContent(b"application/octet-stream", chunks))


@app.router.get("/tokens/{int:number}")
async def tokens(number: int) -> Response:
    return Response(200, content=StreamedContent(b"text/event-stream", partial(work.streams.send, number)))


@app.router.get("/sent/{int:number}")
async def sent(number: int) -> Response:
    return json(work.streams.describe(number))


@app.router.get("/page")
async def page() -> Response:
    headers = [(b"content-encoding", b"gzip")]
    return Response(200, headers, Content(b"application/json", work.compress_page()))


@app.router.get("/session")
async def session(request: Request) -> Response:
    visits, cookie = work.visit(request.get_cookie("session"))
    response = json(visits)
    response.set_cookie(Cookie("session", cookie, http_only=True))
    response.add_header(b"x-request-id", work.new_request_id().encode())
    return response


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


@app.router.ws("/ws/broadcast")
async def broadcast(websocket: WebSocket) -> None:
    await websocket.accept()
    work.room.join(websocket.send_text)
    try:
        while True:
            await work.room.tell(await websocket.receive_text())
    except WebSocketDisconnectError:
        return
    finally:
        work.room.leave(websocket.send_text)
