"""A user's own headers go with each of its requests, and with nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from harness.load import http1, unique
from harness.load.exchange import Headers, Request, get, post
from harness.load.own_requests import _KEPT_AT_MOST, OwnRequests, merge_headers
from harness.model.event_stream import Stream

COOKIE = (("cookie", "session=1"),)


class Client:
    """Keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: list[Request] = []

    def exchange(self, sent: Request, intended_ns: int | None = None) -> Any:
        self.sent.append(sent)
        return intended_ns


@pytest.mark.parametrize(
    ("own", "more", "merged"),
    [
        ((), COOKIE, COOKIE),
        ((("Cookie", "a=1"),), COOKIE, (("Cookie", "a=1; session=1"),)),
        ((("Accept", "text/html"),), (("accept", "*/*"), ("x-key", "1")), (("Accept", "text/html"), ("x-key", "1"))),
        ((("a", "1"), ("a", "2")), (), (("a", "1"), ("a", "2"))),
    ],
)
def test_headers_of_a_request_come_before_those_of_the_user(own: Headers, more: Headers, merged: Headers) -> None:
    assert merge_headers(own, more) == merged


def test_a_request_is_copied_once_for_each_user() -> None:
    client, request = Client(), post("/{unique}", b"a", "text/plain", name="POST /", status=201)
    one, other = OwnRequests(client, COOKIE), OwnRequests(client, (("cookie", "session=2"),))  # type: ignore[arg-type] # a stub
    for user in (one, one, other):
        assert user.exchange(request, 5) == 5
    first, again, foreign = client.sent
    assert first is again
    assert [each.headers[-1][1] for each in (first, foreign)] == ["session=1", "session=2"]
    assert (first.name, first.status, first.body, first.placeholders) == ("POST /", 201, b"a", ("{unique}",))
    assert request.headers == (("content-type", "text/plain"),)


def test_requests_that_are_made_anew_each_time_are_not_all_kept() -> None:
    client = Client()
    user = OwnRequests(client, COOKIE)  # type: ignore[arg-type] # a stub
    for number in range(_KEPT_AT_MOST + 10):
        user.exchange(get(f"/{number}"))
    assert len(user._own) == _KEPT_AT_MOST
    assert client.sent[-1].headers == COOKIE


@pytest.mark.parametrize("path", ["/", "/{unique}"])
def test_a_request_that_was_sent_before_the_login_is_encoded_anew(path: str) -> None:
    client, request = Client(), get(path)
    unique.encode(request, "shop", lambda each: http1.encode(each, "shop"))
    OwnRequests(client, COOKIE).exchange(request)  # type: ignore[arg-type] # a stub
    assert client.sent[0].encoded_for == ""
    encoded, _ = unique.encode(client.sent[0], "shop", lambda each: http1.encode(each, "shop"))
    assert b"cookie: session=1" in encoded


def test_streams_are_not_asked_for_compressed() -> None:
    client = Client()
    user = OwnRequests(client, (("accept-encoding", "gzip"), *COOKIE))  # type: ignore[arg-type] # a stub
    user.exchange(get("/events", stream=Stream(events=2)))
    user.exchange(get("/ping"))
    assert [[name for name, _ in each.headers] for each in client.sent] == [["cookie"], ["accept-encoding", "cookie"]]
