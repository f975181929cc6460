"""Runs an ASGI app in process, as the strictest server would (https://asgi.readthedocs.io).

The app gets only what the specification guarantees: receive() returns an awaitable that is not a coroutine, the scope
of each request has a copy of the state, and send() after a disconnect raises OSError or does nothing, as requested.
What the app sends is checked against the specification; a violation is an AssertionError.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

Event = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
T = TypeVar("T")

DEADLINE_S = 20.0


class StartupFailedError(Exception):
    """The app sent `lifespan.startup.failed`; the text is its message."""


@dataclass
class Exchange:
    """One request, and the events that the app sent while the client was connected."""

    method: str
    events: list[Event] = field(default_factory=list)
    ignored: int = 0
    """Number of calls of send() after the disconnect."""

    @property
    def status(self) -> int:
        return int(self.events[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.events[0].get("headers", [])}

    @property
    def parts(self) -> list[bytes]:
        """The bodies of all events, without empty ones."""
        return [event["body"] for event in self.events[1:] if event.get("body")]

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def complete(self) -> bool:
        return len(self.events) > 1 and not self.events[-1].get("more_body", False)

    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    def check(self) -> None:
        """Check the events against the ASGI specification, and their lengths against RFC 9110 §8.6."""
        if not self.events:
            return
        start, *bodies = self.events
        assert start["type"] == "http.response.start"
        assert isinstance(start["status"], int)
        for name, value in start.get("headers", []):
            assert isinstance(name, bytes)
            assert isinstance(value, bytes)
            assert name == name.lower()
        assert all(event["type"] == "http.response.body" for event in bodies)
        assert all(event.get("more_body", False) for event in bodies[:-1]), "a body event after the last one"
        if self.method == "HEAD" or self.status in {204, 304}:
            assert self.body == b""
        elif self.complete and "content-length" in self.headers:
            assert int(self.headers["content-length"]) == len(self.body)


class _Awaitable:
    """An awaitable that is not a coroutine, as granian's receive() returns."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Event]]) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, None, Event]:
        return self._call().__await__()


class Driver:
    """An app between its start-up and its shutdown, on a new event loop.

    `lifespan=False` runs it as a server without the lifespan protocol, `state=False` as one without lifespan state.
    """

    def __init__(self, app: App, *, lifespan: bool = True, state: bool = True, root_path: str = "") -> None:
        self.app = app
        self.root_path = root_path
        self.state: dict[str, Any] | None = {} if lifespan and state else None
        self._has_lifespan = lifespan
        self._lifespan: asyncio.Task[None] | None = None
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        try:
            if self._has_lifespan:
                self.run(self._start())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        try:
            if self._lifespan is not None and fault is None:
                self.run(self._stop())
        finally:
            self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the app's loop; raises `TimeoutError` if the app hangs for `DEADLINE_S`."""
        return self._runner.run(asyncio.wait_for(work, DEADLINE_S))

    async def _start(self) -> None:
        self._to_app: asyncio.Queue[Event] = asyncio.Queue()
        self._from_app: asyncio.Queue[Event] = asyncio.Queue()
        scope: Event = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        if self.state is not None:
            scope["state"] = self.state
        task = asyncio.ensure_future(self.app(scope, lambda: _Awaitable(self._to_app.get), self._from_app.put))
        answer = asyncio.ensure_future(self._from_app.get())
        self._to_app.put_nowait({"type": "lifespan.startup"})
        await asyncio.wait({task, answer}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():  # it returned or raised without an event: it does not support lifespan
            answer.cancel()
            task.exception()
            return
        if answer.result()["type"] == "lifespan.startup.failed":
            await task
            raise StartupFailedError(answer.result().get("message", ""))
        assert answer.result() == {"type": "lifespan.startup.complete"}
        self._lifespan = asyncio.ensure_future(task)

    async def _stop(self) -> None:
        assert self._lifespan is not None
        self._to_app.put_nowait({"type": "lifespan.shutdown"})
        assert await self._from_app.get() == {"type": "lifespan.shutdown.complete"}
        await self._lifespan

    def _scope(self, kind: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Event:
        path, _, query = path.partition("?")
        scope: Event = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws" if kind == "websocket" else "http",
            "path": self.root_path + path,
            "raw_path": (self.root_path + path).encode(),
            "query_string": query.encode(),
            "root_path": self.root_path,
            "headers": [(b"host", b"app.test"), *headers],
            "client": ["127.0.0.1", 50000],
            "server": ["127.0.0.1", 80],
            "extensions": {},
        }
        if self.state is not None:
            scope["state"] = self.state.copy()
        return scope

    def request(self, method: str, path: str, **details: Any) -> Exchange:
        """Run one request until the app returns; `details` as in `exchange`."""
        return self.run(self.exchange(method, path, **details))

    def get(self, path: str) -> Exchange:
        return self.request("GET", path)

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        body: Sequence[bytes] = (b"",),
        headers: Sequence[tuple[bytes, bytes]] = (),
        disconnects_after: int | None = None,
        incomplete: bool = False,
        send_raises: bool = True,
    ) -> Exchange:
        """The app's answer to a request whose body arrives in the given parts, one http.request event each.

        The client disconnects after `disconnects_after` events of the answer (0: as soon as the request is sent), or
        with `incomplete` before the end of its body. From then on send() raises OSError, as in ASGI 2.4, or does
        nothing if `send_raises` is false.
        """
        result = Exchange(method)
        disconnected = asyncio.Event()
        waiting: list[Event] = [{"type": "http.request", "body": part, "more_body": True} for part in body]
        waiting[-1]["more_body"] = incomplete
        if incomplete or disconnects_after == 0:
            disconnected.set()

        async def next_event() -> Event:
            if waiting:
                return waiting.pop(0)
            await disconnected.wait()
            return {"type": "http.disconnect"}

        async def send(event: Event) -> None:
            if disconnected.is_set() and not result.complete:
                result.ignored += 1
                if send_raises:
                    raise ConnectionResetError
                return
            result.events.append(dict(event))
            if result.complete or len(result.events) == disconnects_after:
                disconnected.set()

        scope = {**self._scope("http", path, headers), "method": method}
        await self.app(scope, lambda: _Awaitable(next_event), send)
        result.check()
        assert disconnected.is_set(), "the app returned before its answer was complete"
        return result

    def websocket(self, path: str, frames: Sequence[str | bytes] = ()) -> list[Event]:
        """All events that the app sends to a client that connects, sends these messages and disconnects."""
        received = [{"type": "websocket.receive", "text" if isinstance(x, str) else "bytes": x} for x in frames]
        events: list[Event] = [{"type": "websocket.connect"}, *received, {"type": "websocket.disconnect", "code": 1000}]
        sent: list[Event] = []

        async def next_event() -> Event:
            return events.pop(0)

        async def send(event: Event) -> None:
            sent.append(dict(event))

        async def connection() -> None:
            scope = {**self._scope("websocket", path, ()), "subprotocols": []}
            await self.app(scope, lambda: _Awaitable(next_event), send)

        self.run(connection())
        return sent
