"""Which apps are measured, and the interpreter that runs them and the servers."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalog import listing, packages
from harness.catalog.user_app import find_user_app
from harness.hosts import messages
from harness.hosts.remote_host import RemoteHost
from harness.model.errors import UsageError
from harness.model.targets import App
from harness.plan.options import ABOUT_SERVERS, read_settings
from harness.plan.user_app import options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.hosts.server_host import ServerHost
    from harness.model.targets import Revision
    from harness.plan.settings import Settings


def read_app_settings(app: str, given: Mapping[str, str | bool | list[str] | None]) -> Settings:
    """The settings of a command that starts servers with one app: of the catalogue, or `module:callable`.

    Of the file in the working directory, only the keys about servers are read. Raises `UsageError`.
    """
    user_app = ":" in app
    if not user_app:
        listing.find("app", listing.apps(), app)
    return read_settings({**given, "app" if user_app else "apps": app}, Path.cwd(), only=ABOUT_SERVERS)


def find_app(settings: Settings) -> tuple[App, str]:
    """Look up the first app and the interpreter that runs it; raises `UsageError` as `select` does."""
    return find_apps(settings)[0], find_python(settings)


def find_apps(
    settings: Settings, revisions: Sequence[tuple[Revision, str | None]] = (), host: ServerHost | None = None
) -> tuple[App, ...]:
    """The apps of the catalogue that are named, or the user app: once for each of its `revisions`, if there are any."""
    environment = read_variables(settings.env)
    if settings.app is not None and isinstance(host, RemoteHost):
        return (_find_remote_app(settings, settings.app, environment, host),)
    if settings.app is not None:
        states: Sequence[tuple[Revision | None, str | None]] = revisions or [(None, None)]
        return tuple(_find_user_app(settings, settings.app, environment, *each) for each in states)
    if options.runs_elsewhere(settings):
        headers = options.parse_headers(settings.header)
        app = App("app", "", Path.cwd(), settings.ready_path, environment=environment, headers=headers)
        return (replace(app, login=options.read_login(settings.login)),)
    chosen = listing.choose("apps", listing.apps(), settings.apps)
    if settings.locustfile is not None:
        # An app names only those scenarios of the catalogue that it answers, so any other may be right for it.
        chosen = tuple(replace(app, scenarios=None) for app in chosen)
    return tuple(replace(app, environment={**app.environment, **environment}) for app in chosen)


def _find_user_app(
    settings: Settings, target: str, environment: Mapping[str, str], revision: Revision | None, own_python: str | None
) -> App:
    python = find_python(settings) if own_python is None else _check_python(own_python, "base-python")
    import_path = environment.get("PYTHONPATH")

    def find(target: str, option: str, *, factory: bool = False) -> App:
        return find_user_app(
            target,
            Path(settings.app_dir),
            settings.ready_path,
            python=python,
            factory=factory,
            import_path=import_path,
            option=option,
            revision=revision,
        )

    app = find(target, "app", factory=settings.factory)
    return replace(
        app,
        wsgi_target=None
        if settings.wsgi is None
        else find(settings.wsgi, "wsgi", factory=settings.factory and settings.wsgi == target).target,
        environment={**environment, **app.environment},
        headers=options.parse_headers(settings.header),
        login=options.read_login(settings.login),
        python=None if own_python is None else python,
    )


def _find_remote_app(settings: Settings, target: str, environment: Mapping[str, str], host: RemoteHost) -> App:
    found = host.find_app(
        messages.FindApp(
            target,
            settings.wsgi,
            settings.app_dir,
            settings.ready_path,
            find_python(settings),
            settings.factory,
            environment.get("PYTHONPATH"),
        )
    )
    return App(
        found.name,
        found.target,
        Path(found.directory),
        settings.ready_path,
        wsgi_target=found.wsgi_target,
        environment={**environment, **found.environment},
        headers=options.parse_headers(settings.header),
        login=options.read_login(settings.login),
    )


def read_variables(given: Iterable[str]) -> dict[str, str]:
    """Names and values of `--env`; raises `UsageError` that hides the values, as they may be secrets."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (equals and name.isprintable() and name):
            raise UsageError("--env: expected NAME=VALUE, found something else")
        if name in found:
            raise UsageError(f"--env: expected each name once, found {name} twice")
        found[name] = value
    return found


def find_python(settings: Settings) -> str:
    """The interpreter that runs the servers; links are kept, since they make the virtual environment."""
    return sys.executable if settings.python is None else _check_python(settings.python)


def _check_python(given: str, option: str = "python") -> str:
    if packages.is_elsewhere(given):
        return given
    path = Path(given).absolute()
    if path.is_dir():
        path = path / "bin" / "python"
    if packages.interpreter(str(path)) is None:
        found = f"that {path} does not run Python" if path.is_file() else f"no {path}"
        raise UsageError(f"--{option}: expected an interpreter such as ../shop/.venv/bin/python, found {found}")
    return str(path)
