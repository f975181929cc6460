"""Litestar: the reference app's routes in the style of its documentation, with typed input and output.

After a stream it waits for `http.disconnect`, which gunicorn's ASGI worker sends only when the client disconnects: the
seventeenth stream on one connection gets no answer there (seen with Litestar 2.25 and gunicorn 27.0).
"""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - Litestar reads annotations at run time
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, MediaType, Request, Response, delete, get, post, put, websocket_listener
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody, RawBody  # noqa: TC002 - the same
from litestar.response import Stream

from apps._common import Items, chunk, process

REQUIRES = ("litestar>=2.25",)
ON_TRIO = ("plaintext", "json", "echo", "stream", "items", "ws_echo")


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


app = Litestar(
    route_handlers=[
        plaintext,
        message,
        echo,
        stream,
        scope,
        list_items,
        create_item,
        get_item,
        put_item,
        delete_item,
        websocket_echo,
    ]
)
