"""What a run stands on: its conditions, the machine, versions, and the commits of the harness and of the app."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.catalog import listing, own_servers, packages
from harness.catalog.user_app import FACTORY
from harness.host import facts, inherited
from harness.model.results import Environment, RunInfo
from harness.model.targets import App, Server
from harness.run.workload import digest_workload, list_files
from harness.text.secrets import mask_argv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.model.machine import Machine, Placement
    from harness.model.plan import Selection

Entry = TypeVar("Entry", Server, App)
Asked = TypeVar("Asked")
LOOK_S = 0.3
"""How long the machine is watched for other work before a run."""


def describe(selection: Selection, placement: Placement) -> RunInfo:
    """What the run stands on, before it begins."""
    now = datetime.now(UTC)
    interpreters = {entry.name: _interpreter(entry, selection) for entry in selection.servers}
    others = {name: packages.installed(python) for name, python in interpreters.items() if python != sys.executable}
    revisions = [each for each in selection.apps if each.commit is not None]
    apart = any(each.python for each in revisions)
    own = {each.name: each.python or selection.python for each in revisions if apart}
    others |= {name: packages.installed(python) for name, python in own.items()}
    machine = facts.read_machine(look_s=LOOK_S)
    return RunInfo(
        id=f"{now:%Y-%m-%dT%H-%M-%S}-{selection.conditions.seed}",
        started_at=now.isoformat(timespec="seconds"),
        argv=mask_argv(sys.argv),
        environment=replace(
            environment(
                machine,
                placement.server,
                placement.load,
                _versions_of(selection.servers, lambda server: _interpreter(server, selection)),
                Path(__file__).parents[1],
            ),
            app_versions=_versions_of(selection.apps, lambda app: app.python or selection.python)
            | {each.name: each.commit for each in revisions if each.commit},
            other_packages=others,
            interpreters=_known(interpreters | own, packages.interpreter),
            app_commit=_app_commit(selection.apps),
            server_args={
                each.name: own_servers.join(mask_argv(words))
                for each in selection.servers
                if (words := (*each.template, *each.arguments, *_list_address(each)))
            },
            kept_out=inherited.list_kept_out(
                os.environ, [Path.cwd(), *(app.working_directory for app in selection.apps)]
            ),
        ),
        baseline=selection.baseline,
        prefer=selection.prefer,
        conditions=selection.conditions,
        sources=_digest_sources(selection),
        workloads={scenario.name: digest_workload(scenario, selection.apps) for scenario in selection.scenarios},
    )


def _digest_sources(selection: Selection) -> dict[str, str]:
    """Digests of the code that is measured and that measures, by name."""
    package = Path(__file__).parents[1]
    apps = {f"app {app.name}": _list_modules(app.directory / _package_of(app)) for app in selection.every_app}
    scenarios = {f"scenario {scenario.name}": list_files(scenario.path) for scenario in selection.every_scenario}
    servers = {f"files of {server.name}": _list_named_files(server, selection) for server in selection.servers}
    every = {"harness": _list_modules(package), **apps, **scenarios, **servers}
    return {name: _digest(paths) for name, paths in every.items() if paths}


def _package_of(app: App) -> str:
    """The module or package that an app is imported from."""
    target = app.environment.get(FACTORY, app.target)
    return target.partition(":")[0].partition(".")[0]


def _list_modules(place: Path) -> list[Path]:
    """The Python files of a module or a package; none where it is not there, but installed."""
    module = place.with_suffix(".py")
    return [module] if module.is_file() else sorted(place.rglob("*.py"))


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


def _digest(paths: Iterable[Path]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for path in paths:
        found.update(path.name.encode())
        with suppress(OSError):  # a link to nowhere
            found.update(path.read_bytes())
    return found.hexdigest()


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


def commit(directory: Path) -> str | None:
    """The commit that the files in a folder are of, with `-dirty` where they are not; None where git has none of them.

    A virtual environment lies in many a repository whose commit says nothing of it.
    """
    if not _git(directory, "ls-files"):
        return None
    return _git(directory, "describe", "--always", "--dirty", "--abbrev=12")


def _git(directory: Path, *arguments: str) -> str | None:
    """What git says of a folder; None where it says nothing."""
    try:
        found = subprocess.run(
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - git is where it is
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip() or None
