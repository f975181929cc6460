"""The WebSocket side of the probe app: each path does one thing that a server has to carry.

A handshake names itself by `?marker=…`, as requests do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .notes import Notes

BLOCK = b"x" * 65_536
STREAM_BYTES = 32 * 1024 * 1024
"""What `/stream` sends at most."""


async def serve(
    scope: Mapping[str, Any],
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    send: Callable[[Mapping[str, Any]], Awaitable[None]],
    notes: Notes,
) -> None:
    """Serve one handshake, and what follows it."""
    await _Socket(scope, receive, send, notes).serve()


class _Socket:
    """One handshake and what follows; `serve` goes to the method named like the first part of the path."""

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
        """The next one; None after a disconnect. What the event is like is noted where it is not as it should be."""
        event = await self.receive()
        if event["type"] != "websocket.receive":
            self.note(event["type"], code=event.get("code", "missing"), reason=event.get("reason"))
            return None
        data, text = event.get("bytes"), event.get("text")
        if (data is None) is (text is None):
            self.note("odd", keys=sorted(event), bytes=repr(data)[:80], text=repr(text)[:80])
        return data if text is None else text

    async def on_echo(self) -> None:
        """Every message back as it came."""
        await self.accept()
        while (message := await self.message()) is not None:
            key = "text" if isinstance(message, str) else "bytes"
            self.note("message", kind=key, length=len(message))
            await self.send({"type": "websocket.send", key: message})

    async def on_size(self) -> None:
        """For every message its length, as text."""
        await self.accept()
        while (message := await self.message()) is not None:
            await self.send({"type": "websocket.send", "text": str(len(message))})

    async def on_scope(self) -> None:
        """The scope goes into the notes, bytes as `repr` has them."""
        plain = {key: self.scope.get(key) for key in ("type", "scheme", "path", "http_version", "asgi")}
        headers = [[repr(name), repr(value)] for name, value in self.scope["headers"]]
        lists = {key: self.scope.get(key) and list(self.scope[key]) for key in ("subprotocols", "client", "server")}
        query = repr(self.scope.get("query_string"))
        self.note("scope", **plain, **lists, query_string=query, headers=headers)
        await self.accept()
        await self.message()

    async def on_subprotocol(self) -> None:
        """Accept with the subprotocol that the query names, none without."""
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
        """Close in place of accepting."""
        await self.close()

    async def on_respond(self) -> None:
        """Answer in HTTP where the server offers that."""
        offered = "websocket.http.response" in (self.scope.get("extensions") or {})
        self.note("offer", made=offered)
        if not offered:
            await self.close()
            return
        head = [(b"content-type", b"text/plain"), (b"x-probe", b"yes")]
        await self.send({"type": "websocket.http.response.start", "status": 418, "headers": head})
        await self.send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
        await self.send({"type": "websocket.http.response.body", "body": b"entry"})

    async def on_raise(self) -> None:
        """Raise after the first message."""
        await self.accept()
        await self.message()
        raise RuntimeError("the probe raises in a WebSocket")

    async def on_raise_early(self) -> None:
        """Raise in place of accepting."""
        raise RuntimeError("the probe raises in a handshake")

    async def on_return(self) -> None:
        """Return after the first message, without a close."""
        await self.accept()
        await self.message()

    async def on_late_send(self) -> None:
        """Send once the client has gone."""
        await self.accept()
        await self.message()
        spec = self.scope["asgi"].get("spec_version")
        try:
            await self.send({"type": "websocket.send", "text": "late"})
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was asked
            name = f"{type(error).__module__}.{type(error).__name__}"
            self.note("sent", spec=spec, raised=name, is_os_error=isinstance(error, OSError))
        else:
            self.note("sent", spec=spec, raised=None, is_os_error=False)

    async def on_stream(self) -> None:
        """Send blocks for as long as the server takes them; each one that it took is noted."""
        await self.accept()
        for sent in range(len(BLOCK), STREAM_BYTES + 1, len(BLOCK)):
            await self.send({"type": "websocket.send", "bytes": BLOCK})
            self.note("sent", bytes=sent)
        self.note("all-sent")

    async def on_deaf(self) -> None:
        """Read nothing before the gate `<marker>` is open; then, for every text, how many bytes came before it."""
        await self.accept()
        await self.notes.gate(self.marker)
        total = 0
        while (message := await self.message()) is not None:
            if isinstance(message, str):
                await self.send({"type": "websocket.send", "text": str(total)})
            total += len(message)
