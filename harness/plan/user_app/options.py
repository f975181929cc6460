"""Options for a user app: which of them can be combined, and its headers. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.model.errors import UsageError
from harness.model.login import Login, parse_login
from harness.model.protocols import PROTOCOLS, SAFE_METHODS, WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.plan.settings import Settings

HTTP = frozenset(PROTOCOLS) - WEBSOCKET_PROTOCOLS
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\xa0-\xff]*)")


def check_options(settings: Settings) -> None:
    """Raise `UsageError` for an option that would be ignored in this combination."""
    if not has_user_app(settings):
        for name, given in (
            ("wsgi", settings.wsgi),
            ("factory", settings.factory),
            ("header", settings.header),
            ("login", settings.login),
            ("openapi", settings.openapi),
            ("path", settings.path),
            ("methods", settings.methods != SAFE_METHODS),
        ):
            if given:
                advice = "; an app that has no ASGI callable is named by both" if name == "wsgi" else ""
                raise UsageError(f"--{name}: expected --app with it, found none{advice}")
        return
    if settings.apps != type(settings)().apps:
        raise UsageError(f"--apps: expected none with {name_app(settings)}, found {','.join(settings.apps)}")
    asked = settings.locustfile is None and settings.scenarios is None
    if settings.login and not asked:
        raise UsageError(
            "--login: expected neither --locustfile nor --scenarios with it, whose users log in themselves: "
            "set `login` or define `log_in` in the file, or on_start for Locust's own users"
        )
    if settings.path and not asked:
        raise UsageError("--path: expected neither --locustfile nor --scenarios with it, which have their own requests")
    for path in settings.path:
        if not path.startswith("/"):
            raise UsageError(f"--path: expected a path that begins with /, found {path}")
    if asked and not HTTP & set(settings.protocols):
        raise UsageError(
            f"--protocols: expected any of {', '.join(each for each in PROTOCOLS if each in HTTP)} for requests "
            f"from an OpenAPI document, found {','.join(settings.protocols)}; use --locustfile for WebSocket"
        )


def runs_elsewhere(settings: Settings) -> bool:
    """Does all that is measured run already, with an app that is not named here?"""
    running = {server.name for server in settings.server if server.runs_at is not None}
    named = settings.app is not None or settings.scenarios is not None or settings.apps != type(settings)().apps
    return not named and set(settings.servers) <= running


def has_user_app(settings: Settings) -> bool:
    """Is the app one's own, and not one of the catalogue?"""
    return settings.app is not None or runs_elsewhere(settings)


def name_app(settings: Settings) -> str:
    """The user app by the option that names it, for messages: `--app shop:app`."""
    return f"--app {settings.app}" if settings.app is not None else f"--url {','.join(settings.servers)}"


def title_app(settings: Settings) -> str:
    """The user app, `shop:app`, or the servers under which it runs already."""
    return settings.app or " and ".join(settings.servers)


def read_login(given: str | None) -> Login | None:
    """Read `--login`; raises `UsageError` that hides the text, as it holds a password."""
    try:
        return None if given is None else parse_login(given)
    except ValueError as error:
        raise UsageError(f"--login: {error}") from None


def parse_headers(given: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Read names, in lower case, and values; raises `UsageError` that hides the value, as it may be a secret."""
    found: dict[str, str] = {}
    for each in given:
        parts = _HEADER.fullmatch(each.strip())
        if parts is None:
            raise UsageError("--header: expected 'Name: value', found something else")
        name = parts[1].lower()
        if name in found:
            raise UsageError(f"--header: expected each name once, found {parts[1]} twice")
        found[name] = parts[2]
    return tuple(found.items())
