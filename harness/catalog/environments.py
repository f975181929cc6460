"""Environments of their own for versions of a server, `granian@2.8.6`: made once, kept for later runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.catalog import packages
from harness.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from harness.model.targets import App, Server

_COMPLETE = "complete"
"""File that an environment has once everything is installed in it."""


def folder() -> Path:
    """Where environments are kept: `asgi-harness` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asgi-harness" / "environments"


def at_version(server: Server, version: str, apps: Iterable[App], python: str = sys.executable) -> Server:
    """The same server at another version, in an environment of its own, which `make` makes of what `python` is.

    Raises `UsageError` for what is no version.
    """
    exact = _exact(version)
    if exact is None:
        found = version or "nothing"
        raise UsageError(f"--servers: expected a version such as 2.8.6 after {server.name}@, found {found}")
    told = [
        packages.interpreter(python) or "",
        *requirements(server, exact, apps, python),
        *constraints(server, python),
    ]
    digest = hashlib.blake2b("\n".join(told).encode(), digest_size=6).hexdigest()
    place = folder() / f"{server.name}-{exact}-{digest}"
    return replace(server, name=f"{server.name}@{exact}", version=exact, python=str(place / "bin" / "python"))


def make(
    entry: Server, apps: Iterable[App], python: str = sys.executable, say: Callable[[str], None] = lambda _: None
) -> None:
    """Make the environment of a server `at_version` if it is not there; `say` tells what pip could not keep to.

    Raises `UsageError` when pip cannot make it.
    """
    place = Path(entry.python or "").parent.parent
    if (place / _COMPLETE).exists():
        return
    try:
        with _alone():
            if not (place / _COMPLETE).exists():
                _build(entry, tuple(apps), place, python, say)
    except OSError as error:
        raise UsageError(f"--servers: expected a place for {entry.name} in {folder()}, found that {error}") from error


@contextmanager
def _alone() -> Iterator[None]:
    """No other process makes an environment during this block."""
    folder().mkdir(parents=True, exist_ok=True)
    with folder().with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(entry: Server, apps: Sequence[App], place: Path, python: str, say: Callable[[str], None]) -> None:
    """What is there already was left by a process that was killed."""
    shutil.rmtree(place, ignore_errors=True)
    install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    wanted = requirements(entry, entry.version or "", apps, python)
    try:
        _run([python, "-m", "venv", str(place)], entry)
        kept = place / "constraints.txt"
        kept.write_text("\n".join(constraints(entry, python)))
        try:
            _run([*install, "--constraint", str(kept), *wanted], entry)
        except UsageError:
            _run([*install, *wanted], entry)
            say(
                f"{entry.name}: pip could not keep to the versions that are installed beside {python}; what this "
                "version needs of others is the newest"
            )
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    (place / _COMPLETE).touch()


def requirements(server: Server, version: str, apps: Iterable[App], python: str = sys.executable) -> list[str]:
    """What is installed for this version of a server: it, and what else it and the apps need, as beside `python`.

    So two versions of one server differ in themselves alone, as far as they agree with the same others.
    """
    own = Requirement(server.requires[0])
    others = [*server.requires[1:], *(name for app in apps for name in app.requires)]
    pinned = dict.fromkeys(_pinned(Requirement(each), python) for each in others)
    return [f"{own.name}{_extras(own)}=={version}", *pinned]


def constraints(server: Server, python: str = sys.executable) -> list[str]:
    """The versions that everything else is kept to, whoever needs it: those beside `python`, but for the server's."""
    own = canonicalize_name(Requirement(server.requires[0]).name)
    return [
        f"{name}=={version}" for name, version in packages.installed(python).items() if name != own and _exact(version)
    ]


def _exact(version: str) -> str | None:
    """A version as it is usually written; None for what is none."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return None


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _pinned(requirement: Requirement, python: str) -> str:
    here = packages.version(str(requirement), python)
    return f"{requirement.name}{_extras(requirement)}=={here}" if here else str(requirement)


def _run(argv: list[str], entry: Server) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).splitlines() or ["no reason"]
        said = [line for line in lines if line.startswith("ERROR")] or lines
        base = entry.name.partition("@")[0]
        raise UsageError(
            f"--servers: expected a version of {base} that pip can install, found {entry.version}: {said[-1]}"
        )
