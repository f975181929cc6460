"""Makes values that a JSON schema accepts, always the same. Pure.

Own code, because the one library for it that is kept (jsf) makes random values and brings 20 distributions. Keywords
are those of JSON Schema (draft 2020-12) and of OpenAPI 3.0, as far as bodies need them; `not`, `if` and `contains` are
not read, so an app may refuse the value.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from harness.plan.user_app.openapi import as_list, as_mapping, resolve
from harness.plan.user_app.patterns import list_matches
from harness.plan.user_app.schemas import (
    DEEPEST,
    accepts_text,
    drop_choices,
    find_type,
    list_choices,
    merge_schema,
    read_size,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 10_000
"""No longer text, array or object is made."""
_MOST = 10_000
"""A value is made from at most so many schemas: one that contains itself several times has millions."""
_LONGER = 8
"""A text is made from a pattern with up to so many repetitions more than the shortest needs."""
_FINEST = 15
"""Numbers have at most so many decimal places."""
_TEXT = "text"
_FORMATS = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "name@example.com",
    "idn-email": "name@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "iri": "https://example.com/",
    "uri-reference": "/a",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "byte": "dGV4dA==",
    "json-pointer": "/a",
    "regex": "a",
    "decimal": "1.5",
}


def make_sample(document: Mapping[str, Any], schema: Any) -> Any:
    """Make a value that the schema accepts; raises `LookupError` with the reason if there is none."""
    try:
        return _Samples(document).make(schema)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise LookupError(f"its schema is invalid ({error})") from error


class _Samples:
    """Makes the values; that with another `number` is another one, for arrays whose items must differ."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._left = _MOST

    def make(self, given: Any, number: int = 0, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise LookupError("its schema contains itself")
        self._left -= 1
        if self._left < 0:
            raise LookupError(f"it has more than {_MOST} parts")
        schema = merge_schema(self._document, given)
        if known := self._list_known(schema, number):
            return known[min(number, len(known) - 1)]
        if choices := list_choices(schema):
            return self._choose(schema, choices, number, depth)
        kind = find_type(schema)
        if kind == "object":
            return self._make_object(schema, number, depth)
        return self._make_array(schema, depth) if kind == "array" else _make_plain(kind, schema, number)

    def _list_known(self, schema: Mapping[str, Any], number: int) -> list[Any]:
        """The values that the schema names: the only ones, or if enough, its examples."""
        for key in ("example", "default", "const"):
            if schema.get(key) is not None and (not number or key == "const"):
                return [schema[key]]
        if "const" in schema:
            return [None]
        examples, only = as_list(schema.get("examples")), as_list(schema.get("enum"))
        return examples if len(examples) > number else only

    def _choose(self, schema: Mapping[str, Any], choices: list[Any], number: int, depth: int) -> Any:
        """Make a value of the first choice that can be made, rather one that is not null."""
        common = drop_choices(schema)
        problem = LookupError("none of its schemas can be made")
        for choice in sorted(choices, key=lambda each: find_type(resolve(self._document, each)) == "null"):
            try:
                return _name_choice(schema, choice, self.make({"allOf": [choice, common]}, number, depth + 1))
            except LookupError as error:
                problem = error
        raise problem

    def _make_object(self, schema: Mapping[str, Any], number: int, depth: int) -> dict[str, Any]:
        """Make an object with the properties that are required, and as many others as it must have."""
        described = as_mapping(schema.get("properties"))
        read_only = {name for name, part in described.items() if resolve(self._document, part).get("readOnly")}
        names = {name: None for name in as_list(schema.get("required")) if name not in read_only}
        others, least = (
            as_mapping(schema.get("additionalProperties")),
            _read_least(schema, "minProperties", "an object of {} properties"),
        )
        for name in (*described, *(f"key{each}" for each in range(least))):
            if len(names) < least and name not in read_only:
                names[name] = None
        return {name: self.make(described.get(name, others), number, depth + 1) for name in names}

    def _make_array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        """Make an array with as few items as it may have, but one if that is possible."""
        first, least = as_list(schema.get("prefixItems")), _read_least(schema, "minItems", "an array of {} items")
        length = max(least, len(first), 1)
        if "maxItems" in schema:
            length = min(length, read_size(schema, "maxItems"))
        parts = [*first, *[schema.get("items")] * length][:length]
        distinct = bool(schema.get("uniqueItems"))
        try:
            return [self.make(part, place if distinct else 0, depth + 1) for place, part in enumerate(parts)]
        except LookupError:
            if least:
                raise
            return []


def _make_plain(kind: str, schema: Mapping[str, Any], number: int) -> Any:
    match kind:
        case "boolean":
            return number == 0
        case "null":
            return None
        case "integer" | "number":
            made = _make_number(schema, number, whole=kind == "integer")
            return int(made) if made.denominator == 1 else float(made)
    return _make_text(schema, number)


def _name_choice(schema: Mapping[str, Any], choice: Any, value: Any) -> Any:
    """Name the choice in the value, if a property has to tell which one it is (OpenAPI 3.1, 4.8.25)."""
    discriminator = as_mapping(schema.get("discriminator"))
    name, reference = discriminator.get("propertyName"), as_mapping(choice).get("$ref")
    if not (isinstance(value, dict) and isinstance(name, str) and isinstance(reference, str)):
        return value
    own = reference.rpartition("/")[2]
    named = (key for key, target in as_mapping(discriminator.get("mapping")).items() if target in {reference, own})
    return {**value, name: next(named, own)}


def _make_number(schema: Mapping[str, Any], number: int, *, whole: bool) -> Fraction:
    """Make the number between the bounds that is next to 1; raises `LookupError` if there is none."""
    given = schema.get("multipleOf")
    if given:
        step = Fraction(str(given))
        steps = [Fraction(step.numerator) if whole else step]
    else:
        steps = [Fraction(1, 10**places) for places in range(1 if whole else _FINEST)]
    for step in steps:
        low, high = _find_factors(schema, step)
        factor = max(low, min(ceil(1 / step), high))
        if low <= factor <= high:
            other = factor + number if factor + number <= high else factor - number
            return step * int(min(max(other, low), high))
    raise LookupError("no number lies between its bounds")


def _find_factors(schema: Mapping[str, Any], step: Fraction) -> tuple[float, float]:
    """The least and the greatest factor whose product with the step lies between the bounds."""
    low, high = float("-inf"), float("inf")
    if (least := schema.get("minimum")) is not None:
        open_low = schema.get("exclusiveMinimum") is True  # OpenAPI 3.0
        bound = Fraction(str(least)) / step
        low = floor(bound) + 1 if open_low else ceil(bound)
    if (most := schema.get("maximum")) is not None:
        bound = Fraction(str(most)) / step
        high = ceil(bound) - 1 if schema.get("exclusiveMaximum") is True else floor(bound)
    if not isinstance(above := schema.get("exclusiveMinimum"), bool | type(None)):
        low = max(low, floor(Fraction(str(above)) / step) + 1)
    if not isinstance(below := schema.get("exclusiveMaximum"), bool | type(None)):
        high = min(high, ceil(Fraction(str(below)) / step) - 1)
    return low, high


def _make_text(schema: Mapping[str, Any], number: int) -> str:
    least = _read_least(schema, "minLength", "a text of {} characters")
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        return _match(pattern, schema, least + number)
    before, at, after = _FORMATS.get(str(schema.get("format")), _TEXT).partition("@")
    ending = f"{number or ''}{at}{after}"
    length = max(least, len(before + ending))
    before += _TEXT * (least // len(_TEXT))
    if "maxLength" in schema:
        length = min(length, read_size(schema, "maxLength"))
    return f"{before[: max(0, length - len(ending))]}{ending}"[-length:] if length else ""


def _read_least(schema: Mapping[str, Any], key: str, described: str) -> int:
    """The least size of a value; raises `LookupError` for one that is larger than any that is made."""
    least = read_size(schema, key)
    if least > _LONGEST:
        raise LookupError(f"{described.format(least)} is required")
    return least


def _match(pattern: str, schema: Mapping[str, Any], longer: int) -> str:
    try:
        return next(each for each in list_matches(pattern, longer + _LONGER) if accepts_text(schema, each))
    except (StopIteration, ValueError):
        raise LookupError(f"no text is made for the pattern {pattern}") from None
