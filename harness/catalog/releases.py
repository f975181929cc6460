"""The releases of a server, as pip finds them in the package index that it is configured for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from harness.model.errors import UsageError

if TYPE_CHECKING:
    from harness.model.targets import Server

_PATIENCE_S = 120
_IGNORED = re.compile(r"Ignored the following (yanked versions|versions that require a different python version): (.*)")


@dataclass(frozen=True)
class Releases:
    """Releases that an interpreter can run, the oldest first."""

    found: tuple[str, ...]
    left_out: tuple[str, ...]
    """Others that are newer than the oldest of these, each with the reason."""


def find_releases(server: Server, last: int, python: str = sys.executable) -> Releases:
    """The last releases of a server, without pre-releases, yanked ones (PEP 592), and those for other interpreters.

    Raises `UsageError` if pip finds none.
    """
    needed = Requirement(server.requires[0])
    name, versions = needed.name, _list_versions(needed.name, python)
    found = sorted(version for version in versions if needed.specifier.contains(version, prereleases=False))[-last:]
    if not found:
        raise UsageError(f"{server.name}: expected releases in pip's index, found none")
    others = {version: "a pre-release" for version in versions if version.is_prerelease} | _list_ignored(name, python)
    left_out = sorted((version, reason) for version, reason in others.items() if version > found[0])
    return Releases(tuple(map(str, found)), tuple(f"{server.name} {version}: {reason}" for version, reason in left_out))


def _list_versions(name: str, python: str) -> list[Version]:
    """The versions that the interpreter can install, pre-releases too; raises `UsageError`."""
    done = _call_pip(python, "index", "versions", name, "--pre", "--json")
    try:
        versions = json.loads(done.stdout)["versions"]
    except (ValueError, LookupError, TypeError):
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.startswith("ERROR")]
        raise UsageError(f"{name}: expected pip to list its versions, found: {(lines or ['nothing'])[-1]}") from None
    return list(filter(None, map(_parse, versions)))


def _list_ignored(name: str, python: str) -> dict[Version, str]:
    """What pip leaves out, with the reason, as it says only where it finds nothing else."""
    done = _call_pip(python, "install", "--dry-run", "--no-deps", "--ignore-installed", f"{name}<0.dev0")
    found = {}
    for kind, text in _IGNORED.findall(done.stderr):
        for part in re.split("[;,] (?=\\d)", text):
            version, _, needs = part.partition(" ")
            if parsed := _parse(version):
                found[parsed] = "yanked" if kind == "yanked versions" else f"needs another Python ({needs})"
    return found


def _parse(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _call_pip(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [python, "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"expected pip beside {python}, found that {error}") from error
