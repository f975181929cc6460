"""From settings to a selection: names are looked up, and open values are chosen."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from harness.catalog import environments, listing
from harness.host import cpus
from harness.hosts.remote_host import RemoteHost
from harness.hosts.server_host import LocalHost
from harness.model.errors import UsageError
from harness.model.loads import Rate, Saturate
from harness.model.plan import REFERENCE_APP, Candidate, Reference, Selection
from harness.plan.apps import find_apps, find_python, read_variables
from harness.plan.contradictions import check_server_host, check_settings, check_started
from harness.plan.load_sources import count_load_processes, find_load_workers
from harness.plan.scenarios import find_scenarios
from harness.plan.servers import add_arguments, find_servers
from harness.plan.settings import REFERENCE_SCENARIOS
from harness.plan.user_app import options
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.hosts.server_host import ServerHost
    from harness.model.targets import App, Revision, Server
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
    if isinstance(host, RemoteHost):
        check_server_host(settings, revisions)
        settings = structs.replace(settings, python=host.find_python(settings.python))
    check_settings(settings)
    load_workers = find_load_workers(settings)
    apps = find_apps(settings, revisions, host)
    servers = add_arguments(find_servers(settings, apps), settings.server_args)
    check_started(settings, servers)
    baseline = _find_baseline(settings, servers, apps)
    impossible = environments.make_all(servers, apps, find_python(settings), say) if make else {}
    not_installed = {**_find_missing(settings, servers, apps), **impossible}
    return Selection(
        servers=servers,
        apps=apps,
        scenarios=find_scenarios(settings, servers, apps, not_installed, say, host, make=make),
        protocols=settings.protocols,
        conditions=settings.conditions(
            seed=secrets.randbelow(2**31) if settings.seed is None else settings.seed,
            load_processes=count_load_processes(settings),
        ),
        baseline=baseline,
        ready_within_s=settings.ready_within,
        python=find_python(settings),
        not_installed=not_installed,
        reference=_find_reference(settings),
        prefer=settings.prefer,
        load_workers=load_workers,
    )


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


def _find_reference(settings: Settings) -> Reference | None:
    """What tells how much the server matters: for a user app unless told otherwise, for any other if asked for."""
    wanted, always = settings.with_reference, settings.with_reference == "on"
    possible = isinstance(settings.load, Saturate | Rate)
    if wanted == "off" or not possible or not (always or options.has_user_app(settings)):
        return None
    app = replace(listing.find("app", listing.apps(), "asgi"), name=REFERENCE_APP)
    scenarios = (listing.find("scenario", listing.scenarios(), name) for name in REFERENCE_SCENARIOS)
    return Reference(
        replace(app, environment={**app.environment, **read_variables(settings.env)}),
        # The user's own may have the same name.
        tuple(replace(each, name=f"reference-{each.name}") for each in scenarios),
        always,
    )


def _find_missing(settings: Settings, servers: tuple[Server, ...], apps: tuple[App, ...]) -> dict[str, str]:
    """For each server and app that cannot run, say what is missing and how to install it.

    An environment of its own has everything that a server needs, so these servers are not checked.
    """
    beside = tuple(server for server in servers if server.python is None)
    pythons = dict.fromkeys(app.python or find_python(settings) for app in apps)
    return {name: text for python in pythons for name, text in listing.not_installed((*beside, *apps), python).items()}
