"""Requests from OpenAPI documents: what is asked, what is left out, and what is written."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from harness.catalog import read_scenario
from harness.recipes import MOST, LeftOut, Recipe, Reply, expectation, recipes, source


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
    ((made,), _) = recipes(found)
    assert (made.method, made.headers) == ("POST", (("content-type", "application/json"),))
    assert ast.literal_eval(made.body.decode())["name"] == "chair"


def test_gets_without_parameters_come_first_and_there_is_a_limit() -> None:
    paths = {f"/{number}": {"get": {}} for number in range(MOST)}
    paths["/new"] = {"post": {}}
    made, left_out = recipes({"paths": {"/new": paths.pop("/new"), **paths}})
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
        (Reply(404, "text/html", b"one"), "answered 404"),
        (Reply(200, "text/plain", b"one"), "answered differently the second time"),
    ],
)
def test_answers_that_cannot_be_relied_on_are_left_out(second: Reply, reason: str) -> None:
    assert expectation(PAGE, second) == reason


def test_what_is_written_is_a_scenario_that_the_catalogue_reads(tmp_path: Path) -> None:
    recipe = Recipe("POST", "/items?x=1", "POST /items", (("content-type", "application/json"),), b'{"a": "\\""}')
    path = tmp_path / "shop.py"
    path.write_text(
        source("Requests to shop", [(recipe, expectation(PAGE, PAGE))], [LeftOut("GET /x", "answered 401")])
    )  # type: ignore[list-item] # not a reason
    found = read_scenario(path)
    assert (found.name, found.summary, found.ours) == ("shop", "Requests to shop", True)
    assert "# Left out: GET /x: answered 401" in path.read_text()
