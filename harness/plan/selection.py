"""From settings to a selection: names are looked up, and open values are chosen."""

from __future__ import annotations

import secrets
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from harness.catalog import environments, listing, own_servers, packages
from harness.catalog.user_app import find_user_app
from harness.host import addresses, cpus, facts, files
from harness.hosts import messages
from harness.hosts.remote_host import RemoteHost
from harness.hosts.server_host import LocalHost
from harness.model.errors import UsageError
from harness.model.link import NEAR
from harness.model.load_workers import WantedWorkers
from harness.model.loads import Rate, Saturate, Sweep
from harness.model.plan import REFERENCE_APP, Candidate, Conditions, Reference, Selection
from harness.model.targets import App
from harness.plan.locust_file import check_locust_file, check_variables
from harness.plan.options import ABOUT_SERVERS, read_settings
from harness.plan.settings import REFERENCE_SCENARIOS, SCENARIOS, SERVERS, WSGI_SERVERS
from harness.plan.user_app import options, scenario
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.hosts.server_host import ServerHost
    from harness.model.machine import Placement
    from harness.model.targets import Revision, RunsAt, Scenario, Server
    from harness.plan.settings import Settings


def select(
    settings: Settings,
    say: Callable[[str], None],
    *,
    make: bool = True,
    revisions: Sequence[tuple[Revision, str | None]] = (),
    host: ServerHost | None = None,
) -> Selection:
    """Look up what the settings name; raises `UsageError` for a name that does not exist.

    With `make`, a version of a server such as `granian@2.8.6` gets a virtual environment, and a user app without a
    scenario is started and asked for what its OpenAPI document describes, for a scenario. Without, no environment is
    made, and the app is asked for its document only. `say` reports both to the user. `revisions` of the user app are
    measured in place of the app as it is, each with its value of `--python`, if it has one of its own. Servers run on
    `host`, or else on this machine.
    """
    host = host or LocalHost(cpus.available())
    _check_rounds(settings)
    if isinstance(host, RemoteHost):
        _check_server_host(settings, revisions)
        settings = structs.replace(settings, python=host.find_python(settings.python))
    _check_load(settings)
    _check_network(settings)
    options.check_options(settings)
    load_workers = _find_load_workers(settings)
    for name, tags in (("tags", settings.tags), ("exclude-tags", settings.exclude_tags)):
        if tags and settings.locustfile is None:
            raise UsageError(f"--{name}: expected --locustfile with it, found none")
    apps = _find_apps(settings, revisions, host)
    servers = add_arguments(_find_servers(settings, apps), settings.server_args)
    if settings.netns and (running := [each.name for each in servers if each.runs_at is not None]):
        raise UsageError(f"--netns: expected servers that are started for it, found {running[0]}, which runs already")
    baseline = _find_baseline(settings, servers, apps)
    impossible = environments.make_all(servers, apps, _find_python(settings), say) if make else {}
    not_installed = {**_find_missing(settings, servers, apps), **impossible}
    return Selection(
        servers=servers,
        apps=apps,
        scenarios=_find_scenarios(settings, servers, apps, not_installed, say, host, make=make),
        protocols=settings.protocols,
        conditions=settings.conditions(
            seed=secrets.randbelow(2**31) if settings.seed is None else settings.seed,
            load_processes=_count_load_processes(settings),
        ),
        baseline=baseline,
        ready_within_s=settings.ready_within,
        python=_find_python(settings),
        not_installed=not_installed,
        reference=_find_reference(settings),
        prefer=settings.prefer,
        load_workers=load_workers,
    )


def list_servers(settings: Settings) -> tuple[Server, ...]:
    """The catalogue and the servers of one's own; raises `UsageError` for a name that is there twice."""
    # The apps of the catalogue lie elsewhere than the files that a command names.
    here = Path.cwd() if settings.app is None else None
    own = (replace(server, runs_in=server.runs_in or here) for server in settings.server)
    watched = own_servers.find_processes(own, settings.pid, settings.cgroup)
    return own_servers.list_servers(watched, settings.servers_from, _find_python(settings))


def choose_started_servers(settings: Settings, names: Iterable[str]) -> tuple[Server, ...]:
    """The servers of these names, for a command that starts and stops them; raises `UsageError` for one that runs."""
    chosen = listing.choose("servers", list_servers(settings), names)
    for each in chosen:
        if each.runs_at is not None:
            raise UsageError(
                f"--servers: expected servers that are started for it, found {each.name}, which runs already"
            )
    return chosen


def prepare_servers(
    settings: Settings, chosen: Iterable[Server], apps: Sequence[App], python: str, say: Callable[[str], None]
) -> tuple[tuple[Server, ...], dict[str, str]]:
    """The chosen servers with what they speak here, and by name why some of them cannot run.

    Environments that they need are made. `say` reports that to the user.
    """
    placed = tuple(_place(settings, server, apps, python) for server in chosen)
    impossible = environments.make_all(placed, apps, python, say)
    return placed, {**listing.not_installed(placed, python), **impossible}


