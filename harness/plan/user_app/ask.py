"""Requests to a user app before it is measured: for its OpenAPI document, and each request of its scenario."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from harness.model.errors import UsageError
from harness.model.unique import UNIQUE, UNIQUE_LETTERS
from harness.plan.user_app.requests import OK, Recipe, Reply, describe_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.targets import Launch
    from harness.plan.user_app.requests import Headers

OPENAPI = "/openapi.json"
"""The path of the OpenAPI document unless `--openapi` names another."""
TIMEOUT_S = 10.0
"""An answer may take this long."""


def read_document(openapi: str | None) -> dict[str, Any] | None:
    """Read the OpenAPI document if `openapi` is a file; None if it has to be requested from the app."""
    if openapi is None:
        return None
    file = Path(openapi)
    if file.is_file():
        if (document := _parse_document(file.read_bytes())) is None:
            raise UsageError(f"--openapi: expected an OpenAPI document in JSON, found something else in {openapi}")
        return document
    if not openapi.startswith("/"):
        raise UsageError(f"--openapi: expected a file, or a path that begins with /, found no file {openapi}")
    return None


def fetch_document(openapi: str | None, launch: Launch, given: Headers) -> dict[str, Any] | str:
    """Request the OpenAPI document from the app, with the `given` headers; if it serves none, say what it did instead.

    Raises `UsageError` if the app does not serve a document at the path that `--openapi` names.
    """
    reply = send(launch, Recipe("GET", openapi or OPENAPI, ""), given)
    if isinstance(reply, str):
        problem = reply
    elif (document := _parse_document(reply.body) if reply.status in OK else None) is not None:
        return document
    else:
        found = f"answered {reply.content_type or 'without a type'}"
        problem = found if reply.status in OK else describe_reply(reply)
    if openapi is not None:
        raise UsageError(f"--openapi: expected an OpenAPI document in JSON at {openapi}, found that the app {problem}")
    return problem


def _parse_document(text: bytes) -> dict[str, Any] | None:
    """Read an OpenAPI document in JSON; None if the text is something else."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "paths" in document else None


def send_requests(launch: Launch, recipes: Iterable[Recipe], given: Headers) -> dict[Recipe, Reply | str]:
    """Send each request once, those that write first; return the reply to each, or why there was none."""
    in_order = sorted(recipes, key=lambda each: not each.writes)
    return {recipe: send(launch, recipe, given) for recipe in in_order}


def send(launch: Launch, recipe: Recipe, given: Headers) -> Reply | str:
    """Send a request on a new connection; return the reply, or why there was none."""
    try:
        with closing(HTTPConnection(launch.host, launch.port, timeout=TIMEOUT_S)) as connection:
            value = "".join(secrets.choice(ascii_lowercase) for _ in range(UNIQUE_LETTERS))
            path, body = recipe.path.replace(UNIQUE, value), recipe.body.replace(UNIQUE.encode(), value.encode())
            headers = {name: text.replace(UNIQUE, value) for name, text in (*recipe.headers, *given)}
            connection.request(recipe.method, path, body or None, headers)
            return _read_reply(connection.getresponse())
    except (OSError, HTTPException) as error:
        return f"gave no answer ({error!r})"


def _read_reply(answer: HTTPResponse) -> Reply:
    until_s = time.monotonic() + TIMEOUT_S
    body = bytearray()
    while chunk := answer.read1():
        body += chunk
        if time.monotonic() > until_s:
            raise TimeoutError("it does not end")
    if answer.length:  # read() would raise this, read1() does not
        raise IncompleteRead(bytes(body), answer.length)
    media_type = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
    return Reply(answer.status, media_type, bytes(body), answer.getheader("location") or "")
