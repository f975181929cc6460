"""Makes an environment for the harness on a machine that has only Python, which runs this file's text.

Usage: python -c TEXT DIGEST_OF_LOCK DIGEST_OF_CODE <ARCHIVE

The archive, a tar file, holds the harness and its lock file. Prints the interpreter of the environment and the folder
of the code; what is there already is used.
"""

import fcntl
import io
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

_LEAST = (3, 11)
_LOCK_FILE = "requirements-all.lock"


def main(lock_digest: str, code_digest: str) -> str:
    """Make what is missing; returns what went wrong, or nothing."""
    if sys.version_info < _LEAST:
        return f"Python {sys.version.split()[0]} ({sys.executable}), which is older than 3.11"
    archive = sys.stdin.buffer.read()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asgi-harness" / "hosts"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, environment = cache / f"code-{code_digest}", cache / f"python-{lock_digest}"
        if not (code / "complete").exists():
            shutil.rmtree(code, ignore_errors=True)
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(code)  # noqa: S202 - it comes from the harness
            (code / "complete").touch()
        python = environment / "bin" / "python"
        if not (environment / "complete").exists():
            shutil.rmtree(environment, ignore_errors=True)
            venv.create(environment, with_pip=True, symlinks=True)
            pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            wanted = ("--require-hashes", "--no-deps", "-r", _LOCK_FILE)
            done = subprocess.run([*pip, *wanted], cwd=code, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                lines = (done.stderr or done.stdout).splitlines() or ["no reason"]
                errors = [line for line in lines if line.startswith("ERROR")] or lines
                return errors[0].strip()
            (environment / "complete").touch()
    print(python)
    print(code)
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
