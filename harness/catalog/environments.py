"""Virtual environments of servers that cannot be beside the others: made once and kept for later runs.

They are versions of a server, `granian@2.8.6`, and servers that displace another one.
"""

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
"""Name of the file that marks an environment in which everything is installed."""
_OPTION = "--servers: "
"""How an error begins."""


def folder() -> Path:
    """The folder that holds the environments, in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asgi-harness" / "environments"


def at_version(server: Server, version: str, apps: Iterable[App], python: str = sys.executable) -> Server:
    """The same server at another version, in the environment that `make` makes with the interpreter `python`.

    Raises `UsageError` for an invalid version.
    """
    exact = _normalise(version)
    if exact is None:
        found = version or "nothing"
        raise UsageError(f"{_OPTION}expected a version such as 2.8.6 after {server.name}@, found {found}")
    content = [
        packages.interpreter(python) or "",
        *requirements(server, exact, apps, python),
        *constraints(server, python),
    ]
    digest = hashlib.blake2b("\n".join(content).encode(), digest_size=6).hexdigest()
    place = folder() / f"{server.name}-{exact}-{digest}"
    return replace(server, name=f"{server.name}@{exact}", version=exact, python=str(place / "bin" / "python"))


def apart(server: Server, apps: Iterable[App], python: str = sys.executable) -> Server:
    """A server that displaces another one, in an environment of its own; any other as it is."""
    if server.displaces is None or server.version is None:
        return server
    return replace(at_version(server, server.version, apps, python), name=server.name)


def make_all(entries: Iterable[Server], apps: Sequence[App], python: str, say: Callable[[str], None]) -> dict[str, str]:
    """Make the environments of those servers that have one of their own; by name, why that of a server was impossible.

    Raises `UsageError` where that is a version that was asked for, as `make` does.
    """
    impossible = {}
    for entry in entries:
        if entry.python is None:
            continue
        say(f"{entry.name}: uses a virtual environment in {folder()}")
        try:
            make(entry, apps, python, say)
        except UsageError as error:
            if entry.displaces is None:
                raise
            impossible[entry.name] = f"not installed: {str(error).removeprefix(_OPTION)}"
    return impossible


def not_made(entries: Iterable[Server]) -> dict[str, str]:
    """By name, those servers whose environments are still to be made, with what will make them."""
    return {
        entry.name: f"not installed: its first run makes an environment of its own for {entry.requires[0]} "
        f"{entry.version}, which takes the place of {entry.displaces}"
        for entry in entries
        if entry.python is not None and not is_made(entry)
    }


def is_made(entry: Server) -> bool:
    """Has the server an environment of its own, with everything in it?"""
    return entry.python is not None and (Path(entry.python).parent.parent / _COMPLETE).exists()


def make(
    entry: Server, apps: Iterable[App], python: str = sys.executable, say: Callable[[str], None] = lambda _: None
) -> None:
    """Make the environment of a server `at_version` unless it exists; `say` gets a warning if constraints were dropped.

    Raises `UsageError` if the environment cannot be made.
    """
    place = Path(entry.python or "").parent.parent
    if is_made(entry):
        return
    try:
        with _locked():
            if not is_made(entry):
                _build(entry, tuple(apps), place, python, say)
    except OSError as error:
        raise UsageError(
            f"{_OPTION}expected to write {entry.name}'s environment to {folder()}, found {error}"
        ) from error


@contextmanager
def _locked() -> Iterator[None]:
    """Keep other processes from making an environment during this block."""
    folder().mkdir(parents=True, exist_ok=True)
    with folder().with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(entry: Server, apps: Sequence[App], place: Path, python: str, say: Callable[[str], None]) -> None:
    """Make a virtual environment and install the server and the apps' requirements into it."""
    shutil.rmtree(place, ignore_errors=True)  # left by a process that was killed
    install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    needed = requirements(entry, entry.version or "", apps, python)
    try:
        _run([python, "-m", "venv", str(place)], entry)
        constraint_file = place / "constraints.txt"
        constraint_file.write_text("\n".join(constraints(entry, python)))
        try:
            _run([*install, "--constraint", str(constraint_file), *needed], entry)
        except UsageError:
            _run([*install, *needed], entry)
            say(
                f"{entry.name}: pip could not keep to the versions that are installed beside {python}; the packages "
                "that this version needs are the newest instead"
            )
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    (place / _COMPLETE).touch()


def requirements(server: Server, version: str, apps: Iterable[App], python: str = sys.executable) -> list[str]:
    """The requirements to install for this version: the server, and what else it and the apps need, as beside `python`.

    All other packages have the same versions, as far as possible, so that only the versions of the server differ.
    """
    own = Requirement(server.requires[0])
    needs = [*server.requires[1:], *(name for names in server.requires_for.values() for name in names)]
    others = [*needs, *(name for app in apps for name in app.requires)]
    pinned = dict.fromkeys(_pinned(Requirement(each), python) for each in others)
    return [f"{own.name}{_extras(own)}=={version}", *pinned]


def constraints(server: Server, python: str = sys.executable) -> list[str]:
    """Constraints for pip: the version beside `python` of every package but the server."""
    own = canonicalize_name(Requirement(server.requires[0]).name)
    return [
        f"{name}=={version}"
        for name, version in packages.installed(python).items()
        if name != own and _normalise(version)
    ]


def _normalise(version: str) -> str | None:
    """A version in its normal form (PEP 440); None if it is invalid."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return None


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _pinned(requirement: Requirement, python: str) -> str:
    installed = packages.version(str(requirement), python)
    return f"{requirement.name}{_extras(requirement)}=={installed}" if installed else str(requirement)


def _run(argv: list[str], entry: Server) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).splitlines() or ["no reason"]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        base = entry.name.partition("@")[0]
        raise UsageError(
            f"{_OPTION}expected a version of {base} that pip can install, found {entry.version}: {errors[-1]}"
        )
