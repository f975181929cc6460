"""What a scenario sends and which answer is right, independent of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from json.decoder import JSONDecoder  # not `json`: while `locust -f scenarios/json.py` loads, that is the scenario
from typing import TYPE_CHECKING, Any, ClassVar

from harness.load.compression import decode
from harness.model.unique import list_placeholders

if TYPE_CHECKING:
    from harness.model.event_stream import Stream

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
    sent: bytes = field(default=b"", compare=False)
    """Over WebSocket, the data of the message in flight, with its new values; empty while there is none."""

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
    placeholders: tuple[str, ...] = field(default=(), init=False, repr=False)
    """`{unique}` and its like, if there are any in it: they stand for values that are new each time it is sent."""

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
    stream: Stream | None = None
    """How the answer is read as it comes; None if only the whole of it counts."""
    pattern: tuple[Sequence[bytes], Request] | None = field(default=None, repr=False)
    """Values for its placeholders, and the request with them, encoded."""

    def __post_init__(self) -> None:
        self.name = self.name or f"{self.method} {self.path}"
        self.placeholders = list_placeholders(self.body, self.path, *(value for _, value in self.headers))

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
        if self.expected_type is not None and media_type_of(answer.headers) != self.expected_type:
            found = answer.header("content-type") or "none"
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


def media_type_of(headers: Headers) -> str:
    """The media type that headers with names in lower case tell, without parameters; empty if they tell none."""
    found = next((value for name, value in headers if name == "content-type"), "")
    return found.partition(";")[0].strip().lower()


class AnyAnswer(Request):
    """A request to which any answer is right."""

    __slots__ = ()

    def verify(self, answer: Answer) -> None:
        """Accept it."""


@dataclass(eq=False, slots=True)
class Message(Exchange):
    """A WebSocket message; its answer is the next message from the server, or the next ones, of its type."""

    method: ClassVar[str] = "WS"
    """The method shown in Locust's statistics."""
    data: bytes | None = None
    """None: nothing is sent, and what the server sends next by itself is the answer."""
    text: bool = False
    answers: int = field(default=1, kw_only=True)
    """So many messages answer it. Each is verified, and the time counts up to the last."""
    until: Callable[[Answer], bool] | None = field(default=None, kw_only=True)
    """Instead of a number: is this message the last one that answers it?"""

    def __post_init__(self) -> None:
        if isinstance(self.data, str):
            raise TypeError(f"data: expected bytes, found text; write b{self.data!r}, text=True")
        if self.answers < 1:
            raise ValueError(
                f"answers: expected 1 or more, found {self.answers}; self.notify(message) awaits no answer"
            )
        self.name = self.name or "message"
        self.placeholders = list_placeholders(self.data or b"")

    def is_last(self, answer: Answer, number: int) -> bool:
        """Does no other message belong to the answer after this one, the `number`-th? Raises `Failure`."""
        if self.until is None:
            return number >= self.answers
        try:
            return bool(self.until(answer))
        except Exception as error:
            raise Failure("check", f"`until` raised {error!r} for {_quote(answer)}") from error

    def verify(self, answer: Answer) -> None:
        """Raise `Failure` unless type and body are right."""
        expected = "text" if self.text else "binary"
        if (found := answer.header("type")) != expected:
            raise Failure("type", f"expected a {expected} message, found a {found} one: {_quote(answer)}")
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
