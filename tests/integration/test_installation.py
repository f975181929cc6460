"""An environment on another machine, made by a file that runs there with nothing but Python."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.hosts import bootstrap, installation
from harness.hosts.remote_host import Destination
from harness.model.errors import UsageError

pytestmark = pytest.mark.long
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
WITHIN_S = 60.0


@dataclass(frozen=True)
class Nearby(Destination):
    """A machine that is reached without ssh; its pip is configured by variables alone."""

    variables: tuple[str, ...] = ()

    def ssh(self, *command: str) -> tuple[str, ...]:
        return (
            "env",
            "--ignore-environment",
            f"PATH={os.defpath}",
            "PIP_CONFIG_FILE=/dev/null",
            *self.variables,
            *command,
        )


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A distribution with one module."""
    path = tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("tiny.py", "size = 1\n")
        files.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        files.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files.writestr("tiny-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def lock_file(wheel: Path, tmp_path: Path) -> Path:
    """Names it by its version and digest."""
    path = tmp_path / "requirements-all.lock"
    path.write_text(f"tiny==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return path


def machine(folder: Path, *variables: str) -> Nearby:
    return Nearby("ssh://nearby", "nearby", (f"XDG_CACHE_HOME={folder}", *variables))


def run(command: tuple[str, ...], text: str) -> str:
    """What Python prints over there."""
    return subprocess.run([*command, "-c", text], capture_output=True, text=True, check=True).stdout.strip()


def test_it_holds_what_the_lock_file_names_and_is_made_once(wheel: Path, lock_file: Path, tmp_path: Path) -> None:
    there = machine(tmp_path / "cache", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheel.parent}")
    command = installation.install(there, sys.executable, print, lock_file)
    assert run(command, "import tiny, harness; print(tiny.size, harness.__file__)").startswith("1 ")
    made = Path(command[-1]).parent.stat().st_ino
    wheel.unlink()
    assert installation.install(there, sys.executable, print, lock_file) == command
    assert Path(command[-1]).parent.stat().st_ino == made


def test_packages_are_fetched_here_where_no_index_is_reached_there(
    wheel: Path, lock_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    said: list[str] = []
    there = machine(tmp_path / "cache", "PIP_NO_INDEX=1")
    command = installation.install(there, sys.executable, said.append, lock_file)
    assert run(command, "import tiny; print(tiny.size)") == "1"
    assert "Installing on nearby: no index of packages is reached there, so they are fetched here and sent" in said
    assert not list((tmp_path / "cache").rglob("*.whl"))


def test_where_no_index_is_reached_at_all_both_sides_are_named(
    lock_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UsageError, match=r"pip reaches on nearby or here, found here: ERROR: .*tiny==1\.0"):
        installation.install(machine(tmp_path / "cache", "PIP_NO_INDEX=1"), sys.executable, print, lock_file)
    assert not list((tmp_path / "cache").rglob("bin"))


def test_a_package_that_is_not_the_one_of_the_lock_file_is_refused(
    wheel: Path, lock_file: Path, tmp_path: Path
) -> None:
    lock_file.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    there = machine(tmp_path / "cache", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheel.parent}")
    with pytest.raises(UsageError, match="DO NOT MATCH THE HASHES") as told:
        installation.install(there, sys.executable, print, lock_file)
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "cache").rglob("bin"))


def test_an_interpreter_that_is_too_old_or_missing_is_told(lock_file: Path, tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = (3, 6); $@"\n')
    old.chmod(0o755)
    with pytest.raises(UsageError, match=r"which is older than 3\.11; --server-python names"):
        installation.install(machine(tmp_path / "cache"), str(old), print, lock_file)
    with pytest.raises(UsageError, match=r"/nowhere/python.*; --server-python names"):
        installation.install(machine(tmp_path / "cache"), "/nowhere/python", print, lock_file)


def test_an_installation_ends_with_its_input(lock_file: Path, tmp_path: Path) -> None:
    """Pip waits for an index that never answers; another installation then goes on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"PIP_INDEX_URL=http://127.0.0.1:{silent.getsockname()[1]}/simple"
        there = machine(tmp_path / "cache", index)
        archive = installation._pack({bootstrap.LOCK_FILE: lock_file})
        command = (sys.executable, "-c", Path(bootstrap.__file__).read_text(), "1", "2", str(len(archive)))
        with subprocess.Popen(
            there.ssh(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(archive)
            process.stdin.flush()
            silent.settimeout(WITHIN_S)
            asked, _ = silent.accept()  # by pip
            process.stdin.close()
            assert process.wait(WITHIN_S) != 0
            asked.settimeout(WITHIN_S)
            while asked.recv(1 << 16):  # until the socket of pip, which has been killed too, is closed
                pass
            said = [json.loads(line) for line in process.stdout]
            assert all("step" in line for line in said)


def test_room_is_made_sure_of_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_ROOM_BYTES", 1 << 60)
    with pytest.raises(bootstrap.InstallError, match=r"GB free at .* make room there, or set XDG_CACHE_HOME"):
        bootstrap._make(tmp_path / "environment", tmp_path)
    assert not (tmp_path / "environment").exists()
