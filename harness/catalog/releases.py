"""The releases of a server, as pip finds them in the package index that it is configured for."""

from __future__ import annotations

import json
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


@dataclass(frozen=True)
class Releases:
    """Releases that an interpreter can run, the oldest first."""

    found: tuple[str, ...]
    left_out: tuple[str, ...]
    """Newer ones than the oldest of these that are not among them, each with the reason."""


def find_releases(server: Server, last: int, python: str = sys.executable) -> Releases:
    """The last releases of a server without pre-releases and those that were yanked (PEP 592), for this interpreter.

    Raises `UsageError` if pip finds none.
    """
    name = Requirement(server.requires[0]).name
    found: list[str] = []
    left_out: list[str] = []
    for version in _list_versions(name, python):
        if len(found) == last:
            break
        if reason := _explain_omission(name, version, python):
            left_out.append(f"{server.name} {version}: {reason}")
        else:
            found.append(str(version))
    if not found:
        raise UsageError(f"{server.name}: expected releases in pip's index, found none but {len(left_out)} left out")
    return Releases(tuple(reversed(found)), tuple(left_out))


def _list_versions(name: str, python: str) -> list[Version]:
    """All versions that the interpreter can install, the newest first; raises `UsageError`."""
    done = _call_pip(python, "index", "versions", name, "--pre", "--json")
    try:
        versions = json.loads(done.stdout)["versions"]
    except (ValueError, LookupError, TypeError):
        raise UsageError(f"{name}: expected pip to list its versions, found: {_last_line(done)}") from None
    return sorted(filter(None, map(_parse, versions)), reverse=True)


def _parse(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _explain_omission(name: str, version: Version, python: str) -> str:
    """Why a version is no release to be measured; empty if it is. pip says of one version whether it was yanked."""
    if version.is_prerelease:
        return "a pre-release"
    arguments = ("--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--report", "-")
    done = _call_pip(python, "install", *arguments, f"{name}=={version}")
    try:
        (report,) = json.loads(done.stdout)["install"]
    except (ValueError, LookupError, TypeError):
        return ""  # its environment cannot be made either, which tells why
    return "yanked" if report.get("is_yanked") else ""


def _call_pip(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [python, "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"expected pip beside {python}, found that {error}") from error


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return errors[-1] if errors else "nothing"
