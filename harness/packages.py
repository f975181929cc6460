"""What is installed beside an interpreter, and what of something's requirements is not."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from importlib.metadata import distributions
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LIST = (
    "import json, importlib.metadata as m; "
    "print(json.dumps([[found.metadata['Name'], found.version] for found in m.distributions()]))"
)


@cache
def installed(python: str = sys.executable) -> Mapping[str, str]:
    """Versions by normalised name (PyPA's rule: lower case, hyphens), in order.

    Looked up once; nothing where the interpreter does not answer.
    """
    if python == sys.executable:
        found: Iterable[tuple[str, str]] = [(each.metadata["Name"], each.version) for each in distributions()]
    else:
        try:
            listed = subprocess.run([python, "-c", _LIST], capture_output=True, text=True, check=True, timeout=30)
            found = json.loads(listed.stdout)
        except (OSError, ValueError, subprocess.SubprocessError):
            found = []
    return dict(sorted((canonicalize_name(name), version) for name, version in found))


def version(requirement: str, python: str = sys.executable) -> str | None:
    """The version that is installed of what a requirement names; None when it is not."""
    return installed(python).get(canonicalize_name(Requirement(requirement).name))


def lacking(requirements: Iterable[str], python: str = sys.executable) -> list[str]:
    """Those that are not installed beside the interpreter, in any version."""
    return [each for each in requirements if version(each, python) is None]
