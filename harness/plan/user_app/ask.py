"""What an app of one's own is asked before it is measured: for its document, and for each request once."""

from __future__ import annotations

import json
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.model.errors import UsageError
from harness.plan.user_app.requests import OK, Recipe, Reply, answered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.targets import Launch
    from harness.plan.user_app.requests import Headers

OPENAPI = "/openapi.json"
"""Where a document is looked for unless it is said where it is."""
PATIENCE_S = 10.0
"""How long an answer may take."""


def from_file(openapi: str | None) -> dict[str, Any] | None:
    """The document, where it is in a file; None where the app is to be asked for it."""
    if openapi is None:
        return None
    file = Path(openapi)
    if file.is_file():
        if (document := _document(file.read_bytes())) is None:
            raise UsageError(f"--openapi: expected an OpenAPI document in JSON, found {openapi} is none")
        return document
    if not openapi.startswith("/"):
        raise UsageError(f"--openapi: expected a file, or a path that begins with /, found no file {openapi}")
    return None


def served(openapi: str | None, launch: Launch, given: Headers) -> dict[str, Any] | str:
    """The document that the app serves, or what it did in place of that.

    Raises `UsageError` where it does not serve the one that was asked for.
    """
    reply = _ask(launch, Recipe("GET", openapi or OPENAPI, ""), given)
    if isinstance(reply, str):
        problem = reply
    elif (document := _document(reply.body) if reply.status in OK else None) is not None:
        return document
    else:
        problem = f"answered {reply.content_type or 'without a type'}" if reply.status in OK else answered(reply)
    if openapi is not None:
        raise UsageError(f"--openapi: expected an OpenAPI document in JSON at {openapi}, found that the app {problem}")
    return problem


def _document(text: bytes) -> dict[str, Any] | None:
    """An OpenAPI document; None where the text is none."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "paths" in document else None


def answers(launch: Launch, recipes: Iterable[Recipe], given: Headers) -> dict[Recipe, Reply | str]:
    """What each is answered; those that write are sent first."""
    in_order = sorted(recipes, key=lambda each: not each.writes)
    return {recipe: _ask(launch, recipe, given) for recipe in in_order}


def _ask(launch: Launch, recipe: Recipe, given: Headers) -> Reply | str:
    """The answer to a request on a connection of its own, or why there was none."""
    try:
        with closing(HTTPConnection(launch.host, launch.port, timeout=PATIENCE_S)) as connection:
            connection.request(recipe.method, recipe.path, recipe.body or None, dict((*recipe.headers, *given)))
            return _reply(connection.getresponse())
    except (OSError, HTTPException) as error:
        return f"gave no answer ({error!r})"


def _reply(answer: HTTPResponse) -> Reply:
    until_s = time.monotonic() + PATIENCE_S
    body = bytearray()
    while chunk := answer.read1():
        body += chunk
        if time.monotonic() > until_s:
            raise TimeoutError("it does not end")
    if answer.length:  # what read() would tell, and read1() does not
        raise IncompleteRead(bytes(body), answer.length)
    media_type = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
    return Reply(answer.status, media_type, bytes(body), answer.getheader("location") or "")
