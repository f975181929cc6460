"""Writes the text of a scenario for a user app, which people read and edit. Pure."""

from __future__ import annotations

from dataclasses import fields
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any

from harness.model.event_stream import Stream
from harness.plan.user_app.requests import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.model.login import Login
    from harness.model.protocols import Protocol
    from harness.plan.user_app.requests import Headers, LeftOut, Recipe

LITERAL_BYTES = 2_000
"""A longer body is written as its digest."""
_CHANGES = "its body changes"
_ENDLESS = "it goes on, so the client ends it"
_TLS_ONLY = "# In clear text, the app sends clients to https://."
_RIGHT = """\
# An answer is right if it has this status (200 unless `status` says otherwise), this media type, and a complete body.
# To check more or less:
#   seen_body      the body that the app gave before; if it changes, that is noted, and the run goes on
#   expected_body  instead of seen_body: any other body is an error
#   neither        bodies are not compared
#   stream         it is read as it comes, and its events are timed; Stream(events=20, seconds=1) ends it after the
#                  20th event or 1 s after the first, whichever is sooner
#   check          a function of your own: it gets the answer, and returns None or what is wrong with it
# {unique} in a path, a header or a body stands for 16 letters that are new in each request, {unique:int} for a number,
# {unique:uuid} for a UUID.
# The number after a request is its weight: 3 is sent three times as often as 1, and 0 never."""


def render_scenario(
    title: str,
    requests: Sequence[tuple[Recipe, Mapping[str, Any]]],
    left_out: Sequence[LeftOut],
    given: Headers = (),
    protocols: Sequence[Protocol] = (),
    login: Login | None = None,
) -> str:
    """Write the text of a scenario with one line for each request; all requests have the `given` headers.

    It is for these protocols only, or for all of HTTP. Each user logs in at its start, if there is a login.
    """
    calls = [_render_request(recipe, expected, given) for recipe, expected in requests]
    remarks = [_render_remark(recipe, expected) for recipe, expected in requests]
    lines = [
        f'"""{title}"""',
        "",
        f"from harness.load import {', '.join(_list_names(calls, login))}",
        "",
        *((_TLS_ONLY, f"PROTOCOLS = {tuple(protocols)!r}", "") if protocols else ()),
        *(("# Sent with every request.", f"HEADERS = {given!r}", "") if given else ()),
        _RIGHT,
        "REQUESTS = {",
        *(f"    {call}: 1,{remark}" for call, remark in zip(calls, remarks, strict=True)),
        "}",
        *(("", "# Left out:") if left_out else ()),
        *(line for each in left_out for line in _render_left_out(each, given)),
        "",
        "",
        "class Recipes(HttpScenario):",
        '    """Each user sends one request after another, chosen at random by their weights."""',
        "",
        *(_render_login(login) if login else ()),
        "    tasks = as_tasks(REQUESTS)",
    ]
    return "\n".join(lines) + "\n"


def _render_login(login: Login) -> Iterator[str]:
    yield "    # Each user logs in once at its start, which does not count, and sends with each request what it gets:"
    yield "    # cookies, a bearer token, a CSRF token. To do it otherwise, define log_in(self), which returns headers."
    yield f"    login = Login({login.method!r}, {login.path!r}, {login.content_type!r}, {login.body!r})"


def _render_remark(recipe: Recipe, expected: Mapping[str, Any]) -> str:
    remark = _ENDLESS if is_endless(expected) else "" if "seen_body" in expected else _CHANGES
    remarks = [*filter(None, [recipe.note, remark])]
    return f"  # {'; '.join(remarks)}" if remarks else ""


def is_endless(expected: Mapping[str, Any]) -> bool:
    """Does the client end the answer?"""
    return bool(expected.get("stream") == LIMIT)


def _render_left_out(left_out: LeftOut, given: Headers) -> Iterator[str]:
    yield f"#   {left_out.name}: {' '.join(left_out.reason.split())}"
    if left_out.recipe is not None:
        yield f"#     {_render_request(left_out.recipe, {}, given)}: 1,"


def _list_names(calls: Sequence[str], login: Login | None) -> list[str]:
    """What the scenario imports: the names that its requests use, and those that it always needs."""
    names = ("Digest", "Request", "Stream", "delete", "get")
    used = {name for name in names if any(f"{name}(" in call for call in calls)}
    used |= {"Login"} if login else set()
    return sorted({"HttpScenario", "as_tasks", *used}, key=lambda name: (name.islower(), name))


def _render_request(recipe: Recipe, expected: Mapping[str, Any], given: Headers) -> str:
    method, path = recipe.method, recipe.path
    start = f"{method.lower()}({path!r}" if method in {"GET", "DELETE"} else f"Request({method!r}, {path!r}"
    return f"{', '.join([start, *_render_keywords(recipe, expected, given)])})"


def _render_keywords(recipe: Recipe, expected: Mapping[str, Any], given: Headers) -> Iterator[str]:
    """Write what is not as `Request` has it anyway."""
    if recipe.name != f"{recipe.method} {recipe.path}":
        yield f"name={recipe.name!r}"
    if recipe.headers or given:
        yield f"headers={'HEADERS + ' if given and recipe.headers else ''}{recipe.headers or 'HEADERS'}"
    if recipe.body:
        yield f"body={recipe.body!r}"
    for key, value in expected.items():
        if (key, value) != ("status", 200):
            yield f"{key}={_render_value(value)}"


def _render_value(value: object) -> str:
    if isinstance(value, bytes) and len(value) > LITERAL_BYTES:
        return f"Digest({len(value)}, {sha256(value).hexdigest()!r})"
    if isinstance(value, Stream):
        limits = {each.name: getattr(value, each.name) for each in fields(value)}
        given = {name: limit for name, limit in limits.items() if limit != getattr(Stream(), name)}
        return f"Stream({', '.join(f'{name}={limit:g}' for name, limit in given.items())})"
    return repr(value)


def add_checksum(text: str, owner: str) -> str:
    """Add a last line to a scenario that names its owner and shows whether it has been edited."""
    return f"{text}{_checksum_line(text, owner)}\n"


def is_written_for(text: str, owner: str) -> bool:
    """Was this scenario written for this owner, whether or not it has been edited since?"""
    return any(line.startswith(_owner_line(owner)) for line in text.splitlines())


def is_edited(text: str, owner: str) -> bool:
    """Has this scenario been edited since it was written for this owner?"""
    body, _, last = text.removesuffix("\n").rpartition("\n")
    return last != _checksum_line(f"{body}\n", owner)


def _checksum_line(text: str, owner: str) -> str:
    return f"{_owner_line(owner)} {blake2b(text.encode(), digest_size=8).hexdigest()}"


def _owner_line(owner: str) -> str:
    return f"# Written for {owner}; not edited as long as this fits:"
