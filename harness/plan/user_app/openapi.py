"""What an OpenAPI document says of routes, and the example values in it; of an odd one, what can be read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.model.protocols import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 8
"""How deep examples of objects within objects are looked for; a schema may hold itself."""


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any] | None]]:
    """Path, method and description of each operation; no description where there is none that could be read.

    The parameters are those of the path and its own; the servers are the nearest that are named.
    """
    for path, given in mapping(document.get("paths")).items():
        if not path.startswith("/"):
            continue  # an extension, `x-…`
        if not isinstance(given, dict):
            yield path, "", None
            continue
        item = resolved(document, given)
        for method in METHODS:
            if method in item:
                yield path, method, _operation(document, item, item[method])


def _operation(document: Mapping[str, Any], item: Mapping[str, Any], given: Any) -> Mapping[str, Any] | None:
    if not isinstance(given, dict):
        return None
    parameters = [*sequence(item.get("parameters")), *sequence(given.get("parameters"))]
    servers = given.get("servers") or item.get("servers") or document.get("servers")
    return {**given, "parameters": parameters, "servers": sequence(servers)}


def prefix(operation: Mapping[str, Any]) -> str:
    """What its path begins with according to its first server; one with a host in it is elsewhere, behind a proxy."""
    first = mapping(next(iter(operation["servers"]), None))
    url = first.get("url")
    if not isinstance(url, str) or not url.startswith("/") or url.startswith("//"):
        return ""
    for name, variable in mapping(first.get("variables")).items():
        url = url.replace(f"{{{name}}}", str(mapping(variable).get("default", "")))
    return url.rstrip("/")


def parameters(
    document: Mapping[str, Any], operation: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Where each parameter stands, its name, and what is said of it; an operation's own replaces its path's.

    Raises `LookupError` for one without a name.
    """
    found: dict[tuple[str, str | None], Mapping[str, Any]] = {}
    for given in operation["parameters"]:
        parameter = resolved(document, given)
        name = parameter.get("name")
        found[str(parameter.get("in")), None if name is None else str(name)] = parameter
    for (where, title), parameter in found.items():
        if title is None:
            raise LookupError("a parameter has no name")
        yield where, title, parameter


def example(document: Mapping[str, Any], place: Mapping[str, Any]) -> Any:
    """The example that a parameter or a body gives, beside its schema or within; None where there is none."""
    if place.get("example") is not None:
        return place["example"]
    for each in mapping(place.get("examples")).values():
        if (value := resolved(document, each).get("value")) is not None:
            return value
    return _schema_example(document, place.get("schema"), depth=0)


def _schema_example(document: Mapping[str, Any], given: Any, depth: int) -> Any:
    schema = _flat(document, given, depth)
    for key in ("example", "default", "const"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if (values := sequence(schema.get(key))) and values[0] is not None:
            return values[0]
    if depth > _DEEPEST:
        return None
    for part in (*sequence(schema.get("anyOf")), *sequence(schema.get("oneOf"))):
        if (value := _schema_example(document, part, depth + 1)) is not None:
            return value
    if "items" in schema:
        item = _schema_example(document, schema["items"], depth + 1)
        return None if item is None else [item]
    return _object_example(document, schema, depth)


def _object_example(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> dict[str, Any] | None:
    properties = mapping(schema.get("properties"))
    found = {name: _schema_example(document, part, depth + 1) for name, part in properties.items()}
    if any(found.get(name) is None for name in sequence(schema.get("required"))):
        return None
    return {name: value for name, value in found.items() if value is not None} or None


def _flat(document: Mapping[str, Any], given: Any, depth: int) -> Mapping[str, Any]:
    """A schema with all that it is made of (`allOf`) in one."""
    schema = resolved(document, given)
    parts = sequence(schema.get("allOf"))
    if not parts or depth > _DEEPEST:
        return schema
    whole: dict[str, Any] = {}
    for part in (*(_flat(document, each, depth + 1) for each in parts), schema):
        for key, value in part.items():
            known = whole.get(key)
            if isinstance(known, dict) and isinstance(value, dict):
                whole[key] = {**known, **value}
            elif key == "required":
                whole[key] = [*sequence(known), *sequence(value)]
            else:
                whole[key] = value
    return whole


def resolved(document: Mapping[str, Any], part: Any) -> Mapping[str, Any]:
    """The part itself, or what its reference within the document points at; empty for what is no object."""
    for _ in range(_DEEPEST):
        reference = mapping(part).get("$ref")
        if not isinstance(reference, str):
            break
        part = document
        for key in reference.removeprefix("#/").split("/"):
            part = mapping(part).get(key.replace("~1", "/").replace("~0", "~"))
    return mapping(part)


def mapping(value: Any) -> Mapping[str, Any]:
    """An object of the document; empty where something else stands in its place."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """An array of the document; empty where something else stands in its place."""
    return value if isinstance(value, list) else []
