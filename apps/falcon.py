"""Falcon's ASGI app: the reference app's routes in the style of its documentation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import falcon
from falcon.asgi import App

from apps import _work as work
from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from falcon.asgi import Request, Response, WebSocket

REQUIRES = ("falcon>=4",)
# fmt: off
SCENARIOS = (
    "plaintext", "json", "echo", "stream", "items", "churn", "wait", "database", "upload", "download", "tokens",
    "gzip", "cookies", "hold", "ws_echo", "ws_hold", "broadcast",
)
# fmt: on
# fmt: off
ON_TRIO = (
    "plaintext", "json", "echo", "stream", "items", "churn", "upload", "download", "gzip", "cookies", "hold",
)
# fmt: on

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


class Delay:
    async def on_get(self, _req: Request, resp: Response, ms: int) -> None:
        await asyncio.sleep(ms / 1000)
        resp.media = {"ms": ms}


class Queries:
    async def on_get(self, _req: Request, resp: Response, seed: int) -> None:
        resp.media = await work.query(seed)


class Digest:
    async def on_post(self, req: Request, resp: Response) -> None:
        found = work.Digest()
        async for part in req.stream:
            found.add(part)
        resp.media = found.describe()


class Pattern:
    async def on_get(self, _req: Request, resp: Response, size: int) -> None:
        resp.content_type = "application/octet-stream"
        resp.data = work.make_pattern(size)


class Blocks:
    async def on_get(self, _req: Request, resp: Response, count: int) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(count):
                yield work.BLOCK

        resp.content_type = "application/octet-stream"
        resp.stream = chunks()


class Tokens:
    async def on_get(self, _req: Request, resp: Response, number: int) -> None:
        resp.content_type = "text/event-stream"
        resp.stream = work.streams.send(number)


class Sent:
    async def on_get(self, _req: Request, resp: Response, number: int) -> None:
        resp.media = work.streams.describe(number)


class Page:
    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.data = work.compress_page()
        resp.set_header("content-encoding", "gzip")


class Session:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media, cookie = work.visit(req.cookies.get("session"))
        resp.set_cookie("session", cookie, http_only=True, secure=False)
        resp.set_header("x-request-id", work.new_request_id())


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


class Broadcast:
    async def on_websocket(self, _req: Request, ws: WebSocket) -> None:
        await ws.accept()
        work.room.join(ws.send_text)
        try:
            while True:
                await work.room.tell(await ws.receive_text())
        except falcon.WebSocketDisconnected:
            return
        finally:
            work.room.leave(ws.send_text)


app = App()
app.add_route("/plaintext", Plaintext())
app.add_route("/json", Json())
app.add_route("/echo", Echo())
app.add_route("/stream/{count:int}", Stream())
app.add_route("/delay/{ms:int}", Delay())
app.add_route("/queries/{seed:int}", Queries())
app.add_route("/digest", Digest())
app.add_route("/bytes/{size:int}", Pattern())
app.add_route("/blocks/{count:int}", Blocks())
app.add_route("/tokens/{number:int}", Tokens())
app.add_route("/sent/{number:int}", Sent())
app.add_route("/page", Page())
app.add_route("/session", Session())
app.add_route("/scope", Scope())
app.add_route("/items", ItemList())
app.add_route("/items/{item_id:int}", OneItem())
app.add_route("/ws/echo", WebSocketEcho())
app.add_route("/ws/broadcast", Broadcast())
