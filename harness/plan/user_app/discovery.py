"""Finds the OpenAPI document of a user app: in a file, at a path, or where frameworks usually serve it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from harness.model.errors import UsageError
from harness.plan.user_app.ask import send
from harness.plan.user_app.document import find_links, parse_document
from harness.plan.user_app.requests import OK, Recipe, Reply, describe_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model.targets import Launch
    from harness.plan.user_app.requests import Headers

NONE = "none"
"""With this value of `--openapi`, no document is read."""
OPENAPI = "/openapi.json"
"""Where most apps serve it: FastAPI, BlackSheep, Quart-Schema."""
USUAL_PATHS = (
    OPENAPI,
    *("/schema/openapi.json", "/schema"),  # Litestar
    *("/api/schema/", "/schema/"),  # drf-spectacular
    *("/api/openapi.json", "/api/v1/openapi.json", "/v1/openapi.json"),  # FastAPI and Django Ninja below a prefix
    *("/docs/openapi.json", "/api/docs/openapi.json", "/swagger.json", "/swagger/doc.json", "/api/swagger.json"),
    *("/openapi.yaml", "/openapi.yml", "/swagger.yaml", "/openapi", "/api"),
    *("/docs", "/redoc", "/api/docs", "/swagger/", "/swagger-ui/", "/"),  # pages that name it
)
_HOPS = 2
"""So many redirects are followed: one adds a slash, another a language."""
_JSON_BEFORE_YAML = "application/json, application/vnd.oai.openapi+json, application/yaml;q=0.8, */*;q=0.5"
_NOT_FOUND = 404


class Discovered(NamedTuple):
    """A document, and the path at which the app serves it; empty if it was read from a file."""

    document: Mapping[str, Any]
    path: str


def read_document(openapi: str | None) -> Discovered | None:
    """Read the OpenAPI document if `openapi` is a file; None if it has to be requested from the app."""
    if openapi is None or openapi == NONE:
        return None
    file = Path(openapi)
    if file.is_file():
        try:
            return Discovered(parse_document(file.read_bytes()), "")
        except ValueError as error:
            raise UsageError(
                f"--openapi: expected an OpenAPI document in JSON or YAML in {openapi}, found {error}"
            ) from None
    if not openapi.startswith("/"):
        raise UsageError(f"--openapi: expected a file, a path that begins with /, or none, found no file {openapi}")
    return None


def fetch_document(openapi: str | None, launch: Launch, given: Headers) -> Discovered | str:
    """Request the document from the app, with the `given` headers; if it serves none, say what it did instead.

    Without `openapi` it is asked for at `USUAL_PATHS`. At any path, a page with a link to the document will do.
    Raises `UsageError` if there is no document at the path that `openapi` names.
    """
    paths = dict.fromkeys(USUAL_PATHS if openapi is None else (openapi,))
    waiting, problems = list(paths), list[str]()
    while waiting:
        path = waiting.pop(0)
        reply = _follow(launch, path, given)
        if isinstance(reply, str):
            problems.append(reply)
            break  # each further request might wait as long
        no_document = ""
        if reply.status in OK:
            try:
                return Discovered(parse_document(reply.body), path)
            except ValueError as error:
                no_document = f" with {error}"
        links = list(find_links(reply.body, path)) if reply.status in OK and reply.content_type == "text/html" else []
        new = [link for link in links if link not in paths]
        paths.update(dict.fromkeys(new))
        waiting[:0] = new
        if reply.status != _NOT_FOUND or not problems:
            named = openapi is not None
            problems.append(_describe(reply, path, named=named) + (no_document if named else ""))
    # The first answer other than "not found" tells most; a usual path that is a page of the app tells nothing.
    if openapi is not None:
        raise UsageError(
            f"--openapi: expected an OpenAPI document in JSON or YAML at {openapi}, found that the app {problems[0]}"
        )
    return next((each for each in problems if each.startswith("answered 4") and "404" not in each), problems[0])


def _describe(reply: Reply, path: str, *, named: bool) -> str:
    found = f"answered {reply.content_type or 'without a type'}" if reply.status in OK else describe_reply(reply)
    status, rest = found.partition(";")[0], "".join(found.partition(";")[1:])
    return found if named or path == OPENAPI else f"{status} at {path}{rest}"


def _follow(launch: Launch, path: str, given: Headers) -> Reply | str:
    """Request a path; follow redirects within the app."""
    headers = (("accept", _JSON_BEFORE_YAML),)
    reply = send(launch, Recipe("GET", path, "", headers), given)
    for _ in range(_HOPS):
        if isinstance(reply, str) or not reply.location or reply.status in OK:
            break
        own = {launch.address, *(value for name, value in given if name == "host")}
        target = urlsplit(urljoin(f"//{launch.address}{path}", reply.location))
        if target.netloc not in own:
            break
        path = target._replace(scheme="", netloc="", fragment="").geturl()
        reply = send(launch, Recipe("GET", path, "", headers), given)
    return reply
