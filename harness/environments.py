"""Environments of their own for versions of a server, `granian@2.8.6`: made once, kept for later runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from harness import packages
from harness.model import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model import App, Server


def folder() -> Path:
    """Where environments are kept: `asgi-harness` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asgi-harness" / "environments"


def at_version(server: Server, version: str, apps: Iterable[App]) -> Server:
    """The same server at another version, in an environment of its own, which is made if it is not there.

    Raises `UsageError` when pip cannot make it.
    """
    wanted = requirements(server, version, apps)
    digest = hashlib.blake2b("\n".join([sys.version, *wanted]).encode(), digest_size=6).hexdigest()
    place = folder() / f"{server.name}-{version}-{digest}"
    python, complete = place / "bin" / "python", place / "complete"
    if not complete.exists():
        shutil.rmtree(place, ignore_errors=True)
        try:
            _run([sys.executable, "-m", "venv", str(place)], server, version)
            _run([str(python), "-m", "pip", "install", "--quiet", *wanted], server, version)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        complete.touch()
    return replace(server, name=f"{server.name}@{version}", version=version, python=str(python))


def requirements(server: Server, version: str, apps: Iterable[App]) -> list[str]:
    """What is installed for this version of a server: it, and what else it and the apps need, as installed here.

    So two versions of one server differ in themselves alone, as far as they agree with the same others.
    """
    own = Requirement(server.requires[0])
    others = [*server.requires[1:], *(name for app in apps for name in app.requires)]
    return [f"{own.name}{_extras(own)}=={version}", *dict.fromkeys(_pinned(Requirement(each)) for each in others)]


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _pinned(requirement: Requirement) -> str:
    here = packages.version(str(requirement))
    return f"{requirement.name}{_extras(requirement)}=={here}" if here else str(requirement)


def _run(argv: list[str], server: Server, version: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.startswith("ERROR")] or ["no reason"]
        raise UsageError(
            f"--servers: expected a version of {server.name} that pip can install, found {version}: {said[-1]}"
        )
