"""What every app does for the scenarios that look like production, so that apps differ in how they answer only.

Waits are those of asyncio, or for WSGI those of a thread.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import os
import random
import time
import uuid
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

QUERIES = 3
SHORTEST_MS, MEDIAN_MS, LONGEST_MS, SPREAD = 1.0, 2.0, 5.0, 0.5
"""The times of queries are log-normal: half are shorter than the median, and `SPREAD` is σ of their logarithms."""
MAX_SEED = 999
PATTERN = bytes(range(251))
"""Of a prime length, so that a lost or swapped block of any usual size changes a body."""
BLOCK_BYTES = 64 * 1024
"""Long streams and files are sent in blocks of this length."""
FILE_BLOCKS = 16
MAX_BLOCKS = 256
TOKENS = 50
TOKEN_GAP_S = 0.01
MOST_STREAMS = 10_000
"""The progress of so many streams is kept, the newest ones."""
_SECRET = b"the same in all workers"


def make_pattern(size_bytes: int) -> bytes:
    """A body of this length; byte i is i mod 251."""
    return (PATTERN * (size_bytes // len(PATTERN) + 1))[:size_bytes]


BLOCK = make_pattern(BLOCK_BYTES)


@cache
def query_times_ms(seed: int) -> tuple[float, ...]:
    """How long each query of a request takes; one seed gives the same times everywhere."""
    chance = random.Random(seed)  # noqa: S311 - reproducible times, not a secret
    drawn = (MEDIAN_MS * chance.lognormvariate(0, SPREAD) for _ in range(QUERIES))
    return tuple(round(min(LONGEST_MS, max(SHORTEST_MS, each)), 3) for each in drawn)


async def query(seed: int) -> dict[str, Any]:
    """Wait for one query after the other, as a view does that asks a database."""
    from asyncio import sleep  # noqa: PLC0415 - WSGI servers do not need it

    for each in query_times_ms(seed):
        await sleep(each / 1000)
    return {"seed": seed, "ms": query_times_ms(seed)}


def query_blocking(seed: int) -> dict[str, Any]:
    """`query` for a thread."""
    for each in query_times_ms(seed):
        time.sleep(each / 1000)
    return {"seed": seed, "ms": query_times_ms(seed)}


@cache
def open_file() -> str:
    """The path of a file of 16 blocks, which lies in memory, so that no disk is measured and nothing is left behind."""
    number = os.memfd_create("file")
    os.write(number, BLOCK * FILE_BLOCKS)
    return f"/proc/{os.getpid()}/fd/{number}"


def read_file() -> Iterator[bytes]:
    """The file in blocks."""
    with open(open_file(), "rb") as file:  # noqa: PTH123 - pathlib would resolve it to a path that does not exist
        while block := file.read(BLOCK_BYTES):
            yield block


class Digest:
    """The length and the digest of a body that comes in parts."""

    def __init__(self) -> None:
        self._bytes = 0
        self._hash = hashlib.sha256()

    def add(self, part: bytes) -> None:
        """Take in the next part."""
        self._bytes += len(part)
        self._hash.update(part)

    def describe(self) -> dict[str, Any]:
        """`bytes`, how many there were, and `sha256`."""
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest()}


class Streams:
    """How many events each stream has sent, and which still run."""

    def __init__(self) -> None:
        self._sent: dict[int, int] = {}
        self._running: set[int] = set()

    def describe(self, stream_id: int) -> dict[str, Any]:
        """The progress of a stream; None for one that this process does not know."""
        return {"sent": self._sent.get(stream_id), "running": stream_id in self._running}

    def _begin(self, stream_id: int) -> None:
        if stream_id not in self._sent and len(self._sent) >= MOST_STREAMS:
            del self._sent[next(iter(self._sent))]
        self._sent[stream_id] = 0
        self._running.add(stream_id)

    def _send(self, stream_id: int) -> bytes:
        number = self._sent[stream_id]
        self._sent[stream_id] = number + 1
        return b"data: token %d\n\n" % number

    async def send(self, stream_id: int) -> AsyncIterator[bytes]:
        """50 events, one every 10 ms."""
        from asyncio import sleep  # noqa: PLC0415 - WSGI servers do not need it

        self._begin(stream_id)
        try:
            for _ in range(TOKENS):
                await sleep(TOKEN_GAP_S)
                yield self._send(stream_id)
        finally:
            self._running.discard(stream_id)

    def send_blocking(self, stream_id: int) -> Iterator[bytes]:
        """`send` for a thread."""
        self._begin(stream_id)
        try:
            for _ in range(TOKENS):
                time.sleep(TOKEN_GAP_S)
                yield self._send(stream_id)
        finally:
            self._running.discard(stream_id)


streams = Streams()


def compress_page() -> bytes:
    """A page of JSON with an id of its own, compressed anew as it would be with any other data."""
    items = [{"id": number, "name": f"item {number}", "price": number * 37 % 101} for number in range(100)]
    return gzip.compress(json.dumps({"request": uuid.uuid4().hex, "items": items}).encode(), 6)


def visit(cookie: str | None) -> tuple[dict[str, int], str]:
    """A visit of a session that is kept in a signed cookie: how many there were, and the next cookie.

    Without a cookie, or with one that is not signed right, a session begins.
    """
    text, _, signature = (cookie or "").rpartition(".")
    before = text.partition("-")[0] if text and hmac.compare_digest(signature.encode(), _sign(text).encode()) else "0"
    visits = int(before) + 1
    text = f"{visits}-{uuid.uuid4().hex}"
    return {"visits": visits}, f"{text}.{_sign(text)}"


def _sign(text: str) -> str:
    return hmac.digest(_SECRET, text.encode(), "sha256").hex()


def new_request_id() -> str:
    """An id as proxies and frameworks give one to each request."""
    return uuid.uuid4().hex


class _Member:
    """Who is sent texts: one at a time, since servers may change the order of several."""

    def __init__(self, send: Callable[[str], Awaitable[Any]]) -> None:
        self._send = send
        self._sent = 0
        self._waiting: deque[str] = deque()
        self._busy = False

    async def deliver(self, text: str) -> None:
        """Send a text behind how many there were; whoever is at it sends this one too."""
        self._waiting.append(text)
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                self._sent += 1
                await self._send(f"{self._sent} {self._waiting.popleft()}")
        finally:
            self._busy = False


class Room:
    """The members of a chat in this process; each is sent every message, numbered for each."""

    def __init__(self) -> None:
        self._members: dict[Callable[[str], Awaitable[Any]], _Member] = {}

    def join(self, send: Callable[[str], Awaitable[Any]]) -> None:
        """Add a member, who is sent texts by this function."""
        self._members[send] = _Member(send)

    def leave(self, send: Callable[[str], Awaitable[Any]]) -> None:
        """Remove a member."""
        self._members.pop(send, None)

    async def tell(self, text: str) -> None:
        """Send a message to every member, to the sender too."""
        for send, member in list(self._members.items()):
            try:
                await member.deliver(text)
            except Exception:  # noqa: BLE001 - frameworks raise different ones for a connection that is closed
                self.leave(send)


room = Room()
