"""Marks in a body which texts, numbers and UUIDs can be new in each request. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.model.unique import PLACEHOLDERS, UNIQUE, UNIQUE_INTS, UNIQUE_LETTERS, UNIQUE_UUID
from harness.plan.user_app.media import NEW_INT
from harness.plan.user_app.openapi import as_mapping, resolve
from harness.plan.user_app.schemas import (
    DEEPEST,
    accepts_number,
    accepts_text,
    drop_choices,
    find_type,
    list_choices,
    merge_schema,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FREE_FORMATS = {None, "email", "idn-email", "password", "binary"}
"""Texts of these formats can have a part that is new each time."""
_UUIDS = {"uuid", "uuid4"}


def list_unique(document: Mapping[str, Any], schema: Any, value: Any) -> Iterator[Any]:
    """List variants of a value with values that are new each time.

    First in all texts, then in numbers and UUIDs too, which may have to be those of something else, then in one each.
    """
    places = dict(_find_free(document, schema, value, (), 0))
    texts = {place: new for place, new in places.items() if new not in {NEW_INT, UNIQUE_UUID}}
    several = [each for each in (texts, places) if each]
    singly = [{place: new} for place, new in places.items()]
    listed: list[Mapping[_Place, str | int]] = []
    for each in [*several, *singly]:
        if each not in listed:
            listed.append(each)
            yield _put(value, each)


_Place = tuple[str | int, ...]


def _find_free(
    document: Mapping[str, Any], given: Any, value: Any, place: _Place, depth: int
) -> Iterator[tuple[_Place, str | int]]:
    """Find what in a value may be any, and what stands for new values there."""
    if depth > DEEPEST:
        return
    schema = merge_schema(document, given)
    if choices := [each for each in list_choices(schema) if find_type(resolve(document, each)) != "null"]:
        yield from _find_free(document, {"allOf": [choices[0], drop_choices(schema)]}, value, place, depth + 1)
        return
    if isinstance(value, dict):
        properties = as_mapping(schema.get("properties"))
        for name, each in value.items():
            yield from _find_free(document, properties.get(name), each, (*place, name), depth + 1)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            free = _find_free(document, schema.get("items"), each, (*place, index), depth + 1)
            # The items may have to differ.
            yield from (found for found in free if index == 0 or found[1] not in {NEW_INT, *PLACEHOLDERS})
    elif (new := _make_unique(schema, value)) is not None:
        yield place, new


def _make_unique(schema: Mapping[str, Any], value: Any) -> str | int | None:
    if schema.keys() & {"enum", "const"}:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        fits = accepts_number(schema, UNIQUE_INTS[0]) and accepts_number(schema, UNIQUE_INTS[-1])
        return NEW_INT if fits else None
    if not isinstance(value, str):
        return None
    return UNIQUE_UUID if schema.get("format") in _UUIDS else _make_text(schema, value)


def _make_text(schema: Mapping[str, Any], text: str) -> str | None:
    if schema.get("format") not in _FREE_FORMATS:
        return None
    before, at, after = text.partition("@")
    variants = [f"{before}{UNIQUE}{at}{after}"] if at else [f"{text}-{UNIQUE}", f"{text}{UNIQUE}", UNIQUE]
    return next((each for each in variants if accepts_text(schema, each.replace(UNIQUE, "a" * UNIQUE_LETTERS))), None)


def _put(value: Any, new: Mapping[_Place, str | int], place: _Place = ()) -> Any:
    """The value with new ones at these places."""
    if isinstance(value, dict):
        return {name: _put(each, new, (*place, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_put(each, new, (*place, index)) for index, each in enumerate(value)]
    return new.get(place, value)
