"""What a scenario sends and which answer is right, independent of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from json.decoder import JSONDecoder  # not `json`: while `locust -f scenarios/json.py` loads, that is the scenario
from typing import Any, ClassVar

from harness.load.compression import decode
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

    @property
    def content(self) -> bytes:
        """The body without its compression; raises `Failure` if it cannot be decoded."""
        coding = self.header("content-encoding")
        if coding is None or coding == "identity" or not self.body:
            return self.body
        try:
            return decode(self.body, coding.lower())
        except ValueError as error:
            raise Failure("encoding", str(error)) from error

    def json(self) -> Any:
        """The content as JSON in UTF-8 (RFC 8259, 8.1); raises `ValueError` when it is not."""
        return _decode_json(self.content.decode())


@dataclass(frozen=True, slots=True)
class Digest:
    """Stands for a body that is too long to be written into a scenario."""

    length: int
    """In bytes."""
    sha256: str
    """In hexadecimal digits (FIPS 180-4)."""

    @classmethod
    def of(cls, body: bytes) -> Digest:
        """The digest of this body."""
        return cls(len(body), sha256(body).hexdigest())

    def fits(self, body: bytes) -> bool:
        """Is it the digest of this body?"""
        return len(body) == self.length and sha256(body).hexdigest() == self.sha256


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
    expected_body: bytes | Digest | None = None
    check: Check | None = None
    encoded: bytes = field(default=b"", repr=False)
    encoded_for: str = field(default="", repr=False)
    """The base in `encoded` (`Endpoint.base`), interned: candidates of a block have different ones."""
    learned: bytes | None = field(default=None, repr=False)
    learned_answer: Answer | None = field(default=None, repr=False)
    change: str | None = field(default=None, repr=False)
    """A change of a body, which nobody has taken note of yet."""

    def verify(self, answer: Answer) -> None:
        """Raise `Failure` unless the answer is right."""
        expected, content = self.expected_body, answer.content
        if expected is not None and content != expected:
            if not isinstance(expected, Digest):
                raise _wrong_body(expected, content)
            if not expected.fits(content):
                raise _wrong_body(expected, content)
            self.expected_body = content  # to compare is faster than to make a digest each time
        if self.check is not None and (problem := self._problem(answer)) is not None:
            raise Failure("check", problem)

    def _problem(self, answer: Answer) -> str | None:
        assert self.check is not None
        try:
            return self.check(answer)
        except Exception as error:  # noqa: BLE001 - a scenario's code may raise anything
            return f"the check raised {error!r} for {_quote(answer)}"


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
    seen_body: bytes | Digest | None = None
    """The body that the app gave when it was asked before. Another one is right too if it is of the same kind; that is
    noted, and from then on it is the one to compare with."""
    varies: bool = field(default=False, init=False, repr=False)
    """Is there a `{unique}` in its path, headers or body? Each request then has a new value there."""
    pattern: tuple[bytes, Request] | None = field(default=None, repr=False)
    """A value for `{unique}`, and the request with it, encoded."""

    def __post_init__(self) -> None:
        self.name = self.name or f"{self.method} {self.path}"
        texts = (self.path, *(value for _, value in self.headers))
        self.varies = UNIQUE.encode() in self.body or any(UNIQUE in each for each in texts)

    def addressed(self, base: str) -> tuple[str, str, Headers]:
        """The Host to send (the request's Host header, else that of `base`), the path under it, and other headers."""
        authority, slash, prefix = base.partition("/")
        host = next((value for name, value in self.headers if name.lower() == "host"), authority)
        others = tuple((name, value) for name, value in self.headers if name.lower() != "host")
        return host, slash + prefix + self.path, others

    def verify(self, answer: Answer) -> None:
        """Raise `Failure` unless status, content type and body are right."""
        if answer.status != self.status:
            raise Failure("status", f"expected {self.status}, found {answer.status}: {_quote(answer)}")
        if self.expected_type is not None:
            found = answer.header("content-type") or "none"
            if found.partition(";")[0].strip().lower() != self.expected_type:
                raise Failure("content-type", f"expected {self.expected_type}, found {found}")
        if self.seen_body is not None and (content := answer.content) != self.seen_body:
            self._accept_change(self.seen_body, content)
        Exchange.verify(self, answer)

    def _accept_change(self, seen: bytes | Digest, body: bytes) -> None:
        """Compare with this body from now on; raises `Failure` if it is of another kind than the one before."""
        if not isinstance(seen, Digest):
            if not _is_same_kind(seen, body):
                raise _wrong_body(seen, body)
            self.change = f"expected {excerpt(seen)}, found {excerpt(body)}"
        elif not seen.fits(body):
            self.change = f"expected {seen}, found {Digest.of(body)}"
        self.seen_body = body


class AnyAnswer(Request):
    """A request to which any answer is right."""

    __slots__ = ()

    def verify(self, answer: Answer) -> None:
        """Accept it."""


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


def _quote(answer: Answer) -> str:
    """The beginning of its content, or of its body if that cannot be decoded."""
    try:
        return excerpt(answer.content)
    except Failure:
        return excerpt(answer.body)


def _wrong_body(expected: bytes | Digest, found: bytes) -> Failure:
    length = expected.length if isinstance(expected, Digest) else len(expected)
    if len(found) != length:
        return Failure("length", f"expected {length} bytes, found {len(found)}")
    if isinstance(expected, Digest):
        return Failure("body", f"expected {expected}, found {Digest.of(found)}")
    return Failure("body", f"expected {excerpt(expected)}, found {excerpt(found)}")


def _is_same_kind(seen: bytes, body: bytes) -> bool:
    """May both be answers of one route at different times: neither or both empty, in JSON with the same keys?"""
    if not (seen and body):
        return seen == body
    try:
        before = _decode_json(seen.decode())
    except ValueError:
        return True
    try:
        now = _decode_json(body.decode())
    except ValueError:
        return False
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys()
    return isinstance(now, list) == isinstance(before, list) and not isinstance(now, dict)


def excerpt(data: bytes, limit: int = 80) -> str:
    """The beginning of a body, for messages."""
    return repr(data[:limit])[1:] + (" …" if len(data) > limit else "")


def get(path: str, **expectation: Any) -> Request:
    """A GET request; keywords are fields of `Request`, such as `status`, `expected_body`, `expected_type`, `check`."""
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


def as_tasks(requests: Mapping[Request, int]) -> dict[Callable[[Any], None], int]:
    """Make the `tasks` of an `HttpScenario`: each sends one request, as often as its weight says (0: never)."""
    return {_make_task(request): weight for request, weight in requests.items()}


def _make_task(request: Request) -> Callable[[Any], None]:
    def send(user: Any) -> None:
        user.send(request)

    send.__name__ = request.name
    return send
