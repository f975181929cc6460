"""Writes a scenario for a user app that has none: the app is started twice, and each request is sent three times.

Once after the first start, and twice, some time apart, after the second, which is under another server if there is one.
An answer that is the same each time depends neither on the process nor on the server, the second, the age of the
process, or on how often it was asked.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.catalog import listing
from harness.host import certificates, guard, logs
from harness.host.files import replace_file
from harness.model.errors import ServerError, UsageError
from harness.model.protocols import TLS_PROTOCOLS
from harness.model.targets import Launch, Scenario
from harness.model.unique import UNIQUE
from harness.plan.user_app.ask import log_in, send_requests, wants_tls
from harness.plan.user_app.conflicts import find_unique, is_conflict
from harness.plan.user_app.discovery import NONE, OPENAPI, Discovered, fetch_document, read_document
from harness.plan.user_app.login_routes import part_login_routes
from harness.plan.user_app.options import HTTP, name_app, title_app
from harness.plan.user_app.rendering import add_checksum, is_edited, is_endless, is_written_for, render_scenario
from harness.plan.user_app.requests import (
    LIMIT,
    NO_ENTRY,
    NO_EXAMPLE,
    OK,
    LeftOut,
    Recipe,
    Reply,
    derive_expectation,
    describe_reply,
    fits_route,
    make_get,
    make_recipes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.hosts.server_host import ServerHost
    from harness.model.protocols import Protocol
    from harness.model.targets import App, Server
    from harness.plan.settings import Settings
    from harness.plan.user_app.requests import Headers

APART_S = 1.1
"""A process is asked again after this long, so that a time in seconds, or its own age, has changed."""

_PRIVATE = 0o700
_BAD_REQUEST, _NOT_FOUND, _SERVER_ERROR = 400, 404, 500
_WRONG_CALL = "positional argument"
"""The log has this text if the callable is not an ASGI app, but takes other arguments."""
_WSGI_CALL = re.compile(
    r"'start_response'|takes (?:2 positional arguments but 3|3 positional arguments but 4) were given"
)
"""The log has this text if the callable takes the two arguments of WSGI, or those and itself."""
_NAMES_SHOWN = 3
"""So many routes that are left out for the same reason are named."""
_REASONS_SHOWN = 3
"""An error message has at most this many reasons."""
_SPEAK_TLS: frozenset[Protocol] = frozenset({"h1-tls", "h2"})
_CLEAR: frozenset[Protocol] = frozenset({"h1", "h2c"})
"""Servers that speak one of these answer HTTP/1.1 over TLS, too."""


@dataclass(frozen=True)
class Found:
    """The requests that can be made to an app, before they are sent."""

    title: str
    """The title of the scenario."""
    recipes: tuple[Recipe, ...]
    left_out: tuple[LeftOut, ...]


def write_scenario(
    settings: Settings,
    app: App,
    servers: Sequence[Server],
    python: str,
    say: Callable[[str], None],
    host: ServerHost,
    *,
    ask: bool,
) -> Scenario:
    """Write a scenario for `app` into the results folder, with the requests that get right answers.

    Without an OpenAPI document, the only requests are those of `--ready-path` and `--path`. Without `ask`, the app is
    asked for its document only and nothing is written. `say` reports to the user what was done, found and left out.
    Raises `UsageError` if no server starts, no request gets a right answer, or the scenario has been edited.
    """
    folder = Path(settings.out) / "scenarios"
    # Not where the app is measured from: of a revision, that is another place each time.
    owner = f"{title_app(settings)} in {Path(settings.app_dir).resolve()}"
    path = _choose_path(folder, settings.app.partition(":")[0].partition(".")[0] if settings.app else app.name, owner)
    folder.mkdir(parents=True, exist_ok=True)
    if settings.header or settings.env or settings.login:
        folder.chmod(_PRIVATE)
    stage = _Stage(settings, app, python, folder, say, host)
    if not ask:
        found, tls = _find_requests(stage, servers)
        say(f"{_count(found.recipes)} found; a run sends each of them three times and then writes them to {path}")
        _report_left_out(found.left_out, say)
        return Scenario(path.stem, path.resolve(), _list_protocols(settings, tls=tls), found.title)
    asked = _ask(stage, servers)
    given = [name for name, value in (("--header", app.headers), ("--login", app.login)) if value]
    if given:
        say(f"{path} contains the values of {' and '.join(given)}")
    protocols = _list_protocols(settings, tls=asked.tls)
    own = () if protocols == HTTP else tuple(sorted(protocols))
    text = add_checksum(render_scenario(asked.title, asked.kept, asked.left_out, app.headers, own, app.login), owner)
    replace_file(path, text.encode())
    each_time = f"answered right each time, under {' and '.join(dict.fromkeys(asked.under))}"
    say(f"{_count(asked.kept)} found, {each_time}; written to {path}, which you can edit and use as --locustfile")
    endless = [recipe.name for recipe, expected in asked.kept if is_endless(expected)]
    if endless:
        limit = f"the {LIMIT.events}th event or {LIMIT.seconds:g} s after the first"
        say(f"  answers that go on, so that clients end them at {limit}: {', '.join(endless)}")
    changing = [
        recipe.name for recipe, expected in asked.kept if "seen_body" not in expected and recipe.name not in endless
    ]
    if changing:
        say(f"  bodies that change, so that only status, type and length are checked: {', '.join(changing)}")
    for recipe, _ in asked.kept:
        if recipe.note:
            say(f"  {recipe.name}: {recipe.note}")
    _report_left_out(asked.left_out, say)
    return listing.read_scenario(path)


def _list_protocols(settings: Settings, *, tls: bool) -> frozenset[Protocol]:
    """The protocols of the scenario: all of HTTP, or those over TLS if the app wants it and others were asked for."""
    return HTTP & TLS_PROTOCOLS if tls and not HTTP & set(settings.protocols) <= TLS_PROTOCOLS else HTTP


@dataclass(frozen=True)
class Asked:
    """The requests that the app answered right twice, and those that it did not."""

    kept: tuple[tuple[Recipe, Mapping[str, Any]], ...]
    """Requests with what is expected of their answers, as keywords of `Request`."""
    left_out: tuple[LeftOut, ...]
    title: str
    under: tuple[str, str]
    """The names of the two servers under which the app was asked."""
    tls: bool
    """Was it asked over TLS?"""


@dataclass(frozen=True)
class _Stage:
    """What all starts of the app have in common."""

    settings: Settings
    app: App
    python: str
    folder: Path
    say: Callable[[str], None]
    host: ServerHost

    def log_path(self, entry: Server) -> Path:
        return self.folder / f"{self.app.name}-{entry.name}.log"


def _choose_path(folder: Path, name: str, owner: str) -> Path:
    """Choose the file of the scenario: that of the same owner, or a new one, never a file of another owner."""
    for number in count(1):
        path = folder / (f"{name}.py" if number == 1 else f"{name}-{number}.py")
        if not path.exists():
            break
        text = path.read_text(errors="replace")
        if is_written_for(text, owner):
            if is_edited(text, owner):
                raise UsageError(
                    f"--app: expected {path} as the harness wrote it, found it edited; "
                    f"use it with --locustfile {path}, or delete it to have it written again"
                )
            break
    return path


def _find_requests(stage: _Stage, servers: Sequence[Server]) -> tuple[Found, bool]:
    """Find the requests, and whether they are sent over TLS; the app is started unless the document is a file."""
    openapi = stage.settings.openapi
    if (document := read_document(openapi)) is not None or openapi == NONE:
        return _make_requests(stage, document), False
    with _start_app_as_wanted(stage, servers) as (entry, launch):
        fetched = _fetch_document(stage, launch, log_in(launch, stage.app.login, stage.app.headers))
    if entry.runs_at is None:
        stage.say(f"{stage.settings.app} was started under {entry.name} to read its document, and was stopped again")
    return _make_requests(stage, fetched), launch.tls is not None


def _ask(stage: _Stage, servers: Sequence[Server]) -> Asked:
    """Send each request under two servers, or twice under the only one that starts.

    Requests that write are sent before those that read. The last time they are sent for the second time to the same
    process: so an answer that depends on what they change is different then.
    """
    openapi = stage.settings.openapi
    document: Mapping[str, Any] | None = read_document(openapi)
    with _start_app_as_wanted(stage, servers) as (entry, launch):
        started_s = time.monotonic()
        given = log_in(launch, stage.app.login, stage.app.headers)
        if document is None and openapi != NONE:
            document = _fetch_document(stage, launch, given)
        found, first = _choose_requests(stage, launch, document, given)
        tls = launch.tls is not None
    right = [recipe for recipe, reply in first.items() if isinstance(reply, Reply) and reply.status in OK]
    if not (right or any(is_conflict(each) for each in first.values())):
        raise _make_error(stage, entry, found, first)
    # The more the other server differs, the more of what depends on it is seen: WSGI after ASGI, but trio comes last.
    others = sorted(
        (each for each in servers if each is not entry),
        key=lambda each: (each.interface == entry.interface, each.event_loop != "asyncio"),
    )
    # An app may tell when it started, in seconds.
    time.sleep(max(0.0, started_s + APART_S - time.monotonic()))
    with _start_app(stage, [*others, entry], tls=tls) as (other, launch):
        given = log_in(launch, stage.app.login, stage.app.headers)
        second = send_requests(launch, right, given)
        time.sleep(APART_S)
        third = send_requests(launch, [recipe for recipe in right if recipe.writes], given)
        refused = [
            each for each in found.recipes if any(is_conflict(seen.get(each)) for seen in (first, second, third))
        ]
        unique = find_unique(launch, refused, given)
        third |= send_requests(launch, [recipe for recipe in right if not recipe.writes], given)
    expected: dict[Recipe, dict[str, Any] | str] = {}
    for recipe in found.recipes:
        if recipe in unique:
            variant, reply = unique[recipe]
            expected[variant] = _derive_expectation(first[recipe] if recipe in right else reply, [reply], other.name)
        else:
            expected[recipe] = _derive_expectation(first[recipe], [second.get(recipe), third.get(recipe)], other.name)
    kept = tuple((recipe, each) for recipe, each in expected.items() if not isinstance(each, str))
    left_out = [
        _leave_out(recipe, reason, refused=recipe in refused)
        for recipe, reason in expected.items()
        if isinstance(reason, str)
    ]
    if not kept:
        raise _make_error(stage, other, found, {**first, **second, **third})
    return Asked(kept, (*found.left_out, *left_out), found.title, (entry.name, other.name), tls)


def _leave_out(recipe: Recipe, reason: str, *, refused: bool) -> LeftOut:
    """Leave out a request; say so where a value may have to be new each time, or where its body is made."""
    noted = f"{reason}; {recipe.note}" if recipe.note else reason
    if recipe.writes and refused:
        return LeftOut(recipe.name, f"{noted}; unique: add {UNIQUE} where a value must be new each time", recipe)
    return LeftOut(recipe.name, noted)


def _fetch_document(stage: _Stage, launch: Launch, given: Headers) -> Mapping[str, Any] | None:
    """Request the document; None if the app serves none, which is told with the reason."""
    found = fetch_document(stage.settings.openapi, launch, given)
    if isinstance(found, Discovered):
        if found.path not in {OPENAPI, stage.settings.openapi}:
            stage.say(f"its OpenAPI document was found at {found.path}")
        return found.document
    paths = [each.path for each in _name_requests(stage)]
    requested = f"only {paths[0]} is requested" if len(paths) == 1 else f"only {len(paths)} named paths are requested"
    why = f"the app {found}; --openapi names another path or file, --path a request"
    stage.say(f"no OpenAPI document at {OPENAPI} or another usual path, so {requested} ({why})")
    return None


def _choose_requests(
    stage: _Stage, launch: Launch, document: Mapping[str, Any] | None, given: Headers
) -> tuple[Found, dict[Recipe, Reply | str]]:
    """Send the requests; if the app knows none of their paths, those without the path of the document's server."""
    found = _make_requests(stage, document)
    replies = send_requests(launch, found.recipes, given)
    bare = _make_requests(stage, document, prefixed=False)
    if bare.recipes != found.recipes and not _is_any_known(stage, replies):
        others = send_requests(launch, bare.recipes, given)
        if _is_any_known(stage, others):
            stage.say("paths are requested without the path of the document's server, which the app does not know")
            return bare, others
    return found, replies


