"""Writes a document of Swagger 2 as one of OpenAPI 3, as far as requests need it. Pure.

What differs (OpenAPI 2.0 and 3.0): the address of the app, bodies and forms, which were parameters, and the types of
parameters, which had no schema. References such as `#/definitions/Item` stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.plan.user_app.openapi import as_list, as_mapping, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_JSON = "application/json"
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_STYLES: Mapping[str, Mapping[str, Any]] = {
    "csv": {"explode": False},
    "multi": {"explode": True},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
}
"""How the items of an array are sent, by `collectionFormat`; csv is the default."""
_NO_SCHEMA = frozenset({"name", "in", "description", "required", "schema", "allowEmptyValue", "collectionFormat"})


def upgrade_swagger(document: Mapping[str, Any]) -> dict[str, Any]:
    """Write the document as OpenAPI 3; what cannot be read in it stays as it is."""
    paths = {
        path: {key: _upgrade_part(document, item, key, part) for key, part in item.items()}
        if isinstance(item, dict)
        else item
        for path, item in as_mapping(document.get("paths")).items()
    }
    return {**document, "paths": paths, "servers": [{"url": _find_address(document)}]}


def _find_address(document: Mapping[str, Any]) -> str:
    host, base = document.get("host"), str(document.get("basePath") or "/")
    path = base if base.startswith("/") else f"/{base}"
    return f"http://{host}{path}" if isinstance(host, str) and host else path


def _upgrade_part(document: Mapping[str, Any], item: Mapping[str, Any], key: str, part: Any) -> Any:
    """Upgrade one part of a path item: its parameters, or an operation with bodies that all operations share."""
    if key == "parameters":
        return [each for each in map(_Parameter(document), as_list(part)) if not _is_body(each)]
    if not isinstance(part, dict) or key == "$ref":
        return part
    upgrade = _Parameter(document)
    shared = [each for each in map(upgrade, as_list(item.get("parameters"))) if _is_body(each)]
    parameters = [upgrade(each) for each in as_list(part.get("parameters"))]
    upgraded = {**part, "parameters": [each for each in parameters if not _is_body(each)]}
    bodies = [each for each in parameters if _is_body(each)] or shared
    if bodies:
        consumes = [str(each) for each in as_list(part.get("consumes") or document.get("consumes"))]
        upgraded["requestBody"] = _make_body(bodies, consumes)
    return upgraded


def _is_body(parameter: Any) -> bool:
    return as_mapping(parameter).get("in") in {"body", "formData"}


def _make_body(parameters: Sequence[Mapping[str, Any]], consumes: Sequence[str]) -> dict[str, Any]:
    """A body or the fields of a form as a `requestBody`."""
    first = parameters[0]
    if first["in"] == "body":
        described = {key: first[key] for key in ("schema", "example", "examples") if key in first}
        return {"required": first.get("required"), "content": dict.fromkeys(consumes or [_JSON], described)}
    files = any(each["schema"].get("format") == "binary" for each in parameters)
    kinds = [each for each in consumes if each in {_FORM, _MULTIPART}] or [_MULTIPART if files else _FORM]
    properties = {str(each.get("name")): each["schema"] for each in parameters}
    required = [str(each.get("name")) for each in parameters if each.get("required")]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"required": bool(required), "content": {kind: {"schema": schema} for kind in kinds}}


class _Parameter:
    """Upgrades the parameters of a document: what says which values they have becomes their schema."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def __call__(self, given: Any) -> Any:
        parameter = resolve(self._document, given)
        if not parameter or "schema" in parameter:
            return dict(parameter) or given
        schema = {key: value for key, value in parameter.items() if key not in _NO_SCHEMA}
        if schema.get("type") == "file":
            schema = {**schema, "type": "string", "format": "binary"}
        if "x-example" in schema:
            schema.setdefault("example", schema["x-example"])
        kept = {key: value for key, value in parameter.items() if key in _NO_SCHEMA}
        style = _STYLES.get(str(parameter.get("collectionFormat", "csv")), {}) if schema.get("type") == "array" else {}
        return {**kept, **style, "schema": schema}