def _place(settings: Settings, server: Server, apps: Sequence[App], python: str) -> Server:
    """The server with what it speaks here; in an environment of its own, if it displaces another one.

    A user app needs more than such an environment has, so there the interpreter decides which of the two there is, as
    on another machine.
    """
    possible = listing.keep_possible(server, python)
    return (
        possible
        if settings.app is not None or packages.is_elsewhere(python)
        else environments.apart(possible, apps, python)
    )


def read_app_settings(app: str, given: Mapping[str, str | bool | list[str] | None]) -> Settings:
    """The settings of a command that starts servers with one app: of the catalogue, or `module:callable`.

    Of the file in the working directory, only the keys about servers are read. Raises `UsageError`.
    """
    user_app = ":" in app
    if not user_app:
        listing.find("app", listing.apps(), app)
    return read_settings({**given, "app" if user_app else "apps": app}, Path.cwd(), only=ABOUT_SERVERS)


def make_versions(
    settings: Settings, server: Server, versions: Iterable[str], say: Callable[[str], None]
) -> tuple[Server, ...]:
    """Make the environments of these versions of a server, and return those that could be made."""
    apps, python = _find_apps(settings), _find_python(settings)
    found = []
    for version in versions:
        entry = environments.at_version(server, version, apps, python)
        try:
            environments.make(entry, apps, python, say)
        except UsageError as error:
            say(f"! left out: {error}")
        else:
            found.append(entry)
    return tuple(found)


def find_app(settings: Settings) -> tuple[App, str]:
    """Look up the first app and the interpreter that runs it; raises `UsageError` as `select` does."""
    return _find_apps(settings)[0], _find_python(settings)


def _check_server_host(settings: Settings, revisions: Sequence[object]) -> None:
    """Raise `UsageError` for what an agent does not start."""
    if settings.server or settings.servers_from:
        option = "server" if settings.server else "servers-from"
        raise UsageError(f"--{option}: expected servers of `harness list` with --server-host, found others")
    if versions := [name for name in settings.servers if "@" in name]:
        raise UsageError(
            f"--servers: expected no versions with --server-host, found {versions[0]}; --server-python chooses one"
        )
    if revisions:
        raise UsageError("--server-host: expected one state of the app with it, found two revisions")


def _check_rounds(settings: Settings) -> None:
    """Raise `UsageError` for a precision for which no round could be added."""
    if settings.precision is None:
        return
    if isinstance(settings.load, Sweep):
        raise UsageError("--precision: expected --load saturate, rate or capacity with it, found sweep")
    if settings.max_rounds < settings.rounds:
        raise UsageError(f"--max-rounds: expected --rounds, {settings.rounds}, or more, found {settings.max_rounds}")


def _check_load(settings: Settings) -> None:
    """Raise `UsageError` for what a kind of load has no room for."""
    if settings.prefer is not None and isinstance(settings.load, Sweep):
        raise UsageError("--prefer: expected --load saturate, rate or capacity with it, found sweep")
    if settings.with_reference == "on" and not isinstance(settings.load, Saturate | Rate):
        raise UsageError(f"--with-reference: expected --load saturate or rate with it, found {settings.load}")


def _check_network(settings: Settings) -> None:
    """Raise `UsageError` for a distance without a link that can have one."""
    if settings.netns:
        if settings.load_workers:
            raise UsageError("--netns: expected load from this machine, found --load-workers")
        return
    for name, given in (("rtt", settings.rtt != (NEAR.rtt_s,)), ("loss", settings.loss != NEAR.loss)):
        if given:
            raise UsageError(f"--{name}: expected --netns with it, found none")


def _find_reference(settings: Settings) -> Reference | None:
    """What tells how much the server matters: for a user app unless told otherwise, for any other if asked for."""
    wanted, always = settings.with_reference, settings.with_reference == "on"
    possible = isinstance(settings.load, Saturate | Rate)
    if wanted == "off" or not possible or not (always or options.has_user_app(settings)):
        return None
    app = replace(listing.find("app", listing.apps(), "asgi"), name=REFERENCE_APP)
    scenarios = (listing.find("scenario", listing.scenarios(), name) for name in REFERENCE_SCENARIOS)
    return Reference(
        replace(app, environment={**app.environment, **_read_variables(settings.env)}),
        # The user's own may have the same name.
        tuple(replace(each, name=f"reference-{each.name}") for each in scenarios),
        always,
    )


