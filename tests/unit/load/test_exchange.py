"""What counts as a right answer."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.exchange import Answer, Failure, Message, Request, delete, excerpt, get, post, put

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
    assert Request("GET", "/", (("Host", "shop.example"), *more)).addressed("127.0.0.1:1") == ("shop.example", more)
    assert Request("GET", "/", more).addressed("127.0.0.1:1") == ("127.0.0.1:1", more)
