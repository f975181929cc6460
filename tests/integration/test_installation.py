"""An environment on another machine, made by a file that runs there with nothing but Python."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from harness.hosts import bootstrap

pytestmark = pytest.mark.long
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A distribution with one module."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("tiny.py", "size = 1\n")
        files.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        files.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files.writestr("tiny-1.0.dist-info/RECORD", "")
    return path


def install(lock: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the file as ssh does, with an archive that holds this lock file and one module."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in (("requirements-all.lock", lock), ("code.py", "size = 2\n")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return subprocess.run(
        [sys.executable, "-c", Path(bootstrap.__file__).read_text(), "1", "2"],
        input=packed.getvalue(),
        env={"XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        check=False,
    )


def test_it_holds_what_the_lock_file_names_and_is_made_once(wheel: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    done = install(f"{wheel.as_uri()} --hash=sha256:{digest}\n", tmp_path)
    assert done.returncode == 0, done.stderr
    python, code = done.stdout.decode().splitlines()
    asked = [python, "-c", "import tiny, code; print(tiny.size, code.size)"]
    found = subprocess.run(asked, env={"PYTHONPATH": code}, capture_output=True, text=True, check=True)
    assert found.stdout == "1 2\n"
    made = Path(python).parent.stat().st_ino
    assert install("nothing", tmp_path).stdout == done.stdout
    assert Path(python).parent.stat().st_ino == made


def test_a_package_that_is_not_the_one_of_the_lock_file_is_refused(wheel: Path, tmp_path: Path) -> None:
    done = install(f"{wheel.as_uri()} --hash=sha256:{'0' * 64}\n", tmp_path)
    assert done.returncode == 1
    assert b"DO NOT MATCH THE HASHES" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not list(tmp_path.glob("asgi-harness/hosts/python-1/complete"))
