"""Options for an app of one's own: what goes together, and headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.errors import UsageError
from harness.plan.settings import read_settings
from harness.plan.user_app.options import check, headers


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"app": "shop:app"},
        {"app": "shop:app", "methods": "GET,post", "factory": True, "openapi": "/api.json", "header": ["A: b"]},
        {"app": "shop:app", "protocols": "h1,ws"},
        {"app": "shop:app", "protocols": "ws", "locustfile": "mine.py"},
        {"app": "shop:app", "protocols": "ws", "scenarios": "ws_echo"},
    ],
)
def test_what_goes_together_is_let_through(tmp_path: Path, given: dict[str, str | bool | list[str]]) -> None:
    check(read_settings(given, tmp_path))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"header": ["A: b"]}, "--header: expected beside --app, found none"),
        ({"factory": True}, "--factory: expected beside --app, found none"),
        ({"openapi": "/api.json"}, "--openapi: expected beside --app, found none"),
        ({"methods": "get,post"}, "--methods: expected beside --app, found none"),
        ({"app": "shop:app", "apps": "starlette"}, "--apps: expected none beside --app shop:app, found starlette"),
        (
            {"app": "shop:app", "protocols": "ws"},
            (
                "--protocols: expected any of h1, h1-tls, h2, h2c, h3, for requests from a document go over HTTP, "
                "found ws; bring a --locustfile for WebSocket"
            ),
        ),
    ],
)
def test_what_would_be_ignored_is_told(tmp_path: Path, given: dict[str, str | bool | list[str]], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(read_settings(given, tmp_path))
    assert str(caught.value) == message


def test_methods_are_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--methods: expected any of get, post, put, patch, delete, found get,gte"):
        read_settings({"methods": "get,gte"}, tmp_path)


def test_headers_are_read() -> None:
    assert headers(["Authorization: Bearer a:b, c", "Host:shop.example", "X-Empty:"]) == (
        ("authorization", "Bearer a:b, c"),
        ("host", "shop.example"),
        ("x-empty", ""),
    )


@pytest.mark.parametrize("given", ["Bearer secret", ": secret", "A b: secret", "A: se\ncret", "A: secret…"])
def test_what_is_no_header_is_told_without_its_value(given: str) -> None:
    with pytest.raises(UsageError, match=r"--header: expected 'Name: value'[^\n]*\Z") as caught:
        headers([given])
    assert "secret" not in str(caught.value)


def test_a_header_is_given_once() -> None:
    with pytest.raises(UsageError, match="--header: expected each name once, found cookie twice"):
        headers(["Cookie: a=1", "cookie: b=2"])