def add_arguments(servers: tuple[Server, ...], given: Iterable[str]) -> tuple[Server, ...]:
    """The servers with their arguments of `--server-args`; raises `UsageError` for one that is not among them."""
    found = {server.name: server for server in servers}
    for each in given:
        name, equals, text = each.partition("=")
        try:
            arguments = shlex.split(text)
        except ValueError as error:
            raise UsageError(f"--server-args: expected arguments as in a shell, found {each} ({error})") from error
        if name not in found or not equals:
            raise UsageError(f"--server-args: expected SERVER=ARGUMENTS with any of {', '.join(found)}, found {each}")
        if found[name].runs_at is not None:
            raise UsageError(f"--server-args: expected a server that is started, found {name}, which runs already")
        found[name] = found[name].with_arguments(arguments)
    return tuple(found.values())


def _find_servers(settings: Settings, apps: tuple[App, ...]) -> tuple[Server, ...]:
    every = list_servers(settings)
    python = _find_python(settings)
    if settings.servers == ("all",):
        # The default servers come first, so that the first of them is the baseline.
        order = [*SERVERS, *(server.name for server in every)]
        ordered = sorted(every, key=lambda server: order.index(server.name))
        return tuple(_place(settings, server, apps, python) for server in ordered)
    found: dict[str, Server] = {}
    by_default = settings.wsgi is not None and settings.servers == SERVERS
    for name in (*SERVERS, *WSGI_SERVERS) if by_default else settings.servers:
        base, at, version = name.partition("@")
        server = listing.find("servers", every, base)
        if at and server.template:
            raise UsageError(f"--servers: expected {base}, a command, without a version, found {name}")
        if at and settings.app is not None:
            raise UsageError(f"--servers: expected {base} with --app, found {name}; choose its version by --python")
        entry = environments.at_version(server, version, apps, python) if at else _place(settings, server, apps, python)
        found[entry.name] = entry
    if settings.wsgi is not None and not any(entry.interface == "wsgi" for entry in found.values()):
        expected = ", ".join(each.name for each in every if each.interface == "wsgi")
        raise UsageError(f"--servers: expected any of {expected} with --wsgi, found {', '.join(found)}")
    for entry in found.values():
        if entry.runs_at:
            _check_place(settings, entry.name, entry.runs_at)
    return tuple(found.values())


def _check_place(settings: Settings, name: str, runs_at: RunsAt) -> None:
    """Raise `UsageError` for a server that runs where load is not to be sent, or cannot be."""
    local = own_servers.is_local(runs_at)
    if not local and not settings.allow_remote:
        sent = f"with --allow-remote, up to {max(_levels(settings))} requests at a time would be sent to it"
        found = f"{runs_at.host}, another machine; {sent}"
        raise UsageError(f"--url {name}: expected an address of this machine such as 127.0.0.1, found {found}")
    if local and settings.load_workers is not None:
        expected = "an address that load workers on other hosts reach"
        raise UsageError(f"--url {name}: expected {expected}, found {runs_at.host}")


def _find_apps(
    settings: Settings, revisions: Sequence[tuple[Revision, str | None]] = (), host: ServerHost | None = None
) -> tuple[App, ...]:
    environment = _read_variables(settings.env)
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
    python = _find_python(settings) if own_python is None else _check_python(own_python, "base-python")
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
        wsgi_target=None if settings.wsgi is None else find(settings.wsgi, "wsgi").target,
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
            _find_python(settings),
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


def _read_variables(given: Iterable[str]) -> dict[str, str]:
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


def _find_baseline(settings: Settings, servers: tuple[Server, ...], apps: tuple[App, ...]) -> Candidate:
    """The candidate that the others are compared with: the named server or app, else the first of each."""
    if settings.baseline is None:
        return Candidate(servers[0].name, apps[0].name)
    by_server = [server for server in servers if server.name == settings.baseline]
    by_app = [app for app in apps if app.name == settings.baseline]
    if not by_server and not by_app:
        names = [*(server.name for server in servers), *(app.name for app in apps)]
        hint = suggest(settings.baseline, names)
        raise UsageError(f"--baseline: expected any of {', '.join(names)}, found {settings.baseline}{hint}")
    return Candidate((by_server or servers)[0].name, (by_app or apps)[0].name)


def _find_python(settings: Settings) -> str:
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


def _find_missing(settings: Settings, servers: tuple[Server, ...], apps: tuple[App, ...]) -> dict[str, str]:
    """For each server and app that cannot run, say what is missing and how to install it.

    An environment of its own has everything that a server needs, so these servers are not checked.
    """
    beside = tuple(server for server in servers if server.python is None)
    pythons = dict.fromkeys(app.python or _find_python(settings) for app in apps)
    return {name: text for python in pythons for name, text in listing.not_installed((*beside, *apps), python).items()}


