"""The scenario that is written for a user app: what it sends, and how it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.catalog.listing import read_scenario
from harness.load import Digest, Request, Stream
from harness.model.login import FORM, parse_login
from harness.plan.user_app.rendering import (
    LITERAL_BYTES,
    add_checksum,
    is_edited,
    is_written_for,
    render_scenario,
)
from harness.plan.user_app.requests import LIMIT, MADE, LeftOut, Recipe

if TYPE_CHECKING:
    from pathlib import Path

JSON = (("content-type", "application/json"),)
AUTHORIZATION = (("authorization", "Bearer one"),)


def evaluate(text: str) -> dict[Request, int]:
    """The requests of a scenario with their weights; its class needs Locust, which patches the process."""
    found: dict[str, Any] = {}
    source = text.partition("\nclass ")[0].replace("HttpScenario, ", "")
    exec(source, found)
    requests: dict[Request, int] = found["REQUESTS"]
    return requests


def render(recipe: Recipe, given: tuple[tuple[str, str], ...] = (), **expected: Any) -> str:
    return render_scenario("Requests to shop.", [(recipe, expected)], [], given)


@pytest.mark.parametrize(
    ("recipe", "line"),
    [
        (Recipe("GET", "/items", "GET /items"), "get('/items', seen_body=b'[]'): 1,"),
        (Recipe("GET", "/items/7", "GET /items/{id}"), "get('/items/7', name='GET /items/{id}', seen_body=b'[]'): 1,"),
        (Recipe("DELETE", "/items", "DELETE /items"), "delete('/items', seen_body=b'[]'): 1,"),
        (
            Recipe("POST", "/items", "POST /items", JSON, b"{}"),
            f"Request('POST', '/items', headers={JSON}, body=b'{{}}', seen_body=b'[]'): 1,",
        ),
    ],
)
def test_a_request_is_one_line_without_what_goes_without_saying(recipe: Recipe, line: str) -> None:
    text = render(recipe, status=200, seen_body=b"[]")
    assert [each.strip() for each in text.splitlines() if each.endswith(": 1,")] == [line]
    ((request, weight),) = evaluate(text).items()
    assert (request.method, request.path, request.name) == (recipe.method, recipe.path, recipe.name)
    assert (request.headers, request.body) == (recipe.headers, recipe.body)
    assert (request.status, request.seen_body, weight) == (200, b"[]", 1)


@pytest.mark.parametrize("own", [(), (("x-page", "2"),)])
def test_headers_are_written_once_and_sent_with_every_request(own: tuple[tuple[str, str], ...]) -> None:
    text = render(Recipe("GET", "/", "GET /", own), AUTHORIZATION, status=204)
    assert text.count("Bearer one") == 1
    (request,) = evaluate(text)
    assert (request.headers, request.status) == ((*AUTHORIZATION, *own), 204)


def test_a_body_that_is_not_compared_is_marked() -> None:
    assert "    get('/'): 1,  # its body changes\n" in render(Recipe("GET", "/", "GET /"), status=200)


@pytest.mark.parametrize(
    ("stream", "line"),
    [
        (LIMIT, "get('/', stream=Stream(events=20, seconds=1)): 1,  # it goes on, so the client ends it"),
        (Stream(), "get('/', stream=Stream()): 1,  # its body changes"),
        (Stream(seconds=0.5, at_least=2), "get('/', stream=Stream(seconds=0.5, at_least=2)): 1,  # its body changes"),
    ],
)
def test_a_stream_is_written_with_its_limit(stream: Stream, line: str) -> None:
    text = render(Recipe("GET", "/", "GET /"), status=200, stream=stream)
    assert f"    {line}\n" in text
    (request,) = evaluate(text)
    assert request.stream == stream


def test_a_long_body_is_written_as_its_digest() -> None:
    body = b"x" * (LITERAL_BYTES + 1)
    text = render(Recipe("GET", "/", "GET /"), status=200, seen_body=body)
    assert len(text) < LITERAL_BYTES
    (request,) = evaluate(text)
    assert request.seen_body == Digest.of(body)


def test_a_scenario_may_be_for_protocols_over_tls_only(tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(render_scenario("Requests.", [(Recipe("GET", "/", "GET /"), {})], [], protocols=("h1-tls", "h2")))
    assert read_scenario(path).protocols == {"h1-tls", "h2"}


def test_a_scenario_says_what_was_left_out_and_how_to_check_more_or_less(tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(
        render_scenario(
            "Requests to shop.",
            [(Recipe("GET", "/", "GET /"), {"status": 200})],
            [LeftOut("GET /x", "answered\n401"), LeftOut("POST /y", "it may write")],
        )
    )
    found = read_scenario(path)
    assert (found.name, found.summary, found.ours) == ("shop", "Requests to shop.", True)
    text = path.read_text()
    assert "# Left out:\n#   GET /x: answered 401\n#   POST /y: it may write\n" in text
    assert all(word in text for word in ("seen_body", "expected_body", "check", "weight"))


def test_an_edit_of_a_written_scenario_is_noticed() -> None:
    text = add_checksum("one\ntwo\n", "shop:app in /shop")
    assert is_written_for(text, "shop:app in /shop")
    assert not is_edited(text, "shop:app in /shop")
    assert not is_written_for(text, "shop:app in /shop2")
    edited = text.replace("two", "three")
    assert is_written_for(edited, "shop:app in /shop")
    assert is_edited(edited, "shop:app in /shop")
    assert is_edited(f"{text}four\n", "shop:app in /shop")


def test_a_scenario_logs_its_users_in_and_shows_what_needs_a_new_value(tmp_path: Path) -> None:
    login = parse_login("POST /login user=ann&password=secret1")
    made = Recipe("POST", "/orders", "POST /orders", JSON, b'{"item": "text"}', note=MADE)
    refused = LeftOut("POST /codes", "answered 409", Recipe("POST", "/codes", "POST /codes", JSON, b'{"code": 1}'))
    text = render_scenario("Requests to shop.", [(made, {"status": 201})], [refused], AUTHORIZATION, login=login)
    assert f"# {MADE}; its body changes" in text
    assert f"    login = Login('POST', '/login', {FORM!r}, 'user=ann&password=secret1')" in text
    assert "#   POST /codes: answered 409\n#     Request('POST', '/codes', headers=HEADERS + (" in text
    ((request, _),) = evaluate(text).items()
    assert (request.headers, request.status) == ((*AUTHORIZATION, *JSON), 201)
    (tmp_path / "shop.py").write_text(text)
    assert read_scenario(tmp_path / "shop.py").ours
