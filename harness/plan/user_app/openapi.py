"""Reads routes and example values from an OpenAPI document, and from an invalid one what can be read. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from harness.model.protocols import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 8
"""Examples are searched for in schemas nested this deep, since a schema may contain itself."""
_MOST = 10_000
"""An example is searched for in at most so many schemas: one that contains itself several times has millions."""
_BARE_HOST = re.compile(r"[^/?#:]+:[0-9]+(?:[/?#]|$)")
"""A host and a port without a scheme, as people write them: `localhost:8000/api`."""


def list_operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any] | None]]:
    """List path, method and description of each operation; the description is None if it cannot be read.

    Its parameters are those of the path and its own. Its servers are its own, or those of the path or the document.
    """
    for path, given in as_mapping(document.get("paths")).items():
        if not path.startswith("/"):
            continue  # an extension, such as `x-internal`
        if not isinstance(given, dict):
            yield path, "", None
            continue
        item = resolve(document, given)
        for method in METHODS:
            if method in item:
                yield path, method, _describe_operation(document, item, item[method])


def _describe_operation(document: Mapping[str, Any], item: Mapping[str, Any], given: Any) -> Mapping[str, Any] | None:
    if not isinstance(given, dict):
        return None
    parameters = [*as_list(item.get("parameters")), *as_list(given.get("parameters"))]
    servers = given.get("servers") or item.get("servers") or document.get("servers")
    return {**given, "parameters": parameters, "servers": as_list(servers)}


def find_prefix(operation: Mapping[str, Any]) -> str:
    """Find the prefix of the path: that of the first server, wherever the document says that it is."""
    first = as_mapping(next(iter(operation["servers"]), None))
    url = first.get("url")
    if not isinstance(url, str):
        return ""
    for name, given in as_mapping(first.get("variables")).items():
        variable = as_mapping(given)
        default = variable.get("default", next(iter(as_list(variable.get("enum"))), ""))
        url = url.replace(f"{{{name}}}", str(default))
    if _BARE_HOST.match(url):
        url = f"//{url}"
    try:
        return urlsplit(urljoin("http://app/", url)).path.rstrip("/")
    except ValueError:
        return ""


def list_parameters(
    document: Mapping[str, Any], operation: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """List where each parameter goes, its name and description; those of an operation replace those of its path.

    Raises `LookupError` for a parameter without a name.
    """
    found: dict[tuple[str, str | None], Mapping[str, Any]] = {}
    for given in operation["parameters"]:
        parameter = resolve(document, given)
        name = parameter.get("name")
        found[str(parameter.get("in")), None if name is None else str(name)] = parameter
    for (where, title), parameter in found.items():
        if title is None:
            raise LookupError("a parameter has no name")
        yield where, title, parameter


def find_example(document: Mapping[str, Any], place: Mapping[str, Any]) -> Any:
    """Find the example of a parameter or a body, next to its schema or in it.

    None if there is none, or if it would take more than `_MOST` schemas.
    """
    if place.get("example") is not None:
        return place["example"]
    for each in as_mapping(place.get("examples")).values():
        if (value := resolve(document, each).get("value")) is not None:
            return value
    try:
        return _Search(document).find(place.get("schema"), depth=0)
    except LookupError:
        return None


class _Search:
    """Searches for an example in a schema and its parts; raises `LookupError` after `_MOST` of them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._left = _MOST

    def find(self, given: Any, depth: int) -> Any:
        schema = self._merge(given, depth)
        for key in ("example", "default", "const"):
            if schema.get(key) is not None:
                return schema[key]
        for key in ("examples", "enum"):
            if (values := as_list(schema.get(key))) and values[0] is not None:
                return values[0]
        if depth > _DEEPEST:
            return None
        for part in (*as_list(schema.get("anyOf")), *as_list(schema.get("oneOf"))):
            if (value := self.find(part, depth + 1)) is not None:
                return value
        if "items" in schema:
            item = self.find(schema["items"], depth + 1)
            return None if item is None else [item]
        return self._build_object(schema, depth)

    def _build_object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any] | None:
        properties = as_mapping(schema.get("properties"))
        found = {name: self.find(part, depth + 1) for name, part in properties.items()}
        if any(found.get(name) is None for name in as_list(schema.get("required"))):
            return None
        return {name: value for name, value in found.items() if value is not None} or None

    def _merge(self, given: Any, depth: int) -> Mapping[str, Any]:
        """Merge a schema with the parts of its `allOf`."""
        self._left -= 1
        if self._left < 0:
            raise LookupError(f"more than {_MOST} schemas")
        schema = resolve(self._document, given)
        parts = as_list(schema.get("allOf"))
        if not parts or depth > _DEEPEST:
            return schema
        whole: dict[str, Any] = {}
        for part in (*(self._merge(each, depth + 1) for each in parts), schema):
            for key, value in part.items():
                known = whole.get(key)
                if isinstance(known, dict) and isinstance(value, dict):
                    whole[key] = {**known, **value}
                elif key == "required":
                    whole[key] = [*as_list(known), *as_list(value)]
                else:
                    whole[key] = value
        return whole


def resolve(document: Mapping[str, Any], part: Any) -> Mapping[str, Any]:
    """Return the part, or what its `$ref` in the document points at; empty if that is not an object."""
    for _ in range(_DEEPEST):
        reference = as_mapping(part).get("$ref")
        if not isinstance(reference, str):
            break
        part = document
        for key in reference.removeprefix("#/").split("/"):
            part = as_mapping(part).get(key.replace("~1", "/").replace("~0", "~"))
    return as_mapping(part)


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return an object of the document; empty if the value is something else."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return an array of the document; empty if the value is something else."""
    return value if isinstance(value, list) else []
