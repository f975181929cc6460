"""Installs this harness, with the versions of its lock file, on another machine that has Python and nothing else."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.catalog import listing, packages
from harness.catalog.sources import digest
from harness.host import guard
from harness.hosts import bootstrap
from harness.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.hosts.remote_host import Destination

_PACKAGE = Path(__file__).parents[1]
LOCK_FILE = _PACKAGE.parent / bootstrap.LOCK_FILE
_DISTRIBUTION = "asgi-harness"
_START = """\
import sys
if sys.version_info < (3, 11):
    sys.exit("Python %s (%s), which is older than 3.11" % (sys.version.split()[0], sys.executable))
exec(sys.argv.pop(1))
"""
"""What every Python understands, also one that is too old to read the rest."""
_CHUNK_BYTES = 1 << 20
_STEP_S = 10.0


def install(
    destination: Destination, python: str, say: Callable[[str], object], lock_file: Path = LOCK_FILE
) -> tuple[str, ...]:
    """Make an environment over there, in the user's cache; the start of a command that runs a module of it.

    What was made before is used again. Where that machine reaches no index of packages, they are fetched here and
    sent. `say` is called every ten seconds while this goes on. Raises `UsageError` if it fails.
    """
    if not lock_file.is_file():
        raise UsageError(f"--install: expected {lock_file.name} beside the harness, as in a checkout, found none")

    def tell(step: str) -> None:
        say(f"Installing on {destination.name}: {step}")

    files = _list_files(lock_file)
    digests = (digest([lock_file]), digest(files.values()))
    found = _bootstrap(destination, python, digests, _pack(files), tell)
    if (tags := found.get("tags")) is not None:
        tell("no index of packages is reached there, so they are fetched here and sent")
        with guard.temporary_folder() as folder:
            wheels = _fetch(destination, tags, lock_file, folder, tell)
            found = _bootstrap(destination, python, digests, _pack({**files, **wheels}, "w"), tell)
    return ("env", f"PYTHONPATH={found['code']}", found["python"])


def _bootstrap(
    destination: Destination, python: str, digests: tuple[str, str], archive: bytes, tell: Callable[[str], object]
) -> Mapping[str, Any]:
    """Run the bootstrap over there to its end; what it printed last. Raises `UsageError` with what is wrong."""
    command = (python, "-c", _START, Path(bootstrap.__file__).read_text(), *digests, str(len(archive)))
    expected = f"--install: expected to make an environment on {destination.name}"
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            destination.ssh(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        ) as ssh,
    ):
        try:
            _send(ssh, archive, tell)
            for said in _read(ssh):
                if "step" in said:
                    tell(said["step"])
                elif "failed" in said:
                    raise UsageError(f"{expected}, found {said['failed']}")
                else:
                    return said
            status = ssh.wait()
            errors.seek(0)
            reasons = errors.read().decode(errors="replace").strip().splitlines() or [f"exit status {status}"]
            raise UsageError(f"{expected}, found: {reasons[-1]}; --server-python names the interpreter to begin with")
        finally:
            ssh.kill()


def _send(ssh: subprocess.Popen[bytes], archive: bytes, tell: Callable[[str], object]) -> None:
    """Send the archive; the input stays open, as its end would end the installation."""
    assert ssh.stdin is not None  # noqa: S101 - it was asked for
    said_s = time.monotonic()
    with suppress(BrokenPipeError):  # what it printed tells why
        for start in range(0, len(archive), _CHUNK_BYTES):
            ssh.stdin.write(archive[start : start + _CHUNK_BYTES])
            if time.monotonic() - said_s > _STEP_S:
                said_s = time.monotonic()
                tell(f"sent {start / 1e6:.0f} of {len(archive) / 1e6:.0f} MB")
        ssh.stdin.flush()


def _read(ssh: subprocess.Popen[bytes]) -> Iterator[Mapping[str, Any]]:
    """What the bootstrap prints, without what a shell does."""
    for line in ssh.stdout or ():
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                yield said


def _fetch(
    destination: Destination,
    tags: Mapping[str, list[str]],
    lock_file: Path,
    folder: Path,
    tell: Callable[[str], object],
) -> Mapping[str, Path]:
    """Fetch packages that pip takes over there, by their names in the archive; raises `UsageError`."""
    taken = [word for option, values in tags.items() for value in values for word in (option, value)]
    pip = (sys.executable, "-m", "pip", "download", "--only-binary", ":all:", "--dest", str(folder))
    try:
        bootstrap.run_pip((*pip, *taken), lock_file, tell)
    except bootstrap.PipError as error:
        expected = f"--install: expected an index of packages that pip reaches on {destination.name} or here"
        raise UsageError(f"{expected}, found here: {error}") from None
    return {f"{bootstrap.WHEELS}/{path.name}": path for path in folder.iterdir()}


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


def _pack(files: Mapping[str, Path], mode: Literal["w", "w:gz"] = "w:gz") -> bytes:
    """A tar file of these, and of what tells the version; wheels are compressed already."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, path in files.items():
            archive.add(path, name)
        version = packages.version(_DISTRIBUTION) or "unknown"
        metadata = f"Metadata-Version: 2.1\nName: {_DISTRIBUTION}\nVersion: {version}\n".encode()
        info = tarfile.TarInfo(f"{_DISTRIBUTION.replace('-', '_')}-{version}.dist-info/METADATA")
        info.size = len(metadata)
        archive.addfile(info, io.BytesIO(metadata))
    return packed.getvalue()