def _is_any_known(stage: _Stage, replies: Mapping[Recipe, Reply | str]) -> bool:
    """Does the app know any path of its document?"""
    named = _name_requests(stage)
    return any(
        not isinstance(reply, str) and reply.status != _NOT_FOUND and recipe not in named
        for recipe, reply in replies.items()
    )


def _derive_expectation(first: Reply | str, later: Sequence[Reply | str | None], other: str) -> dict[str, Any] | str:
    if isinstance(first, str):
        return first
    replies: list[Reply] = []
    for each in later:
        if each is None:
            return describe_reply(first)
        if isinstance(each, str):
            return f"{each}, under {other}"
        replies.append(each)
    expected = derive_expectation(first, *replies)
    return f"{expected}, under {other}" if isinstance(expected, str) else expected


def _make_error(stage: _Stage, entry: Server, found: Found, replies: Mapping[Recipe, Reply | str]) -> UsageError:
    """Make the error for an app without a right answer, with the advice that most likely helps."""
    reasons = [
        *(
            f"{recipe.name}: {each if isinstance(each, str) else describe_reply(each)}"
            for recipe, each in replies.items()
        ),
        *(f"{each.name}: {each.reason}" for each in found.left_out),
    ]
    statuses = {each.status for each in replies.values() if isinstance(each, Reply)}
    advice = "name a path with --path, or use --locustfile"
    if any(status >= _SERVER_ERROR for status in statuses):
        log = stage.log_path(entry)
        hint = _advise_on_call(log.read_text(errors="replace"), stage.settings.app)
        advice = f"its log is {log}{logs.quote_reason(log)}{hint}"
    elif _BAD_REQUEST in statuses:
        advice = "the app may expect its own host name: --header 'Host: shop.example'"
    elif statuses & NO_ENTRY:
        advice = "log in by --login 'POST /login user=ann&password=…', or name a path that needs no login with --path"
    shown = "; ".join(reasons[:_REASONS_SHOWN]) or "no route in its document"
    more = f"; and {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
    return UsageError(
        f"{name_app(stage.settings)}: expected a request with a right answer, found none ({shown}{more}); {advice}"
    )


