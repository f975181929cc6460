"""An app of one's own that brings no scenario: it is started twice, asked what it can be asked, and one is written.

Twice, under two servers where there are two: what is the same in one process and within a moment need not be so later.
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
from harness.model.errors import ServerError, UsageError
from harness.model.targets import HOST, Launch, Scenario
from harness.plan.user_app.ask import OPENAPI, answers, from_file, served
from harness.plan.user_app.options import HTTP
from harness.plan.user_app.requests import (
    OK,
    LeftOut,
    Recipe,
    Reply,
    answered,
    expectation,
    is_edited,
    is_of,
    recipes,
    sealed,
    source,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from harness.model.targets import App, Server
    from harness.plan.settings import Settings

APART_S = 1.1
"""Least time from the first answers to the second start: a clock that shows seconds has gone on by then."""

_BAD_REQUEST, _SERVER_ERROR = 400, 500
_CALLED_WRONG = "positional argument"
"""What a log says where the callable of an app takes something else than a request."""
_SHOWN = 3
"""Reasons that are told in one line."""


@dataclass(frozen=True)
class Found:
    """What an app can be asked, before it is."""

    title: str
    """Of the scenario."""
    recipes: tuple[Recipe, ...]
    left_out: tuple[LeftOut, ...]


def scenario(
    settings: Settings, app: App, servers: Sequence[Server], python: str, say: Callable[[str], None], *, ask: bool
) -> Scenario:
    """A scenario for `app`, of the requests that are answered right, written into the folder of results.

    Without a document the one request is that which the app is asked for until it answers. If not to `ask`, nothing is
    asked for but the document, and nothing is written. `say` tells what was done, found and left out.
    Raises `UsageError` when no server starts, when nothing is answered right, or when what was written has been edited.
    """
    folder = Path(settings.out) / "scenarios"
    owner = f"{settings.app} in {app.directory}"
    path = _place(folder, app.name, owner)
    folder.mkdir(parents=True, exist_ok=True)
    stage = _Stage(settings, app, python, folder, say)
    if not ask:
        found = _looked_up(stage, servers)
        say(f"{_requests(found.recipes)} found; a run asks for each twice before it writes them to {path}")
        _tell(found.left_out, say)
        return Scenario(path.stem, path.resolve(), HTTP, found.title)
    asked = _asked(stage, servers)
    if app.headers:
        path.touch()
        path.chmod(0o600)
        say(f"the values of --header stand in {path}")
    path.write_text(sealed(source(asked.title, asked.kept, asked.left_out, app.headers), owner))
    twice = f"answered right twice, under {' and '.join(dict.fromkeys(asked.under))}"
    say(f"{_requests(asked.kept)} found, {twice}; to be read, edited and named by --locustfile: {path}")
    _tell(asked.left_out, say)
    return listing.read_scenario(path)


@dataclass(frozen=True)
class Asked:
    """What it answered right twice, and what it did not."""

    kept: tuple[tuple[Recipe, Mapping[str, Any]], ...]
    """Requests with what is expected of the answers, as keywords."""
    left_out: tuple[LeftOut, ...]
    title: str
    under: tuple[str, str]
    """Names of the servers that it was asked under."""


@dataclass(frozen=True)
class _Stage:
    """What every start of the app has in common."""

    settings: Settings
    app: App
    python: str
    folder: Path
    say: Callable[[str], None]

    def log(self, entry: Server) -> Path:
        return self.folder / f"{self.app.name}-{entry.name}.log"


def _place(folder: Path, name: str, owner: str) -> Path:
    """Where the scenario of this owner stands or is to be written: in a file that is nobody else's."""
    for number in count(1):
        path = folder / (f"{name}.py" if number == 1 else f"{name}-{number}.py")
        if not path.exists():
            break
        text = path.read_text(errors="replace")
        if is_of(text, owner):
            if is_edited(text, owner):
                raise UsageError(
                    f"--app: expected {path} as it was written, found it edited; "
                    f"name it by --locustfile {path}, or delete it and have it written anew"
                )
            break
    return path


def _looked_up(stage: _Stage, servers: Sequence[Server]) -> Found:
    """What the document says, for which the app is started unless it is in a file."""
    openapi = stage.settings.openapi
    if (document := from_file(openapi)) is not None:
        return _found(stage, document)
    with _started(stage, servers) as (entry, launch):
        told = served(openapi, launch, stage.app.headers)
    stage.say(f"{stage.settings.app} was started under {entry.name} to read its document, and was stopped again")
    return _found(stage, told)


