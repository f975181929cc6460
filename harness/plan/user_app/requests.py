"""Requests for an app of one's own, made from its OpenAPI document, and the scenario that sends them. Pure.

GET routes without parameters come first; others are asked with the example values that the document gives, and left
out, with the reason, where it gives none (OpenAPI 3.1, §4.8.12 Parameter Object, §4.8.14 Media Type Object). A document
may be odd in any way: what cannot be read in it is left out too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from harness.model.protocols import SAFE_METHODS
from harness.plan.user_app.openapi import example, mapping, operations, parameters, prefix, resolved

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Headers = tuple[tuple[str, str], ...]

MOST = 40
"""Requests in a scenario: more would each be asked too rarely to say anything."""
JSON = "application/json"
OK = range(200, 300)
_REDIRECTS = range(300, 400)
_BAD_REQUEST = 400
_NO_ENTRY = frozenset({401, 403})
_EXCERPT_BYTES = 80
_PATH_SAFE = "/?&=%:@!$'()*+,;~"
"""What stands for itself in a path, or has been quoted before."""
_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(frozen=True)
class Recipe:
    """One request that the document knows how to make."""

    method: str
    path: str
    name: str
    """Method and route, `GET /items/{id}`."""
    headers: Headers = ()
    body: bytes = b""

    @property
    def writes(self) -> bool:
        """May it change what the app stores?"""
        return self.method.lower() not in SAFE_METHODS


@dataclass(frozen=True)
class Reply:
    """What the app answered."""

    status: int
    content_type: str
    """Without parameters; empty where there is none."""
    body: bytes
    location: str = ""
    """Where it sends the client to."""


@dataclass(frozen=True)
class LeftOut:
    """A route that no request is made for, and why."""

    name: str
    reason: str


def recipes(
    document: Mapping[str, Any], methods: Collection[str] = SAFE_METHODS, given: Headers = ()
) -> tuple[list[Recipe], list[LeftOut]]:
    """What can be asked by these methods according to an OpenAPI document, and what cannot.

    `given` are headers that each request has anyway, for which no example is needed.
    """
    made: list[Recipe] = []
    left_out: list[LeftOut] = []
    names = frozenset(name for name, _ in given)
    for path, method, operation in operations(document):
        name = f"{method.upper()} {path}".strip()
        try:
            _permit(method, methods, described=operation is not None)
            made.append(_recipe(document, name, method, path, mapping(operation), names))
        except LookupError as error:
            left_out.append(LeftOut(name, str(error.args[0])))
    made.sort(key=lambda each: (each.method != "GET", "{" in each.name))
    left_out += [LeftOut(each.name, f"more than {MOST} requests") for each in made[MOST:]]
    return made[:MOST], left_out


def answered(reply: Reply) -> str:
    """What was answered in place of something right, and what may help."""
    found = f"answered {reply.status}"
    if reply.status in _NO_ENTRY:
        return f"{found}; --header 'Authorization: …' may let it in"
    if reply.status in _REDIRECTS and reply.location:
        return f"{found}, which points at {reply.location}"
    if reply.status == _BAD_REQUEST:
        return f"{found}, {reply.body[:_EXCERPT_BYTES].decode(errors='replace')!r}"
    return found


def expectation(first: Reply, second: Reply) -> dict[str, Any] | str:
    """What a right answer is, as keywords of a request, from two answers to it; or why there is none.

    A body that is the same twice is expected for ever; of another, status and type.
    """
    if first.status not in OK:
        return answered(first)
    if second.status not in OK:
        return f"{answered(second)} the second time"
    if (first.status, first.content_type) != (second.status, second.content_type):
        return "answered differently the second time"
    expected: dict[str, Any] = {"status": first.status}
    if first.content_type:
        expected["expected_type"] = first.content_type
    if first.body == second.body:
        expected["expected_body"] = first.body
    return expected


def source(
    title: str,
    requests: Sequence[tuple[Recipe, Mapping[str, Any]]],
    left_out: Sequence[LeftOut],
    given: Headers = (),
) -> str:
    """The text of a scenario that sends these requests, one task for each, all with the headers that are given."""
    lines = [
        f'"""{title}"""',
        "",
        "from locust import task",
        "",
        "from harness.load import HttpScenario, Request",
        "",
        *(("# Sent with every request.", f"HEADERS = {given!r}", "") if given else ()),
        "",
        "class Recipes(HttpScenario):",
        '    """Asks for each of these as often as for the others; weigh them as your users do: @task(3)."""',
        "",
    ]
    for number, (recipe, expected) in enumerate(requests):
        keywords = [f"name={recipe.name!r}", *(f"{key}={value!r}" for key, value in expected.items())]
        if recipe.headers or given:
            keywords.append(f"headers={'HEADERS + ' if given and recipe.headers else ''}{recipe.headers or 'HEADERS'}")
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
    lines += [f"# Left out: {each.name}: {' '.join(each.reason.split())}" for each in left_out]
    return "\n".join(lines).rstrip() + "\n"


def sealed(text: str, owner: str) -> str:
    """The text of a scenario with a last line by which an edit is noticed, and whose it is."""
    return f"{text}{_seal(text, owner)}\n"


def is_of(text: str, owner: str) -> bool:
    """Was this scenario written for this owner, whether or not it has been edited since?"""
    return any(line.startswith(_seal_of(owner)) for line in text.splitlines())


def is_edited(text: str, owner: str) -> bool:
    """Is it another text than was written?"""
    body, _, last = text.removesuffix("\n").rpartition("\n")
    return last != _seal(f"{body}\n", owner)


def _seal(text: str, owner: str) -> str:
    return f"{_seal_of(owner)} {blake2b(text.encode(), digest_size=8).hexdigest()}"


def _seal_of(owner: str) -> str:
    return f"# Written for {owner}; not edited as long as this fits:"


def _permit(method: str, methods: Collection[str], *, described: bool) -> None:
    """Raise `LookupError` with the reason where the document or the user does not say that it may be asked."""
    if not described:
        raise LookupError("not described")
    if method in methods:
        return
    if method in SAFE_METHODS:
        raise LookupError("not among --methods")
    raise LookupError(f"it may write; --methods {','.join([*methods, method])} asks it too")


def _recipe(
    document: Mapping[str, Any],
    name: str,
    method: str,
    path: str,
    operation: Mapping[str, Any],
    given: Collection[str],
) -> Recipe:
    """The request; raises `LookupError` with the reason where an example is missing."""
    query: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    for where, title, parameter in parameters(document, operation):
        if where != "path" and not parameter.get("required"):
            continue
        if (where, title.lower()) in {("header", each) for each in given} or (where == "cookie" and "cookie" in given):
            continue
        texts = _texts(where, title, parameter, example(document, parameter))
        match where:
            case "path":
                path = path.replace(f"{{{title}}}", quote(",".join(texts), safe=""))
            case "query":
                query += [(title, text) for text in texts]
            case "header":
                headers.append((title.lower(), ",".join(texts)))
            case _:
                raise LookupError(f"a {where} parameter is required")
    body = _body(document, operation)
    if body:
        headers.append(("content-type", JSON))
    if "{" in path:
        raise LookupError("a part of the path has no parameter that describes it")
    path = quote(prefix(operation) + path, safe=_PATH_SAFE)
    return Recipe(method.upper(), f"{path}?{urlencode(query)}" if query else path, name, tuple(headers), body)


def _texts(where: str, title: str, parameter: Mapping[str, Any], value: Any) -> list[str]:
    """An example as it is sent: the items of an array one by one, or, where they shall not explode, in one."""
    if value is None or isinstance(value, dict):
        raise LookupError(f"{'no example for' if value is None else 'an object is'} {where} parameter {title}")
    values = value if isinstance(value, list) else [value]
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
    style = parameter.get("style", "form")
    if where == "query" and not parameter.get("explode", style == "form"):
        return [_SEPARATORS.get(style, ",").join(texts)]
    return texts


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> bytes:
    body = resolved(document, operation.get("requestBody"))
    content = mapping(body.get("content"))
    if JSON not in content:
        if body.get("required"):
            raise LookupError(f"its body is {' or '.join(content) or 'not described'}, not {JSON}")
        return b""
    value = example(document, mapping(content[JSON]))
    if value is None:
        raise LookupError("no example of its body")
    return json.dumps(value).encode()