def _advise_on_call(log: str, app: str | None) -> str:
    """What to do if the log shows that the callable is not an ASGI app; empty if it does not."""
    if _WRONG_CALL not in log:
        return ""
    if _WSGI_CALL.search(log):
        return f"; if {app} is a WSGI callable, name it by --wsgi, and the ASGI callable by --app"
    return f"; use --factory if {app} returns the app"


@contextmanager
def _start_app_as_wanted(stage: _Stage, servers: Sequence[Server]) -> Iterator[tuple[Server, Launch]]:
    """Run the app over TLS if it is measured so only, or if it sends clients there; otherwise in clear text."""
    given, asked = stage.settings.protocols, HTTP & set(stage.settings.protocols)
    tls = {protocol for each in servers for protocol in asked & each.protocols} <= TLS_PROTOCOLS
    if not tls:
        with _start_app(stage, servers, tls=False) as (entry, launch):
            if not wants_tls(launch, stage.app.ready_path, stage.app.headers):
                yield entry, launch
                return
        clear = ",".join(each for each in given if each in asked - TLS_PROTOCOLS)
        if not asked & TLS_PROTOCOLS:
            raise UsageError(
                f"--protocols: expected h1-tls or h2 for an app that sends clients to https://, found {clear}"
            )
        stage.say(f"{clear} left out, since the app sends clients to https://")
    with _start_app(stage, servers, tls=True) as started:
        yield started


