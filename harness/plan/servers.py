"""Which servers are measured: of the catalogue, versions of them, and servers of one's own."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalog import environments, listing, own_servers, packages
from harness.model.errors import UsageError
from harness.plan.apps import find_apps, find_python
from harness.plan.load_sources import list_levels
from harness.plan.settings import SERVERS, WSGI_SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.model.targets import App, RunsAt, Server
    from harness.plan.settings import Settings


def list_servers(settings: Settings) -> tuple[Server, ...]:
    """The catalogue and the servers of one's own; raises `UsageError` for a name that is there twice."""
    # The apps of the catalogue lie elsewhere than the files that a command names.
    here = Path.cwd() if settings.app is None else None
    own = (replace(server, runs_in=server.runs_in or here) for server in settings.server)
    watched = own_servers.find_processes(own, settings.pid, settings.cgroup)
    return own_servers.list_servers(watched, settings.servers_from, find_python(settings))


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


def make_versions(
    settings: Settings, server: Server, versions: Iterable[str], say: Callable[[str], None]
) -> tuple[Server, ...]:
    """Make the environments of these versions of a server, and return those that could be made."""
    apps, python = find_apps(settings), find_python(settings)
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


def find_servers(settings: Settings, apps: tuple[App, ...]) -> tuple[Server, ...]:
    """The servers that are named and versions of them (`granian@2.8.5`), with what they speak here."""
    every = list_servers(settings)
    python = find_python(settings)
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


def _check_place(settings: Settings, name: str, runs_at: RunsAt) -> None:
    """Raise `UsageError` for a server that runs where load is not to be sent, or cannot be."""
    local = own_servers.is_local(runs_at)
    if not local and not settings.allow_remote:
        sent = f"with --allow-remote, up to {max(list_levels(settings))} requests at a time would be sent to it"
        found = f"{runs_at.host}, another machine; {sent}"
        raise UsageError(f"--url {name}: expected an address of this machine such as 127.0.0.1, found {found}")
    if local and settings.load_workers is not None:
        expected = "an address that load workers on other hosts reach"
        raise UsageError(f"--url {name}: expected {expected}, found {runs_at.host}")
