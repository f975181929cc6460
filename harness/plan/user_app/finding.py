"""Finds the requests that can be made to a user app: those that options name, and those of its OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.plan.user_app.ask import log_in, send_requests
from harness.plan.user_app.discovery import NONE, OPENAPI, Discovered, fetch_document, read_document
from harness.plan.user_app.login_routes import part_login_routes
from harness.plan.user_app.options import title_app
from harness.plan.user_app.requests import LeftOut, Recipe, Reply, fits_route, make_get, make_recipes
from harness.plan.user_app.starting import start_app_as_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.targets import Launch, Server
    from harness.plan.user_app.requests import Headers
    from harness.plan.user_app.starting import Stage

_NOT_FOUND = 404


@dataclass(frozen=True)
class Found:
    """The requests that can be made to an app, before they are sent."""

    title: str
    """The title of the scenario."""
    recipes: tuple[Recipe, ...]
    left_out: tuple[LeftOut, ...]


def find_requests(stage: Stage, servers: Sequence[Server]) -> tuple[Found, bool]:
    """Find the requests, and whether they are sent over TLS; the app is started unless the document is a file."""
    openapi = stage.settings.openapi
    if (discovered := read_document(openapi)) is not None or openapi == NONE:
        return _make_requests(stage, discovered), False
    with start_app_as_wanted(stage, servers) as (entry, launch):
        fetched = fetch_from_app(stage, launch, log_in(launch, stage.app.login, stage.app.headers))
    if entry.runs_at is None:
        stage.say(f"{stage.settings.app} was started under {entry.name} to read its document, and was stopped again")
    return _make_requests(stage, fetched), launch.tls is not None


def fetch_from_app(stage: Stage, launch: Launch, given: Headers) -> Discovered | None:
    """Request the document; None if the app serves none, which is told with the reason."""
    found = fetch_document(stage.settings.openapi, launch, given)
    if isinstance(found, Discovered):
        if found.path not in {OPENAPI, stage.settings.openapi}:
            stage.say(f"its OpenAPI document was found at {found.path}")
        return found
    paths = [each.path for each in _name_requests(stage)]
    requested = f"only {paths[0]} is requested" if len(paths) == 1 else f"only {len(paths)} named paths are requested"
    why = f"the app {found}; --openapi names another path or file, --path a request"
    stage.say(f"no OpenAPI document at {OPENAPI} or another usual path, so {requested} ({why})")
    return None


def choose_requests(
    stage: Stage, launch: Launch, discovered: Discovered | None, given: Headers
) -> tuple[Found, dict[Recipe, Reply | str]]:
    """Send the requests; if the app knows none of their paths, those without the path of the document's server."""
    found = _make_requests(stage, discovered)
    replies = send_requests(launch, found.recipes, given)
    bare = _make_requests(stage, discovered, prefixed=False)
    if bare.recipes != found.recipes and not _is_any_known(stage, replies):
        others = send_requests(launch, bare.recipes, given)
        if _is_any_known(stage, others):
            stage.say("paths are requested without the path of the document's server, which the app does not know")
            return bare, others
    return found, replies


def _is_any_known(stage: Stage, replies: Mapping[Recipe, Reply | str]) -> bool:
    """Does the app know any path of its document?"""
    named = _name_requests(stage)
    return any(
        not isinstance(reply, str) and reply.status != _NOT_FOUND and recipe not in named
        for recipe, reply in replies.items()
    )


def _make_requests(stage: Stage, discovered: Discovered | None, *, prefixed: bool = True) -> Found:
    """Make the requests that are named, as far as the document does not have them, and those of the document."""
    settings = stage.settings
    title, made, left_out = f"Requests to {title_app(settings)}.", list[Recipe](), list[LeftOut]()
    if discovered is not None:
        title = f"Requests to {title_app(settings)}, from its OpenAPI document."
        described, undescribed = make_recipes(
            discovered.document, settings.methods, stage.app.headers, prefixed=prefixed
        )
        made, unwanted = part_login_routes(described, stage.app.login, stage.app.headers)
        left_out = [*unwanted, *undescribed]
    known = {each.path for each in made}
    if made and discovered is not None and discovered.path not in settings.path:
        known.add(discovered.path)  # an app is asked whether it is ready where the document is, but not by its users
    named = [each for each in _name_requests(stage, alone=not made) if each.path not in known]
    missing = tuple(each for each in left_out if not any(_names(recipe, each) for recipe in named))
    return Found(title, (*named, *made), missing)


def _names(named: Recipe, left_out: LeftOut) -> bool:
    """Does the request that is named take the place of one that is left out?"""
    method, _, route = left_out.name.partition(" ")
    return method == named.method and fits_route(named.path, route)


def _name_requests(stage: Stage, *, alone: bool = True) -> list[Recipe]:
    """Make the requests of `--ready-path` and `--path`; `/` if nothing is named and these are `alone`."""
    settings, ready = stage.settings, stage.app.ready_path
    if ready == type(settings)().ready_path and (settings.path or not alone):
        return [make_get(path) for path in dict.fromkeys(settings.path)]
    return [make_get(path) for path in dict.fromkeys((ready, *settings.path))]
