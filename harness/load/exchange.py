"""What a scenario sends and which answer is right, independent of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from json.decoder import JSONDecoder  # not `json`: while `locust -f scenarios/json.py` loads, that is the scenario
from typing import Any, ClassVar

from harness.model.unique import UNIQUE

Headers = tuple[tuple[str, str], ...]

_decode_json = JSONDecoder().decode
_DETAIL_CHARACTERS = 500

RESET = "reset"
"""The kind of failure of a request that was in flight when the server ended its connection or its stream."""


class Failure(Exception):  # noqa: N818 - Locust's word
    """A request got no right answer; failures are counted by `kind`, and `detail` is kept as an example."""

    def __init__(self, kind: str, detail: str) -> None:
        # It may quote what a server or a scenario says.
        detail = detail if len(detail) <= _DETAIL_CHARACTERS else f"{detail[:_DETAIL_CHARACTERS]} …"
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response, or a WebSocket message, which has status 0 and `type` as its only header."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of the header `name` (lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        """The body as JSON in UTF-8 (RFC 8259, 8.1); raises `ValueError` when it is not."""
        return _decode_json(self.body.decode())


Check = Callable[[Answer], str | None]
"""A check that a scenario defines: returns None if the answer is right, else what is wrong with it."""


@dataclass(eq=False, slots=True, kw_only=True)
class Exchange:
    """Something to send, and which answer is right.

    Made once and sent often: the client keeps the encoded bytes and the bytes of the last right answer here, so that an
    answer with the same bytes need not be parsed and verified again.
    """

    name: str = ""
    """The name it is counted under; requests with ids in their paths should share one."""
    expected_body: bytes | None = None
    check: Check | None = None
    encoded: bytes = field(default=b"", repr=False)
    encoded_for: str = field(default="", repr=False)
    """The authority in `encoded`, interned: candidates of a block have different addresses."""
    learned: bytes | None = field(default=None, repr=False)
    learned_answer: Answer | None = field(default=None, repr=False)

    def verify(self, answer: Answer) -> None:
        """Raise `Failure` unless the answer is right."""
        expected = self.expected_body
        if expected is not None and answer.body != expected:
            if len(answer.body) != len(expected):
                raise Failure("length", f"expected {len(expected)} bytes, found {len(answer.body)}")
            raise Failure("body", f"expected {excerpt(expected)}, found {excerpt(answer.body)}")
        if self.check is not None and (problem := self._problem(answer)) is not None:
            raise Failure("check", problem)

    def _problem(self, answer: Answer) -> str | None:
        assert self.check is not None
        try:
            return self.check(answer)
        except Exception as error:  # noqa: BLE001 - a scenario's code may raise anything
            return f"the check raised {error!r} for {excerpt(answer.body)}"


@dataclass(eq=False, slots=True)
class Request(Exchange):
    """An HTTP request."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""
    status: int = 200
    expected_type: str | None = None
    """The media type of the answer, without parameters."""
    varies: bool = field(default=False, init=False, repr=False)
    """Is there a `{unique}` in its path, headers or body? Each request then has a new value there."""
    pattern: tuple[bytes, Request] | None = field(default=None, repr=False)
    """A value for `{unique}`, and the request with it, encoded."""

    def __post_init__(self) -> None:
        self.name = self.name or f"{self.method} {self.path}"
        texts = (self.path, *(value for _, value in self.headers))
        self.varies = UNIQUE.encode() in self.body or any(UNIQUE in each for each in texts)

    def addressed(self, authority: str) -> tuple[str, Headers]:
        """The Host to send (the request's Host header, else `authority`), and the other headers."""
        host = next((value for name, value in self.headers if name.lower() == "host"), authority)
        return host, tuple((name, value) for name, value in self.headers if name.lower() != "host")

    def verify(self, answer: Answer) -> None:
        """Raise `Failure` unless status, content type and body are right."""
        if answer.status != self.status:
            raise Failure("status", f"expected {self.status}, found {answer.status}: {excerpt(answer.body)}")
        if self.expected_type is not None:
            found = answer.header("content-type") or "none"
            if found.partition(";")[0].strip().lower() != self.expected_type:
                raise Failure("content-type", f"expected {self.expected_type}, found {found}")
        Exchange.verify(self, answer)


@dataclass(eq=False, slots=True)
class Message(Exchange):
    """A WebSocket message; the answer is the next message from the server, of the same type (text or binary)."""

    method: ClassVar[str] = "WS"
    """The method shown in Locust's statistics."""
    data: bytes
    text: bool = False

    def __post_init__(self) -> None:
        self.name = self.name or "message"

    def verify(self, answer: Answer) -> None:
        """Raise `Failure` unless type and body are right."""
        expected = "text" if self.text else "binary"
        if (found := answer.header("type")) != expected:
            raise Failure("type", f"expected a {expected} message, found a {found} one")
        Exchange.verify(self, answer)


def excerpt(data: bytes, limit: int = 80) -> str:
    """The beginning of a body, for messages."""
    return repr(data[:limit])[1:] + (" …" if len(data) > limit else "")


def get(path: str, **expectation: Any) -> Request:
    """A GET request; keywords are fields of `Request`: `status`, `expected_body`, `expected_type`, `check`, `name`."""
    return Request("GET", path, **expectation)


def post(path: str, body: bytes, content_type: str, **expectation: Any) -> Request:
    """A POST request with `body`; keywords as for `get`."""
    return Request("POST", path, (("content-type", content_type),), body, **expectation)


def put(path: str, body: bytes, content_type: str, **expectation: Any) -> Request:
    """A PUT request with `body`; keywords as for `get`."""
    return Request("PUT", path, (("content-type", content_type),), body, **expectation)


def delete(path: str, **expectation: Any) -> Request:
    """A DELETE request; keywords as for `get`."""
    return Request("DELETE", path, **expectation)
