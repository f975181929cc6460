"""Starlette: the reference app's routes in the style of its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket

REQUIRES = ("starlette>=1",)
ON_TRIO = ("plaintext", "json", "echo", "stream", "items", "ws_echo")

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


app = Starlette(
    routes=[
        Route("/plaintext", plaintext),
        Route("/json", message),
        Route("/echo", echo, methods=["POST"]),
        Route("/stream/{count:int}", stream),
        Route("/scope", scope),
        Route("/items", ItemList),
        Route("/items/{item_id:int}", OneItem),
        WebSocketRoute("/ws/echo", Echo),
    ]
)
