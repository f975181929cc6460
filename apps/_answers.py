"""The answers of the reference app, shared by ASGI and WSGI: nothing here waits or depends on either interface."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from apps import _work as work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

Header = tuple[bytes, bytes]
Handler = TypeVar("Handler")

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_CHUNKS = 10_000
MAX_DELAY_MS = 60_000
MAX_STEPS = 10_000_000
MAX_ITEMS = 10_000
MAX_ITEM_BYTES = 4096
LISTED_ITEMS = 100
MAX_DIGITS = 15  # the longest decimals that every JSON reader reads exactly


class File(NamedTuple):
    """A body that is a file; servers that can send one by its path do so."""

    path: str


class Response(NamedTuple):
    """The answer of a handler; a body that is not `bytes` or a file is sent part by part, without a content-length."""

    status: int
    headers: list[Header]
    body: bytes | File | Iterable[bytes] | AsyncIterator[bytes]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the program
    """The answer to the request is an error status."""

    def __init__(self, status: int, detail: str, *headers: Header) -> None:
        super().__init__(detail)
        self.response = json_response(json.dumps({"detail": detail}), status, *headers)


@dataclass
class Shared:
    """State that the requests of one process share."""

    merge_s: float
    merging_until: float = 0.0
    """Time of `time.monotonic()` at which the merge ends."""
    items: dict[int, str] = field(default_factory=dict)
    """JSON text of each item by its id, oldest first."""
    next_id: int = 1

    @classmethod
    def from_environment(cls) -> Shared:
        """New state; raises `ValueError` with a message for the user if a variable prevents that."""
        if failure := os.environ.get("ASGI_APP_FAIL_STARTUP"):
            raise ValueError(failure)
        seconds = os.environ.get("MERGE_SECONDS", "10")
        try:
            return cls(float(seconds))
        except ValueError:
            raise ValueError(f"MERGE_SECONDS: expected a number of seconds, found {seconds!r}") from None

    def keep(self, item_id: int, body: bytes) -> bool:
        """Store a JSON object (RFC 8259: no NaN, no infinity) as an item; True if no item had this id.

        Raises `Refusal` (400) for any other body.
        """
        try:
            text = json.dumps({**json.loads(body), "id": item_id}, allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            raise Refusal(400, "expected a JSON object") from None
        created = item_id not in self.items
        if created and len(self.items) >= MAX_ITEMS:
            del self.items[next(iter(self.items))]
        self.items[item_id] = text
        return created

    def listed(self) -> Response:
        """The newest 100 items, newest first."""
        return json_response(f"[{', '.join(islice(reversed(self.items.values()), LISTED_ITEMS))}]")

    def create(self, body: bytes, mount: str) -> Response:
        """201 with the new item, and its Location below the app's mount point."""
        while self.next_id in self.items:  # a client may have chosen this id
            self.next_id += 1
        item_id = self.next_id
        self.keep(item_id, body)
        self.next_id += 1
        return json_response(self.items[item_id], 201, (b"location", f"{mount}/items/{item_id}".encode()))

    def read(self, item_id: int) -> Response:
        """The item, or 404."""
        text = self.items.get(item_id)
        if text is None:
            raise Refusal(404, f"no item {item_id}")
        return json_response(text)

    def replace(self, item_id: int, body: bytes) -> Response:
        """200 if the item replaced another, 201 if it is new; 404 for id 0, which is not allowed."""
        if item_id == 0:
            raise Refusal(404, "expected an id of at least 1")
        created = self.keep(item_id, body)
        return json_response(self.items[item_id], 201 if created else 200)

    def delete(self, item_id: int) -> Response:
        """204 without a body, or 404."""
        if self.items.pop(item_id, None) is None:
            raise Refusal(404, f"no item {item_id}")
        return Response(204, [], b"")

    def merge(self, now: float) -> Response:
        """202; then 401 until MERGE_SECONDS have passed, because the shared resource is in use."""
        if now < self.merging_until:
            # 409 would be the right status, but clients of the documented example that this follows rely on 401.
            raise Refusal(401, "the shared resource is in use")
        self.merging_until = now + self.merge_s
        return json_response(json.dumps({"message": "merge started"}), 202)


def sized(body: bytes, content_type: bytes) -> Response:
    """200 with the body and its length."""
    return Response(200, [(b"content-type", content_type), (b"content-length", b"%d" % len(body))], body)


