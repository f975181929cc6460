"""OpenAPI documents as texts: JSON, YAML and Swagger 2; and the links to one in a page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from harness.plan.user_app.document import find_links, parse_document
from harness.plan.user_app.requests import LeftOut, Recipe, make_recipes

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
    assert list(parse_document(text.encode())["paths"]) == ["/a"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", ['{"paths": {"/größe": {"get": {}}}}', "paths:\n  /größe: {get: {}}\n"])
def test_a_document_may_begin_with_a_byte_order_mark(text: str, encoding: str) -> None:
    assert list(parse_document(text.encode(encoding))["paths"]) == ["/größe"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"paths:\n\t/a: {}\n", "in line 2, found character that cannot start any token"),
        ("paths:\n  # Größe\n".encode("latin-1"), "in line 2, a byte 0xf6 that is not UTF-8"),
        (b'{"paths": {\n"/a" {}}}', "in line 2, expecting ':' delimiter"),
        (b"paths: {}\n---\npaths: {}\n", "in line 2, but found another document"),
        (b"paths: *missing\n", "in line 1, found undefined alias"),
        (b"[" * 100_000, "values that are nested too deep"),
        (b"info: {title: no paths}\n", "no `paths`"),
        (b"<html>paths</html>", "no `paths`"),
    ],
)
def test_what_is_wrong_with_a_document_is_told_with_its_line(text: bytes, found: str) -> None:
    with pytest.raises(ValueError, match=re.escape(found)) as caught:
        parse_document(text)
    assert "\n" not in str(caught.value)


def test_half_a_surrogate_pair_in_json_is_sent_as_a_question_mark() -> None:
    parameter = b'{"name": "q", "in": "query", "required": true, "example": "\\uD83Dx"}'
    text = b'{"paths": {"/a": {"get": {"parameters": [' + parameter + b"]}}}}"
    assert make_recipes(parse_document(text))[0] == [Recipe("GET", "/a?q=%3Fx", "GET /a")]


@pytest.mark.parametrize("example", ["&a {me: *a}", "[&a [x, x, x], &b [*a, *a], *b, *b]"])
def test_an_example_may_repeat_a_part_but_not_hold_itself(example: str) -> None:
    body = f"{{requestBody: {{content: {{application/json: {{example: {example}}}}}}}}}"
    made, left_out = make_recipes(parse_document(f"paths: {{/a: {{post: {body}}}}}".encode()), ("post",))
    if "me" in example:
        assert left_out == [LeftOut("POST /a", "the example has more than 100000 values, or holds itself")]
    else:
        assert made[0].body.count(b"x") == 21


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
    with pytest.raises(ValueError, match=r"no `paths`|in line \d+, |nested too deep|found no"):
        parse_document(text)


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
    assert make_recipes(found) == ([Recipe("GET", f"/a?q={sent}", "GET /a")], [])


def test_a_tag_in_yaml_runs_nothing() -> None:
    assert parse_document(b"paths: !!python/object/apply:os.getcwd []\n") == {"paths": []}


def test_keys_in_yaml_are_texts() -> None:
    found = parse_document(b"paths: {7: {get: {}}, yes: {get: {}}, /a: {get: {}}}")
    assert list(found["paths"]) == ["7", "yes", "/a"]
    assert [each.path for each in make_recipes(found)[0]] == ["/a"]


def swagger(operation: dict[str, Any], **more: Any) -> dict[str, Any]:
    paths = {"/a/{id}": {"parameters": [{"$ref": "#/parameters/id"}], "post": operation}}
    shared = {"id": {"name": "id", "in": "path", "required": True, "type": "integer", "default": 7}}
    text = json.dumps({"swagger": "2.0", "paths": paths, "parameters": shared, **more})
    return parse_document(text.encode())


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
