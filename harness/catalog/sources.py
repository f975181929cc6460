"""The files that code is made of: their digests, and the commit they are of."""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalog import listing
from harness.catalog.user_app import FACTORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.targets import App


def digest_catalogue() -> str:
    """A digest of what an agent and the harness must agree in: servers, apps, and what they say to each other."""
    package = Path(__file__).parents[1]
    folders = (package / "servers", package / "hosts", listing.folder("apps"))
    return digest(path for folder in folders for path in list_modules(folder))


def package_of(app: App) -> str:
    """The module or package that an app is imported from."""
    target = app.environment.get(FACTORY, app.target)
    return target.partition(":")[0].partition(".")[0]


def list_modules(place: Path) -> list[Path]:
    """The Python files of a module or a package; none where it is not there, but installed."""
    module = place.with_suffix(".py")
    return [module] if module.is_file() else sorted(place.rglob("*.py"))


def digest(paths: Iterable[Path]) -> str:
    """A short digest of the names and the content of files."""
    found = hashlib.blake2b(digest_size=8)
    for path in paths:
        found.update(path.name.encode())
        with suppress(OSError):  # a link to nowhere
            found.update(path.read_bytes())
    return found.hexdigest()


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
