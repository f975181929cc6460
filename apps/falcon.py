"""Falcon's ASGI app: the reference app's routes in the style of its documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import falcon
from falcon.asgi import App

from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from falcon.asgi import Request, Response, WebSocket

REQUIRES = ("falcon>=4",)
ON_TRIO = ("plaintext", "json", "echo", "stream", "items")

items: Items[dict[str, Any]] = Items()


class Plaintext:
    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "Hello, World!"


class Json:
    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.media = {"message": "Hello, World!"}


class Echo:
    async def on_post(self, req: Request, resp: Response) -> None:
        resp.content_type = req.content_type
        resp.data = await req.stream.read()


class Stream:
    async def on_get(self, _req: Request, resp: Response, count: int) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for number in range(count):
                yield chunk(number)

        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = chunks()


class Scope:
    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.media = process()


class ItemList:
    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.media = items.newest()

    async def on_post(self, req: Request, resp: Response) -> None:
        fields = await req.get_media()
        item_id = items.new_id()
        items[item_id] = {**fields, "id": item_id}
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/items/{item_id}"
        resp.media = items[item_id]


class OneItem:
    async def on_get(self, _req: Request, resp: Response, item_id: int) -> None:
        if item_id not in items:
            raise falcon.HTTPNotFound
        resp.media = items[item_id]

    async def on_put(self, req: Request, resp: Response, item_id: int) -> None:
        item = {**await req.get_media(), "id": item_id}
        resp.status = falcon.HTTP_OK if item_id in items else falcon.HTTP_CREATED
        items[item_id] = item
        resp.media = item

    async def on_delete(self, _req: Request, resp: Response, item_id: int) -> None:
        if items.pop(item_id, None) is None:
            raise falcon.HTTPNotFound
        resp.status = falcon.HTTP_NO_CONTENT


class WebSocketEcho:
    async def on_websocket(self, _req: Request, ws: WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send_text(await ws.receive_text())
        except falcon.WebSocketDisconnected:
            return


app = App()
app.add_route("/plaintext", Plaintext())
app.add_route("/json", Json())
app.add_route("/echo", Echo())
app.add_route("/stream/{count:int}", Stream())
app.add_route("/scope", Scope())
app.add_route("/items", ItemList())
app.add_route("/items/{item_id:int}", OneItem())
app.add_route("/ws/echo", WebSocketEcho())