@contextmanager
def _start_app(stage: _Stage, servers: Sequence[Server], *, tls: bool) -> Iterator[tuple[Server, Launch]]:
    """Run the app under the first of these servers that starts with it, until the block ends."""
    faults = []
    with guard.guard() as token, ExitStack() as stack:
        certificate = stack.enter_context(certificates.issue(servers, stage.host.address)) if tls else None
        for entry in servers:
            if not (_SPEAK_TLS if tls else _CLEAR) & entry.protocols:
                faults.append(f"{entry.name}: does not speak HTTP/1.1 {'over TLS' if tls else 'in clear text'}")
                continue
            target = entry.target(stage.app) or stage.app.target
            launch = stage.host.make_launch(entry, target, 1, certificate, stage.python)
            log, within_s = stage.log_path(entry), stage.settings.ready_within
            try:
                stack.enter_context(
                    stage.host.start(entry, stage.app, launch, log=log, token=token, deadline_s=within_s)
                )
            except ServerError as error:
                faults.append(str(error))
                continue
            yield entry, launch
            return
    raise UsageError(f"--servers: expected one that starts with {name_app(stage.settings)}, found {'; '.join(faults)}")


def _make_requests(stage: _Stage, document: Mapping[str, Any] | None, *, prefixed: bool = True) -> Found:
    """Make the requests that are named, as far as the document does not have them, and those of the document."""
    settings = stage.settings
    title, made, left_out = f"Requests to {title_app(settings)}.", list[Recipe](), list[LeftOut]()
    if document is not None:
        title = f"Requests to {title_app(settings)}, from its OpenAPI document."
        described, undescribed = make_recipes(document, settings.methods, stage.app.headers, prefixed=prefixed)
        made, unwanted = part_login_routes(described, stage.app.login, stage.app.headers)
        left_out = [*unwanted, *undescribed]
    known = {each.path for each in made}
    named = [each for each in _name_requests(stage, alone=not made) if each.path not in known]
    missing = tuple(each for each in left_out if not any(_names(recipe, each) for recipe in named))
    return Found(title, (*named, *made), missing)


