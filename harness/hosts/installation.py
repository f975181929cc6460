"""Installs this harness, with the versions of its lock file, on another machine that has Python and nothing else."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalog import listing, packages
from harness.catalog.sources import digest
from harness.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.hosts.remote_host import Destination

_PACKAGE = Path(__file__).parents[1]
LOCK_FILE = _PACKAGE.parent / "requirements-all.lock"
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_DISTRIBUTION = "asgi-harness"


def install(destination: Destination, python: str, lock_file: Path = LOCK_FILE) -> tuple[str, ...]:
    """Make an environment over there, in the user's cache; the start of a command that runs a module of it.

    What was made before is used again. Raises `UsageError` if that fails.
    """
    if not lock_file.is_file():
        raise UsageError(f"--install: expected {lock_file.name} beside the harness, as in a checkout, found none")
    files = _list_files(lock_file)
    code = digest(files.values())
    argv = destination.ssh(python, "-c", _BOOTSTRAP.read_text(), digest([lock_file]), code)
    done = subprocess.run(argv, input=_pack(files), capture_output=True, check=False)
    made = done.stdout.decode(errors="replace").splitlines()[-2:]
    if done.returncode != 0 or len(made) < 2:  # noqa: PLR2004 - interpreter and folder
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise UsageError(f"--install: expected to make an environment on {destination.name}, found: {said[-1]}")
    return ("env", f"PYTHONPATH={made[1]}", made[0])


def _list_files(lock_file: Path) -> Mapping[str, Path]:
    """What is sent, by its name over there."""
    folders = {"harness": _PACKAGE, "apps": listing.folder("apps"), "scenarios": listing.folder("scenarios")}
    found = {
        f"{name}/{path.relative_to(folder)}": path
        for name, folder in folders.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {**found, LOCK_FILE.name: lock_file}


def _pack(files: Mapping[str, Path]) -> bytes:
    """A tar file of these, and of what tells the version."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, path in files.items():
            archive.add(path, name)
        version = packages.version(_DISTRIBUTION) or "unknown"
        metadata = f"Metadata-Version: 2.1\nName: {_DISTRIBUTION}\nVersion: {version}\n".encode()
        info = tarfile.TarInfo(f"{_DISTRIBUTION.replace('-', '_')}-{version}.dist-info/METADATA")
        info.size = len(metadata)
        archive.addfile(info, io.BytesIO(metadata))
    return packed.getvalue()
