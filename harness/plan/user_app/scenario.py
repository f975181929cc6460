"""Writes a scenario for a user app that has none: the app is started twice, and each request is sent to both.

The two starts are under two servers if there are two. An answer that is the same in both does not depend on the
process, the server or the second.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.catalog import listing
from harness.host import cpus, guard, process
from harness.host.files import replace_file
from harness.model.errors import ServerError, UsageError
from harness.model.targets import Launch, Scenario
from harness.plan.user_app.ask import OPENAPI, fetch_document, read_document, send_requests
from harness.plan.user_app.options import HTTP, name_app, title_app
from harness.plan.user_app.requests import (
    OK,
    LeftOut,
    Recipe,
    Reply,
    add_checksum,
    derive_expectation,
    describe_reply,
    is_edited,
    is_written_for,
    make_recipes,
    render_scenario,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from harness.model.targets import App, Server
    from harness.plan.settings import Settings

APART_S = 1.1
"""At least this long after the first answers, the app is started again, so that a time in seconds has changed."""

_PRIVATE = 0o700
_BAD_REQUEST, _SERVER_ERROR = 400, 500
_WRONG_CALL = "positional argument"
"""The log has this text if the callable is not an app, but a factory that takes other arguments."""
_REASONS_SHOWN = 3
"""An error message has at most this many reasons."""


@dataclass(frozen=True)
class Found:
    """The requests that can be made to an app, before they are sent."""

    title: str
    """The title of the scenario."""
    recipes: tuple[Recipe, ...]
    left_out: tuple[LeftOut, ...]


def write_scenario(
    settings: Settings, app: App, servers: Sequence[Server], python: str, say: Callable[[str], None], *, ask: bool
) -> Scenario:
    """Write a scenario for `app` into the results folder, with the requests that get right answers.

    Without an OpenAPI document, the only request is that for `--ready-path`. Without `ask`, the app is asked for its
    document only and nothing is written. `say` reports to the user what was done, found and left out.
    Raises `UsageError` if no server starts, no request gets a right answer, or the scenario has been edited.
    """
    folder = Path(settings.out) / "scenarios"
    owner = f"{title_app(settings)} in {app.directory}"
    path = _choose_path(folder, app.name, owner)
    folder.mkdir(parents=True, exist_ok=True)
    if settings.header or settings.env:
        folder.chmod(_PRIVATE)
    stage = _Stage(settings, app, python, folder, say)
    if not ask:
        found = _find_requests(stage, servers)
        say(f"{_count(found.recipes)} found; a run sends each of them twice and then writes them to {path}")
        _report_left_out(found.left_out, say)
        return Scenario(path.stem, path.resolve(), HTTP, found.title)
    asked = _ask_twice(stage, servers)
    if app.headers:
        say(f"{path} contains the values of --header")
    text = add_checksum(render_scenario(asked.title, asked.kept, asked.left_out, app.headers), owner)
    replace_file(path, text.encode())
    twice = f"answered right twice, under {' and '.join(dict.fromkeys(asked.under))}"
    say(f"{_count(asked.kept)} found, {twice}; written to {path}, which you can edit and use as --locustfile")
    _report_left_out(asked.left_out, say)
    return listing.read_scenario(path)


@dataclass(frozen=True)
class Asked:
    """The requests that the app answered right twice, and those that it did not."""

    kept: tuple[tuple[Recipe, Mapping[str, Any]], ...]
    """Requests with what is expected of their answers, as keywords of `Request`."""
    left_out: tuple[LeftOut, ...]
    title: str
    under: tuple[str, str]
    """The names of the two servers under which the app was asked."""


@dataclass(frozen=True)
class _Stage:
    """What all starts of the app have in common."""

    settings: Settings
    app: App
    python: str
    folder: Path
    say: Callable[[str], None]

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


def _find_requests(stage: _Stage, servers: Sequence[Server]) -> Found:
    """Find the requests of the document; the app is started for it unless the document is a file."""
    openapi = stage.settings.openapi
    if (document := read_document(openapi)) is not None:
        return _make_requests(stage, document)
    with _start_app(stage, servers) as (entry, launch):
        fetched = fetch_document(openapi, launch, stage.app.headers)
    if entry.runs_at is None:
        stage.say(f"{stage.settings.app} was started under {entry.name} to read its document, and was stopped again")
    return _make_requests(stage, fetched)


def _ask_twice(stage: _Stage, servers: Sequence[Server]) -> Asked:
    """Send each request under two servers, or twice under the only one that starts.

    Requests that write are sent before those that read. The second time they are sent twice, since what the app keeps
    in memory is new after a start: so an answer that depends on what they change is different the second time.
    """
    openapi, given = stage.settings.openapi, stage.app.headers
    document = read_document(openapi)
    with _start_app(stage, servers) as (entry, launch):
        found = _make_requests(stage, document or fetch_document(openapi, launch, given))
        first = send_requests(launch, found.recipes, given)
        since_s = time.monotonic()
    right = [recipe for recipe, reply in first.items() if isinstance(reply, Reply) and reply.status in OK]
    if not right:
        raise _make_error(stage, entry, found, first)
    # The more the other server differs, the more of what depends on it is seen: WSGI after ASGI, but trio comes last.
    others = sorted(
        (each for each in servers if each is not entry),
        key=lambda each: (each.interface == entry.interface, each.event_loop != "asyncio"),
    )
    time.sleep(max(0.0, since_s + APART_S - time.monotonic()))
    with _start_app(stage, [*others, entry]) as (other, launch):
        send_requests(launch, [recipe for recipe in right if recipe.writes], given)
        second = send_requests(launch, right, given)
    expected = {recipe: _derive_expectation(first[recipe], second.get(recipe), other.name) for recipe in found.recipes}
    kept = tuple((recipe, each) for recipe, each in expected.items() if not isinstance(each, str))
    left_out = [LeftOut(recipe.name, each) for recipe, each in expected.items() if isinstance(each, str)]
    if not kept:
        raise _make_error(stage, other, found, second)
    return Asked(kept, (*found.left_out, *left_out), found.title, (entry.name, other.name))


def _derive_expectation(first: Reply | str, second: Reply | str | None, other: str) -> dict[str, Any] | str:
    if isinstance(first, str):
        return first
    if second is None:
        return describe_reply(first)
    expected = second if isinstance(second, str) else derive_expectation(first, second)
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
    advice = "name a path with --ready-path, or use --locustfile"
    if any(status >= _SERVER_ERROR for status in statuses):
        log = stage.log_path(entry)
        is_factory = _WRONG_CALL in log.read_text(errors="replace")
        hint = f"; use --factory if {stage.settings.app} returns the app" if is_factory else ""
        advice = f"its log is {log}{hint}"
    elif _BAD_REQUEST in statuses:
        advice = "the app may expect its own host name: --header 'Host: shop.example'"
    shown = "; ".join(reasons[:_REASONS_SHOWN]) or "no route in its document"
    return UsageError(
        f"{name_app(stage.settings)}: expected a request with a right answer, found none ({shown}); {advice}"
    )


@contextmanager
def _start_app(stage: _Stage, servers: Sequence[Server]) -> Iterator[tuple[Server, Launch]]:
    """Run the app under the first of these servers that starts with it, until the block ends."""
    faults = []
    with guard.guard() as token, ExitStack() as stack:
        for entry in servers:
            launch = process.make_launch(entry, entry.target(stage.app) or stage.app.target, python=stage.python)
            log, within_s = stage.log_path(entry), stage.settings.ready_within
            try:
                stack.enter_context(
                    process.start(
                        entry, stage.app, launch, cpus=cpus.available(), log=log, token=token, deadline_s=within_s
                    )
                )
            except ServerError as error:
                faults.append(str(error))
                continue
            yield entry, launch
            return
    raise UsageError(f"--servers: expected one that starts with {name_app(stage.settings)}, found {'; '.join(faults)}")


def _make_requests(stage: _Stage, document: dict[str, Any] | str) -> Found:
    """Make the requests from the document, or if there is none but a text that says why, the one for the ready path."""
    settings, path = stage.settings, stage.app.ready_path
    if isinstance(document, str):
        why = f"the app {document}; --openapi names another path or file"
        stage.say(f"no OpenAPI document at {OPENAPI}, so only {path} is requested ({why})")
        return Found(f"GET {path} of {title_app(settings)}.", (Recipe("GET", path, f"GET {path}"),), ())
    made, left_out = make_recipes(document, settings.methods, stage.app.headers)
    return Found(f"Requests to {title_app(settings)}, from its OpenAPI document.", tuple(made), tuple(left_out))


def _count(recipes: Sequence[Any]) -> str:
    return "1 request" if len(recipes) == 1 else f"{len(recipes)} requests"


def _report_left_out(left_out: Iterable[LeftOut], say: Callable[[str], None]) -> None:
    for each in left_out:
        say(f"  left out: {each.name}: {each.reason}")
