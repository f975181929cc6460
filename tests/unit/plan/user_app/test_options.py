"""Options for a user app: which can be combined, and headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.errors import UsageError
from harness.plan.options import read_settings
from harness.plan.user_app.options import check_options, parse_headers


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
def test_options_that_can_be_combined_are_accepted(tmp_path: Path, given: dict[str, str | bool | list[str]]) -> None:
    check_options(read_settings(given, tmp_path))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"header": ["A: b"]}, "--header: expected --app with it, found none"),
        ({"factory": True}, "--factory: expected --app with it, found none"),
        ({"openapi": "/api.json"}, "--openapi: expected --app with it, found none"),
        ({"path": ["/a"]}, "--path: expected --app with it, found none"),
        ({"app": "shop:app", "path": ["a"]}, "--path: expected a path that begins with /, found a"),
        (
            {"app": "shop:app", "path": ["/a"], "locustfile": "mine.py"},
            "--path: expected neither --locustfile nor --scenarios with it, which have their own requests",
        ),
        ({"methods": "get,post"}, "--methods: expected --app with it, found none"),
        ({"app": "shop:app", "apps": "starlette"}, "--apps: expected none with --app shop:app, found starlette"),
        (
            {"app": "shop:app", "protocols": "ws"},
            (
                "--protocols: expected any of h1, h1-tls, h2, h2c, h3 for requests from an OpenAPI document, "
                "found ws; use --locustfile for WebSocket"
            ),
        ),
    ],
)
def test_an_option_that_would_be_ignored_is_an_error(
    tmp_path: Path, given: dict[str, str | bool | list[str]], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_options(read_settings(given, tmp_path))
    assert str(caught.value) == message


def test_an_unknown_method_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--methods: expected any of get, post, put, patch, delete, found get,gte"):
        read_settings({"methods": "get,gte"}, tmp_path)


def test_headers_are_read() -> None:
    assert parse_headers(["Authorization: Bearer a:b, c", "Host:shop.example", "X-Empty:"]) == (
        ("authorization", "Bearer a:b, c"),
        ("host", "shop.example"),
        ("x-empty", ""),
    )


@pytest.mark.parametrize("given", ["Bearer secret", ": secret", "A b: secret", "A: se\ncret", "A: secret…"])
def test_an_invalid_header_is_an_error_that_hides_its_value(given: str) -> None:
    with pytest.raises(UsageError, match=r"--header: expected 'Name: value'[^\n]*\Z") as caught:
        parse_headers([given])
    assert "secret" not in str(caught.value)


def test_a_repeated_header_is_an_error() -> None:
    with pytest.raises(UsageError, match="--header: expected each name once, found cookie twice"):
        parse_headers(["Cookie: a=1", "cookie: b=2"])
