"""Which scenarios are measured: of the catalogue, a Locust file, or requests found for a user app."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalog import listing
from harness.host import files
from harness.model.errors import UsageError
from harness.model.loads import Saturate
from harness.plan.apps import find_python, read_variables
from harness.plan.load_sources import count_load_processes, list_levels, name_processes
from harness.plan.locust_file import check_locust_file, check_variables
from harness.plan.settings import SCENARIOS
from harness.plan.user_app import options, scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.hosts.server_host import ServerHost
    from harness.model.targets import App, Scenario, Server
    from harness.plan.settings import Settings


def find_scenarios(
    settings: Settings,
    servers: tuple[Server, ...],
    apps: tuple[App, ...],
    not_installed: Mapping[str, str],
    say: Callable[[str], None],
    host: ServerHost,
    *,
    make: bool,
) -> tuple[Scenario, ...]:
    """The Locust file if one is named; requests found for a user app; or those of the catalogue that are named.

    With `make`, the requests are tried under the servers that can run, and written to a file.
    """
    if settings.locustfile is not None:
        return (replace(_read_user_scenario(settings, settings.locustfile), headers=apps[0].headers),)
    if options.has_user_app(settings) and settings.scenarios is None:
        runs = [entry for entry in servers if entry.name not in not_installed and entry.target(apps[0]) is not None]
        if not runs:
            found = "; ".join(not_installed.values()) or "only servers that serve WSGI"
            raise UsageError(f"--servers: expected one that can run here, found {found}")
        python = find_python(settings)
        if make:
            with files.writing(Path(settings.out)):
                Path(settings.out).mkdir(parents=True, exist_ok=True)
        return (scenario.write_scenario(settings, apps[0], runs, apps[0].python or python, say, host, ask=make),)
    chosen = listing.choose("scenarios", listing.scenarios(), settings.scenarios or SCENARIOS)
    return tuple(_as_asked(replace(each, headers=apps[0].headers), settings) for each in chosen)


def _read_user_scenario(settings: Settings, path: str) -> Scenario:
    variables = read_variables(settings.env)
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
    processes = count_load_processes(settings)
    if not scenario.ours and settings.allow_missing_workers:
        raise UsageError(f"--allow-missing-workers: expected it without {path}, whose users cannot be divided anew")
    levels = list_levels(settings) if scenario.users is None else (scenario.users,)
    if not scenario.ours and any(users % processes for users in levels):
        shown, expected = ",".join(map(str, levels)), f"multiples of {name_processes(settings)}, {processes}"
        raise UsageError(f"--users: expected {expected}, with {path}, found {shown}")
    check_locust_file(scenario, levels)
    return scenario


def _as_asked(scenario: Scenario, settings: Settings) -> Scenario:
    """The scenario with the number of users that is asked for, else with its own."""
    return scenario if settings.users is None else replace(scenario, users=None)
