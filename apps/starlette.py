"""Starlette: the reference app's routes in the style of its documentation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from apps import _work as work
from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

REQUIRES = ("starlette>=1",)
# fmt: off
ON_TRIO = (
    "plaintext", "json", "echo", "stream", "items", "churn", "upload", "download", "gzip", "cookies", "hold", "ws_echo",
    "ws_hold", "broadcast",
)
# fmt: on

items: Items[dict[str, Any]] = Items()


async def plaintext(_request: Request) -> Response:
    return PlainTextResponse("Hello, World!")


async def message(_request: Request) -> Response:
    return JSONResponse({"message": "Hello, World!"})


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers.get("content-type"))


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(request.path_params["count"]):
            yield chunk(number)

    return StreamingResponse(chunks(), media_type="text/plain")


async def delay(request: Request) -> Response:
    ms = request.path_params["ms"]
    await asyncio.sleep(ms / 1000)
    return JSONResponse({"ms": ms})


async def queries(request: Request) -> Response:
    return JSONResponse(await work.query(request.path_params["seed"]))


async def digest(request: Request) -> Response:
    found = work.Digest()
    async for part in request.stream():
        found.add(part)
    return JSONResponse(found.describe())


async def pattern(request: Request) -> Response:
    return Response(work.make_pattern(request.path_params["size"]), media_type="application/octet-stream")


async def blocks(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(request.path_params["count"]):
            yield work.BLOCK

    return StreamingResponse(chunks(), media_type="application/octet-stream")


async def file(_request: Request) -> Response:
    return FileResponse(work.open_file(), media_type="application/octet-stream")


async def tokens(request: Request) -> Response:
    return StreamingResponse(work.streams.send(request.path_params["number"]), media_type="text/event-stream")


async def sent(request: Request) -> Response:
    return JSONResponse(work.streams.describe(request.path_params["number"]))


async def page(_request: Request) -> Response:
    return Response(work.compress_page(), media_type="application/json", headers={"content-encoding": "gzip"})


async def session(request: Request) -> Response:
    visits, cookie = work.visit(request.cookies.get("session"))
    response = JSONResponse(visits, headers={"x-request-id": work.new_request_id()})
    response.set_cookie("session", cookie, httponly=True)
    return response


async def scope(_request: Request) -> Response:
    return JSONResponse(process())


class ItemList(HTTPEndpoint):
    async def get(self, _request: Request) -> Response:
        return JSONResponse(items.newest())

    async def post(self, request: Request) -> Response:
        fields = await request.json()
        item_id = items.new_id()
        items[item_id] = {**fields, "id": item_id}
        return JSONResponse(items[item_id], 201, {"location": f"/items/{item_id}"})


class OneItem(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        item = items.get(request.path_params["item_id"])
        if item is None:
            raise HTTPException(404)
        return JSONResponse(item)

    async def put(self, request: Request) -> Response:
        item_id = request.path_params["item_id"]
        item = {**await request.json(), "id": item_id}
        status = 200 if item_id in items else 201
        items[item_id] = item
        return JSONResponse(item, status)

    async def delete(self, request: Request) -> Response:
        if items.pop(request.path_params["item_id"], None) is None:
            raise HTTPException(404)
        return Response(status_code=204)


class Echo(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await websocket.send_text(data)


class Broadcast(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        work.room.join(websocket.send_text)

    async def on_receive(self, _websocket: WebSocket, data: str) -> None:
        await work.room.tell(data)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:  # noqa: ARG002 - Starlette calls it so
        work.room.leave(websocket.send_text)


app = Starlette(
    routes=[
        Route("/plaintext", plaintext),
        Route("/json", message),
        Route("/echo", echo, methods=["POST"]),
        Route("/stream/{count:int}", stream),
        Route("/delay/{ms:int}", delay),
        Route("/queries/{seed:int}", queries),
        Route("/digest", digest, methods=["POST"]),
        Route("/bytes/{size:int}", pattern),
        Route("/blocks/{count:int}", blocks),
        Route("/file", file),
        Route("/tokens/{number:int}", tokens),
        Route("/sent/{number:int}", sent),
        Route("/page", page),
        Route("/session", session),
        Route("/scope", scope),
        Route("/items", ItemList),
        Route("/items/{item_id:int}", OneItem),
        WebSocketRoute("/ws/echo", Echo),
        WebSocketRoute("/ws/broadcast", Broadcast),
    ]
)
