"""The app that servers are checked with: each route does one thing that a server has to carry or to survive.

A request has a marker, `?marker=…`: the app notes what it sees under the marker, and the names of gates contain it. The
app runs in the server's process, on an interpreter that may have the standard library only.

Environment: PROBE_FOLDER, the folder for notes and gates. PROBE_LIFESPAN: `slow` for a start-up that takes a while,
`fail` for one that reports its failure, `raise` for an app without lifespan, and `waits` for a shutdown that waits at
the gate `lifespan`. PROBE_IMPORT: `fail` for an app whose import fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from . import websocket
from .notes import Notes, given_within, pause

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

SLOW_S = 0.3
"""The duration of a slow start-up; a server that does not wait for it would answer within this time."""
CANCELLED_S = 0.05
"""The app waits this long for receive() before it cancels it."""
BLOCK_BYTES = 65_536
LIFESPAN = "lifespan"
"""The marker for events of the lifespan."""

notes = Notes(Path(os.environ["PROBE_FOLDER"]))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a lifespan, a WebSocket or an HTTP request."""
    if scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await websocket.serve(scope, receive, send, notes)
    else:
        await _Exchange(scope, receive, send).answer()


async def _lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    mode = os.environ.get("PROBE_LIFESPAN", "")
    notes.record(LIFESPAN, "scope", scope=described(scope))
    if mode == "raise":
        raise RuntimeError("this app knows no lifespan")
    while True:
        kind = (await receive())["type"]
        notes.record(LIFESPAN, kind)
        if kind == "lifespan.startup" and mode == "fail":
            await send({"type": "lifespan.startup.failed", "message": "the probe refuses to start"})
            return
        if kind == "lifespan.startup":
            if mode == "slow":
                await pause(SLOW_S)
            if "state" in scope:
                scope["state"].update(greeting="hello", shared=[])
            notes.record(LIFESPAN, "ready")
            await send({"type": "lifespan.startup.complete"})
        else:
            if mode == "waits":
                await notes.gate(LIFESPAN)
            notes.record(LIFESPAN, "over")
            await send({"type": "lifespan.shutdown.complete"})
            return


