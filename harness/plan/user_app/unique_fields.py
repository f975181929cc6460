"""Marks in a body which texts can be new in each request. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.model.unique import UNIQUE, UNIQUE_LETTERS
from harness.plan.user_app.openapi import as_mapping, resolve
from harness.plan.user_app.schemas import DEEPEST, accepts_text, drop_choices, find_type, list_choices, merge_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FREE_FORMATS = {None, "email", "idn-email", "password", "binary"}
"""Texts of these formats can have a part that is new each time."""


def list_unique(document: Mapping[str, Any], schema: Any, value: Any) -> Iterator[Any]:
    """List variants of a value with `{unique}` in its texts: in all that may be new each time, then in one each."""
    places = list(_find_free(document, schema, value, (), 0))
    if not places:
        return
    yield _put(value, dict(places))
    if len(places) > 1:
        yield from (_put(value, {place: text}) for place, text in places)


_Place = tuple[str | int, ...]


def _find_free(
    document: Mapping[str, Any], given: Any, value: Any, place: _Place, depth: int
) -> Iterator[tuple[_Place, str]]:
    """Find the texts of a value that may be any, and each with `{unique}`."""
    if depth > DEEPEST:
        return
    schema = merge_schema(document, given, depth)
    if choices := [each for each in list_choices(schema) if find_type(resolve(document, each)) != "null"]:
        yield from _find_free(document, {"allOf": [choices[0], drop_choices(schema)]}, value, place, depth + 1)
        return
    if isinstance(value, dict):
        properties = as_mapping(schema.get("properties"))
        for name, each in value.items():
            yield from _find_free(document, properties.get(name), each, (*place, name), depth + 1)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _find_free(document, schema.get("items"), each, (*place, index), depth + 1)
    elif isinstance(value, str) and (text := _make_unique(schema, value)) is not None:
        yield place, text


def _make_unique(schema: Mapping[str, Any], text: str) -> str | None:
    if schema.keys() & {"enum", "const"} or schema.get("format") not in _FREE_FORMATS:
        return None
    before, at, after = text.partition("@")
    variants = [f"{before}{UNIQUE}{at}{after}"] if at else [f"{text}-{UNIQUE}", f"{text}{UNIQUE}", UNIQUE]
    return next((each for each in variants if accepts_text(schema, each.replace(UNIQUE, "a" * UNIQUE_LETTERS))), None)


def _put(value: Any, texts: Mapping[_Place, str], place: _Place = ()) -> Any:
    """The value with these texts at their places."""
    if isinstance(value, dict):
        return {name: _put(each, texts, (*place, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_put(each, texts, (*place, index)) for index, each in enumerate(value)]
    return texts.get(place, value)
