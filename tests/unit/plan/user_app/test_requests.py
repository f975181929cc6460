"""Requests from OpenAPI documents: which are made, which are left out, and which answers are right."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import pytest

from harness.model.event_stream import Stream
from harness.model.protocols import METHODS
from harness.plan.user_app.requests import (
    LIMIT,
    MADE,
    REQUESTS_LIMIT,
    LeftOut,
    Recipe,
    Reply,
    derive_expectation,
    describe_reply,
    make_recipes,
)


def document(path: str = "/items/{id}", method: str = "get", **operation: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {path: {method: operation}}}


def parameter(where: str, *, required: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": "id", "in": where, "required": required, **more}


def test_a_get_route_without_parameters_becomes_a_request() -> None:
    assert make_recipes(document("/health")) == ([Recipe("GET", "/health", "GET /health")], [])


@pytest.mark.parametrize(
    "described",
    [
        {"example": "a b"},
        {"examples": {"one": {"value": "a b"}}},
        {"schema": {"example": "a b"}},
        {"schema": {"examples": ["a b", "c"]}},
        {"schema": {"default": "a b"}},
        {"schema": {"enum": ["a b"]}},
    ],
)
def test_the_example_of_a_parameter_is_found_in_every_place_that_openapi_allows(described: dict[str, Any]) -> None:
    ((made,), left_out) = make_recipes(document(parameters=[parameter("path", **described)]))
    assert (made.path, made.name, left_out) == ("/items/a%20b", "GET /items/{id}", [])


def test_required_parameters_are_sent_and_others_are_not() -> None:
    several = [
        parameter("query", example=True),
        {"name": "page", "in": "query", "example": 2},
        {"name": "X-Tenant", "in": "header", "required": True, "example": "t1"},
    ]
    ((made,), _) = make_recipes(document("/items", parameters=several))
    assert (made.path, made.headers) == ("/items?id=true", (("x-tenant", "t1"),))


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"parameters": [parameter("path")]}, "no example for path parameter id"),
        (
            {"parameters": [parameter("path", example=1), parameter("cookie", example=1)]},
            "a cookie parameter is required",
        ),
        ({}, "a part of the path is not described as a parameter"),
        (
            {
                "parameters": [parameter("path", example=1)],
                "requestBody": {"required": True, "content": {"text/csv": {}}},
            },
            "its body is text/csv, not JSON, a form or text",
        ),
        (
            {
                "parameters": [parameter("path", example=1)],
                "requestBody": {"content": {"application/json": {}}},
            },
            "no example for its body, and no schema",
        ),
    ],
)
def test_a_route_that_cannot_be_requested_is_left_out_with_the_reason(operation: dict[str, Any], reason: str) -> None:
    assert make_recipes(document(**operation)) == ([], [LeftOut("GET /items/{id}", reason)])


def test_methods_that_may_write_are_requested_only_if_they_are_named() -> None:
    found = {"paths": {"/items": {method: {} for method in METHODS}}}
    made, left_out = make_recipes(found)
    assert [each.name for each in made] == ["GET /items"]
    assert left_out[0] == LeftOut("POST /items", "it may write; use --methods get,post to include it")
    assert [each.name for each in left_out] == ["POST /items", "PUT /items", "PATCH /items", "DELETE /items"]
    made, left_out = make_recipes(found, ("post", "delete"))
    assert [(each.name, each.writes) for each in made] == [("POST /items", True), ("DELETE /items", True)]
    assert left_out[0] == LeftOut("GET /items", "not among --methods")


@pytest.mark.parametrize("paths", [None, [], {}, 3, {"x-origin": {"get": {}}}, {"/": {"summary": "a page"}}])
def test_a_document_without_paths_has_no_requests(paths: object) -> None:
    assert make_recipes({"paths": paths}) == ([], [])


@pytest.mark.parametrize("item", [None, [], {"get": None}, {"get": [3]}])
def test_a_route_that_is_not_described_is_left_out(item: object) -> None:
    made, (left_out,) = make_recipes({"paths": {"/a": item}})
    assert (made, left_out.reason) == ([], "not described")


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"parameters": [None]}, "a parameter has no name"),
        ({"parameters": [{"in": "query", "required": True}]}, "a parameter has no name"),
        ({"parameters": [parameter("query", schema=True)]}, "no example for query parameter id"),
        ({"parameters": [parameter("query", schema={"$ref": "other.yaml#/Id"})]}, "no example for query parameter id"),
        ({"parameters": [parameter("query", schema={"$ref": 3})]}, "no example for query parameter id"),
        ({"parameters": [parameter("query", example={"a": 1})]}, "the example is an object for query parameter id"),
        ({"requestBody": {"required": True}}, "its body is not described, not JSON, a form or text"),
        ({"requestBody": {"content": {"application/json": None}}}, "no example for its body, and no schema"),
        (
            {"requestBody": {"content": {"application/json": {"schema": {"pattern": "(["}}}}},
            "no example for its body, and none can be made: no text is made for the pattern ([",
        ),
    ],
)
def test_what_is_invalid_in_a_document_is_left_out(operation: dict[str, Any], reason: str) -> None:
    assert make_recipes(document("/items", **operation)) == ([], [LeftOut("GET /items", reason)])


@pytest.mark.parametrize("null", [{"parameters": None}, {"requestBody": None}, {"servers": None}, {"parameters": {}}])
def test_null_in_a_document_is_the_same_as_nothing(null: dict[str, Any]) -> None:
    assert make_recipes(document("/items", **null)) == ([Recipe("GET", "/items", "GET /items")], [])


@pytest.mark.parametrize(
    ("how", "query"),
    [
        ({}, "id=a&id=b"),
        ({"explode": False}, "id=a%2Cb"),
        ({"style": "pipeDelimited"}, "id=a%7Cb"),
    ],
)
def test_an_array_is_sent_in_its_style(how: dict[str, Any], query: str) -> None:
    ((made,), _) = make_recipes(document("/items", parameters=[parameter("query", example=["a", "b"], **how)]))
    assert made.path == f"/items?{query}"


def test_an_array_takes_the_example_of_its_items() -> None:
    schema = {"type": "array", "items": {"type": "string", "examples": ["a"]}}
    ((made,), _) = make_recipes(document("/items", parameters=[parameter("query", schema=schema)]))
    assert made.path == "/items?id=a"


def test_a_schema_made_of_others_has_their_examples() -> None:
    named = {"properties": {"name": {"example": "chair"}}, "required": ["name"]}
    priced = {"properties": {"price": {"anyOf": [{"type": "null"}, {"example": 9}]}}, "required": ["price"]}
    found = document(parameters=[parameter("path", schema={"allOf": [{"$ref": "#/components/schemas/Id"}]})])
    found["paths"]["/items/{id}"]["get"]["requestBody"] = {
        "content": {"application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Named"}, priced]}}}
    }
    found["components"] = {"schemas": {"Id": {"type": "integer", "example": 7}, "Named": named}}
    ((made,), _) = make_recipes(found)
    assert (made.path, ast.literal_eval(made.body.decode())) == ("/items/7", {"name": "chair", "price": 9})


def test_a_schema_that_contains_itself_has_no_example() -> None:
    found = document("/items", parameters=[parameter("query", schema={"$ref": "#/components/schemas/Loop"})])
    found["components"] = {"schemas": {"Loop": {"allOf": [{"$ref": "#/components/schemas/Loop"}]}}}
    assert make_recipes(found) == ([], [LeftOut("GET /items", "no example for query parameter id")])


ITSELF = [{"$ref": "#/components/schemas/Tree"}] * 8
TREES = [
    {"properties": {f"child{number}": part for number, part in enumerate(ITSELF)}},
    {"properties": {f"child{number}": part for number, part in enumerate(ITSELF)}, "required": ["child0"]},
    {"anyOf": ITSELF},
    {"oneOf": ITSELF, "properties": {"left": ITSELF[0], "right": ITSELF[0]}},
    {"allOf": ITSELF},
]


@pytest.mark.parametrize("tree", TREES)
def test_a_schema_that_contains_itself_many_times_is_soon_read(tree: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/Tree"}
    found = document("/items", "post", requestBody={"content": {"application/json": {"schema": schema}}})
    found["paths"]["/items"]["get"] = {"parameters": [parameter("query", schema=schema)]}
    found["components"] = {"schemas": {"Tree": tree}}
    recipes, left_out = make_recipes(found, ("get", "post"))
    assert LeftOut("GET /items", "no example for query parameter id") in left_out
    assert [each.body for each in recipes] in ([], [b"{}"])


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ({"url": "/api/v1"}, "/api/v1/items"),
        ({"url": "/api/{version}/", "variables": {"version": {"default": "v2"}}}, "/api/v2/items"),
        ({"url": "http://localhost:8000/api/v1"}, "/api/v1/items"),
        ({"url": "https://shop.example/api"}, "/api/items"),
        ({"url": "//shop.example/api"}, "/api/items"),
        ({"url": "https://{host}/{base}", "variables": {"host": {"default": "a.b"}, "base": {"default": "v3"}}},
         "/v3/items"),
        ({"url": "https://shop.example"}, "/items"),
        ({"url": "https://{host}/{base}", "variables": {"host": {"enum": ["a.b"]}, "base": {"enum": ["v3", "v4"]}}},
         "/v3/items"),
        ({"url": "v1"}, "/v1/items"),
        ({"url": "localhost:8000/v1"}, "/v1/items"),
        ({"url": "api.shop.example:8000"}, "/items"),
        ({"url": "/v1:8000"}, "/v1:8000/items"),
        ({"url": "./"}, "/items"),
        ({"url": "http://[shop/api"}, "/items"),
        ({"url": "/"}, "/items"),
        ({}, "/items"),
        (None, "/items"),
    ],
)  # fmt: skip
def test_paths_begin_with_the_path_of_the_first_server(server: object, path: str) -> None:
    ((made,), _) = make_recipes({**document("/items"), "servers": [server]})
    assert (made.path, made.name) == (path, "GET /items")


def test_a_parameter_of_an_operation_replaces_that_of_its_path() -> None:
    found = document(parameters=[parameter("path", example=2)])
    found["paths"]["/items/{id}"]["parameters"] = [parameter("path", example=1)]
    ((made,), _) = make_recipes(found)
    assert made.path == "/items/2"


def test_a_header_that_is_sent_anyway_needs_no_example() -> None:
    wanted = [{"name": "X-Tenant", "in": "header", "required": True}, parameter("cookie")]
    ((made,), _) = make_recipes(document("/items", parameters=wanted), given=(("x-tenant", "t1"), ("cookie", "id=1")))
    assert made.headers == ()


def test_a_body_is_built_from_the_examples_of_its_properties_through_references() -> None:
    found = document(
        "/items",
        "post",
        requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}},
    )
    found["components"] = {
        "schemas": {
            "Item": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "examples": ["chair"]},
                    "owner": {"$ref": "#/components/schemas/Item"},
                },
            }
        }
    }
    ((made,), _) = make_recipes(found, ("get", "post"))
    assert (made.method, made.headers) == ("POST", (("content-type", "application/json"),))
    assert ast.literal_eval(made.body.decode())["name"] == "chair"


def test_get_routes_without_parameters_come_first_and_the_number_of_requests_is_limited() -> None:
    paths = {f"/{number}": {"get": {}} for number in range(REQUESTS_LIMIT)}
    paths["/new"] = {"post": {}}
    made, left_out = make_recipes({"paths": {"/new": paths.pop("/new"), **paths}}, ("get", "post"))
    assert len(made) == REQUESTS_LIMIT
    assert {each.method for each in made} == {"GET"}
    assert left_out == [LeftOut("POST /new", f"more than {REQUESTS_LIMIT} requests")]


PAGE = Reply(200, "text/html", b"one")


def test_if_two_answers_are_equal_their_body_is_kept() -> None:
    assert derive_expectation(PAGE, PAGE, PAGE) == {"status": 200, "expected_type": "text/html", "seen_body": b"one"}


def test_if_any_answer_has_another_body_only_status_and_type_are_expected() -> None:
    other = Reply(200, "text/html", b"two")
    for replies in ((PAGE, other), (PAGE, PAGE, other), (PAGE, other, PAGE)):
        assert derive_expectation(*replies) == {"status": 200, "expected_type": "text/html"}


CHAT = Reply(200, "text/event-stream", b"data: a\n\n", events=1)
FEED = Reply(200, "text/event-stream", b"", ends=False, events=9)


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((CHAT, CHAT), {"stream": Stream(), "seen_body": CHAT.body}),
        ((CHAT, replace(CHAT, body=b"data: b\n\n")), {"stream": Stream()}),
        ((FEED, FEED), {"stream": LIMIT}),
        ((CHAT, FEED), {"stream": LIMIT}),
        ((CHAT, replace(CHAT, body=b"", events=0)), {}),
        ((replace(FEED, content_type="text/event-stream"),), {"stream": LIMIT}),
    ],
)
def test_an_answer_that_goes_on_gets_a_limit(replies: tuple[Reply, ...], expected: dict[str, object]) -> None:
    assert derive_expectation(*replies) == {"status": 200, "expected_type": "text/event-stream", **expected}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (Reply(404, "text/html", b"one"), "answered 404 when asked again"),
        (Reply(200, "text/plain", b"one"), "answered 200 text/html, and 200 text/plain when asked again"),
    ],
)
def test_a_request_with_another_status_or_type_at_any_later_time_is_left_out(second: Reply, reason: str) -> None:
    assert derive_expectation(PAGE, second) == reason
    assert derive_expectation(PAGE, PAGE, second) == reason


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404, "", b""), "answered 404"),
        (Reply(403, "", b""), "answered 403; --header 'Authorization: …' or --login may let it in"),
        (Reply(307, "", b"", "/items/"), "answered 307, which points at /items/"),
        (Reply(400, "", b"Invalid host header"), "answered 400, 'Invalid host header'"),
        (
            Reply(400, "text/html", b"<!doctype html><head><title>\n  DisallowedHost\n at /</title>" + b" " * 80),
            "answered 400, 'DisallowedHost at /'",
        ),
        (
            Reply(429, "", b"slow down"),
            "answered 429, 'slow down'; the app limits how often it is asked: turn that off while it is measured",
        ),
        (Reply(503, "", b"no database"), "answered 503, 'no database'"),
    ],
)
def test_a_wrong_answer_is_described_with_what_may_help(reply: Reply, words: str) -> None:
    assert describe_reply(reply) == words
    assert derive_expectation(reply, PAGE) == words


ORDER = {"type": "object", "required": ["item", "count"], "properties": {"item": {}, "count": {"type": "integer"}}}


def test_a_body_without_an_example_is_made_from_its_schema_and_says_so() -> None:
    found = document("/orders", "post", requestBody={"content": {"application/json": {"schema": ORDER}}})
    ((made,), left_out) = make_recipes(found, ("post",))
    assert (made.body, made.note, left_out) == (b'{"item": "text", "count": 1}', MADE, [])
    assert made.variants == (
        b'{"item": "text-{unique}", "count": 1}',
        b'{"item": "text-{unique}", "count": {unique:int}}',
        b'{"item": "text", "count": {unique:int}}',
    )


def test_an_example_is_not_made_but_can_be_new_each_time() -> None:
    content = {"application/x-www-form-urlencoded": {"schema": ORDER, "example": {"item": "a b", "count": 2}}}
    ((made,), _) = make_recipes(document("/orders", "post", requestBody={"content": content}), ("post",))
    assert (made.body, made.note) == (b"item=a+b&count=2", "")
    assert made.variants[:2] == (b"item=a+b-{unique}&count=2", b"item=a+b-{unique}&count={unique:int}")


def test_an_example_may_hold_the_placeholder_itself() -> None:
    parameters = [parameter("path", example="{unique:int}"), {**parameter("query", example="a{unique}"), "name": "q"}]
    ((made,), _) = make_recipes(document(parameters=parameters))
    assert made.path == "/items/{unique:int}?q=a{unique}"
