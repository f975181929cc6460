"""From settings, which are words, to a selection, which is what the words name."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness import catalog, cpus, environments, packages, record, survey
from harness.cli import own_app
from harness.config import SCENARIOS, SERVERS
from harness.findings import RunInfo
from harness.model import App, Scenario, Selection, Server, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.config import Settings


Entry = TypeVar("Entry", Server, App)
LOOK_S = 0.3
"""How long the machine is watched for other work before a run."""
TWIN = "again"
"""What the name of a baseline ends with that is entered a second time."""


def select(settings: Settings, say: Callable[[str], None]) -> Selection:
    """Look up what the settings name; raises `UsageError` for what is not there.

    A version of a server, `granian@2.8.6`, gets an environment of its own, which may take pip a while. An app of one's
    own without a scenario is started and asked for its routes. `say` tells of both.
    """
    apps = _apps(settings)
    servers = _servers(settings, apps, say)
    not_installed = _not_installed(settings, servers, apps)
    baseline, baseline_app = _baseline(settings, servers, apps)
    if settings.aa:
        servers = (*servers, replace(baseline, name=f"{baseline.name}-{TWIN}"))
    return Selection(
        servers=servers,
        apps=apps,
        scenarios=_scenarios(settings, servers, apps, not_installed, say),
        protocols=settings.protocols,
        load=settings.load,
        users=settings.users,
        streams=settings.streams,
        workers=settings.workers,
        rounds=settings.rounds,
        precision=settings.precision,
        max_rounds=max(settings.rounds, settings.max_rounds),
        warmup_s=settings.warmup,
        duration_s=settings.duration,
        baseline=baseline.name,
        baseline_app=baseline_app.name,
        seed=secrets.randbelow(2**31) if settings.seed is None else settings.seed,
        load_processes=_load_processes(settings),
        ready_within_s=settings.ready_within,
        python=_python(settings),
        not_installed=not_installed,
    )


def _servers(settings: Settings, apps: tuple[App, ...], say: Callable[[str], None]) -> tuple[Server, ...]:
    if settings.servers == ("all",):
        # The usual ones first, so that the first of them is the baseline.
        order = [*SERVERS, *(server.name for server in catalog.servers())]
        return tuple(sorted(catalog.servers(), key=lambda server: order.index(server.name)))
    found = []
    for name in dict.fromkeys(settings.servers):
        base, _, version = name.partition("@")
        (server,) = catalog.choose("servers", catalog.servers(), [base])
        if version and settings.app is not None:
            raise UsageError(f"--servers: expected {base} beside --app, found {name}; give its version by --python")
        if version:
            say(f"{name}: an environment of its own in {environments.folder()}")
        found.append(environments.at_version(server, version, apps) if version else server)
    return tuple(found)


def _apps(settings: Settings) -> tuple[App, ...]:
    environment = {}
    for each in settings.env:
        name, equals, value = each.partition("=")
        if not equals:
            raise UsageError(f"--env: expected NAME=VALUE, found {each}")
        environment[name] = value
    if settings.app is not None:
        own = catalog.own_app(settings.app, Path(settings.app_dir), settings.ready_path)
        return (replace(own, environment=environment),)
    chosen = _chosen("apps", catalog.apps(), settings.apps)
    if settings.locustfile is not None:
        # Which scenarios of the catalogue an app answers says nothing of another.
        chosen = tuple(replace(app, scenarios=None) for app in chosen)
    return tuple(replace(app, environment={**app.environment, **environment}) for app in chosen)


def _baseline(settings: Settings, servers: tuple[Server, ...], apps: tuple[App, ...]) -> tuple[Server, App]:
    """The server and the app that the others are compared with: named by either, else the first of both."""
    if settings.baseline is None:
        return servers[0], apps[0]
    by_server = [server for server in servers if server.name == settings.baseline]
    by_app = [app for app in apps if app.name == settings.baseline]
    if not by_server and not by_app:
        names = ", ".join([*(server.name for server in servers), *(app.name for app in apps)])
        raise UsageError(f"--baseline: expected any of {names}, found {settings.baseline}")
    return (by_server or servers)[0], (by_app or apps)[0]


def _python(settings: Settings) -> str:
    """The interpreter that runs the servers; not resolved, as a virtual environment is known by its link."""
    if settings.python is None:
        return sys.executable
    path = Path(settings.python).absolute()
    if not path.is_file():
        raise UsageError(f"--python: expected an interpreter such as ../shop/.venv/bin/python, found no {path}")
    return str(path)


def _not_installed(settings: Settings, servers: tuple[Server, ...], apps: tuple[App, ...]) -> dict[str, str]:
    """For each server and app that cannot run, what is missing and how to get it.

    An environment that was made for a version has it all.
    """
    own = tuple(server for server in servers if server.python is None)
    return catalog.not_installed((*own, *apps), _python(settings))


def _scenarios(
    settings: Settings,
    servers: tuple[Server, ...],
    apps: tuple[App, ...],
    not_installed: Mapping[str, str],
    say: Callable[[str], None],
) -> tuple[Scenario, ...]:
    if settings.locustfile is not None:
        return (_own_scenario(settings, settings.locustfile),)
    if settings.app is not None and settings.scenarios is None:
        runs = [entry for entry in servers if entry.name not in not_installed and entry.interface == "asgi"]
        if not runs:
            raise UsageError(f"--servers: expected one that can run here, found {'; '.join(not_installed.values())}")
        scenario, count, left_out = own_app.write_scenario(
            apps[0],
            runs[0],
            settings.openapi,
            python=_python(settings),
            ready_within_s=settings.ready_within,
            folder=Path(settings.out) / "scenarios",
            say=say,
        )
        requests = "1 request" if count == 1 else f"{count} requests"
        say(f"{requests} found; to be read, edited and named by --locustfile: {scenario.path}")
        for each in left_out:
            say(f"  left out: {each.name}: {each.reason}")
        return (scenario,)
    return _chosen("scenarios", catalog.scenarios(), settings.scenarios or SCENARIOS)


def _own_scenario(settings: Settings, path: str) -> Scenario:
    scenario = catalog.read_scenario(Path(path))
    if not scenario.ours and settings.load != "saturate":
        raise UsageError(f"--load: expected saturate with users that are Locust's own, found {settings.load}")
    if not scenario.protocols & set(settings.protocols):
        spoken = ", ".join(sorted(scenario.protocols))
        raise UsageError(f"--protocols: expected any of {spoken} for {path}, found others only")
    return scenario


def _load_processes(settings: Settings) -> int:
    if settings.load_processes == "auto":
        return max(1, len(cpus.available()) // 2)
    return settings.load_processes


def _chosen(kind: str, entries: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    return entries if names == ("all",) else catalog.choose(kind, entries, names)


def placed(settings: Settings, selection: Selection) -> cpus.Placement:
    """Who gets which CPUs, the same for every server; raises `UsageError` for CPUs that are not there."""
    return cpus.place(
        cpus.available(),
        selection.load_processes,
        survey.topology(Path("/")),
        server_processes=max(selection.workers),
        server_cpus=settings.server_cpus,
        load_cpus=settings.load_cpus,
    )


def describe(selection: Selection, placement: cpus.Placement) -> RunInfo:
    """What the run stands on, before it begins."""
    now = datetime.now(UTC)
    interpreters = {entry.name: _interpreter(entry, selection) for entry in selection.servers}
    others = {name: packages.installed(python) for name, python in interpreters.items() if python != sys.executable}
    machine = survey.survey(look_s=LOOK_S)
    return RunInfo(
        id=f"{now:%Y-%m-%dT%H-%M-%S}-{selection.seed}",
        started_at=now.isoformat(timespec="seconds"),
        seed=selection.seed,
        argv=tuple(sys.argv),
        environment=replace(
            record.environment(
                machine,
                placement.server,
                placement.load,
                _versions_of(selection.servers, lambda server: _interpreter(server, selection)),
                Path(__file__).parent,
            ),
            app_versions=_versions_of(selection.apps, lambda _: selection.python),
            other_packages=others,
        ),
        baseline=selection.baseline or "",
        baseline_app=selection.baseline_app or "",
        rounds=selection.rounds,
        precision=selection.precision,
        max_rounds=selection.max_rounds if selection.precision is not None else None,
        twin=next((entry.name for entry in selection.servers if entry.name == f"{selection.baseline}-{TWIN}"), None),
        warmup_s=selection.warmup_s,
        duration_s=selection.duration_s,
        load=selection.load,
        users=selection.users,
        streams=selection.streams,
        workers=selection.workers,
        load_processes=selection.load_processes,
    )


def _interpreter(server: Server, selection: Selection) -> str:
    return server.python or selection.python


def _versions_of(entries: Iterable[Entry], interpreter: Callable[[Entry], str]) -> dict[str, str]:
    """The version of each that is installed beside its interpreter."""
    found = {entry.name: catalog.version_of(entry, interpreter(entry)) for entry in entries}
    return {name: version for name, version in found.items() if version is not None}
