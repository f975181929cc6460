"""A file is written whole or not at all, and reading never waits."""

from __future__ import annotations

import os
import resource
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from harness.host import files
from harness.model.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """No file may grow beyond this size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_be_written_leaves_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    files.replace_file(path, b"before")
    with room_for(100), pytest.raises(StorageError, match=r"\Aexpected to write .*/run\.json, found File too large\Z"):
        files.replace_file(path, b"x" * 1000)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    files.replace_file(path, b"after")
    assert path.read_bytes() == b"after"


def test_a_folder_that_was_removed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "trials.jsonl"
    for write in (files.replace_file, files.append_line):
        with pytest.raises(StorageError, match=r"/gone/trials\.jsonl, found its folder removed\Z"):
            write(path, b"{}")


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_file_is_as_private_as_its_folder(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    files.replace_file(tmp_path / "a", b"")
    files.append_line(tmp_path / "b", b"")
    expected = {0o700: 0o600, 0o755: 0o644}[mode]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {expected}


def test_a_pipe_a_folder_and_a_loop_of_links_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name, found in (
        ("pipe", "a file, found something else"),
        ("folder", "a readable file, found that Is a directory"),
        ("endless", "a file, found something else"),
        ("loop", "a readable file, found that Too many levels of symbolic links"),
    ):
        with pytest.raises(UsageError, match=rf"/{name}: expected {found}\Z"):
            files.read_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        files.read_file(tmp_path / "none")


def test_a_file_larger_than_any_of_a_run_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(files.READ_BYTES + 1)
    with pytest.raises(UsageError, match=r"expected at most 2,000,000,000 bytes, found 2,000,000,001\Z"):
        files.read_file(tmp_path / "sparse")


def test_a_new_folder_has_a_number_if_its_name_is_taken(tmp_path: Path) -> None:
    made = [
        files.make_new_folder(tmp_path / "results" / "now-drill", private=private) for private in (False, True, True)
    ]
    assert [each.name for each in made] == ["now-drill", "now-drill-2", "now-drill-3"]
    assert stat.S_IMODE(made[1].stat().st_mode) == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="exists"):
        files.make_new_folder(tmp_path / "file" / "now-drill")