def json_response(text: str, status: int = 200, *headers: Header) -> Response:
    """An answer with the JSON text and its length."""
    response = sized(text.encode(), b"application/json")
    return Response(status, [*response.headers, *headers], response.body)


def to_json(value: Any) -> Response:
    """An answer with the value as JSON."""
    return json_response(json.dumps(value))


HELLO = sized(b"Hello, World!", b"text/plain; charset=utf-8")


def message() -> Response:
    """`{"message": "Hello, World!"}`, serialised each time."""
    return json_response(json.dumps({"message": "Hello, World!"}))


def pattern(size_bytes: int) -> Response:
    """`size_bytes` bytes; byte i is i mod 251."""
    return sized(work.make_pattern(size_bytes), b"application/octet-stream")


def stream(count: int) -> Response:
    """`count` chunks of 1,024 bytes: each has its number, counted from 0, then dots, then a newline."""
    chunks = ((b"%d" % number).ljust(1023, b".") + b"\n" for number in range(count))
    return Response(200, [(b"content-type", b"text/plain; charset=utf-8")], chunks)


def server_sent_events(count: int) -> Response:
    """`count` events, numbered from 0: the id is the number, the data `event` and the number."""
    events = (b"id: %d\ndata: event %d\n\n" % (number, number) for number in range(count))
    return Response(200, [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")], events)


def tokens(events: Iterable[bytes] | AsyncIterator[bytes]) -> Response:
    """A stream of server-sent events that come one by one."""
    return Response(200, [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")], events)


def blocks(count: int) -> Response:
    """`count` chunks of 64 KiB."""
    return Response(200, [(b"content-type", b"application/octet-stream")], (work.BLOCK for _ in range(count)))


def file() -> Response:
    """A file of 1 MiB."""
    length = b"%d" % (work.BLOCK_BYTES * work.FILE_BLOCKS)
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", length)]
    return Response(200, headers, File(work.open_file()))


def page() -> Response:
    """A compressed page of JSON that is another one each time."""
    response = sized(work.compress_page(), b"application/json")
    return Response(200, [*response.headers, (b"content-encoding", b"gzip")], response.body)


def session(cookies: str) -> Response:
    """A visit of the session that the Cookie header names."""
    pairs = (pair.strip().partition("=") for pair in cookies.split(";"))
    visits, cookie = work.visit(next((value for name, _, value in pairs if name == "session"), None))
    cookie = f"session={cookie}; Path=/; HttpOnly; SameSite=Lax"
    more = ((b"set-cookie", cookie.encode()), (b"x-request-id", work.new_request_id().encode()))
    return json_response(json.dumps(visits), 200, *more)


def delayed(ms: int) -> Response:
    """`{"ms": …}`, the answer at the end of the delay."""
    return json_response(json.dumps({"ms": ms}))


def advanced(state: int, steps: int) -> int:
    """The state of a linear congruential generator after `steps` steps (Press et al., Numerical Recipes, 1992, §7.1).

    A client can verify it without repeating the steps: an affine map can be raised to a power by squaring.
    """
    for _ in range(steps):
        state = (1_664_525 * state + 1_013_904_223) % 2**32
    return state


def computed(steps: int, result: int) -> Response:
    """`{"n": …, "result": …}`, the answer after the last step."""
    return json_response(json.dumps({"n": steps, "result": result}))


def parse_number(text: str) -> int | None:
    """A decimal number in canonical form, so that each resource has one path; None for any other text."""
    canonical = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    return int(text) if canonical and len(text) <= MAX_DIGITS else None


def find(
    pages: Mapping[str, Mapping[str, Handler]],
    numbered: Mapping[str, tuple[int, Mapping[str, Handler]]],
    path: str,
    method: str,
) -> tuple[Handler, tuple[int, ...]]:
    """The handler for a path, and the number in the path if it has one; raises `Refusal` (400, 404, 405).

    `numbered` maps the start of a path to the highest number allowed after it and the handlers by method.
    """
    numbers: tuple[int, ...] = ()
    methods = pages.get(path)
    if methods is None:
        stem, slash, last = path.rpartition("/")
        limit, methods = numbered.get(stem + slash, (0, {}))
        number = parse_number(last)
        if not methods or number is None:
            raise Refusal(404, f"nothing at {path}")
        if number > limit:
            raise Refusal(400, f"expected a number of at most {limit}")
        numbers = (number,)
    handler = methods.get(method)
    if handler is None:
        allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
        raise Refusal(405, f"expected {allowed}", (b"allow", allowed.encode()))
    return handler, numbers
