"""A small HTTP/1.1 server in a thread that answers every request after a time of the test's choice, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter_ns

from tests.integration.async_server import HOST, serving, url_of

BODY = b"Hello, World!"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\n" + BODY
"""The right answer to a request of the scenario `plaintext`."""

Delay = Callable[[int], float | None]
"""How many seconds the request with this number, counted from 1, waits for its answer; None: it gets none."""


class AnsweringServer:
    """Counts what it sees."""

    def __init__(self, delay: Delay, idle_s: float | None) -> None:
        self.url = ""
        self.accepted_ns: list[int] = []
        """When each connection was accepted, in ns of the monotonic clock."""
        self.accepted_after: list[int] = []
        """How many requests had come when each connection was accepted."""
        self.closed_after: set[int] = set()
        """How many requests had come when `close_idle` closed connections."""
        self.most_at_once = 0
        """The largest number of requests that waited at the same time."""
        self.began_ns: list[int] = []
        """When each request came."""
        self._delay = delay
        self._idle_s = idle_s
        self._requests = 0
        self._waiting = 0
        self._idle: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> asyncio.Server:
        self._loop = asyncio.get_running_loop()
        listener = await asyncio.start_server(self.serve, HOST, 0, backlog=1024)
        self.url = url_of(listener)
        return listener

    def close_idle(self) -> None:
        """Close the connections that wait for a request after an answer; called from another thread, which waits."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._close_idle(), self._loop).result()

    async def _close_idle(self) -> None:
        idle = list(self._idle)
        if idle:
            self.closed_after.add(self._requests)
        for writer in idle:
            writer.close()
        for writer in idle:
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, until the client closes it or is idle for too long after an answer."""
        self.accepted_ns.append(perf_counter_ns())
        self.accepted_after.append(self._requests)
        with suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            answered = False
            while True:
                async with asyncio.timeout(self._idle_s if answered else None):
                    await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(writer)
                self._requests += 1
                self.began_ns.append(perf_counter_ns())
                delay_s = self._delay(self._requests)
                self._waiting += 1
                self.most_at_once = max(self.most_at_once, self._waiting)
                try:
                    if delay_s is None:
                        await reader.read()
                        break
                    await asyncio.sleep(delay_s)
                finally:
                    self._waiting -= 1
                writer.write(ANSWER)
                answered = True
                self._idle.add(writer)
        self._idle.discard(writer)
        writer.close()


@contextmanager
def answering(delay: Delay, idle_s: float | None = None) -> Iterator[AnsweringServer]:
    """Serve in a thread; a connection is closed when no request has come for `idle_s` since the last answer."""
    server = AnsweringServer(delay, idle_s)

    async def start() -> list[asyncio.Server]:
        return [await server.start()]

    with serving(start):
        yield server
