"""The WebSocket routes of the probe app: each does one thing that a server has to carry or to survive.

A handshake has a marker, `?marker=…`, as requests have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .notes import Notes

BLOCK = b"x" * 65_536
STREAM_BYTES = 32 * 1024 * 1024
"""`/stream` sends this much at most."""


async def serve(
    scope: Mapping[str, Any],
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    send: Callable[[Mapping[str, Any]], Awaitable[None]],
    notes: Notes,
) -> None:
    """Serve one WebSocket."""
    await _Socket(scope, receive, send, notes).serve()


class _Socket:
    """One WebSocket; `serve` calls the method that is named after the first part of the path."""

    def __init__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
        notes: Notes,
    ) -> None:
        self.scope, self.receive, self.send, self.notes = scope, receive, send, notes
        self.query = {key: values[0] for key, values in parse_qs(scope.get("query_string", b"").decode()).items()}
        self.marker = self.query.get("marker", "")

    def note(self, event: str, **details: Any) -> None:
        self.notes.record(self.marker, event, **details)

    async def serve(self) -> None:
        first = await self.receive()
        self.note("first", type=first["type"], spec=(self.scope.get("asgi") or {}).get("spec_version"))
        route = getattr(self, "on_" + self.scope["path"].strip("/").partition("/")[0].replace("-", "_"), None)
        await (route or self.on_reject)()
        self.note("returned")

    async def accept(self, **more: Any) -> None:
        await self.send({"type": "websocket.accept", **more})
        self.note("accepted")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.send({"type": "websocket.close", "code": code, "reason": reason})

    async def message(self) -> bytes | str | None:
        """The next message, None after a disconnect; an event with both or neither of bytes and text is noted."""
        event = await self.receive()
        if event["type"] != "websocket.receive":
            self.note(event["type"], code=event.get("code", "missing"), reason=event.get("reason"))
            return None
        data, text = event.get("bytes"), event.get("text")
        if (data is None) is (text is None):
            self.note("odd", keys=sorted(event), bytes=repr(data)[:80], text=repr(text)[:80])
        return data if text is None else text

    async def on_echo(self) -> None:
        """Echo every message."""
        await self.accept()
        while (message := await self.message()) is not None:
            key = "text" if isinstance(message, str) else "bytes"
            self.note("message", kind=key, length=len(message))
            await self.send({"type": "websocket.send", key: message})

    async def on_size(self) -> None:
        """Answer every message with its length, as text."""
        await self.accept()
        while (message := await self.message()) is not None:
            await self.send({"type": "websocket.send", "text": str(len(message))})

    async def on_scope(self) -> None:
        """Note the scope, with `repr` of bytes."""
        plain = {key: self.scope.get(key) for key in ("type", "scheme", "path", "http_version", "asgi")}
        headers = [[repr(name), repr(value)] for name, value in self.scope["headers"]]
        lists = {key: self.scope.get(key) and list(self.scope[key]) for key in ("subprotocols", "client", "server")}
        query = repr(self.scope.get("query_string"))
        self.note("scope", **plain, **lists, query_string=query, headers=headers)
        await self.accept()
        await self.message()

    async def on_subprotocol(self) -> None:
        """Accept with the subprotocol that the query names, or without one."""
        await self.accept(**({"subprotocol": self.query["name"]} if "name" in self.query else {}))
        await self.message()

    async def on_headers(self) -> None:
        """Accept with headers, one of them twice."""
        headers = [(b"x-probe", b"yes"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await self.accept(headers=headers)
        await self.message()

    async def on_close(self) -> None:
        """Accept and close with the code and the reason that the query names."""
        await self.accept()
        await self.close(int(self.query["code"]), self.query.get("reason", ""))
        await self.message()

    async def on_reject(self) -> None:
        """Close instead of accepting."""
        await self.close()

    async def on_respond(self) -> None:
        """Reject with an HTTP response if the server offers that."""
        await self._respond(b"no entry")

    async def on_respond_parts(self) -> None:
        """As `on_respond`, with the body in two parts."""
        await self._respond(b"no ", b"entry")

    async def _respond(self, *parts: bytes) -> None:
        offered = "websocket.http.response" in (self.scope.get("extensions") or {})
        self.note("offer", made=offered)
        if not offered:
            await self.close()
            return
        head = [(b"content-type", b"text/plain"), (b"x-probe", b"yes")]
        await self.send({"type": "websocket.http.response.start", "status": 418, "headers": head})
        for number, part in enumerate(parts, 1):
            more = {"more_body": True} if number < len(parts) else {}
            await self.send({"type": "websocket.http.response.body", "body": part, **more})

    async def on_raise(self) -> None:
        """Raise after the first message."""
        await self.accept()
        await self.message()
        raise RuntimeError("the probe raises in a WebSocket")

    async def on_raise_early(self) -> None:
        """Raise instead of accepting."""
        raise RuntimeError("the probe raises in a handshake")

    async def on_return(self) -> None:
        """Return after the first message, without closing."""
        await self.accept()
        await self.message()

    async def on_late_send(self) -> None:
        """Send after the client has gone."""
        await self.accept()
        await self.message()
        spec = self.scope["asgi"].get("spec_version")
        try:
            await self.send({"type": "websocket.send", "text": "late"})
        except Exception as error:  # noqa: BLE001 - any exception is noted
            name = f"{type(error).__module__}.{type(error).__name__}"
            self.note("sent", spec=spec, raised=name, is_os_error=isinstance(error, OSError))
        else:
            self.note("sent", spec=spec, raised=None, is_os_error=False)

    async def on_stream(self) -> None:
        """Send blocks as long as the server takes them; each block that send() took is noted."""
        await self.accept()
        for sent in range(len(BLOCK), STREAM_BYTES + 1, len(BLOCK)):
            await self.send({"type": "websocket.send", "bytes": BLOCK})
            self.note("sent", bytes=sent)
        self.note("all-sent")

    async def on_deaf(self) -> None:
        """Read nothing until the gate `<marker>` is open; then answer every text with the bytes received before it."""
        await self.accept()
        await self.notes.gate(self.marker)
        total = 0
        while (message := await self.message()) is not None:
            if isinstance(message, str):
                await self.send({"type": "websocket.send", "text": str(total)})
            total += len(message)
