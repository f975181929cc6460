"""Values made from schemas: each is accepted by its schema, and always the same."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.unique import UNIQUE_INTS, fill_data
from harness.plan.user_app.media import NEW_INT, encode_body
from harness.plan.user_app.samples import make_sample
from harness.plan.user_app.unique_fields import list_unique

UUID = "123e4567-e89b-42d3-a456-426614174000"
FILLED = {"{unique}": "abcdefghijklmnop", "{unique:int}": str(UNIQUE_INTS[0]), "{unique:uuid}": UUID}


def fits(schema: Any, value: Any, document: dict[str, Any] | None = None) -> bool:  # noqa: PLR0911 - one for each rule
    """Does a value fit its schema? A small validator, for the keywords that are tested here."""
    document = document or {}
    if "$ref" in schema:
        return fits(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, document)
    if not all(fits(part, value, document) for part in schema.get("allOf", ())):
        return False
    if "anyOf" in schema and not any(fits(part, value, document) for part in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(part, value, document) for part in schema["oneOf"]) != 1:
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    kinds = schema.get("type")
    if kinds and not any(_is(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if isinstance(value, bool) or value is None:
        return True
    return _fits_in_size(schema, value, document)


def _is(kind: str, value: Any) -> bool:
    types: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
        "null": type(None),
    }  # fmt: skip
    return isinstance(value, types[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _fits_in_size(schema: dict[str, Any], value: Any, document: dict[str, Any]) -> bool:
    if isinstance(value, int | float):
        number = Fraction(str(value))
        bounds = [
            Fraction(str(schema.get("minimum", value))) <= number <= Fraction(str(schema.get("maximum", value))),
            "exclusiveMinimum" not in schema or Fraction(str(schema["exclusiveMinimum"])) < number,
            "exclusiveMaximum" not in schema or number < Fraction(str(schema["exclusiveMaximum"])),
            "multipleOf" not in schema or number % Fraction(str(schema["multipleOf"])) == 0,
        ]
        return all(bounds)
    if isinstance(value, str):
        length = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return length and ("pattern" not in schema or bool(re.search(schema["pattern"], value)))
    if isinstance(value, list):
        distinct = not schema.get("uniqueItems") or len({json.dumps(each) for each in value}) == len(value)
        length = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return distinct and length and all(fits(schema.get("items", {}), each, document) for each in value)
    properties = schema.get("properties", {})
    return (
        set(schema.get("required", ())) <= value.keys()
        and len(value) >= schema.get("minProperties", 0)
        and all(fits(properties.get(name, {}), each, document) for name, each in value.items())
    )


NUMBERS = st.integers(-1000, 1000)
STRINGS = st.builds(
    lambda low, more, form: {"type": "string", "minLength": low, "maxLength": low + more, **form},
    st.integers(0, 30),
    st.integers(0, 30),
    st.just({}),
) | st.sampled_from([{"type": "string", "enum": ["b", "c"]}, {"const": 3}, {"type": "string", "format": "email"}])
PATTERNS = st.sampled_from(
    [r"^[A-Z]{3}-\d{4}$", r"^\+?[1-9]\d{7,14}$", r"^#[0-9a-f]{6}$", r"^(red|green)$", r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
     r"\w+", r"^[a-z0-9]+(?:-[a-z0-9]+)*$", r"^v?\d+\.\d+\.\d+$", r"^$", r".", r"^[\w.-]+$", r"^[^a-z]{2}$", r"^\S+$"]
)  # fmt: skip
BOUNDED = st.builds(
    lambda kind, low, more, extra: {"type": kind, "minimum": low, "maximum": low + more, **extra},
    st.sampled_from(["integer", "number"]),
    NUMBERS,
    st.integers(10, 100),
    st.sampled_from([{}, {"multipleOf": 5}, {"multipleOf": 0.01}, {"multipleOf": 2.5}]),
)
OPEN = st.builds(
    lambda kind, low, gap: {"type": kind, "exclusiveMinimum": low, "exclusiveMaximum": low + gap},
    st.sampled_from(["integer", "number"]),
    NUMBERS,
    st.integers(2, 9),
)
HALVES = st.builds(lambda key, low: {"type": "integer", key: low}, st.sampled_from(["minimum", "maximum"]), NUMBERS)
PLAIN = st.one_of(
    STRINGS,
    BOUNDED,
    OPEN,
    HALVES,
    PATTERNS.map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.sampled_from([{"type": "boolean"}, {"type": ["null", "integer"]}, {"type": "null"}, {}]),
)


def nest(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(st.sampled_from("abcd"), parts, min_size=1)
    return st.one_of(
        st.builds(lambda given: {"type": "object", "properties": given, "required": list(given)[:2]}, properties),
        st.builds(lambda given: {"type": "object", "properties": given, "minProperties": len(given)}, properties),
        st.builds(
            lambda left, right: {
                "allOf": [{"properties": {"x": left}, "required": ["x"]}, {"properties": {"y": right}}],
                "required": ["y"],
            },
            parts,
            parts,
        ),
        st.builds(lambda part, least: {"type": "array", "items": part, "minItems": least}, parts, st.integers(0, 3)),
        st.builds(lambda part: {"anyOf": [{"type": "null"}, part]}, parts),
        st.builds(
            lambda part: {
                "oneOf": [{"type": "object", "properties": {"k": part}, "required": ["k"]}, {"type": "null"}]
            },
            parts,
        ),
    )


@given(st.recursive(PLAIN, nest, max_leaves=8))
def test_a_value_made_from_a_schema_fits_it(schema: dict[str, Any]) -> None:
    value = make_sample({}, schema)
    assert fits(schema, value)
    assert make_sample({}, json.loads(json.dumps(schema))) == value
    for variant in list_unique({}, schema, value):
        _, body = encode_body("application/json", variant, schema)
        filled = fill_data(body, FILLED)
        assert filled != body
        assert fits(schema, json.loads(filled))


@given(BOUNDED | PATTERNS.map(lambda pattern: {"type": "string", "pattern": pattern, "minLength": 0}))
def test_a_made_value_is_written_as_json(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(make_sample({}, schema))) == make_sample({}, schema)


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "minLength": 6}, "textte"),
        ({"type": "string", "format": "email", "minLength": 20}, "nametext@example.com"),
        ({"type": "string", "format": "date-time"}, "2025-01-01T12:00:00Z"),
        ({"type": "string", "format": "uuid"}, "123e4567-e89b-42d3-a456-426614174000"),
        ({"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"}, "AAA-0000"),
        ({"type": "string", "pattern": "^[a-z]+$", "minLength": 5}, "aaaaa"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 18}, 18),
        ({"type": "integer", "maximum": 0}, 0),
        ({"type": "integer", "exclusiveMinimum": 0}, 1),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 2),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, 0.4),
        ({"type": "number", "multipleOf": 0.25, "maximum": 0.6}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": ["null", "string"]}, "text"),
        ({"type": "object"}, {}),
        ({"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}, {"a": 1}),
        ({"properties": {"a": {"readOnly": True}, "b": {}}, "required": ["a", "b"]}, {"b": "text"}),
        ({"required": ["a"], "properties": {"a": {"example": 5}}}, {"a": 5}),
        ({"required": ["free"]}, {"free": "text"}),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True}, ["text", "text1"]),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True}, ["a", "b"]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [1, "text"]),
        ({"type": "array", "maxItems": 0}, []),
        ({"enum": ["one", "two"]}, "one"),
        ({"allOf": [{"minimum": 3}, {"type": "integer", "minimum": 5}]}, 5),
        ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, 2),
    ],
)
def test_what_is_made(schema: dict[str, Any], made: Any) -> None:
    assert make_sample({}, schema) == made


SCHEMAS = {
    "Node": {"type": "object", "required": ["name", "children"], "properties": {
        "name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}},
    "Endless": {"required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Endless"}}},
    "Cat": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
    "Pet": {"oneOf": [{"$ref": "#/components/schemas/Cat"}],
            "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat"}}},
}  # fmt: skip
DOCUMENT = {"components": {"schemas": SCHEMAS}}


def test_a_schema_may_contain_itself_where_it_need_not() -> None:
    value = make_sample(DOCUMENT, {"$ref": "#/components/schemas/Node"})
    assert fits(SCHEMAS["Node"], value, DOCUMENT)


def test_a_choice_is_named_in_its_discriminator() -> None:
    assert make_sample(DOCUMENT, {"$ref": "#/components/schemas/Pet"}) == {"kind": "cat"}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "#/components/schemas/Endless"}, "contains itself"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "no number lies between"),
        ({"type": "string", "pattern": "^(?=b)a$"}, "no text is made for the pattern"),
        ({"type": "string", "pattern": "(["}, "no text is made for the pattern"),
        ({"type": "string", "pattern": "^(a)\\1$"}, "no text is made for the pattern"),
        ({"type": "string", "minLength": 1_000_000}, "a text of 1000000 characters"),
        ({"type": "string", "pattern": "^[a-z]{1000000}$"}, "no text is made for the pattern"),
        ({"type": "string", "pattern": "^((a{1000}){1000}){1000}$"}, "no text is made for the pattern"),
        ({"type": "array", "minItems": 1_000_000}, "an array of 1000000 items"),
        ({"type": "object", "minProperties": 1_000_000}, "an object of 1000000 properties"),
        ({"type": "integer", "minimum": "many"}, "invalid"),
    ],
)
def test_where_no_value_is_made_the_reason_is_told(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(LookupError, match=re.escape(reason)):
        make_sample(DOCUMENT, schema)


@pytest.mark.parametrize(
    ("schema", "value", "variants"),
    [
        ({"properties": {"name": {"type": "string"}}}, {"name": "ann"}, [{"name": "ann-{unique}"}]),
        ({"properties": {"mail": {"format": "email"}}}, {"mail": "a@b.de"}, [{"mail": "a{unique}@b.de"}]),
        ({"properties": {"name": {"pattern": "^[a-z]+$"}}}, {"name": "ann"}, [{"name": "ann{unique}"}]),
        ({"properties": {"name": {"maxLength": 16}}}, {"name": "ann"}, [{"name": "{unique}"}]),
        ({"properties": {"name": {"maxLength": 8}}}, {"name": "ann"}, []),
        ({"properties": {"sort": {"enum": ["a"]}, "day": {"format": "date"}}}, {"sort": "a", "day": "2025-01-01"}, []),
        (
            {"properties": {"name": {"anyOf": [{"type": "string", "maxLength": 8}, {"type": "null"}]}}},
            {"name": "a"},
            [],
        ),
        (
            {"properties": {"a": {}, "b": {"items": {}}, "n": {}}},
            {"a": "x", "b": ["y"], "n": 3},
            [
                {"a": "x-{unique}", "b": ["y-{unique}"], "n": 3},
                {"a": "x-{unique}", "b": ["y"], "n": 3},
                {"a": "x", "b": ["y-{unique}"], "n": 3},
            ],
        ),
        (
            {"properties": {"id": {"format": "uuid"}, "n": {"type": "integer"}, "t": {}, "b": {"type": "boolean"}}},
            {"id": UUID, "n": 3, "t": "x", "b": True},
            [
                {"id": UUID, "n": 3, "t": "x-{unique}", "b": True},
                {"id": "{unique:uuid}", "n": NEW_INT, "t": "x-{unique}", "b": True},
                {"id": "{unique:uuid}", "n": 3, "t": "x", "b": True},
                {"id": UUID, "n": NEW_INT, "t": "x", "b": True},
            ],
        ),
        ({"properties": {"n": {"type": "number", "minimum": 1}}}, {"n": 1.5}, [{"n": NEW_INT}]),
        *(
            ({"properties": {"n": {"type": "integer", **bound}}}, {"n": 3}, [])
            for bound in (
                {"maximum": 10**9},
                {"exclusiveMaximum": UNIQUE_INTS[-1]},
                {"maximum": UNIQUE_INTS[-1], "exclusiveMinimum": UNIQUE_INTS[0]},
                {"multipleOf": 5},
                {"format": "int32"},
                {"enum": [3]},
            )
        ),
    ],
)
def test_what_may_be_any_can_be_new_each_time(schema: dict[str, Any], value: Any, variants: list[Any]) -> None:
    assert list(list_unique({}, schema, value)) == variants
