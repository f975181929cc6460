"""From settings, which are words, to a selection, which is what the words name."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalog import environments, listing, packages
from harness.host import cpus, facts, files
from harness.model.errors import UsageError
from harness.model.loads import Saturate, Sweep
from harness.model.plan import Candidate, Selection
from harness.plan.settings import SCENARIOS, SERVERS
from harness.plan.user_app import options, scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.model.machine import Placement
    from harness.model.targets import App, Scenario, Server
    from harness.plan.settings import Settings


def select(settings: Settings, say: Callable[[str], None], *, make: bool = True) -> Selection:
    """Look up what the settings name; raises `UsageError` for what is not there.

    A version of a server, `granian@2.8.6`, gets an environment of its own, which may take pip a while, unless there is
    nothing to `make`. An app of one's own without a scenario is started and asked what it answers, or then for its
    document alone. `say` tells of both.
    """
    _check_rounds(settings)
    options.check(settings)
    apps = _apps(settings)
    servers = _servers(settings, apps, say, make=make)
    baseline = _baseline(settings, servers, apps)
    not_installed = _not_installed(settings, servers, apps)
    return Selection(
        servers=servers,
        apps=apps,
        scenarios=_scenarios(settings, servers, apps, not_installed, say, make=make),
        protocols=settings.protocols,
        conditions=settings.conditions(
            seed=secrets.randbelow(2**31) if settings.seed is None else settings.seed,
            load_processes=_load_processes(settings),
        ),
        baseline=baseline,
        ready_within_s=settings.ready_within,
        python=_python(settings),
        not_installed=not_installed,
    )


def served(settings: Settings) -> tuple[App, str]:
    """The first app that the settings name, and the interpreter that runs it; raises `UsageError` as `select` does."""
    return _apps(settings)[0], _python(settings)


def _check_rounds(settings: Settings) -> None:
    """Raises `UsageError` for a precision that no round can be added for."""
    if settings.precision is None:
        return
    if isinstance(settings.load, Sweep):
        raise UsageError("--precision: expected --load saturate, rate or capacity beside it, found sweep")
    if settings.max_rounds < settings.rounds:
        least = f"--rounds, {settings.rounds}, or more"
        raise UsageError(f"--max-rounds: expected as many as {least}, found {settings.max_rounds}")


def _servers(
    settings: Settings, apps: tuple[App, ...], say: Callable[[str], None], *, make: bool
) -> tuple[Server, ...]:
    if settings.servers == ("all",):
        # The usual ones first, so that the first of them is the baseline.
        order = [*SERVERS, *(server.name for server in listing.servers())]
        return tuple(sorted(listing.servers(), key=lambda server: order.index(server.name)))
    python = _python(settings)
    found: dict[str, Server] = {}
    for name in settings.servers:
        base, at, version = name.partition("@")
        server = listing.find("servers", listing.servers(), base)
        if at and settings.app is not None:
            raise UsageError(f"--servers: expected {base} beside --app, found {name}; give its version by --python")
        entry = environments.at_version(server, version, apps, python) if at else server
        found[entry.name] = entry
    for entry in found.values() if make else ():
        if entry.version is not None:
            say(f"{entry.name}: an environment of its own in {environments.folder()}")
            environments.make(entry, apps, python, say)
    return tuple(found.values())


def _apps(settings: Settings) -> tuple[App, ...]:
    environment = {}
    for each in settings.env:
        name, equals, value = each.partition("=")
        if not equals:
            raise UsageError(f"--env: expected NAME=VALUE, found {each}")
        environment[name] = value
    if settings.app is not None:
        python, folder = _python(settings), Path(settings.app_dir)
        own = listing.user_app(settings.app, folder, settings.ready_path, python=python, factory=settings.factory)
        headers = options.headers(settings.header)
        return (replace(own, environment={**environment, **own.environment}, headers=headers),)
    chosen = listing.choose("apps", listing.apps(), settings.apps)
    if settings.locustfile is not None:
        # Which scenarios of the catalogue an app answers says nothing of another.
        chosen = tuple(replace(app, scenarios=None) for app in chosen)
    return tuple(replace(app, environment={**app.environment, **environment}) for app in chosen)


def _baseline(settings: Settings, servers: tuple[Server, ...], apps: tuple[App, ...]) -> Candidate:
    """What the others are compared with: the server or app that is named, else the first of both."""
    if settings.baseline is None:
        return Candidate(servers[0].name, apps[0].name)
    by_server = [server for server in servers if server.name == settings.baseline]
    by_app = [app for app in apps if app.name == settings.baseline]
    if not by_server and not by_app:
        names = ", ".join([*(server.name for server in servers), *(app.name for app in apps)])
        raise UsageError(f"--baseline: expected any of {names}, found {settings.baseline}")
    return Candidate((by_server or servers)[0].name, (by_app or apps)[0].name)


def _python(settings: Settings) -> str:
    """The interpreter that runs the servers; not resolved, as a virtual environment is known by its link."""
    if settings.python is None:
        return sys.executable
    path = Path(settings.python).absolute()
    if path.is_dir():
        path = path / "bin" / "python"
    if packages.interpreter(str(path)) is None:
        found = f"that {path} does not run Python" if path.is_file() else f"no {path}"
        raise UsageError(f"--python: expected an interpreter such as ../shop/.venv/bin/python, found {found}")
    return str(path)


def _not_installed(settings: Settings, servers: tuple[Server, ...], apps: tuple[App, ...]) -> dict[str, str]:
    """For each server and app that cannot run, what is missing and how to get it.

    An environment that was made for a version has it all.
    """
    own = tuple(server for server in servers if server.python is None)
    return listing.not_installed((*own, *apps), _python(settings))


def _scenarios(
    settings: Settings,
    servers: tuple[Server, ...],
    apps: tuple[App, ...],
    not_installed: Mapping[str, str],
    say: Callable[[str], None],
    *,
    make: bool,
) -> tuple[Scenario, ...]:
    if settings.locustfile is not None:
        return (_own_scenario(settings, settings.locustfile),)
    if settings.app is not None and settings.scenarios is None:
        runs = [entry for entry in servers if entry.name not in not_installed and entry.interface == "asgi"]
        if not runs:
            found = "; ".join(not_installed.values()) or "servers for WSGI only"
            raise UsageError(f"--servers: expected one that can run here, found {found}")
        if make:
            with files.writing(Path(settings.out)):
                Path(settings.out).mkdir(parents=True, exist_ok=True)
        return (scenario.scenario(settings, apps[0], runs, _python(settings), say, ask=make),)
    return listing.choose("scenarios", listing.scenarios(), settings.scenarios or SCENARIOS)


def _own_scenario(settings: Settings, path: str) -> Scenario:
    scenario = listing.read_scenario(Path(path))
    if not scenario.ours and not isinstance(settings.load, Saturate):
        raise UsageError(f"--load: expected saturate with users that are Locust's own, found {settings.load}")
    if not scenario.protocols & set(settings.protocols):
        spoken = ", ".join(sorted(scenario.protocols))
        raise UsageError(f"--protocols: expected any of {spoken} for {path}, found others only")
    return scenario


def _load_processes(settings: Settings) -> int:
    if settings.load_processes == "auto":
        return max(1, len(cpus.available()) // 2)
    return settings.load_processes


def place_processes(settings: Settings) -> Placement:
    """Who gets which CPUs, the same for every server; raises `UsageError` for CPUs that are not there."""
    return cpus.place(
        cpus.available(),
        _load_processes(settings),
        facts.read_topology(Path("/")),
        server_processes=max(settings.workers),
        server_cpus=settings.server_cpus,
        load_cpus=settings.load_cpus,
    )
