"""An app of one's own that brings no scenario: it is started once, asked what it can be asked, and one is written."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import catalog, cpus, guard, server
from harness.bench import HOST
from harness.model import Launch, UsageError
from harness.recipes import LeftOut, Recipe, Reply, expectation, recipes, source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.model import App, Scenario, Server

PATIENCE_S = 10.0


def write_scenario(
    app: App,
    entry: Server,
    openapi: str,
    *,
    python: str,
    ready_within_s: float,
    folder: Path,
    say: Callable[[str], None],
) -> tuple[Scenario, int, list[LeftOut]]:
    """A scenario for `app`, written into `folder`; how many requests it has, and the routes that are left out.

    `openapi` is a path that the app serves its document at, or a file that holds it. Without a document the one request
    is that which the app is asked for until it answers.
    Raises `UsageError` when nothing is answered right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _started(app, entry, python, ready_within_s, folder / f"{app.name}.log") as launch:
        document = _document(openapi, launch)
        if document is None:
            say(f"no OpenAPI document at {openapi}, so only {app.ready_path} is asked for; --openapi says where it is")
            title = f"GET {app.ready_path} of {app.target}."
            made, left_out = [Recipe("GET", app.ready_path, f"GET {app.ready_path}")], list[LeftOut]()
        else:
            title = f"Requests to {app.target}, from its OpenAPI document."
            made, left_out = recipes(document)
        expected = {recipe: _expectation(launch, recipe) for recipe in made}
    kept = [(recipe, right) for recipe, right in expected.items() if not isinstance(right, str)]
    left_out += [LeftOut(recipe.name, reason) for recipe, reason in expected.items() if isinstance(reason, str)]
    if not kept:
        found = "; ".join(f"{each.name}: {each.reason}" for each in left_out[:3]) or "no route in its document"
        raise UsageError(
            f"--app {app.target}: expected a request that is answered right, found none ({found}); "
            "name one by --ready-path, or bring a --locustfile"
        )
    path = folder / f"{app.name}.py"
    path.write_text(source(title, kept, left_out))
    return catalog.read_scenario(path), len(kept), left_out


@contextmanager
def _started(app: App, entry: Server, python: str, ready_within_s: float, log: Path) -> Iterator[Launch]:
    """The app under a server, for as long as the block lasts."""
    launch = Launch(HOST, server.free_port(HOST), app.target, python=entry.python or python)
    with (
        guard.guard() as token,
        server.start(entry, app, launch, cpus=cpus.available(), log=log, token=token, deadline_s=ready_within_s),
    ):
        yield launch


def _document(openapi: str, launch: Launch) -> dict[str, Any] | None:
    """The OpenAPI document; None where the app has none at that path."""
    file = Path(openapi)
    if file.is_file():
        text = file.read_bytes()
    else:
        try:
            reply = _ask(launch, Recipe("GET", openapi, ""))
        except (OSError, HTTPException):
            return None
        if reply.status != 200:  # noqa: PLR2004 - OK
            return None
        text = reply.body
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "paths" not in document:
        if file.is_file():
            raise UsageError(f"--openapi: expected an OpenAPI document in JSON, found {openapi} is none")
        return None
    return document


def _expectation(launch: Launch, recipe: Recipe) -> dict[str, Any] | str:
    try:
        # Answers may name the host and port that they are asked at, which are others in every trial.
        elsewhere = replace(recipe, headers=(*recipe.headers, ("host", f"{launch.host}:{launch.port - 1}")))
        return expectation(_ask(launch, recipe), _ask(launch, elsewhere))
    except (OSError, HTTPException) as error:
        return f"gave no answer ({error!r})"


def _ask(launch: Launch, recipe: Recipe) -> Reply:
    """A request on a connection of its own."""
    with closing(HTTPConnection(launch.host, launch.port, timeout=PATIENCE_S)) as connection:
        connection.request(recipe.method, recipe.path, recipe.body or None, dict(recipe.headers))
        answer = connection.getresponse()
        media_type = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
        return Reply(answer.status, media_type, answer.read())
