"""Writes a scenario for a user app that has none: a Locust file with the requests that get right answers."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalog import listing
from harness.host.files import replace_file
from harness.model.errors import UsageError
from harness.model.protocols import TLS_PROTOCOLS
from harness.model.targets import Scenario
from harness.plan.user_app.answers import Asked, ask_app
from harness.plan.user_app.finding import find_requests
from harness.plan.user_app.options import HTTP, title_app
from harness.plan.user_app.rendering import add_checksum, is_edited, is_endless, is_written_for, render_scenario
from harness.plan.user_app.requests import (
    LIMIT,
    NO_EXAMPLE,
    LeftOut,
)
from harness.plan.user_app.starting import Stage
from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.hosts.server_host import ServerHost
    from harness.model.protocols import Protocol
    from harness.model.targets import App, Server
    from harness.plan.settings import Settings


_PRIVATE = 0o700
_NAMES_SHOWN = 3
"""So many routes that are left out for the same reason are named."""


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
    stage = Stage(settings, app, python, folder, say, host)
    if not ask:
        found, tls = find_requests(stage, servers)
        requests = plural(len(found.recipes), "request")
        say(f"{requests} found; a run sends each of them three times and then writes them to {path}")
        _report_left_out(found.left_out, say)
        return Scenario(path.stem, path.resolve(), _list_protocols(settings, tls=tls), found.title)
    asked = ask_app(stage, servers)
    protocols = _list_protocols(settings, tls=asked.tls)
    own = () if protocols == HTTP else tuple(sorted(protocols))
    text = add_checksum(render_scenario(asked.title, asked.kept, asked.left_out, app.headers, own, app.login), owner)
    replace_file(path, text.encode())
    given = [name for name, value in (("--header", app.headers), ("--login", app.login)) if value]
    if given:
        say(f"{path} contains the values of {' and '.join(given)}")
    _report(asked, path, say)
    return listing.read_scenario(path)


def _report(asked: Asked, path: Path, say: Callable[[str], None]) -> None:
    """Say what was written, what is checked less than usual, and what was left out."""
    each_time = f"answered right each time, under {' and '.join(dict.fromkeys(asked.under))}"
    found = plural(len(asked.kept), "request")
    say(f"{found} found, {each_time}; written to {path}, which you can edit and use as --locustfile")
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


def _list_protocols(settings: Settings, *, tls: bool) -> frozenset[Protocol]:
    """The protocols of the scenario: all of HTTP, or those over TLS if the app wants it and others were asked for."""
    return HTTP & TLS_PROTOCOLS if tls and not HTTP & set(settings.protocols) <= TLS_PROTOCOLS else HTTP


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
