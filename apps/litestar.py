"""Litestar: the reference app's routes in the style of its documentation, with typed input and output.

After a stream it waits for `http.disconnect`, which gunicorn's ASGI worker sends only when the client disconnects: the
seventeenth stream on one connection gets no answer there (seen with Litestar 2.25 and gunicorn 27.0).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator  # noqa: TC003 - Litestar reads annotations at run time
from dataclasses import dataclass
from typing import Any

from litestar import (
    Litestar,
    MediaType,
    Request,
    Response,
    WebSocket,
    delete,
    get,
    post,
    put,
    websocket,
    websocket_listener,
)
from litestar.exceptions import NotFoundException, WebSocketDisconnect
from litestar.params import FromPath, JSONBody, RawBody  # noqa: TC002 - the same
from litestar.response import File, Stream

from apps import _work as work
from apps._common import Items, chunk, process

REQUIRES = ("litestar>=2.25",)
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


items: Items[Item] = Items()


@get("/plaintext", media_type=MediaType.TEXT)
async def plaintext() -> str:
    return "Hello, World!"


@get("/json")
async def message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    return Response(body, media_type=request.headers.get("content-type"))


@get("/stream/{count:int}")
async def stream(count: FromPath[int]) -> Stream:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(count):
            yield chunk(number)

    return Stream(chunks(), media_type="text/plain")


@get("/delay/{ms:int}")
async def delay(ms: FromPath[int]) -> dict[str, int]:
    await asyncio.sleep(ms / 1000)
    return {"ms": ms}


@get("/queries/{seed:int}")
async def queries(seed: FromPath[int]) -> dict[str, Any]:
    return await work.query(seed)


@post("/digest", status_code=200)
async def digest(request: Request[Any, Any, Any]) -> dict[str, Any]:
    found = work.Digest()
    async for part in request.stream():
        found.add(part)
    return found.describe()


@get("/bytes/{size:int}")
async def pattern(size: FromPath[int]) -> Response[bytes]:
    return Response(work.make_pattern(size), media_type="application/octet-stream")


@get("/blocks/{count:int}")
async def blocks(count: FromPath[int]) -> Stream:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield work.BLOCK

    return Stream(chunks(), media_type="application/octet-stream")


@get("/file")
async def file() -> File:
    return File(work.open_file(), media_type="application/octet-stream")


@get("/tokens/{number:int}")
async def tokens(number: FromPath[int]) -> Stream:
    return Stream(work.streams.send(number), media_type="text/event-stream")


@get("/sent/{number:int}")
async def sent(number: FromPath[int]) -> dict[str, Any]:
    return work.streams.describe(number)


@get("/page")
async def page() -> Response[bytes]:
    return Response(work.compress_page(), media_type="application/json", headers={"content-encoding": "gzip"})


@get("/session")
async def session(request: Request[Any, Any, Any]) -> Response[dict[str, int]]:
    visits, cookie = work.visit(request.cookies.get("session"))
    response = Response(visits, headers={"x-request-id": work.new_request_id()})
    response.set_cookie("session", cookie, httponly=True)
    return response


@get("/scope")
async def scope() -> dict[str, Any]:
    return process()


@get("/items")
async def list_items() -> list[Item]:
    return items.newest()


@post("/items")
async def create_item(data: JSONBody[NewItem]) -> Response[Item]:
    item = Item(data.name, items.new_id())
    items[item.id] = item
    return Response(item, headers={"location": f"/items/{item.id}"})


@get("/items/{item_id:int}")
async def get_item(item_id: FromPath[int]) -> Item:
    if item_id not in items:
        raise NotFoundException
    return items[item_id]


@put("/items/{item_id:int}")
async def put_item(item_id: FromPath[int], data: JSONBody[NewItem]) -> Response[Item]:
    status = 200 if item_id in items else 201
    items[item_id] = Item(data.name, item_id)
    return Response(items[item_id], status_code=status)


@delete("/items/{item_id:int}")
async def delete_item(item_id: FromPath[int]) -> None:
    if items.pop(item_id, None) is None:
        raise NotFoundException


@websocket_listener("/ws/echo")
async def websocket_echo(data: str) -> str:
    return data


@websocket("/ws/broadcast")
async def broadcast(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    work.room.join(socket.send_text)
    try:
        while True:
            await work.room.tell(await socket.receive_text())
    except WebSocketDisconnect:
        return
    finally:
        work.room.leave(socket.send_text)


app = Litestar(
    route_handlers=[
        plaintext,
        message,
        echo,
        stream,
        delay,
        queries,
        digest,
        pattern,
        blocks,
        file,
        tokens,
        sent,
        page,
        session,
        scope,
        list_items,
        create_item,
        get_item,
        put_item,
        delete_item,
        websocket_echo,
        broadcast,
    ]
)