class _Exchange:
    """One request; `answer` calls the method that is named after the first part of the path."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        query = scope["query_string"]
        query = query.decode() if isinstance(query, bytes) else query  # text is wrong, which a check notices
        self.query = {key: values[0] for key, values in parse_qs(query).items()}
        self.marker = self.query.get("marker", "")

    def note(self, event: str, **details: Any) -> None:
        notes.record(self.marker, event, **details)

    def number(self, name: str) -> int:
        return int(self.query[name])

    async def answer(self) -> None:
        self.note("http", path=self.scope["path"], method=self.scope["method"])
        if self.scope["method"] == "CONNECT":  # its target is no path
            await self.whole(b"connected")
            return
        route = getattr(self, "get_" + self.scope["path"].strip("/").partition("/")[0].replace("-", "_"), None)
        await (route or self.missing)()
        self.note("returned")

    async def start(self, status: int = 200, *headers: tuple[bytes, bytes], **more: Any) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers), **more})

    async def body(self, data: bytes = b"", *, more: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, data: bytes, status: int = 200) -> None:
        await self.start(status, (b"content-type", b"text/plain"), (b"content-length", b"%d" % len(data)))
        await self.body(data)

    async def request_body(self) -> bytes | None:
        """The whole body; None if the client left before its end."""
        data = bytearray()
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                self.note(message["type"], received=len(data))
                return None
            data += message.get("body", b"")
            if not message.get("more_body", False):
                return bytes(data)

    async def missing(self) -> None:
        await self.whole(b"no such route", 404)

    async def get_ready(self) -> None:
        await self.whole(b"ready")

    async def get_hello(self) -> None:
        await self.whole(b"hello")

    async def get_echo(self) -> None:
        """Answer with the body of the request."""
        data = await self.request_body()
        self.note("body", body=None if data is None else data[:4096].decode("latin-1"))
        if data is not None:
            await self.whole(data)

    async def get_count(self) -> None:
        """Answer with the length of the body; the app waits at the gate `<marker>` after the first message of it."""
        first = await self.receive()
        total, more = len(first.get("body", b"")), first.get("more_body", False)
        self.note("first", bytes=total)
        await notes.gate(self.marker)
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                self.note(message["type"], received=total)
                return
            total += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.note("counted", bytes=total)
        await self.whole(b"%d" % total)

    async def get_refuse(self) -> None:
        """Answer 401 without reading the body."""
        await self.whole(b"refused", 401)

    async def get_scope(self) -> None:
        """Answer with the scope, described, and the process that answers."""
        await self.whole(json.dumps({**described(self.scope), "pid": os.getpid()}).encode())

    async def get_scope_after_body(self) -> None:
        """Answer with the scope as it is once the body has been read."""
        await self.request_body()
        await self.get_scope()

    async def get_body_types(self) -> None:
        """Answer with the type of the body in each message."""
        types, more = [], True
        while more:
            message = await self.receive()
            types += [type(message["body"]).__name__] if "body" in message else []
            more = message.get("more_body", False)
        await self.whole(" ".join(types).encode())

    async def get_cancels(self) -> None:
        """Cancel receive() whenever nothing comes for a while, within the body and after it; the client leaves then."""
        data, more = b"", True
        while more:
            message = await given_within(self.receive, CANCELLED_S)
            if message is None:
                self.note("cancelled")
            elif message["type"] != "http.request":
                self.note(message["type"], received=len(data))
                return
            else:
                data, more = data + message.get("body", b""), message.get("more_body", False)
        self.note("body", body=data.decode("latin-1"))
        message = await given_within(self.receive, CANCELLED_S)
        self.note("cancelled-after-body", early=message and message["type"])
        self.note((await self.receive())["type"])

    async def get_state(self) -> None:
        """Answer with the state, then set a key in it and append to the list that all requests share."""
        state = self.scope.get("state")
        await self.whole(json.dumps(state).encode())
        if state is not None:
            state["own"] = self.marker
            state.get("shared", []).append(self.marker)

    async def get_stream(self) -> None:
        """Send `one`, `two`, `three` without a length; with `?gates=`, wait at `<marker>-2` and `-3` in between."""
        await self.start(200, (b"content-type", b"text/plain"))
        await self.body(b"one", more=True)
        self.note("sent", part=1)
        for part, data in ((2, b"two"), (3, b"three")):
            if "gates" in self.query:
                await notes.gate(f"{self.marker}-{part}")
            await self.body(data, more=part < 3)  # noqa: PLR2004 - the last one
            self.note("sent", part=part)

    async def get_large(self) -> None:
        """Send as many bytes as `?bytes=` says, without a length, in blocks; each block that send() took is noted."""
        total, sent = self.number("bytes"), 0
        block = b"x" * BLOCK_BYTES
        await self.start(200, (b"content-type", b"application/octet-stream"))
        while sent < total:
            await self.body(block, more=True)
            sent += len(block)
            self.note("sent", bytes=sent)
        await self.body()
        self.note("all-sent", bytes=sent)

    async def get_status(self) -> None:
        """Answer with the status at the end of the path, and no body."""
        await self.start(int(self.scope["path"].rpartition("/")[2]))
        await self.body()

    async def get_wait(self) -> None:
        """Wait for the client to leave, then try to send."""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                break
        self.note("http.disconnect")
        await self._send_late()

    async def get_wait_streaming(self) -> None:
        """Begin the response, wait for the client to leave, then try to send."""
        await self.start(200, (b"content-type", b"text/plain"))
        await self.body(b"begun", more=True)
        await self.get_wait()

    async def _send_late(self) -> None:
        try:
            await self.start(200, (b"content-length", b"4"))
            await self.body(b"late")
        except Exception as error:  # noqa: BLE001 - any exception is noted
            self.note("send-raised", error=repr(error))
            self.note("send-over", is_os_error=isinstance(error, OSError))
        else:
            self.note("send-over", is_os_error=None)

    async def get_late(self) -> None:
        """Answer once the gate `<marker>` is open."""
        await notes.gate(self.marker)
        await self.whole(b"late")

    async def get_raise(self) -> None:
        """Raise before the response has begun."""
        raise RuntimeError("the probe raises before its answer")

    async def get_raise_midway(self) -> None:
        """Raise after the first part of a response without a length, or with `?length=` as its content-length."""
        length = self.query.get("length")
        await self.start(200, *([(b"content-length", length.encode())] if length else []))
        await self.body(b"begun", more=True)
        raise RuntimeError("the probe raises in its answer")

    async def get_nothing(self) -> None:
        """Return without a response."""

    async def get_start_only(self) -> None:
        """Return after the start of a response."""
        await self.start(200, (b"content-length", b"5"))

    async def get_length(self) -> None:
        """Say that the body has `?says=` bytes, and send `?sends=`."""
        await self.start(200, (b"content-length", b"%d" % self.number("says")))
        await self.body(b"x" * self.number("sends"))

    async def get_injection(self) -> None:
        """Send a header whose value would begin another header."""
        await self.start(200, (b"content-length", b"2"), (b"x-user", b"a\r\nx-injected: yes"))
        await self.body(b"ok")

    async def get_transfer_encoding(self) -> None:
        """Send a Transfer-Encoding header, which servers must ignore."""
        await self.start(200, (b"transfer-encoding", b"chunked"))
        await self.body(b"hello")

    async def get_date_and_server(self) -> None:
        """Set headers that servers would add."""
        date = b"Sun, 06 Nov 1994 08:49:37 GMT"
        await self.start(200, (b"date", date), (b"server", b"probe"), (b"content-length", b"5"))
        await self.body(b"hello")

    async def get_after(self) -> None:
        """Note what receive() returns after the response."""
        await self.request_body()
        await self.whole(b"done")
        message = await self.receive()
        self.note("after", type=message["type"])

    async def get_trailers(self) -> None:
        await self.start(200, (b"trailer", b"x-sum"), trailers=True)
        await self.body(b"body")
        await self.send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")], "more_trailers": False})

    async def get_early_hint(self) -> None:
        await self.send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload; as=style"]})
        await self.whole(b"hinted")

    async def get_pathsend(self) -> None:
        await self.start(200, (b"content-type", b"text/plain"))
        await self.send({"type": "http.response.pathsend", "path": __file__})


def described(value: Any) -> Any:
    """A value of a scope for JSON, with its type: `{"type": "bytes", "value": "…"}`; bytes are decoded as latin-1."""
    if isinstance(value, bytes):
        return {"type": "bytes", "value": value.decode("latin-1")}
    if isinstance(value, Mapping):
        items = {str(key): described(item) for key, item in value.items()}
        return {"type": "dict" if isinstance(value, dict) else type(value).__name__, "value": items}
    if isinstance(value, list | tuple):
        return {"type": type(value).__name__, "value": [described(item) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"type": type(value).__name__, "value": value}
    return {"type": type(value).__name__, "value": repr(value)}
