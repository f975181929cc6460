"""Reads JSON schemas as far as bodies need it: what is merged, of which type it is, which texts it accepts. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from harness.plan.user_app.openapi import as_list, as_mapping, resolve
from harness.plan.user_app.patterns import may_take_long

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEEPEST = 12
"""Values are nested at most this deep, since a schema may contain itself."""
_LONGEST_TRIED = 20
"""A longer text is not tried with a pattern that may take a time exponential in its length."""
_KEYS_OF_TYPES = {
    "object": ("properties", "required", "additionalProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_TIGHTER: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("minimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "maxLength", "maxItems"), min),
}


def merge_schema(
    document: Mapping[str, Any], given: Any, within: tuple[Mapping[str, Any], ...] = ()
) -> Mapping[str, Any]:
    """Merge a schema with the parts of its `allOf`, so that what both accept remains.

    `within` are the schemas of which it is a part. Raises `LookupError` if it is a part of itself.
    """
    schema = resolve(document, given)
    if len(within) > DEEPEST or any(schema is each for each in within):
        raise LookupError("its schema contains itself")
    parts = as_list(schema.get("allOf"))
    if not parts:
        return schema
    whole: dict[str, Any] = {}
    own = {key: value for key, value in schema.items() if key != "allOf"}
    for part in (*(merge_schema(document, each, (*within, schema)) for each in parts), own):
        for key, value in part.items():
            whole[key] = _merge_key(key, whole[key], value) if key in whole else value
    return whole


def _merge_key(key: str, known: Any, value: Any) -> Any:
    if key == "properties":
        both = as_mapping(known).keys() & as_mapping(value).keys()
        return {
            **as_mapping(known),
            **as_mapping(value),
            **{each: {"allOf": [known[each], value[each]]} for each in both},
        }
    if key == "required":
        return [*as_list(known), *as_list(value)]
    if key == "enum":
        return [each for each in as_list(known) if each in as_list(value)]
    if key == "type":
        common = [each for each in _as_types(known) if each in _as_types(value)]
        integers = {"integer", "number"} <= {*_as_types(known), *_as_types(value)}
        return "integer" if integers and not common else common
    if key in _TIGHTER and isinstance(known, int | float) and isinstance(value, int | float):
        return _TIGHTER[key](known, value)
    return value


def _as_types(given: Any) -> list[Any]:
    return [given] if isinstance(given, str) else as_list(given)


def list_choices(schema: Mapping[str, Any]) -> list[Any]:
    """The schemas of which the value has to fit one."""
    return [*as_list(schema.get("anyOf")), *as_list(schema.get("oneOf"))]


def drop_choices(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rest of a schema that has choices."""
    return {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}


def find_type(schema: Mapping[str, Any]) -> str:
    """Find the type of its values, other than null if there is one; a schema may only hint at it."""
    given = schema.get("type")
    kinds = [given] if isinstance(given, str) else [each for each in as_list(given) if isinstance(each, str)]
    if kinds:
        return next((each for each in kinds if each != "null"), "null")
    return next((kind for kind, keys in _KEYS_OF_TYPES.items() if any(key in schema for key in keys)), "string")


def accepts_text(schema: Mapping[str, Any], text: str) -> bool:
    """Does a schema of texts accept this one, by its length and pattern? If it may take long to tell, it does not."""
    longest = read_size(schema, "maxLength") if "maxLength" in schema else len(text)
    if not read_size(schema, "minLength") <= len(text) <= longest:
        return False
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return True
    try:
        if len(text) > _LONGEST_TRIED and may_take_long(pattern):
            return False
        return re.search(pattern, text) is not None
    except (re.error, RecursionError):
        return False


def accepts_number(schema: Mapping[str, Any], number: int) -> bool:
    """Does a schema, if it is one of numbers, accept this one?"""
    if find_type(schema) not in {"integer", "number"} or schema.get("format") == "int32":
        return False
    least, most, step = (_read_number(schema, key) for key in ("minimum", "maximum", "multipleOf"))
    above, below = (_read_number(schema, key) for key in ("exclusiveMinimum", "exclusiveMaximum"))
    fits = (least is None or least <= number) and (most is None or number <= most)
    return fits and (above is None or above < number) and (below is None or number < below) and step in {None, 1}


def _read_number(schema: Mapping[str, Any], key: str) -> float | None:
    """A bound; None if there is none (in OpenAPI 3.0, exclusive ones are true or false)."""
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_size(schema: Mapping[str, Any], key: str) -> int:
    """A number of characters, items or properties; 0 if there is none."""
    value = schema.get(key)
    return int(value) if isinstance(value, int | float) and value > 0 else 0
