"""Requests from OpenAPI documents: what is asked, what is left out, and what is written."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from harness.catalog.listing import read_scenario
from harness.model.protocols import METHODS
from harness.plan.user_app.requests import (
    MOST,
    LeftOut,
    Recipe,
    Reply,
    answered,
    expectation,
    is_edited,
    is_of,
    recipes,
    sealed,
    source,
)


def document(path: str = "/items/{id}", method: str = "get", **operation: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {path: {method: operation}}}


def parameter(where: str, *, required: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": "id", "in": where, "required": required, **more}


def test_a_get_without_parameters_is_asked_as_it_is() -> None:
    assert recipes(document("/health")) == ([Recipe("GET", "/health", "GET /health")], [])


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
def test_a_parameter_takes_its_example_from_wherever_it_stands(described: dict[str, Any]) -> None:
    ((made,), left_out) = recipes(document(parameters=[parameter("path", **described)]))
    assert (made.path, made.name, left_out) == ("/items/a%20b", "GET /items/{id}", [])


def test_required_parameters_are_sent_and_others_are_not() -> None:
    several = [
        parameter("query", example=True),
        {"name": "page", "in": "query", "example": 2},
        {"name": "X-Tenant", "in": "header", "required": True, "example": "t1"},
    ]
    ((made,), _) = recipes(document("/items", parameters=several))
    assert (made.path, made.headers) == ("/items?id=true", (("x-tenant", "t1"),))


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"parameters": [parameter("path")]}, "no example for path parameter id"),
        (
            {"parameters": [parameter("path", example=1), parameter("cookie", example=1)]},
            "a cookie parameter is required",
        ),
        ({}, "a part of the path has no parameter that describes it"),
        (
            {
                "parameters": [parameter("path", example=1)],
                "requestBody": {"required": True, "content": {"text/csv": {}}},
            },
            "its body is text/csv, not application/json",
        ),
        (
            {
                "parameters": [parameter("path", example=1)],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            },
            "no example of its body",
        ),
    ],
)
def test_a_route_that_cannot_be_asked_is_left_out_with_its_reason(operation: dict[str, Any], reason: str) -> None:
    assert recipes(document(**operation)) == ([], [LeftOut("GET /items/{id}", reason)])


def test_what_may_write_is_asked_only_where_it_is_said() -> None:
    found = {"paths": {"/items": {method: {} for method in METHODS}}}
    made, left_out = recipes(found)
    assert [each.name for each in made] == ["GET /items"]
    assert left_out[0] == LeftOut("POST /items", "it may write; --methods get,post asks it too")
    assert [each.name for each in left_out] == ["POST /items", "PUT /items", "PATCH /items", "DELETE /items"]
    made, left_out = recipes(found, ("post", "delete"))
    assert [(each.name, each.writes) for each in made] == [("POST /items", True), ("DELETE /items", True)]
    assert left_out[0] == LeftOut("GET /items", "not among --methods")


@pytest.mark.parametrize("paths", [None, [], {}, 3, {"x-origin": {"get": {}}}, {"/": {"summary": "a page"}}])
def test_a_document_without_paths_has_no_requests(paths: object) -> None:
    assert recipes({"paths": paths}) == ([], [])


@pytest.mark.parametrize("item", [None, [], {"get": None}, {"get": [3]}])
def test_a_route_that_is_not_described_is_left_out(item: object) -> None:
    made, (left_out,) = recipes({"paths": {"/a": item}})
    assert (made, left_out.reason) == ([], "not described")


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"parameters": [None]}, "a parameter has no name"),
        ({"parameters": [{"in": "query", "required": True}]}, "a parameter has no name"),
        ({"parameters": [parameter("query", schema=True)]}, "no example for query parameter id"),
        ({"parameters": [parameter("query", schema={"$ref": "other.yaml#/Id"})]}, "no example for query parameter id"),
        ({"parameters": [parameter("query", schema={"$ref": 3})]}, "no example for query parameter id"),
        ({"parameters": [parameter("query", example={"a": 1})]}, "an object is query parameter id"),
        ({"requestBody": {"required": True}}, "its body is not described, not application/json"),
        ({"requestBody": {"content": {"application/json": None}}}, "no example of its body"),
        (
            {"requestBody": {"content": {"application/json": {"schema": {"properties": {"a": True}}}}}},
            "no example of its body",
        ),
    ],
)
def test_what_is_odd_in_a_document_is_left_out(operation: dict[str, Any], reason: str) -> None:
    assert recipes(document("/items", **operation)) == ([], [LeftOut("GET /items", reason)])


@pytest.mark.parametrize("odd", [{"parameters": None}, {"requestBody": None}, {"servers": None}, {"parameters": {}}])
def test_what_is_null_is_as_if_it_was_not_there(odd: dict[str, Any]) -> None:
    assert recipes(document("/items", **odd)) == ([Recipe("GET", "/items", "GET /items")], [])


@pytest.mark.parametrize(
    ("how", "query"),
    [
        ({}, "id=a&id=b"),
        ({"explode": False}, "id=a%2Cb"),
        ({"style": "pipeDelimited"}, "id=a%7Cb"),
    ],
)
def test_an_array_is_sent_as_its_style_says(how: dict[str, Any], query: str) -> None:
    ((made,), _) = recipes(document("/items", parameters=[parameter("query", example=["a", "b"], **how)]))
    assert made.path == f"/items?{query}"


def test_an_array_takes_the_example_of_its_items() -> None:
    schema = {"type": "array", "items": {"type": "string", "examples": ["a"]}}
    ((made,), _) = recipes(document("/items", parameters=[parameter("query", schema=schema)]))
    assert made.path == "/items?id=a"


def test_a_schema_made_of_others_has_their_examples() -> None:
    named = {"properties": {"name": {"example": "chair"}}, "required": ["name"]}
    priced = {"properties": {"price": {"anyOf": [{"type": "null"}, {"example": 9}]}}, "required": ["price"]}
    found = document(parameters=[parameter("path", schema={"allOf": [{"$ref": "#/components/schemas/Id"}]})])
    found["paths"]["/items/{id}"]["get"]["requestBody"] = {
        "content": {"application/json": {"schema": {"allOf": [{"$ref": "#/components/schemas/Named"}, priced]}}}
    }
    found["components"] = {"schemas": {"Id": {"type": "integer", "example": 7}, "Named": named}}
    ((made,), _) = recipes(found)
    assert (made.path, ast.literal_eval(made.body.decode())) == ("/items/7", {"name": "chair", "price": 9})


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    found = document("/items", parameters=[parameter("query", schema={"$ref": "#/components/schemas/Loop"})])
    found["components"] = {"schemas": {"Loop": {"allOf": [{"$ref": "#/components/schemas/Loop"}]}}}
    assert recipes(found) == ([], [LeftOut("GET /items", "no example for query parameter id")])


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ({"url": "/api/v1"}, "/api/v1/items"),
        ({"url": "/api/{version}/", "variables": {"version": {"default": "v2"}}}, "/api/v2/items"),
        ({"url": "https://shop.example/api"}, "/items"),
        ({"url": "//shop.example/api"}, "/items"),
        ({"url": "/"}, "/items"),
        ({}, "/items"),
        (None, "/items"),
    ],
)
def test_paths_begin_with_what_the_first_server_says(server: object, path: str) -> None:
    ((made,), _) = recipes({**document("/items"), "servers": [server]})
    assert (made.path, made.name) == (path, "GET /items")


def test_an_operations_parameter_replaces_its_paths() -> None:
    found = document(parameters=[parameter("path", example=2)])
    found["paths"]["/items/{id}"]["parameters"] = [parameter("path", example=1)]
    ((made,), _) = recipes(found)
    assert made.path == "/items/2"


def test_a_header_that_is_sent_anyway_needs_no_example() -> None:
    wanted = [{"name": "X-Tenant", "in": "header", "required": True}, parameter("cookie")]
    ((made,), _) = recipes(document("/items", parameters=wanted), given=(("x-tenant", "t1"), ("cookie", "id=1")))
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
    ((made,), _) = recipes(found, ("get", "post"))
    assert (made.method, made.headers) == ("POST", (("content-type", "application/json"),))
    assert ast.literal_eval(made.body.decode())["name"] == "chair"


def test_gets_without_parameters_come_first_and_there_is_a_limit() -> None:
    paths = {f"/{number}": {"get": {}} for number in range(MOST)}
    paths["/new"] = {"post": {}}
    made, left_out = recipes({"paths": {"/new": paths.pop("/new"), **paths}}, ("get", "post"))
    assert len(made) == MOST
    assert {each.method for each in made} == {"GET"}
    assert left_out == [LeftOut("POST /new", f"more than {MOST} requests")]


PAGE = Reply(200, "text/html", b"one")


def test_two_equal_answers_are_what_is_expected_from_then_on() -> None:
    assert expectation(PAGE, PAGE) == {"status": 200, "expected_type": "text/html", "expected_body": b"one"}


def test_of_answers_that_differ_only_status_and_type_are_expected() -> None:
    assert expectation(PAGE, Reply(200, "text/html", b"two")) == {"status": 200, "expected_type": "text/html"}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (Reply(404, "text/html", b"one"), "answered 404 the second time"),
        (Reply(200, "text/plain", b"one"), "answered differently the second time"),
    ],
)
def test_answers_that_cannot_be_relied_on_are_left_out(second: Reply, reason: str) -> None:
    assert expectation(PAGE, second) == reason


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404, "", b""), "answered 404"),
        (Reply(403, "", b""), "answered 403; --header 'Authorization: …' may let it in"),
        (Reply(307, "", b"", "/items/"), "answered 307, which points at /items/"),
        (Reply(400, "", b"Invalid host header"), "answered 400, 'Invalid host header'"),
    ],
)
def test_a_wrong_answer_says_what_may_help(reply: Reply, words: str) -> None:
    assert answered(reply) == words
    assert expectation(reply, PAGE) == words


def test_an_edit_of_what_was_written_is_noticed() -> None:
    text = sealed("one\ntwo\n", "shop:app in /shop")
    assert is_of(text, "shop:app in /shop")
    assert not is_edited(text, "shop:app in /shop")
    assert not is_of(text, "shop:app in /shop2")
    edited = text.replace("two", "three")
    assert is_of(edited, "shop:app in /shop")
    assert is_edited(edited, "shop:app in /shop")
    assert is_edited(f"{text}four\n", "shop:app in /shop")


@pytest.mark.parametrize("own", [(), (("x-page", "2"),)])
def test_headers_are_sent_with_every_request(own: tuple[tuple[str, str], ...]) -> None:
    given = (("authorization", "Bearer one"),)
    text = source("Requests", [(Recipe("GET", "/", "GET /", own), {"status": 200})], [], given)
    assert text.count("Bearer one") == 1
    values = {
        ast.unparse(node.targets[0]): node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assign)
    }
    request = values["request_0"]
    assert isinstance(request, ast.Call)
    (headers,) = (keyword.value for keyword in request.keywords if keyword.arg == "headers")
    assert eval(ast.unparse(headers), {"HEADERS": ast.literal_eval(values["HEADERS"])}) == (*given, *own)


def test_what_is_written_is_a_scenario_that_the_catalogue_reads(tmp_path: Path) -> None:
    recipe = Recipe("POST", "/items?x=1", "POST /items", (("content-type", "application/json"),), b'{"a": "\\""}')
    path = tmp_path / "shop.py"
    path.write_text(
        source("Requests to shop", [(recipe, expectation(PAGE, PAGE))], [LeftOut("GET /x", "answered 401")])
    )  # type: ignore[list-item] # not a reason
    found = read_scenario(path)
    assert (found.name, found.summary, found.ours) == ("shop", "Requests to shop", True)
    assert "# Left out: GET /x: answered 401" in path.read_text()
