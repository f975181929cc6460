"""What counts as a right answer."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.exchange import Answer, Digest, Failure, Message, Request, as_tasks, delete, excerpt, get, post, put

PLAIN = (("content-type", "text/plain; charset=utf-8"),)


def problem(exchange: Request | Message, answer: Answer) -> str | None:
    """The kind of the failure; None when the answer is right."""
    try:
        exchange.verify(answer)
    except Failure as failure:
        return failure.kind
    return None


@given(st.integers(100, 999), st.integers(100, 999), st.binary(max_size=9), st.none() | st.binary(max_size=9))
def test_an_answer_is_right_if_status_and_body_are(
    status: int, found: int, body: bytes, expected: bytes | None
) -> None:
    right = status == found and expected in {None, body}
    request = get("/", status=status, expected_body=expected)
    assert (problem(request, Answer(found, (), body)) is None) is right
    assert (problem(Message(b"", expected_body=expected), Answer(0, (("type", "binary"),), body)) is None) is (
        expected in {None, body}
    )


def test_a_wrong_answer_is_named_by_the_first_thing_that_is_wrong() -> None:
    request = get("/", expected_type="text/plain", expected_body=b"hello", check=lambda _: "never right")
    answers = [
        Answer(500, (), b""),
        Answer(200, (("content-type", "text/html"),), b""),
        Answer(200, (), b"hello"),
        Answer(200, PLAIN, b"hell"),
        Answer(200, PLAIN, b"hallo"),
        Answer(200, PLAIN, b"hello"),
    ]
    kinds = ["status", "content-type", "content-type", "length", "body", "check"]
    assert [problem(request, answer) for answer in answers] == kinds


@pytest.mark.parametrize("found", ["text/plain", "Text/Plain", "text/plain;charset=utf-8", "text/plain ; a=b"])
def test_a_media_type_may_have_parameters_and_capitals(found: str) -> None:
    assert problem(get("/", expected_type="text/plain"), Answer(200, (("content-type", found),), b"")) is None


@pytest.mark.parametrize("error", [ValueError, KeyError, AssertionError, ZeroDivisionError, RecursionError])
def test_a_check_that_raises_finds_the_answer_wrong(error: type[Exception]) -> None:
    def check(_: Answer) -> str | None:
        raise error("in the check")

    with pytest.raises(Failure, match=f"{error.__name__}.*in the check.*hello") as caught:
        get("/", check=check).verify(Answer(200, (), b"hello"))
    assert caught.value.kind == "check"


def test_a_check_reads_json() -> None:
    request = get("/", check=lambda answer: None if answer.json()["a"] == 1 else "expected 1")
    bodies = [b'{"a": 1}', b'{"a": 2}', b'{"b": 1}', b"[]", b"{", b"", b"\xff", b"[" * 100_000]
    assert [problem(request, Answer(200, (), body)) for body in bodies] == [None] + ["check"] * 7


@pytest.mark.parametrize(("text", "found"), list(itertools.product([True, False], ["text", "binary"])))
def test_a_message_is_answered_by_one_of_its_type(text: bool, found: str) -> None:
    kind = problem(Message(b"a", text=text), Answer(0, (("type", found),), b"b"))
    assert kind == (None if text == (found == "text") else "type")


def test_the_first_of_several_headers_counts() -> None:
    answer = Answer(200, (("vary", "a"), ("vary", "b")), b"")
    assert (answer.header("vary"), answer.header("date")) == ("a", None)


def test_requests_are_named_after_what_they_ask_for() -> None:
    made: list[tuple[Any, ...]] = [
        (get("/a"), "GET /a", b""),
        (post("/a", b"x", "text/plain"), "POST /a", b"x"),
        (put("/a", b"x", "text/plain", name="update"), "update", b"x"),
        (delete("/a"), "DELETE /a", b""),
        (Message(b"x"), "message", None),
    ]
    for exchange, name, body in made:
        assert exchange.name == name
        assert body is None or exchange.body == body


def test_excerpts_are_short_and_printable() -> None:
    assert excerpt(b"\x00" * 3) == "'\\x00\\x00\\x00'"
    assert excerpt(b"a" * 81) == f"'{'a' * 80}' …"


def test_a_request_may_name_another_host_than_it_is_sent_to() -> None:
    more = (("x-page", "2"),)
    assert Request("GET", "/", (("Host", "shop.example"), *more)).addressed("127.0.0.1:1") == (
        "shop.example",
        "/",
        more,
    )
    assert Request("GET", "/", more).addressed("127.0.0.1:1") == ("127.0.0.1:1", "/", more)


def test_a_request_is_sent_under_the_path_of_its_server() -> None:
    request = Request("GET", "/items?page=2")
    assert request.addressed("127.0.0.1:1/api/v1") == ("127.0.0.1:1", "/api/v1/items?page=2", ())
    assert request.name == "GET /items?page=2"


@pytest.mark.parametrize(
    ("seen", "body"),
    [
        (b"12:04", b"12:05"),
        (b"9", b"10"),
        (b'{"up_s": 9}', b'{"up_s": 10}'),
        (b"[1]", b"[]"),
        (b'{"items": [1], "next": null}', b'{"next": "/2", "items": []}'),
        (b"\xff", b"\xfe"),
    ],
)
def test_a_body_that_was_seen_before_may_change_and_is_then_compared_with_the_new_one(seen: bytes, body: bytes) -> None:
    request = get("/", seen_body=seen)
    assert problem(request, Answer(200, (), seen)) is None
    assert request.change is None
    assert problem(request, Answer(200, (), body)) is None
    assert request.change == f"expected {excerpt(seen)}, found {excerpt(body)}"
    request.change = None
    assert problem(request, Answer(200, (), body)) is None
    assert request.change is None


@pytest.mark.parametrize(
    ("seen", "body", "kind"),
    [
        (b"a page", b"", "length"),
        (b"", b"a page", "length"),
        (b'{"items": []}', b'{"error": 1}', "length"),
        (b'{"items": []}', b"{}", "length"),
        (b"[1]", b"{1]", "body"),
        (b"[1]", b'{"error": "busy"}', "length"),
        (b"{}", b"[]", "body"),
        (b"1", b"[", "body"),
    ],
)
def test_a_body_of_another_kind_than_the_one_seen_before_is_wrong(seen: bytes, body: bytes, kind: str) -> None:
    request = get("/", seen_body=seen)
    assert problem(request, Answer(200, (), body)) == kind
    assert (request.change, request.seen_body) == (None, seen)


def test_a_long_body_is_compared_by_its_digest_once() -> None:
    body, other = bytes(10_000), bytes(10_001)
    strict = get("/", expected_body=Digest.of(body))
    assert problem(strict, Answer(200, (), other)) == "length"
    assert problem(strict, Answer(200, (), b"x" * 10_000)) == "body"
    assert problem(strict, Answer(200, (), body)) is None
    assert strict.expected_body is body
    seen = get("/", seen_body=Digest.of(body))
    assert problem(seen, Answer(200, (), body)) is None
    assert (seen.seen_body, seen.change) == (body, None)
    changed = get("/", seen_body=Digest.of(body))
    assert problem(changed, Answer(200, (), other)) is None
    assert changed.change is not None
    assert "length=10001" in changed.change


def test_requests_become_tasks_with_weights() -> None:
    sent: list[Request] = []

    class User:
        def send(self, request: Request) -> None:
            sent.append(request)

    requests = {get("/a"): 1, get("/b"): 3}
    tasks = as_tasks(requests)
    assert [(task.__name__, weight) for task, weight in tasks.items()] == [("GET /a", 1), ("GET /b", 3)]
    for task in tasks:
        task(User())
    assert sent == list(requests)