def _find_scenarios(
    settings: Settings,
    servers: tuple[Server, ...],
    apps: tuple[App, ...],
    not_installed: Mapping[str, str],
    say: Callable[[str], None],
    host: ServerHost,
    *,
    make: bool,
) -> tuple[Scenario, ...]:
    if settings.locustfile is not None:
        return (replace(_read_user_scenario(settings, settings.locustfile), headers=apps[0].headers),)
    if options.has_user_app(settings) and settings.scenarios is None:
        runs = [entry for entry in servers if entry.name not in not_installed and entry.target(apps[0]) is not None]
        if not runs:
            found = "; ".join(not_installed.values()) or "only servers that serve WSGI"
            raise UsageError(f"--servers: expected one that can run here, found {found}")
        python = _find_python(settings)
        if make:
            with files.writing(Path(settings.out)):
                Path(settings.out).mkdir(parents=True, exist_ok=True)
        return (scenario.write_scenario(settings, apps[0], runs, apps[0].python or python, say, host, ask=make),)
    chosen = listing.choose("scenarios", listing.scenarios(), settings.scenarios or SCENARIOS)
    return tuple(_as_asked(replace(each, headers=apps[0].headers), settings) for each in chosen)


def _as_asked(scenario: Scenario, settings: Settings) -> Scenario:
    """The scenario with the number of users that is asked for, else with its own."""
    return scenario if settings.users is None else replace(scenario, users=None)


def _levels(settings: Settings) -> tuple[int, ...]:
    return settings.users or Conditions.users


def _read_user_scenario(settings: Settings, path: str) -> Scenario:
    variables = _read_variables(settings.env)
    check_variables(variables)
    scenario = replace(
        _as_asked(listing.read_scenario(Path(path)), settings),
        environment=variables,
        tags=settings.tags,
        excluded_tags=settings.exclude_tags,
    )
    for name, given in (("header", settings.header), ("compression", settings.compression != "off")):
        if given and not scenario.ours:
            raise UsageError(f"--{name}: expected none with custom Locust users, whose file {path} sets their headers")
    if not scenario.ours and not isinstance(settings.load, Saturate):
        raise UsageError(f"--load: expected saturate with custom Locust users, found {settings.load}")
    if not scenario.protocols & set(settings.protocols):
        spoken = ", ".join(sorted(scenario.protocols))
        why = "" if scenario.ours else ", since Locust's own users speak HTTP/1.1 in clear text"
        raise UsageError(f"--protocols: expected any of {spoken} for {path}{why}, found {','.join(settings.protocols)}")
    processes = _count_load_processes(settings)
    if not scenario.ours and settings.allow_missing_workers:
        raise UsageError(f"--allow-missing-workers: expected it without {path}, whose users cannot be divided anew")
    levels = _levels(settings) if scenario.users is None else (scenario.users,)
    if not scenario.ours and any(users % processes for users in levels):
        shown, expected = ",".join(map(str, levels)), f"multiples of {_name_processes(settings)}, {processes}"
        raise UsageError(f"--users: expected {expected}, with {path}, found {shown}")
    check_locust_file(scenario, levels)
    return scenario


def _find_load_workers(settings: Settings) -> WantedWorkers | None:
    """The load workers on other hosts; raises `UsageError` for options that do not fit, or an address of others."""
    if settings.load_workers is None:
        for name, given in (("listen", settings.listen), ("allow-missing-workers", settings.allow_missing_workers)):
            if given:
                raise UsageError(f"--{name}: expected --load-workers with it, found none")
        return None
    if settings.listen is None:
        raise UsageError("--load-workers: expected --listen ADDRESS:PORT with it, found none")
    if settings.load_processes != 1:
        found = f"--load-processes {settings.load_processes}"
        raise UsageError(f"--load-workers: expected no load processes here beside it, found {found}")
    host, port = addresses.parse(settings.listen, "--listen")
    addresses.check_own(host, port, "--listen")
    return WantedWorkers(settings.load_workers, host, port, settings.allow_missing_workers)


def _name_processes(settings: Settings) -> str:
    return "--load-processes" if settings.load_workers is None else "--load-workers"


def _count_load_processes(settings: Settings) -> int:
    if settings.load_workers is not None:
        return settings.load_workers
    if settings.load_processes == "auto":
        return max(1, len(cpus.available()) // 2)
    return settings.load_processes


def place_processes(settings: Settings, host: ServerHost | None = None) -> Placement:
    """Choose the CPUs of servers and load processes; raises `UsageError` for CPUs that do not exist."""
    if isinstance(host, RemoteHost) and not host.is_this_machine:
        return cpus.place_apart(cpus.available(), host.available_cpus, settings.server_cpus, settings.load_cpus)
    return cpus.place(
        cpus.available(),
        # With load from other hosts, one core is left to its master and to what samples the servers.
        1 if settings.load_workers else _count_load_processes(settings),
        facts.read_topology(Path("/")),
        server_processes=max(settings.workers),
        server_cpus=settings.server_cpus,
        load_cpus=settings.load_cpus,
    )
