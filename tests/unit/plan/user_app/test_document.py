"""OpenAPI documents as texts: JSON, YAML and Swagger 2; and the links to one in a page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.plan.user_app.document import find_links, parse_document
from harness.plan.user_app.requests import Recipe, make_recipes

FORM = "application/x-www-form-urlencoded"
FILE = (
    b'--harness-part\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\ntext\r\n--harness-part--\r\n"
)


@pytest.mark.parametrize(
    "text",
    [
        '{"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}',
        "\ufeff" + '{"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}',
        "openapi: 3.0.3\npaths: {/a: {get: {}}}\n",
        "\ufeffopenapi: 3.0.3\npaths: {/a: {get: {}}}\n",
        "%YAML 1.2\n---\n# with remarks\npaths:\n  /a:\n    get:\n",
        "x: &routes\n  /a: {get: {}}\npaths:\n  <<: *routes\n",
        "paths:\n  /a:\n    get: {responses: {200: {description: ok}}}\n",
    ],
)
def test_json_and_yaml_are_documents(text: str) -> None:
    found = parse_document(text.encode())
    assert found is not None
    assert list(found["paths"]) == ["/a"]


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"paths", b"[]", b"3", b"{}", b"{", b"\xff\xfe\x00", b"paths: [", b"a: b\n"),
        b"<html><body>paths: no</body></html>",
        b"paths: *missing\n",
        b"? [paths]\n: 1\n",
        b"[" * 100_000,
        b"paths: " + b"[" * 5_000,
    ],
)
def test_any_other_text_is_no_document(text: bytes) -> None:
    assert parse_document(text) is None


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10%3A00%3A00Z"),
        ("12:30", "12%3A30"),
        ("no", "no"),
        ("true", "true"),
        ("0777", "0777"),
        ("7", "7"),
        ("-1.5", "-1.5"),
        ("'7'", "7"),
    ],
)
def test_a_value_in_yaml_is_sent_as_it_is_written(value: str, sent: str) -> None:
    text = f"paths: {{/a: {{get: {{parameters: [{{name: q, in: query, required: true, example: {value}}}]}}}}}}"
    found = parse_document(text.encode())
    assert found is not None
    assert make_recipes(found) == ([Recipe("GET", f"/a?q={sent}", "GET /a")], [])


def test_a_tag_in_yaml_runs_nothing() -> None:
    assert parse_document(b"paths: !!python/object/apply:os.getcwd []\n") == {"paths": []}


def test_keys_in_yaml_are_texts() -> None:
    found = parse_document(b"paths: {7: {get: {}}, yes: {get: {}}, /a: {get: {}}}")
    assert found is not None
    assert list(found["paths"]) == ["7", "yes", "/a"]
    assert [each.path for each in make_recipes(found)[0]] == ["/a"]


def swagger(operation: dict[str, Any], **more: Any) -> dict[str, Any]:
    paths = {"/a/{id}": {"parameters": [{"$ref": "#/parameters/id"}], "post": operation}}
    shared = {"id": {"name": "id", "in": "path", "required": True, "type": "integer", "default": 7}}
    text = json.dumps({"swagger": "2.0", "paths": paths, "parameters": shared, **more})
    found = parse_document(text.encode())
    assert found is not None
    return found


def made(document: dict[str, Any]) -> Recipe:
    (recipes, left_out) = make_recipes(document, ("get", "post"))
    assert left_out == []
    return recipes[0]


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({}, "/a/7"),
        ({"basePath": "/"}, "/a/7"),
        ({"basePath": "/v2"}, "/v2/a/7"),
        ({"basePath": "v2/"}, "/v2/a/7"),
        ({"basePath": "/v2", "host": "petstore.example", "schemes": ["https"]}, "/v2/a/7"),
        ({"host": "petstore.example"}, "/a/7"),
    ],
)
def test_paths_of_swagger_2_begin_with_its_base_path(more: dict[str, Any], path: str) -> None:
    assert made(swagger({}, **more)).path == path


@pytest.mark.parametrize(
    ("parameter", "path"),
    [
        ({"type": "string", "enum": ["new", "old"]}, "/a/7?q=new"),
        ({"type": "string", "x-example": "moin"}, "/a/7?q=moin"),
        ({"type": "array", "items": {"type": "string"}, "default": ["b", "c"]}, "/a/7?q=b%2Cc"),
        ({"type": "array", "collectionFormat": "multi", "default": ["b", "c"]}, "/a/7?q=b&q=c"),
        ({"type": "array", "collectionFormat": "pipes", "default": ["b", "c"]}, "/a/7?q=b%7Cc"),
    ],
)
def test_parameters_of_swagger_2_have_their_types_beside_them(parameter: dict[str, Any], path: str) -> None:
    described = {"name": "q", "in": "query", "required": True, **parameter}
    assert made(swagger({"parameters": [described]})).path == path


@pytest.mark.parametrize(
    ("operation", "more", "content_type", "body"),
    [
        (
            {"parameters": [{"in": "body", "name": "it", "required": True, "schema": {"$ref": "#/definitions/Item"}}]},
            {"definitions": {"Item": {"type": "object", "properties": {"name": {"example": "chair"}}}}},
            "application/json",
            b'{"name": "chair"}',
        ),
        (
            {
                "consumes": ["application/vnd.shop+json"],
                "parameters": [{"in": "body", "name": "it", "schema": {"example": [1]}}],
            },
            {},
            "application/vnd.shop+json",
            b"[1]",
        ),
        (
            {"parameters": [{"in": "formData", "name": "name", "type": "string", "required": True, "default": "a b"}]},
            {},
            FORM,
            b"name=a+b",
        ),
        (
            {"parameters": [{"in": "formData", "name": "f", "type": "file", "required": True, "x-example": "text"}]},
            {"consumes": ["multipart/form-data"]},
            "multipart/form-data; boundary=harness-part",
            FILE,
        ),
    ],
)
def test_bodies_and_forms_of_swagger_2_are_parameters(
    operation: dict[str, Any], more: dict[str, Any], content_type: str, body: bytes
) -> None:
    recipe = made(swagger(operation, **more))
    assert (recipe.headers, recipe.body) == ((("content-type", content_type),), body)


@pytest.mark.parametrize("broken", [None, 3, [3], {"get": 3}, {"parameters": 3, "get": {"parameters": [3, None]}}])
def test_what_is_invalid_in_swagger_2_is_left_out(broken: object) -> None:
    found = parse_document(json.dumps({"swagger": "2.0", "paths": {"/a": broken}}).encode())
    assert found is not None
    assert make_recipes(found)[0] == []


@pytest.mark.parametrize(
    ("page", "links"),
    [
        ("const ui = SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui' })", ["/openapi.json"]),
        ('SwaggerUIBundle({"url": "/api/v1/swagger.json"})', ["/api/v1/swagger.json"]),
        (r'SwaggerUIBundle({"url": "\/api\/schema\/"})', ["/api/schema/"]),
        ('<redoc spec-url="openapi.yaml"></redoc>', ["/docs/openapi.yaml"]),
        ('<script id="api-reference" data-url="/v3/openapi.json?a=1&amp;b=2"></script>', ["/v3/openapi.json?a=1&b=2"]),
        ('<a href="../schema/">document</a>', ["/schema/"]),
        ('<link href="https://cdn.example/swagger-ui.css"><a href="/x">x</a>', []),
        ('const spec = "/static/openapi.yml"', ["/static/openapi.yml"]),
        ("<p>nothing</p>", []),
    ],
)
def test_a_page_names_its_document(page: str, links: list[str]) -> None:
    assert list(find_links(page.encode(), "/docs/")) == links
