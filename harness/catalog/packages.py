"""Which packages are installed beside an interpreter, and which of given requirements are missing there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LIST = (
    "import json, importlib.metadata as m; "
    "print(json.dumps([[found.metadata['Name'], found.version] for found in m.distributions()]))"
)
_FIND = """
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
first, *others = sys.argv[1].split(".")
name, spec = first, find_spec(first)
for other in others:
    name = f"{name}.{other}"
    spec = spec and spec.submodule_search_locations and PathFinder.find_spec(name, spec.submodule_search_locations)
sys.exit(not spec)
"""


_DESCRIBE = "import platform, sys; print(platform.python_implementation(), *sys.version.split())"


class Elsewhere(NamedTuple):
    """What is known of an interpreter on another machine."""

    description: str
    """Version and build."""
    packages: Mapping[str, str]
    runs: str
    """The command that runs it from here."""


_ELSEWHERE: dict[str, Elsewhere] = {}
"""Interpreters on other machines, `user@host:/path`, which cannot be looked at from here."""


def learn(python: str, known: Elsewhere) -> None:
    """From now on, this interpreter is known, as if it were here."""
    _ELSEWHERE[python] = known
    interpreter.cache_clear()
    installed.cache_clear()


def is_elsewhere(python: str) -> bool:
    """Is this interpreter, by its name, one on another machine?"""
    return python in _ELSEWHERE


@cache
def interpreter(python: str = sys.executable) -> str | None:
    """Version and build of an interpreter, `CPython 3.12.1 (main, Dec 8 2023, 05:40:51) [GCC 12.2.0]`.

    Looked up once; None if it cannot be run.
    """
    if python in _ELSEWHERE:
        return _ELSEWHERE[python].description
    try:
        described = subprocess.run(
            [python, "-I", "-c", _DESCRIBE], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


@cache
def installed(python: str = sys.executable) -> Mapping[str, str]:
    """Versions by normalised name (PyPA's rule: lower case, hyphens), sorted by name.

    Looked up once; empty if the interpreter cannot be run.
    """
    if python in _ELSEWHERE:
        return _ELSEWHERE[python].packages
    if python == sys.executable:
        found: Iterable[tuple[str, str]] = [(each.metadata["Name"], each.version) for each in distributions()]
    else:
        try:
            listed = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, check=True, timeout=30)
            found = json.loads(listed.stdout)
        except (OSError, ValueError, subprocess.SubprocessError):
            found = []
    return dict(sorted((canonicalize_name(name), version) for name, version in found))


def finds(module: str, python: str, folder: Path, import_path: str | None = None) -> bool:
    """Would the interpreter find this module if run here with `folder` on its path? The module is not imported.

    `import_path` takes the place of this process's PYTHONPATH.
    """
    given = os.environ.get("PYTHONPATH") if import_path is None else import_path
    path = os.pathsep.join([str(folder), *filter(None, [given])])
    search = subprocess.run(
        [python, "-c", _FIND, module], env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
    )
    return search.returncode == 0


def version(requirement: str, python: str = sys.executable) -> str | None:
    """The installed version of the package that a requirement names; None if it is not installed."""
    return installed(python).get(canonicalize_name(Requirement(requirement).name))


def lacking(requirements: Iterable[str], python: str = sys.executable) -> list[str]:
    """The requirements that are not installed beside the interpreter, or in a version that does not satisfy them."""
    return [each for each in requirements if not _satisfies(Requirement(each), version(each, python))]


def missing(requirements: Iterable[str], python: str = sys.executable) -> str:
    """What is `lacking`, for a message, and the command that installs it; empty if nothing is."""
    needed = lacking(requirements, python)
    if not needed:
        return ""
    beside = "" if python == sys.executable else f" beside {python}"
    found = {each: version(each, python) for each in needed}
    absent = ", ".join(each for each in needed if found[each] is None)
    wrong = [
        f"{Requirement(each).name} {found[each]} found{beside}, expected {Requirement(each).specifier}"
        for each in needed
        if found[each] is not None
    ]
    reasons = [*([f"not installed{beside}: {absent}"] if absent else []), *wrong]
    return "; ".join([*reasons, f"{_quote(python)} -m pip install {shlex.join(needed)}"])


def _quote(python: str) -> str:
    """An interpreter as users type it; this process's own by a relative path if it is below the working directory."""
    if python in _ELSEWHERE:
        return _ELSEWHERE[python].runs
    here = Path.cwd()
    ours = python == sys.executable and Path(python).is_relative_to(here)
    return shlex.quote(str(Path(python).relative_to(here)) if ours else python)


def _satisfies(requirement: Requirement, found: str | None) -> bool:
    """Is the version one that the requirement allows? One that is not a version by PEP 440 counts as allowed."""
    try:
        return found is not None and requirement.specifier.contains(Version(found), prereleases=True)
    except InvalidVersion:
        return True