def _names(named: Recipe, left_out: LeftOut) -> bool:
    """Does the request that is named take the place of one that is left out?"""
    method, _, route = left_out.name.partition(" ")
    return method == named.method and fits_route(named.path, route)


def _name_requests(stage: _Stage, *, alone: bool = True) -> list[Recipe]:
    """Make the requests of `--ready-path` and `--path`; `/` if nothing is named and these are `alone`."""
    settings, ready = stage.settings, stage.app.ready_path
    if ready == type(settings)().ready_path and (settings.path or not alone):
        return [make_get(path) for path in dict.fromkeys(settings.path)]
    return [make_get(path) for path in dict.fromkeys((ready, *settings.path))]


def _count(recipes: Sequence[Any]) -> str:
    return "1 request" if len(recipes) == 1 else f"{len(recipes)} requests"


def _report_left_out(left_out: Sequence[LeftOut], say: Callable[[str], None]) -> None:
    by_reason: dict[str, list[str]] = {}
    for each in left_out:
        by_reason.setdefault(each.reason, []).append(each.name)
    for reason, names in by_reason.items():
        if len(names) <= _NAMES_SHOWN:
            for name in names:
                say(f"  left out: {name}: {reason}")
        else:
            say(f"  left out: {', '.join(names[:_NAMES_SHOWN])} and {len(names) - _NAMES_SHOWN} more: {reason}")
    if any(each.name.startswith("GET ") and each.reason.startswith(NO_EXAMPLE) for each in left_out):
        say("  --path requests a route without an example, such as --path '/items/7?page=2'")
