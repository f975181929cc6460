"""Makes an environment for the harness on a machine that has only Python, which runs this file's text.

Usage: python -c TEXT DIGEST_OF_LOCK DIGEST_OF_CODE BYTES_OF_ARCHIVE <ARCHIVE

The archive, a tar file, holds the harness, its lock file and, for a machine that reaches no index of packages, these
in `wheels/`. The input stays open: when it ends, so does the installation. What is there already is used.

Prints lines of JSON: `{"step": …}` while it works, then one of these:
`{"python": …, "code": …}`: the interpreter of the environment, and the folder of the code;
`{"tags": …}`: no index is reached, and which packages pip takes over there, by its options;
`{"failed": …}`: why there is no environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LOCK_FILE = "requirements-all.lock"
WHEELS = "wheels"
_ROOM_BYTES = 1_500_000_000
"""The environment takes 0.8 GB, and what it is made from 0.2 GB, perhaps twice."""
_STEP_S = 10.0
_UNUSED_S = 30 * 86_400
"""What was made for other versions is removed when it has not been used for so long."""
_COMPLETE = "complete"
_READ_TAGS = """
import json, sys
from pip._vendor.packaging.tags import sys_tags
tags = list(sys_tags())
found = {"--platform": [tag.platform for tag in tags], "--abi": [tag.abi for tag in tags]}
version = ".".join(map(str, sys.version_info[:2]))
print(json.dumps({name: list(dict.fromkeys(each)) for name, each in found.items()} | {"--python-version": [version]}))
"""


class InstallError(Exception):
    """Why there is no environment, in one line."""


class PipError(InstallError):
    """What pip says is wrong."""

    def __init__(self, lines: Sequence[str]) -> None:
        errors = [line for line in lines if line.startswith("ERROR")] or [*lines[-1:], "no reason"]
        super().__init__(errors[0].strip())
        self.no_index = any("(from versions: none)" in line for line in lines)


def run_pip(command: Sequence[str], lock_file: Path, say: Callable[[str], object]) -> None:
    """Run a command of pip for a lock file, and say every ten seconds how far it is; raises `PipError`."""
    total = len(re.findall(r"^\w", lock_file.read_text(), re.MULTILINE))
    quiet = ("--progress-bar", "off", "--disable-pip-version-check", "--no-input")
    lines, fetched = [], 0
    with (
        subprocess.Popen(
            [*command, *quiet, "--require-hashes", "--no-deps", "-r", str(lock_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as pip,
        _saying(say) as step,
    ):
        step(f"fetching {total} packages")
        try:
            for line in pip.stdout or ():
                lines.append(line)
                if line.startswith("Collecting "):
                    fetched += 1
                    step(f"fetching {total} packages, {fetched} so far")
                elif line.startswith("Installing collected "):
                    step(f"unpacking {total} packages")
            pip.wait()
        finally:
            pip.kill()
    if pip.returncode != 0:
        raise PipError(lines)


def name_environment(lock_digest: str) -> str:
    """The name of its folder: another interpreter, or another version of it, has another one."""
    interpreter = hashlib.sha256(f"{sys.executable} {sys.version}".encode()).hexdigest()
    return f"python-{lock_digest}-{interpreter[:16]}"


def main(lock_digest: str, code_digest: str, size: str) -> None:
    """Make what is missing, and print where it is, or what is wrong."""
    archive = sys.stdin.buffer.read(int(size))
    threading.Thread(target=_end_with_input, daemon=True).start()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asgi-harness" / "hosts"
    code, environment = cache / f"code-{code_digest}", cache / name_environment(lock_digest)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / "lock"):
            if not ((environment / _COMPLETE).exists() and code.exists()):
                tags = _install(archive, code, environment)
                if tags is not None:
                    _print(tags=tags)
                    return
                _remove_unused(cache)
            for used in (code, environment):
                os.utime(used)
    except InstallError as error:
        _print(failed=str(error))
    except OSError as error:
        _print(failed=f"{error.strerror}: {error.filename or cache}")
    else:
        _print(python=str(_python_of(environment)), code=str(code))


def _install(archive: bytes, code: Path, environment: Path) -> object:
    """Unpack the archive, and make the environment if there is none; returns tags if no index is reached."""
    incoming = code.with_name("incoming")
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(incoming)  # noqa: S202 - it comes from the harness
        if not (environment / _COMPLETE).exists():
            try:
                _make(environment, incoming)
            except PipError as error:
                if error.no_index and not (incoming / WHEELS).exists():
                    return json.loads(subprocess.check_output([_python_of(environment), "-c", _READ_TAGS]))
                raise
        shutil.rmtree(incoming / WHEELS, ignore_errors=True)
        if not code.exists():
            incoming.rename(code)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
        if not (environment / _COMPLETE).exists():
            shutil.rmtree(environment, ignore_errors=True)
    return None


def _make(environment: Path, incoming: Path) -> None:
    """Make the environment from what came in, and from an index if no packages did; raises `InstallError`."""
    if any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
        found = f"{sys.executable} without venv or ensurepip"
        raise InstallError(f"{found}; install them over there (Debian, Ubuntu: apt install python3-venv)")
    free = shutil.disk_usage(environment.parent).free
    if free < _ROOM_BYTES:
        found = f"{free / 1e9:.1f} GB free at {environment.parent}, which needs {_ROOM_BYTES / 1e9:g}"
        raise InstallError(f"{found}; make room there, or set XDG_CACHE_HOME over there")
    import venv  # noqa: PLC0415 - it may be missing

    shutil.rmtree(environment, ignore_errors=True)
    try:
        with _saying(_print_step) as step:
            step("making an environment")
            venv.create(environment, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:
        said = (error.output or b"").decode(errors="replace").split("\n")
        raise InstallError(next((line.strip() for line in reversed(said) if line.strip()), str(error))) from None
    wheels = incoming / WHEELS
    brought = ("--no-index", "--find-links", str(wheels)) if wheels.exists() else ()
    pip = (str(_python_of(environment)), "-m", "pip", "install", *brought)
    run_pip(pip, incoming / LOCK_FILE, _print_step)
    (environment / _COMPLETE).touch()


def _remove_unused(cache: Path) -> None:
    for each in [*cache.glob("code-*"), *cache.glob("python-*")]:
        if time.time() - each.stat().st_mtime > _UNUSED_S:
            shutil.rmtree(each, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Have the cache alone; say so while another installation has it."""
    with path.open("w") as file:
        with _saying(_print_step) as step:
            step("waiting for another installation")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _saying(say: Callable[[str], object]) -> Iterator[Callable[[str], None]]:
    """Say every ten seconds what goes on; the block is given the function that changes it."""
    began_s, now, ended = time.monotonic(), [""], threading.Event()

    def change(text: str) -> None:
        now[0] = text

    def tell() -> None:
        while not ended.wait(_STEP_S):
            say(f"{now[0]} ({time.monotonic() - began_s:.0f} s)")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield change
    finally:
        ended.set()
        thread.join()


def _end_with_input() -> None:
    """End pip too when the harness has ended, or the connection."""
    while os.read(0, 1 << 16):
        pass
    os.killpg(0, signal.SIGKILL)


def _python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def _print_step(step: str) -> None:
    _print(step=step)


def _print(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
