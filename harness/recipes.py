"""Requests for an app of one's own, made from its OpenAPI document, and the scenario that sends them. Pure.

GET routes without parameters come first; others are asked with the example values that the document gives, and left
out, with the reason, where it gives none (OpenAPI 3.1, §4.8.12 Parameter Object, §4.8.14 Media Type Object).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

METHODS = ("get", "post", "put", "patch", "delete")
MOST = 40
"""Requests in a scenario: more would each be asked too rarely to say anything."""
JSON = "application/json"
OK = range(200, 300)


@dataclass(frozen=True)
class Recipe:
    """One request that the document knows how to make."""

    method: str
    path: str
    name: str
    """Method and route, `GET /items/{id}`."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What the app answered."""

    status: int
    content_type: str
    """Without parameters; empty where there is none."""
    body: bytes


@dataclass(frozen=True)
class LeftOut:
    """A route that no request is made for, and why."""

    name: str
    reason: str


def recipes(document: Mapping[str, Any]) -> tuple[list[Recipe], list[LeftOut]]:
    """What can be asked according to an OpenAPI document, and what cannot."""
    made: list[Recipe] = []
    left_out: list[LeftOut] = []
    for path, method, operation in _operations(document):
        name = f"{method.upper()} {path}"
        try:
            made.append(_recipe(document, name, method, path, operation))
        except LookupError as error:
            left_out.append(LeftOut(name, str(error.args[0])))
    made.sort(key=lambda each: (each.method != "GET", "{" in each.name))
    left_out += [LeftOut(each.name, f"more than {MOST} requests") for each in made[MOST:]]
    return made[:MOST], left_out


def expectation(first: Reply, second: Reply) -> dict[str, Any] | str:
    """What a right answer is, as keywords of a request, from two answers to it; or why there is none.

    A body that is the same twice is expected for ever; of another, status and type.
    """
    for reply in (first, second):
        if reply.status not in OK:
            return f"answered {reply.status}"
    if (first.status, first.content_type) != (second.status, second.content_type):
        return "answered differently the second time"
    expected: dict[str, Any] = {"status": first.status}
    if first.content_type:
        expected["expected_type"] = first.content_type
    if first.body == second.body:
        expected["expected_body"] = first.body
    return expected


def source(title: str, requests: Sequence[tuple[Recipe, Mapping[str, Any]]], left_out: Sequence[LeftOut]) -> str:
    """The text of a scenario that sends these requests, one task for each."""
    lines = [
        f'"""{title}"""',
        "",
        "from locust import task",
        "",
        "from harness.load.exchange import Request",
        "from harness.load.users import HttpScenario",
        "",
        "",
        "class Recipes(HttpScenario):",
        '    """Asks for each of these as often as for the others; weigh them as your users do: @task(3)."""',
        "",
    ]
    for number, (recipe, expected) in enumerate(requests):
        keywords = [f"name={recipe.name!r}", *(f"{key}={value!r}" for key, value in expected.items())]
        if recipe.headers:
            keywords.append(f"headers={recipe.headers!r}")
        if recipe.body:
            keywords.append(f"body={recipe.body!r}")
        lines += [
            f"    request_{number} = Request({recipe.method!r}, {recipe.path!r}, {', '.join(keywords)})",
            "",
            "    @task",
            f"    def send_{number}(self) -> None:",
            f"        self.send(self.request_{number})",
            "",
        ]
    lines += [f"# Left out: {each.name}: {each.reason}" for each in left_out]
    return "\n".join(lines).rstrip() + "\n"


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                shared = {"parameters": [*item.get("parameters", ()), *item[method].get("parameters", ())]}
                yield path, method, {**item[method], **shared}


def _recipe(document: Mapping[str, Any], name: str, method: str, path: str, operation: Mapping[str, Any]) -> Recipe:
    """The request; raises `LookupError` with the reason where an example is missing."""
    query: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    for given in operation["parameters"]:
        parameter = _resolved(document, given)
        where = parameter.get("in")
        if where != "path" and not parameter.get("required"):
            continue
        value = _example(document, parameter)
        if value is None:
            raise LookupError(f"no example for {where} parameter {parameter.get('name')}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        match where:
            case "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(text, safe=""))
            case "query":
                query.append((parameter["name"], text))
            case "header":
                headers.append((parameter["name"].lower(), text))
            case _:
                raise LookupError(f"a {where} parameter is required")
    body = _body(document, operation)
    if body:
        headers.append(("content-type", JSON))
    if "{" in path:
        raise LookupError("a part of the path has no parameter that describes it")
    return Recipe(method.upper(), f"{path}?{urlencode(query)}" if query else path, name, tuple(headers), body)


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> bytes:
    if "requestBody" not in operation:
        return b""
    body = _resolved(document, operation["requestBody"])
    media = body.get("content", {}).get(JSON)
    if media is None:
        if body.get("required"):
            raise LookupError(f"its body is {' or '.join(body.get('content', {})) or 'not described'}, not {JSON}")
        return b""
    value = _example(document, media)
    if value is None:
        raise LookupError("no example of its body")
    return json.dumps(value).encode()


def _example(document: Mapping[str, Any], place: Mapping[str, Any]) -> Any:
    """The example that a parameter or a body gives, beside its schema or within; None where there is none."""
    if "example" in place:
        return place["example"]
    for each in place.get("examples", {}).values():
        return _resolved(document, each).get("value")
    return _schema_example(document, place.get("schema", {}), depth=0)


def _schema_example(document: Mapping[str, Any], given: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(document, given)
    for key in ("example", "default", "const"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if depth > _DEEPEST or schema.get("type") != "object" or "properties" not in schema:
        return None
    found = {name: _schema_example(document, part, depth + 1) for name, part in schema["properties"].items()}
    if any(found.get(name) is None for name in schema.get("required", ())):
        return None
    return {name: value for name, value in found.items() if value is not None} or None


_DEEPEST = 8
"""How deep examples of objects within objects are looked for; a schema may hold itself."""


def _resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part itself, or what its reference within the document points at."""
    seen = 0
    while "$ref" in part and seen < _DEEPEST:
        seen += 1
        found: Any = document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found.get(key.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, dict) else {}
        part = found
    return part