def _asked(stage: _Stage, servers: Sequence[Server]) -> Asked:
    """What the app answers under two servers, or twice under the one that starts.

    Requests that write are sent before those that read, and the second time twice, as what the app keeps in memory
    began anew: what they change shall not be taken for what stays the same.
    """
    openapi, given = stage.settings.openapi, stage.app.headers
    document = from_file(openapi)
    with _started(stage, servers) as (entry, launch):
        found = _found(stage, document or served(openapi, launch, given))
        first = answers(launch, found.recipes, given)
        since_s = time.monotonic()
    right = [recipe for recipe, reply in first.items() if isinstance(reply, Reply) and reply.status in OK]
    if not right:
        raise _nothing_right(stage, entry, found, first)
    others = sorted((each for each in servers if each is not entry), key=lambda each: each.event_loop != "asyncio")
    time.sleep(max(0.0, since_s + APART_S - time.monotonic()))
    with _started(stage, [*others, entry]) as (other, launch):
        answers(launch, [recipe for recipe in right if recipe.writes], given)
        second = answers(launch, right, given)
    expected = {recipe: _expectation(first[recipe], second.get(recipe), other.name) for recipe in found.recipes}
    kept = tuple((recipe, each) for recipe, each in expected.items() if not isinstance(each, str))
    left_out = [LeftOut(recipe.name, each) for recipe, each in expected.items() if isinstance(each, str)]
    if not kept:
        raise _nothing_right(stage, other, found, second)
    return Asked(kept, (*found.left_out, *left_out), found.title, (entry.name, other.name))


def _expectation(first: Reply | str, second: Reply | str | None, other: str) -> dict[str, Any] | str:
    if isinstance(first, str):
        return first
    if second is None:
        return answered(first)
    expected = second if isinstance(second, str) else expectation(first, second)
    return f"{expected}, under {other}" if isinstance(expected, str) else expected


def _nothing_right(stage: _Stage, entry: Server, found: Found, replies: Mapping[Recipe, Reply | str]) -> UsageError:
    """The fault that is told when there is nothing to measure, with what most likely helps."""
    reasons = [
        *(f"{recipe.name}: {each if isinstance(each, str) else answered(each)}" for recipe, each in replies.items()),
        *(f"{each.name}: {each.reason}" for each in found.left_out),
    ]
    statuses = {each.status for each in replies.values() if isinstance(each, Reply)}
    advice = "name one by --ready-path, or bring a --locustfile"
    if any(status >= _SERVER_ERROR for status in statuses):
        log = stage.log(entry)
        makes = _CALLED_WRONG in log.read_text(errors="replace")
        hint = f"; --factory, if {stage.settings.app} is not the app but makes it" if makes else ""
        advice = f"its log is {log}{hint}"
    elif _BAD_REQUEST in statuses:
        advice = "it may want to be called by its name: --header 'Host: shop.example'"
    shown = "; ".join(reasons[:_SHOWN]) or "no route in its document"
    return UsageError(
        f"--app {stage.settings.app}: expected a request that is answered right, found none ({shown}); {advice}"
    )


@contextmanager
def _started(stage: _Stage, servers: Sequence[Server]) -> Iterator[tuple[Server, Launch]]:
    """The app under the first of these servers that starts with it, for as long as the block lasts."""
    faults = []
    with guard.guard() as token, ExitStack() as stack:
        for entry in servers:
            launch = Launch(HOST, process.free_port(HOST), stage.app.target, python=entry.python or stage.python)
            log, within_s = stage.log(entry), stage.settings.ready_within
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
    raise UsageError(f"--servers: expected one that starts with --app {stage.settings.app}, found {'; '.join(faults)}")


def _found(stage: _Stage, document: dict[str, Any] | str) -> Found:
    """What is asked of the app according to its document, or without, where it did something else than serve one."""
    settings, path = stage.settings, stage.app.ready_path
    if isinstance(document, str):
        why = f"the app {document}; --openapi says where it is"
        stage.say(f"no OpenAPI document at {OPENAPI}, so only {path} is asked for ({why})")
        return Found(f"GET {path} of {settings.app}.", (Recipe("GET", path, f"GET {path}"),), ())
    made, left_out = recipes(document, settings.methods, stage.app.headers)
    return Found(f"Requests to {settings.app}, from its OpenAPI document.", tuple(made), tuple(left_out))


def _requests(recipes: Sequence[Any]) -> str:
    return "1 request" if len(recipes) == 1 else f"{len(recipes)} requests"


def _tell(left_out: Iterable[LeftOut], say: Callable[[str], None]) -> None:
    for each in left_out:
        say(f"  left out: {each.name}: {each.reason}")
