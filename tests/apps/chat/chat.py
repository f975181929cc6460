"""Chat rooms in Starlette: a WebSocket for each member, messages by HTTP, and all messages as server-sent events."""

import asyncio
import itertools
import json
import os
import time
from collections import defaultdict, deque
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

SUBPROTOCOL = "chat.v1"
QUIET_S = float(os.environ.get("CHAT_QUIET_S", "0.05"))
"""After this time without a message, a comment keeps a stream of events alive."""
NEWEST = 10
"""A room keeps so many messages."""
_LOG = Path("seen.log").open("ab", buffering=0)  # noqa: SIM115 - open as long as the process runs


class Room:
    """The newest messages, and a queue for each member and each reader."""

    def __init__(self):
        self.messages = deque(maxlen=NEWEST)
        self.queues = set()
        self._numbers = itertools.count(1)
        self.publish("This room is new.")

    def publish(self, text):
        message = {"id": next(self._numbers), "text": text}
        self.messages.append(message)
        for queue in self.queues:
            queue.put_nowait(message)
        return message

    def join(self):
        queue = asyncio.Queue()
        self.queues.add(queue)
        return queue


rooms = defaultdict(Room)


def log_seen(came_ns, what, path, status):
    """Lines of several processes do not mix, since each is written at once."""
    _LOG.write(f"{came_ns} {what} {path} {status}\n".encode())


class SeenLog:
    """The app's own log: a line for each request, with the monotonic time in ns at which it came, and the answer."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        came_ns, status = time.monotonic_ns(), 0

        async def keep_status(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, keep_status)
        finally:
            log_seen(came_ns, scope["method"], scope["path"], status)


async def health(request):
    return JSONResponse({"status": "ok"})


async def read_room(request):
    room = rooms[request.path_params["room"]]
    return JSONResponse({"members": len(room.queues), "messages": list(room.messages)})


async def say(request):
    """Publish a message to all members and readers of the room."""
    text = (await request.json())["text"]
    return JSONResponse(rooms[request.path_params["room"]].publish(text), status_code=201)


async def stream_events(request):
    """The newest messages, then each new one, without end."""
    room = rooms[request.path_params["room"]]

    async def events():
        queue = room.join()
        try:
            for message in list(room.messages):
                yield f"id: {message['id']}\ndata: {json.dumps(message)}\n\n"
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), QUIET_S)
                    yield f"id: {message['id']}\ndata: {json.dumps(message)}\n\n"
                except TimeoutError:
                    yield ": quiet\n\n"
        finally:
            room.queues.discard(queue)

    return StreamingResponse(events(), media_type="text/event-stream")


async def join_room(websocket):
    """Greet the member, then publish what it says and send it what all say."""
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
    name = websocket.path_params["room"]
    room = rooms[name]
    queue = room.join()
    await websocket.send_json({"type": "welcome", "room": name})

    async def forward():
        while True:
            await websocket.send_json({"type": "message", **await queue.get()})

    forwarding = asyncio.create_task(forward())
    try:
        while True:
            said = await websocket.receive_json()
            log_seen(time.monotonic_ns(), "SAY", websocket.url.path, 0)
            room.publish(said["text"])
    except WebSocketDisconnect:
        pass
    finally:
        forwarding.cancel()
        room.queues.discard(queue)


app = SeenLog(
    Starlette(
        routes=[
            Route("/health", health),
            Route("/rooms/{room}", read_room),
            Route("/rooms/{room}/messages", say, methods=["POST"]),
            Route("/rooms/{room}/events", stream_events),
            WebSocketRoute("/rooms/{room}/ws", join_room),
        ]
    )
)
