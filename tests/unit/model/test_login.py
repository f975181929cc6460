"""Logins: how one is written, what is sent, and what of the answers goes with later requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from harness.model.login import FORM, JSON, Headers, Login, LoginAnswer, LoginError, log_in, parse_login

HTTP, HTTPS = "http://shop", "https://shop"
JWT = Login("POST", "/login", JSON, '{"user": "ann", "password": "secret1"}')
PAGE = b'<form><input name=user><input type="hidden" name="csrfmiddlewaretoken" value="field&amp;1"></form>'


class App:
    """Answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: LoginAnswer) -> None:
        self.answers: Iterator[LoginAnswer] = iter(answers)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def send(self, method: str, path: str, headers: Headers, body: bytes) -> LoginAnswer:
        self.asked.append((method, path, dict(headers), body))
        return next(self.answers)


def answer(status: int = 200, body: bytes = b"", kind: str = JSON, *cookies: str) -> LoginAnswer:
    return LoginAnswer(status, (("content-type", kind), *(("set-cookie", each) for each in cookies)), body)


NOTHING = answer(405)


@pytest.mark.parametrize(
    ("text", "login"),
    [
        (
            'POST /login {"user": "a", "password": "b c"}',
            Login("POST", "/login", JSON, '{"user": "a", "password": "b c"}'),
        ),
        ("post /login user=a&password=b%26c", Login("POST", "/login", FORM, "user=a&password=b%26c")),
        ("POST /login user=a&password=b c", Login("POST", "/login", FORM, "user=a&password=b+c")),
        ("POST /guest", Login("POST", "/guest", JSON, "")),
    ],
)
def test_a_login_is_method_path_and_body(text: str, login: Login) -> None:
    assert parse_login(text) == login


@pytest.mark.parametrize(
    "text", ["", "POST", "/login user=secret1", "POST login secret1", 'POST /login {"password": secret1}']
)
def test_what_is_no_login_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_login(text)
    assert "secret1" not in str(caught.value)


@pytest.mark.parametrize(
    ("login", "secrets"),
    [
        (JWT, ("secret1",)),
        (Login("POST", "/", FORM, "username=ann&password=secret1&pin=77"), ("secret1", "77")),
        (Login("POST", "/", JSON, '{"a": [{"otp": 123456}], "email": "a@b"}'), ("123456",)),
        (Login("POST", "/"), ()),
    ],
)
def test_the_secrets_of_a_login(login: Login, secrets: tuple[str, ...]) -> None:
    assert login.secrets == secrets
    assert "secret1" not in repr(login)


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({"access_token": "t1", "token_type": "bearer"}, "Bearer t1"),
        ({"refresh": "r", "access": "t1"}, "Bearer t1"),
        ({"data": {"token": "t1"}}, "Bearer t1"),
        ({"token": "t1", "token_type": "Token"}, "Token t1"),
    ],
)
def test_a_token_in_the_answer_is_sent_as_authorization(given: dict[str, Any], header: str) -> None:
    app = App(NOTHING, answer(200, json.dumps(given).encode()))
    assert log_in(JWT, app.send, HTTP) == (("authorization", header),)
    assert app.asked == [
        ("GET", "/login", {}, b""),
        ("POST", "/login", {"content-type": JSON}, JWT.body.encode()),
    ]


def test_cookies_are_sent_back_and_those_that_were_deleted_are_not() -> None:
    app = App(
        answer(200, b"", JSON, "a=1; Path=/", "b=2"),
        answer(204, b"", JSON, "session=x=y; HttpOnly; Secure", 'b=""; Max-Age=0', "a=3"),
    )
    assert log_in(JWT, app.send, HTTP) == (("cookie", "a=3; session=x=y"),)
    assert app.asked[1][2]["cookie"] == "a=1; b=2"


def test_a_form_gets_the_token_of_its_page_as_django_wants() -> None:
    app = App(
        answer(200, PAGE, "text/html; charset=utf-8", "csrftoken=one"),
        answer(302, b"", "text/html", "csrftoken=two", "sessionid=abc"),
    )
    form = Login("POST", "/admin/login/", FORM, "username=ann&password=secret1")
    assert dict(log_in(form, app.send, HTTPS)) == {
        "cookie": "csrftoken=two; sessionid=abc",
        "x-csrftoken": "two",
        "x-csrf-token": "two",
        "referer": "https://shop/",
    }
    (_, _, headers, body) = app.asked[1]
    assert body == b"username=ann&password=secret1&csrfmiddlewaretoken=field%261"
    assert (headers["cookie"], headers["referer"], headers["content-type"]) == ("csrftoken=one", "https://shop/", FORM)


def test_a_token_that_is_only_in_the_page_is_read_again_after_the_login() -> None:
    app = App(
        answer(200, PAGE, "text/html", "session=anonymous"),
        answer(303, b"", "text/html", "session=ann"),
        answer(200, b'<meta name="csrf-token" content="new">', "text/html"),
    )
    headers = dict(log_in(Login("POST", "/login", FORM, "user=ann"), app.send, HTTP))
    assert headers == {"cookie": "session=ann", "x-csrftoken": "new", "x-csrf-token": "new"}
    assert (app.asked[2][:2], app.asked[2][2]["cookie"]) == (("GET", "/login"), "session=ann")


def test_an_xsrf_cookie_is_sent_as_angular_does() -> None:
    app = App(answer(200, b"", JSON, "XSRF-TOKEN=a%3D"), answer(200, b"", JSON, "s=1"))
    assert dict(log_in(JWT, app.send, HTTP))["x-xsrf-token"] == "a="


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (answer(401, b'{"password": "secret1"}'), "POST /login answered 401"),
        (answer(200, b"{}", JSON, "csrftoken=two"), "POST /login answered 200, but gave neither a cookie nor a token"),
        (answer(200, b"wrong password", "text/html", "seen=1"), "neither a cookie nor a token"),
    ],
)
def test_a_login_without_success_says_what_the_app_did(second: LoginAnswer, reason: str) -> None:
    app = App(answer(200, b"", "text/html", "seen=1"), second)
    with pytest.raises(LoginError, match=reason) as caught:
        log_in(JWT, app.send, HTTP)
    assert "secret1" not in str(caught.value)
