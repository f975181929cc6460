"""What a run stands on: its conditions, the machine, versions, and the commits of the harness and of the app."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.catalog import listing, own_servers, packages
from harness.catalog.sources import commit, digest, list_modules, package_of
from harness.host import facts, inherited
from harness.hosts.remote_host import RemoteHost
from harness.model.run_info import Environment, Host, RunInfo
from harness.model.targets import App, Server
from harness.run.workload import digest_workload, list_files
from harness.text.secrets import mask_argv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.hosts.messages import FoundApp
    from harness.hosts.server_host import ServerHost
    from harness.model.machine import Machine, Placement
    from harness.model.plan import Selection

Entry = TypeVar("Entry", Server, App)
Asked = TypeVar("Asked")
LOOK_S = 0.3
"""How long the machine is watched for other work before a run."""


def describe(selection: Selection, placement: Placement, host: ServerHost | None = None) -> RunInfo:
    """What the run stands on, before it begins."""
    now = datetime.now(UTC)
    machine = facts.read_machine(look_s=LOOK_S)
    remote = host if isinstance(host, RemoteHost) else None
    user_app = None if remote is None else remote.user_app
    return RunInfo(
        id=f"{now:%Y-%m-%dT%H-%M-%S}-{selection.conditions.seed}",
        started_at=now.isoformat(timespec="seconds"),
        argv=mask_argv(sys.argv),
        environment=_describe_environment(selection, placement, machine, user_app),
        baseline=selection.baseline,
        prefer=selection.prefer,
        conditions=selection.conditions,
        sources=_digest_sources(selection) | ({f"app {user_app.name}": user_app.digest} if user_app else {}),
        workloads={scenario.name: digest_workload(scenario, selection.apps) for scenario in selection.scenarios},
        hosts=() if remote is None else _list_hosts(machine, remote),
    )


def _describe_environment(
    selection: Selection, placement: Placement, machine: Machine, user_app: FoundApp | None
) -> Environment:
    """`user_app` is what a server host says of its app, if the app is over there."""
    interpreters = {entry.name: _interpreter(entry, selection) for entry in selection.servers}
    revisions = [each for each in selection.apps if each.commit is not None]
    apart = any(each.python for each in revisions)
    own = {each.name: each.python or selection.python for each in revisions if apart}
    others = {name: python for name, python in interpreters.items() if python != sys.executable} | own
    versions = _versions_of(selection.servers, lambda server: _interpreter(server, selection))
    return replace(
        environment(machine, placement.server, placement.load, versions, Path(__file__).parents[1]),
        app_versions=_versions_of(selection.apps, lambda app: app.python or selection.python)
        | {each.name: each.commit for each in revisions if each.commit},
        other_packages={name: packages.installed(python) for name, python in others.items()},
        interpreters=_known(interpreters | own, packages.interpreter),
        app_commit=user_app.commit if user_app else _app_commit(selection.apps),
        server_args={
            each.name: own_servers.join(mask_argv(words))
            for each in selection.servers
            if (words := (*each.template, *each.arguments, *_list_address(each)))
        },
        kept_out=inherited.list_kept_out(os.environ, [Path.cwd(), *(app.working_directory for app in selection.apps)]),
    )


def _list_hosts(machine: Machine, remote: RemoteHost) -> tuple[Host, ...]:
    there = remote.read_machine(LOOK_S)
    version = packages.version("asgi-harness") or ""
    error_us = remote.connection.read_offset().error_ns // 1000
    return (
        Host("load", platform.node(), machine, version, str(machine.python)),
        Host(
            "server", remote.name, there, version, str(there.python), remote.address, error_us, remote.is_this_machine
        ),
    )


def _digest_sources(selection: Selection) -> dict[str, str]:
    """Digests of the code that is measured and that measures, by name."""
    package = Path(__file__).parents[1]
    apps = {f"app {app.name}": list_modules(app.directory / package_of(app)) for app in selection.every_app}
    scenarios = {f"scenario {scenario.name}": list_files(scenario.path) for scenario in selection.every_scenario}
    servers = {f"files of {server.name}": _list_named_files(server, selection) for server in selection.servers}
    every = {"harness": list_modules(package), **apps, **scenarios, **servers}
    return {name: digest(paths) for name, paths in every.items() if paths}


def _list_address(server: Server) -> tuple[str, ...]:
    """Where a server runs already; nothing for one that is started."""
    return () if server.runs_at is None else (server.runs_at.url,)


def _list_named_files(server: Server, selection: Selection) -> list[Path]:
    """The files that a command of one's own names; and gunicorn.conf.py, which gunicorn reads unasked."""
    folders = [server.runs_in] if server.runs_in else [app.runs_in or app.directory for app in selection.apps]
    words = [part for word in server.template[1:] for part in (word, word.partition("=")[2]) if part]
    unasked = [f"{name}.conf.py" for name in server.requires if server.template]
    names = sorted({*words, *unasked})
    return [path for folder in folders for name in names if (path := folder / name).is_file()]


def _interpreter(server: Server, selection: Selection) -> str:
    return server.python or selection.python


def _versions_of(entries: Iterable[Entry], interpreter: Callable[[Entry], str]) -> dict[str, str]:
    """The version of each that is installed beside its interpreter."""
    return _known({entry.name: entry for entry in entries}, lambda entry: listing.version_of(entry, interpreter(entry)))


def _known(asked: Mapping[str, Asked], answer: Callable[[Asked], str | None]) -> dict[str, str]:
    """The answers that there are, by name."""
    found = {name: answer(each) for name, each in asked.items()}
    return {name: text for name, text in found.items() if text is not None}


def _app_commit(apps: Iterable[App]) -> str | None:
    """The commit of an app of one's own."""
    ours = listing.folder("apps").parent
    return next((commit(app.directory) for app in apps if app.directory != ours), None)


def environment(
    machine: Machine,
    server_cpus: Iterable[int],
    load_cpus: Iterable[int],
    server_versions: Mapping[str, str],
    directory: Path,
) -> Environment:
    """Where this run's numbers come from; `directory` is looked at for its git commit."""
    return Environment(
        host=platform.node(),
        machine=machine,
        packages=packages.installed(),
        server_cpus=tuple(sorted(server_cpus)),
        load_cpus=tuple(sorted(load_cpus)),
        git_commit=commit(directory),
        server_versions=server_versions,
    )
