"""A process of steady open load, apart from the drill: `python -m harness.drill.client`.

It reads a specification as one line of JSON, opens its connections, writes `ready`, and sends each request when it is
due until its input ends; then it waits for what is in flight and writes how each request ended. It sends a few hundred
requests a second, each on a clock that all processes share; it does not try to be fast. When its parent dies, its input
ends, and so does the process.

A client keeps connections alive, as a reverse proxy does, and takes the one that has been idle for longest, so that
all workers get requests. A connection that was closed while idle, or after an answer that said so, is replaced by a new
one. An end with a request in flight is a `reset`; nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any

import h11

MOST_BODY_BYTES = 16 * 1024 * 1024
"""A longer answer is an error: it would fill the memory."""
SERVER_ERROR = 500
_LEAD_NS = 50_000_000


class ClosedError(ConnectionError):
    """The server has closed the connection with a request in flight; the text says when."""


class Connection:
    """One connection, with at most one request in flight."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @property
    def is_idle(self) -> bool:
        """Can it take a request? Not if the server has closed it or its last answer said that it would."""
        open_ = self._reader.exception() is None and not self._reader.at_eof()
        return open_ and self._http.our_state is h11.IDLE and self._http.their_state is h11.IDLE

    async def fetch(self, authority: str, requests: dict[str, Any]) -> tuple[int, bytes]:
        """Status and body of the answer; raises `ConnectionError` where the connection ends before it does."""
        headers = [("Host", authority), *requests["headers"]]
        head = self._http.send(h11.Request(method="GET", target=requests["path"], headers=headers))
        self._writer.write((head or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        status, body, ended = 0, bytearray(), False
        try:
            while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    data = await self._reader.read(65_536)
                    ended = not data
                    self._http.receive_data(data)
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > MOST_BODY_BYTES:
                        raise ValueError(f"more than {MOST_BODY_BYTES} bytes")
        except h11.RemoteProtocolError:
            if ended:
                raise ClosedError("closed in mid-answer" if status else "closed without an answer") from None
            raise
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return status, bytes(body)

    def close(self) -> None:
        self._writer.transport.abort()


class Client:
    """Connections to one server, and how the requests ended that were sent on them."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self._host = specification["host"]
        self._port = specification["port"]
        self._authority = f"{self._host}:{self._port}"
        self._timeout_s = specification["timeout_s"]
        self._most_kept = specification["connections"]
        self._kept: deque[Connection] = deque()
        self.ends: list[tuple[str, int, int, str, str]] = []
        self.lag_ns = 0

    async def prepare(self, kinds: list[dict[str, Any]]) -> None:
        """Learn which status is right where none is given, and open the connections that are kept.

        These requests are not counted. Raises `SystemExit` for an answer that cannot be the right one.
        """
        for each in kinds:
            if each["status"] is None:
                connection = await self._open()
                status, _ = await connection.fetch(self._authority, each)
                connection.close()
                if status >= SERVER_ERROR:
                    sys.exit(f"GET {each['path']} was answered with status {status}")
                each["status"] = status
        await asyncio.gather(*(self.exchange(kinds[0], time.monotonic_ns()) for _ in range(self._most_kept)))
        self.ends.clear()
        self.lag_ns = 0

    async def send(self, requests: dict[str, Any], start_ns: int, stop: asyncio.Event) -> None:
        """Send each request when it is due, until `stop`; return when all have ended."""
        gap_ns, due_ns = 1e9 / requests["rate_rps"], float(start_ns)
        async with asyncio.TaskGroup() as group:
            if requests["users"]:
                for _ in range(requests["users"]):
                    group.create_task(self.send_in_turn(requests, stop))
                return
            while not stop.is_set():
                wait_s = (due_ns - time.monotonic_ns()) / 1e9
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                    continue
                group.create_task(self.exchange(requests, int(due_ns)))
                due_ns += gap_ns

    async def send_in_turn(self, requests: dict[str, Any], stop: asyncio.Event) -> None:
        """Be a user in a closed loop: send the next request when the last has ended."""
        while not stop.is_set():
            await self.exchange(requests, time.monotonic_ns())
            await asyncio.sleep(0)  # a refused connection may not wait for anything

    async def exchange(self, requests: dict[str, Any], intended_ns: int) -> None:
        """Send one request and record how it ended."""
        self.lag_ns = max(self.lag_ns, time.monotonic_ns() - intended_ns)
        end, detail, connection, kept = "right", "", None, True
        left_s = self._timeout_s - (time.monotonic_ns() - intended_ns) / 1e9
        try:
            async with asyncio.timeout(max(0, left_s)):
                connection = self._take()
                if connection is None:
                    kept, connection = False, await self._open()
                answer = await connection.fetch(self._authority, requests)
                if wrong := _compare(answer, requests):
                    end, detail = "error", wrong
        except ConnectionRefusedError:
            end, detail = "refused", "connection refused"
        except TimeoutError:
            end = "unanswered"
            detail = "no answer" if connection else "no connection"
        except ConnectionError as error:
            found = str(error) if isinstance(error, ClosedError) else "reset"
            end, detail = "reset", f"{'kept' if kept else 'new'} connection {found}"
        except h11.RemoteProtocolError as error:
            end, detail = "error", f"malformed: {error}"
        except (OSError, ValueError) as error:
            end, detail = "error", f"{type(error).__name__}: {error}"
        self.ends.append((requests["name"], intended_ns, time.monotonic_ns(), end, detail))
        if connection is not None:
            if connection.is_idle and len(self._kept) < self._most_kept:
                self._kept.append(connection)
            else:
                connection.close()

    def _take(self) -> Connection | None:
        while self._kept:
            connection = self._kept.popleft()
            if connection.is_idle:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        return Connection(*await asyncio.open_connection(self._host, self._port))


def _compare(answer: tuple[int, bytes], requests: dict[str, Any]) -> str:
    """What is wrong with an answer; empty for the right one."""
    status, body = answer
    if status != requests["status"]:
        return f"status {status}"
    expected = requests["body"]
    if expected is not None and body != expected.encode("latin-1"):
        return f"wrong body of {len(body)} bytes"
    return ""


async def _end_of_input(stop: asyncio.Event) -> None:
    """Set `stop` when the input ends; nothing else follows the specification."""
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, stop.set)
    await stop.wait()
    loop.remove_reader(sys.stdin)


async def _run(specification: dict[str, Any]) -> None:
    client, stop = Client(specification), asyncio.Event()
    await client.prepare(specification["requests"])
    print("ready", flush=True)
    start_ns = time.monotonic_ns() + _LEAD_NS
    await asyncio.gather(
        _end_of_input(stop), *(client.send(each, start_ns, stop) for each in specification["requests"])
    )
    with suppress(BrokenPipeError):
        print(json.dumps({"lag_ms": client.lag_ns / 1e6, "exchanges": client.ends}), flush=True)


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.stdin.buffer.readline())))
