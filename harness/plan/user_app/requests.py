"""Makes requests to a user app from its OpenAPI document, and says which answers are right. Pure.

GET routes without parameters come first. Others are requested with the example values of the document, and left out
with the reason if it has none (OpenAPI 3.1, §4.8.12 Parameter Object, §4.8.14 Media Type Object). What cannot be read
in an invalid document is left out too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from harness.model.event_stream import Stream
from harness.model.protocols import SAFE_METHODS
from harness.plan.user_app.media import choose_media, encode_body, restore_placeholders
from harness.plan.user_app.openapi import (
    as_mapping,
    find_example,
    find_prefix,
    list_operations,
    list_parameters,
    resolve,
)
from harness.plan.user_app.samples import make_sample
from harness.plan.user_app.unique_fields import list_unique

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Headers = tuple[tuple[str, str], ...]

REQUESTS_LIMIT = 40
"""A scenario has at most this many requests: with more, each would be sent too rarely for its percentiles."""
LIMIT = Stream(events=20, seconds=1)
"""Where a client ends an answer that does not end by itself."""
NO_EXAMPLE = "no example"
MADE = "its body is made from its schema"
OK = range(200, 300)
REDIRECTS = range(300, 400)
_EXPLAINED = frozenset({400, 405, 406, 409, 415, 422, 428, 429, 503})
"""With these statuses, apps say in the body what is wrong with a request."""
NO_ENTRY = frozenset({401, 403})
_TOO_MANY = 429
_EXCERPT_CHARACTERS = 80
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_VARIANTS_TRIED = 6
"""So many bodies with `{unique}` are sent, each twice, to an app that refuses the same body again."""
_PATH_SAFE = "/?&=%:@!$'()*+,;~"
"""These characters of a path are not quoted: they are allowed there, or quoted already."""
_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(frozen=True)
class Recipe:
    """One request that can be made from the document."""

    method: str
    path: str
    name: str
    """The method and the route, `GET /items/{id}`."""
    headers: Headers = ()
    body: bytes = b""
    note: str = ""
    """What is to be known about it, such as where its body comes from."""
    variants: tuple[bytes, ...] = ()
    """Bodies with `{unique}`, for an app that refuses the same body again."""

    @property
    def writes(self) -> bool:
        """Can the request change what the app stores?"""
        return self.method.lower() not in SAFE_METHODS


@dataclass(frozen=True)
class Reply:
    """What the app answered."""

    status: int
    content_type: str
    """The media type without parameters; empty if there is none."""
    body: bytes
    location: str = ""
    """The target of a redirect."""
    ends: bool = True
    """Did it end by itself? False for one that was ended when it had gone on for long."""
    events: int = 0
    """Events of an answer in `text/event-stream`, or of one that did not end."""


@dataclass(frozen=True)
class LeftOut:
    """A route for which no request is made, and why."""

    name: str
    reason: str
    recipe: Recipe | None = None
    """The request that would be right with `{unique}` in it."""


def make_recipes(
    document: Mapping[str, Any],
    methods: Collection[str] = SAFE_METHODS,
    given: Headers = (),
    *,
    prefixed: bool = True,
) -> tuple[list[Recipe], list[LeftOut]]:
    """Make the requests with these methods from an OpenAPI document; also return what is left out.

    `given` are headers that every request has anyway, so that they need no example. Unless `prefixed`, paths do not
    begin with the path of the server: a proxy may remove that before the app is asked.
    """
    made: list[Recipe] = []
    left_out: list[LeftOut] = []
    names = frozenset(name for name, _ in given)
    for path, method, operation in list_operations(document):
        name = f"{method.upper()} {path}".strip()
        try:
            _check_method(method, methods, described=operation is not None)
            described = as_mapping(operation)
            prefix = find_prefix(described) if described and prefixed else ""
            made.append(_make_recipe(document, name, method, path, described, names, prefix))
        except LookupError as error:
            left_out.append(LeftOut(name, str(error.args[0])))
    made.sort(key=lambda each: (each.method != "GET", "{" in each.name))
    left_out += [LeftOut(each.name, f"more than {REQUESTS_LIMIT} requests") for each in made[REQUESTS_LIMIT:]]
    return made[:REQUESTS_LIMIT], left_out


def make_get(path: str) -> Recipe:
    """Make the request for a path, with its query, that the user names."""
    return Recipe("GET", restore_placeholders(quote(path, safe=_PATH_SAFE)), f"GET {path}")


def fits_route(path: str, route: str) -> bool:
    """Is this a path, with or without a query, of a route such as `/items/{id}`?"""
    pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(route))
    return re.fullmatch(pattern, path.partition("?")[0]) is not None


def describe_reply(reply: Reply) -> str:
    """Describe a reply that is not a right answer, and say what may help."""
    found = f"answered {reply.status}"
    if reply.status in NO_ENTRY:
        return f"{found}; --header 'Authorization: …' or --login may let it in"
    if reply.status in REDIRECTS and reply.location:
        return f"{found}, which points at {reply.location}"
    if reply.status in _EXPLAINED:
        found += f", {_excerpt(reply.body)!r}"
    if reply.status == _TOO_MANY:
        found += "; the app limits how often it is asked: turn that off while it is measured"
    return found


def _excerpt(body: bytes) -> str:
    """The title of a page, or the beginning of any other text."""
    title = _TITLE.search(body)
    text = title[1] if title else body
    return " ".join(text.decode(errors="replace").split())[:_EXCERPT_CHARACTERS]


def derive_expectation(first: Reply, *later: Reply) -> dict[str, Any] | str:
    """Derive from the replies to a request what a right answer is, as keywords of `Request`, or why there is none.

    Status and type are expected always, the body only if it was the same each time. What does not end gets a limit.
    """
    if first.status not in OK:
        return describe_reply(first)
    for each in later:
        if each.status not in OK:
            return f"{describe_reply(each)} when asked again"
        if (first.status, first.content_type) != (each.status, each.content_type):
            found = f"{each.status} {each.content_type or 'without a type'}"
            return f"answered {first.status} {first.content_type or 'without a type'}, and {found} when asked again"
    expected: dict[str, Any] = {"status": first.status}
    if first.content_type:
        expected["expected_type"] = first.content_type
    replies = (first, *later)
    if not all(each.ends for each in replies):
        return {**expected, "stream": LIMIT}
    if all(each.events for each in replies):
        expected["stream"] = Stream()
    if all(first.body == each.body for each in later):
        expected["seen_body"] = first.body
    return expected


def _check_method(method: str, methods: Collection[str], *, described: bool) -> None:
    """Raise `LookupError` with the reason why an operation must not be requested."""
    if not described:
        raise LookupError("not described")
    if method in methods:
        return
    if method in SAFE_METHODS:
        raise LookupError("not among --methods")
    raise LookupError(f"it may write; use --methods {','.join([*methods, method])} to include it")


def _make_recipe(
    document: Mapping[str, Any],
    name: str,
    method: str,
    path: str,
    operation: Mapping[str, Any],
    given: Collection[str],
    prefix: str,
) -> Recipe:
    """Make a request; raises `LookupError` with the reason if an example is missing."""
    query: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    for where, title, parameter in list_parameters(document, operation):
        if where != "path" and not parameter.get("required"):
            continue
        if (where, title.lower()) in {("header", each) for each in given} or (where == "cookie" and "cookie" in given):
            continue
        texts = _format_value(where, title, parameter, find_example(document, parameter))
        match where:
            case "path":
                path = path.replace(f"{{{title}}}", quote(",".join(texts), safe=""))
            case "query":
                query += [(title, text) for text in texts]
            case "header":
                headers.append((title.lower(), ",".join(texts)))
            case _:
                raise LookupError(f"a {where} parameter is required")
    body = _make_body(document, operation)
    if body.content_type:
        headers.append(("content-type", body.content_type))
    if "{" in path:
        raise LookupError("a part of the path is not described as a parameter")
    path = quote(prefix + path, safe=_PATH_SAFE)
    target = f"{path}?{urlencode(query)}" if query else path
    return Recipe(
        method.upper(), restore_placeholders(target), name, tuple(headers), body.data, body.note, body.variants
    )


def _format_value(where: str, title: str, parameter: Mapping[str, Any], value: Any) -> list[str]:
    """Format an example as it is sent: the items of an array separately, or joined unless its style is to explode."""
    if value is None or isinstance(value, dict):
        raise LookupError(
            f"{NO_EXAMPLE if value is None else 'the example is an object'} for {where} parameter {title}"
        )
    values = value if isinstance(value, list) else [value]
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
    style = parameter.get("style", "form")
    if where == "query" and not parameter.get("explode", style == "form"):
        return [_SEPARATORS.get(style, ",").join(texts)]
    return texts


@dataclass(frozen=True)
class _Body:
    content_type: str = ""
    data: bytes = b""
    note: str = ""
    variants: tuple[bytes, ...] = ()


def _make_body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> _Body:
    """Make the body, from its example or from its schema; an empty one where none is described."""
    body = resolve(document, operation.get("requestBody"))
    content = as_mapping(body.get("content"))
    media_type = choose_media(content)
    if media_type is None:
        if body.get("required"):
            raise LookupError(f"its body is {' or '.join(content) or 'not described'}, not JSON, a form or text")
        return _Body()
    described = as_mapping(content[media_type])
    given = described.get("schema")
    schema = resolve(document, given)
    value, note = find_example(document, described), ""
    if value is None:
        if not schema:
            raise LookupError("no example for its body, and no schema")
        try:
            value, note = make_sample(document, given), MADE
        except LookupError as error:
            raise LookupError(f"no example for its body, and none can be made: {error.args[0]}") from error
    content_type, data = encode_body(media_type, value, schema)
    variants = islice(list_unique(document, given, value), _VARIANTS_TRIED)
    return _Body(content_type, data, note, tuple(encode_body(media_type, each, schema)[1] for each in variants))
